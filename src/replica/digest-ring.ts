/** The tree digests of the last applied zxids, to compare with other servers' at the same zxid. Bounded by `digest_ring_size`. */
import type { Zxid } from "../model/zxid.ts";
import type { Digest } from "../zab/context.ts";

export class DigestRing {
  readonly #zxids: Float64Array;
  readonly #high: Uint32Array;
  readonly #low: Uint32Array;

  constructor(size: number) {
    this.#zxids = new Float64Array(size).fill(-1);
    this.#high = new Uint32Array(size);
    this.#low = new Uint32Array(size);
  }

  record(zxid: Zxid, high: number, low: number): void {
    const slot = zxid % this.#zxids.length;
    this.#zxids[slot] = zxid;
    this.#high[slot] = high;
    this.#low[slot] = low;
  }

  at(zxid: Zxid): Digest | undefined {
    const slot = zxid % this.#zxids.length;
    if (this.#zxids[slot] !== zxid) return undefined;
    return { high: this.#high[slot] ?? 0, low: this.#low[slot] ?? 0 };
  }

  clear(): void {
    this.#zxids.fill(-1);
  }
}
