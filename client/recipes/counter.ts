/** A counter that many add to: each `add` that resolved counts once. Kept as decimal text, as kazoo's Counter is. Rests on `atomic-value.ts`. */
import type { Client } from "../client.ts";
import type { NodeValue } from "../data.ts";
import { ZabraError } from "../error.ts";
import type { ReadOptions } from "../operations.ts";
import { AtomicValue } from "./atomic-value.ts";
import { requireInteger } from "./check.ts";
import type { WaitOptions } from "./wait.ts";

/** A count that many add to: each `add` that resolved counts once. */
export class Counter {
  readonly #value: AtomicValue;

  /** Throws BAD_ARGUMENTS and CLOSED. The node is made with the first `add`, with its parents. */
  constructor(client: Client, path: string) {
    this.#value = new AtomicValue(client, path);
  }

  get path(): string {
    return this.#value.path;
  }

  /** Resolves to the count; 0 when nothing was added yet. Rejects with BAD_ARGUMENTS when the node holds no number. */
  async get(options: ReadOptions = {}): Promise<number> {
    return countOf(this.path, await this.#value.get(options));
  }

  /**
   * Adds `n`, a whole number, also a negative one. Resolves to the count after it. Rejects with LIMIT when the count would leave ±2⁵³, BAD_ARGUMENTS,
   * and TIMEOUT, ABORTED or SESSION_EXPIRED: with outcome `unknown` it may have been counted.
   */
  async add(n = 1, options: WaitOptions = {}): Promise<number> {
    requireInteger("n", n, Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER);
    let count = 0;
    await this.#value.update((before) => {
      count = countOf(this.path, before) + n;
      if (!Number.isSafeInteger(count)) throw new ZabraError("LIMIT", { path: this.path, detail: "a count is within ±2^53" });
      return String(count);
    }, options);
    return count;
  }
}

function countOf(path: string, value: NodeValue | undefined): number {
  if (value === undefined || value.text === "") return 0;
  const count = Number(value.text);
  if (!Number.isSafeInteger(count))
    throw new ZabraError("BAD_ARGUMENTS", { path, detail: `the node holds no count but "${value.text}"` });
  return count;
}
