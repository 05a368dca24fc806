/** The retained log as changes, for streams: only what is applied here, decoded anew from the log's bytes. */

import type { Log } from "../log/log.ts";
import type { Change } from "../model/watch.ts";
import type { Zxid } from "../model/zxid.ts";
import { changesOf } from "../tree/changes.ts";
import type { History, HistoryTxn } from "../watch/stream.ts";
import { decodeTxn } from "../wire/txn-codec.ts";

export class LogHistory implements History {
  readonly #log: () => Log;
  readonly #applied: () => Zxid;

  constructor(log: () => Log, applied: () => Zxid) {
    this.#log = log;
    this.#applied = applied;
  }

  get oldest(): Zxid {
    return this.#log().base;
  }

  get appliedZxid(): Zxid {
    return this.#applied();
  }

  changesAfter(zxid: Zxid, bytesMax: number): readonly HistoryTxn[] | undefined {
    const entries = this.#log().readAfter(zxid, bytesMax);
    if (entries === undefined) return undefined;
    const applied = this.#applied();
    const txns: { zxid: Zxid; changes: readonly Change[] }[] = [];
    for (const entry of entries) {
      if (entry.zxid > applied) break;
      txns.push({ zxid: entry.zxid, changes: changesOf(decodeTxn(entry.payload)) });
    }
    return txns;
  }
}
