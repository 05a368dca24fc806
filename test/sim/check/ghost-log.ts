/**
 * The ghost record: every entry that any leader ever broadcast, and the one committed log. Fed by the
 * proposals on the links and by what servers claim to be committed. Holds agreement, integrity, total
 * order and density in their strongest form: a zxid has one payload and one predecessor, ever, and all
 * that is called committed anywhere lies on one chain.
 */

import { follows, formatZxid, type Zxid, zeroZxid } from "../../../src/model/zxid.ts";
import type { LogEntry, ProposalMessage } from "../../../src/zab/message.ts";
import { Check } from "./violation.ts";

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
  readonly integrity = new Check("one payload and one predecessor a zxid");
  readonly density = new Check("log density");
  readonly agreement = new Check("committed logs are one chain");
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
    if (known !== undefined) {
      this.integrity.hold(
        known.prev === prev,
        () => `${formatZxid(entry.zxid)} follows ${formatZxid(known.prev)} and ${formatZxid(prev)}`,
      );
      this.integrity.hold(
        known.payload === entry.payload || sameBytes(known.payload, entry.payload),
        () => `${formatZxid(entry.zxid)} has two payloads`,
      );
      return;
    }
    this.density.hold(follows(prev, entry.zxid), () => `${formatZxid(entry.zxid)} after ${formatZxid(prev)}`);
    const made = { zxid: entry.zxid, prev, payload: entry.payload, at, by, index: -1, committedAt: Infinity };
    this.entries.set(entry.zxid, made);
    for (const listener of this.broadcast) listener(made);
  }

  /** A server says that everything up to `zxid` is committed. */
  onCommitted(zxid: Zxid, by: number, at: number): void {
    if (zxid === this.tip || zxid === zeroZxid) return;
    if (zxid < this.tip) {
      const entry = this.entries.get(zxid);
      this.agreement.hold(
        entry !== undefined && entry.index >= 0,
        () =>
          `server ${by} calls ${formatZxid(zxid)} committed, the committed log up to ${formatZxid(this.tip)} has no such entry`,
      );
      return;
    }
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
      if (entry === undefined)
        return this.agreement.fail(
          `server ${by} calls ${formatZxid(zxid)} committed, but ${formatZxid(cursor)} was never broadcast`,
        );
      chain.push(entry);
      cursor = entry.prev;
    }
    this.agreement.hold(
      cursor === this.tip,
      () =>
        `server ${by} calls ${formatZxid(zxid)} committed: its log passes ${formatZxid(cursor)}, the committed log ${formatZxid(this.tip)}`,
    );
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

export function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && Buffer.compare(a, b) === 0;
}
