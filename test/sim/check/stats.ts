/**
 * I-21, the algebra of stats: versions, zxids and counters of children are what the committed txns make them, every txn applies
 * to the tree before it, and the suffix of a sequential node is its parent's count, never used twice.
 */
import { nameOf, parentOf } from "../../../src/model/path.ts";
import type { Zxid } from "../../../src/model/zxid.ts";
import type { Operation } from "../history.ts";
import { describe } from "./describe.ts";
import type { Model } from "./model.ts";
import { Check, Invariant } from "./violation.ts";

export class Stats extends Invariant {
  readonly stat = new Check("Stat algebra");
  readonly effects = new Check("txns apply to the committed tree");
  readonly suffix = new Check("sequence suffixes unique");
  readonly #created = new Set<string>();

  /** A sequential create made `path`; `before`: just before it. */
  onSequential(operation: Operation, model: Model, path: string, before: Zxid): void {
    const parent = model.at(parentOf(path) ?? "/", before);
    const suffix = nameOf(path).slice(-10);
    // A parent that was deleted and made again counts anew.
    const key = `${parent?.czxid ?? 0} ${path}`;
    this.suffix.hold(!this.#created.has(key), () => `${path} was made twice`);
    this.#created.add(key);
    if (parent !== undefined && parentOf(path) !== "/")
      this.suffix.hold(
        Number(suffix) === parent.creates,
        () => `${describe(operation)} got the suffix ${suffix} after ${parent.creates} creates`,
      );
  }
}
