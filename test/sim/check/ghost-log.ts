/**
 * The ghost record: every entry that any leader ever broadcast, and the one committed log. Fed by the
 * proposals on the links and by what servers claim to be committed. Integrity, agreement and the log's shape are
 * judged as it grows.
 */

import { type Zxid, zeroZxid } from "../../../src/model/zxid.ts";
import type { LogEntry, ProposalMessage } from "../../../src/zab/message.ts";
import { Agreement } from "./agreement.ts";
import { Integrity } from "./integrity.ts";
import { LogShape } from "./log-shape.ts";

export interface GhostEntry {
  readonly zxid: Zxid;
  readonly prev: Zxid;
  readonly payload: Uint8Array;
  /** True time of the first broadcast, and by whom. */
  readonly at: number;
  readonly by: number;
  /** Index in the committed log; −1 until committed. */
  index: number;
  committedAt: number;
}

export class GhostLog {
  readonly integrity = new Integrity();
  readonly agreement = new Agreement();
  readonly shape = new LogShape();
  readonly entries = new Map<Zxid, GhostEntry>();
  readonly committed: GhostEntry[] = [];
  /** Called for each entry as it becomes committed, in order. */
  readonly listeners: ((entry: GhostEntry) => void)[] = [];
  /** Called for each entry when it is first broadcast. */
  readonly broadcast: ((entry: GhostEntry) => void)[] = [];
  /** Reads a server's own log, for what was committed without a broadcast (an ensemble of one). */
  readLog: (server: number) => ProposalMessage | undefined = () => undefined;
  /** The last entry that an established leader has called committed. */
  tip: Zxid = zeroZxid;

  onProposal(message: ProposalMessage, by: number, at: number): void {
    let prev = message.prev;
    for (const entry of message.entries) {
      this.#record(entry, prev, by, at);
      prev = entry.zxid;
    }
  }

  #record(entry: LogEntry, prev: Zxid, by: number, at: number): void {
    const known = this.entries.get(entry.zxid);
    if (known !== undefined) return this.integrity.onAgain(known, entry, prev);
    this.shape.onBroadcast(prev, entry.zxid);
    const made = { zxid: entry.zxid, prev, payload: entry.payload, at, by, index: -1, committedAt: Infinity };
    this.entries.set(entry.zxid, made);
    for (const listener of this.broadcast) listener(made);
  }

  /** A server says that everything up to `zxid` is committed. */
  onCommitted(zxid: Zxid, by: number, at: number): void {
    if (zxid === this.tip || zxid === zeroZxid) return;
    if (zxid < this.tip) return this.agreement.onBelow(this.entries.get(zxid), zxid, this.tip, by);
    this.#extend(zxid, by, at);
  }

  #extend(zxid: Zxid, by: number, at: number): void {
    if (!this.entries.has(zxid)) {
      const own = this.readLog(by);
      if (own !== undefined) this.onProposal(own, by, at);
    }
    const chain: GhostEntry[] = [];
    let cursor = zxid;
    while (cursor > this.tip) {
      const entry = this.entries.get(cursor);
      if (entry === undefined) return this.agreement.onUnknown(cursor, zxid, by);
      chain.push(entry);
      cursor = entry.prev;
    }
    this.agreement.onAbove(cursor, zxid, this.tip, by);
    for (let i = chain.length - 1; i >= 0; i -= 1) this.#commit(chain[i] as GhostEntry, at);
  }

  #commit(entry: GhostEntry, at: number): void {
    entry.index = this.committed.length;
    entry.committedAt = at;
    this.committed.push(entry);
    this.tip = entry.zxid;
    for (const listener of this.listeners) listener(entry);
  }

  /** True when the history that ends at `end` holds everything committed so far; undefined when its entries were never seen. */
  contains(end: Zxid): boolean | undefined {
    let cursor = end;
    while (cursor > this.tip) {
      const entry = this.entries.get(cursor);
      if (entry === undefined) return undefined;
      cursor = entry.prev;
    }
    return cursor === this.tip;
  }

  /** Committed entries with from < zxid ≤ to. */
  *range(from: Zxid, to: Zxid): Iterable<GhostEntry> {
    for (let i = this.#after(from); i < this.committed.length; i += 1) {
      const entry = this.committed[i] as GhostEntry;
      if (entry.zxid > to) return;
      yield entry;
    }
  }

  #after(zxid: Zxid): number {
    let low = 0;
    let high = this.committed.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.committed[middle] as GhostEntry).zxid <= zxid) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
