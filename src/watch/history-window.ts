/**
 * The last stretch of history that was read, kept because streams that catch up mostly follow each
 * other over the same txns (all clients of a server that died resume at nearly one zxid). Belongs to
 * `stream-table.ts`; replays for persistent watches have one of their own.
 */
import { assert } from "../model/assert.ts";
import type { Zxid } from "../model/zxid.ts";
import type { History, HistoryTxn } from "./stream.ts";

export class HistoryWindow {
  readonly #history: History;
  /** Holds every txn in (#after, end of #txns]. */
  #after: Zxid | undefined;
  #txns: readonly HistoryTxn[] = [];

  constructor(history: History) {
    this.#history = history;
  }

  /** Some txns after `zxid`, in order and without a gap, at least one if any is applied; undefined: compacted. */
  txnsAfter(zxid: Zxid, bytesMax: number): readonly HistoryTxn[] | undefined {
    const kept = this.#kept(zxid);
    if (kept !== undefined) return kept;
    const txns = this.#history.changesAfter(zxid, bytesMax);
    const first = txns?.[0];
    if (txns === undefined || first === undefined) return txns;
    assert(first.zxid > zxid, "history must begin after the zxid that was asked for");
    this.#after = zxid;
    this.#txns = txns;
    return txns;
  }

  #kept(zxid: Zxid): readonly HistoryTxn[] | undefined {
    if (this.#after === undefined || zxid < this.#after) return undefined;
    const from = firstAfter(this.#txns, zxid);
    if (from === this.#txns.length) return undefined;
    return from === 0 ? this.#txns : this.#txns.slice(from);
  }

  clear(): void {
    this.#after = undefined;
    this.#txns = [];
  }
}

/** Index of the first txn with a zxid above `zxid`. */
function firstAfter(txns: readonly HistoryTxn[], zxid: Zxid): number {
  let low = 0;
  let high = txns.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const txn = txns[middle];
    assert(txn !== undefined, "the middle lies inside");
    if (txn.zxid > zxid) high = middle;
    else low = middle + 1;
  }
  return low;
}
