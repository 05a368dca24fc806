/** What the tests of watches and streams share: a repeatable random source and short makers. */
import type { Change, ChangeType } from "../../src/model/watch.ts";
import type { Zxid } from "../../src/model/zxid.ts";

/** mulberry32: small, seeded, good enough to choose test cases. */
export class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  below(bound: number): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let x = Math.imul(this.#state ^ (this.#state >>> 15), this.#state | 1);
    x ^= x + Math.imul(x ^ (x >>> 7), x | 61);
    return ((x ^ (x >>> 14)) >>> 0) % bound;
  }

  chance(part: number): boolean {
    return this.below(1_000) < part * 1_000;
  }

  pick<T>(items: readonly T[]): T {
    const item = items[this.below(items.length)];
    if (item === undefined) throw new Error("nothing to pick from");
    return item;
  }
}

export function zx(value: number): Zxid {
  return value as Zxid;
}

export function change(type: ChangeType, path: string, zxid: number, acl = 1): Change {
  return { type, path, zxid: zx(zxid), acl, stat: undefined, data: undefined };
}
