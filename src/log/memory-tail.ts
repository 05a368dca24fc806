/**
 * The newest entries, in memory: what learners that keep up, streams and late readers ask for. Bounded in
 * bytes, but an entry that is not yet durable always stays, because it can be read nowhere else.
 * Invariant: holds exactly the log's entries after `prev`.
 */
import { must } from "../model/assert.ts";
import type { Zxid } from "../model/zxid.ts";
import type { LogEntry } from "./entry.ts";

/** What an entry costs beside its payload, about. */
const entryOverheadBytes = 100;

export class MemoryTail {
  #entries: LogEntry[] = [];
  /** Entries before this index were evicted; the array is compacted now and then. */
  #head = 0;
  #bytes = 0;
  #prev: Zxid;

  constructor(prev: Zxid) {
    this.#prev = prev;
  }

  /** The last zxid that is not in memory. */
  get prev(): Zxid {
    return this.#prev;
  }

  push(zxid: Zxid, payload: Uint8Array): void {
    this.#entries.push({ zxid, payload });
    this.#bytes += payload.length + entryOverheadBytes;
  }

  /** Drops the oldest entries while there are more than `bytesMax`, none after `durable`. */
  evict(durable: Zxid, bytesMax: number): void {
    while (this.#bytes > bytesMax) {
      const entry = this.#entries[this.#head];
      if (entry === undefined || entry.zxid > durable) break;
      this.#bytes -= entry.payload.length + entryOverheadBytes;
      this.#prev = entry.zxid;
      this.#head += 1;
    }
    if (this.#head > 1024 && this.#head * 2 > this.#entries.length) {
      this.#entries = this.#entries.slice(this.#head);
      this.#head = 0;
    }
  }

  truncate(to: Zxid): void {
    while (this.#entries.length > this.#head) {
      const entry = must(this.#entries.at(-1), "an entry");
      if (entry.zxid <= to) break;
      this.#bytes -= entry.payload.length + entryOverheadBytes;
      this.#entries.pop();
    }
    if (to < this.#prev) this.#prev = to;
  }

  /** Entries after `after` (not below `prev`): one if there is any, then up to `bytesMax` of payload. */
  readAfter(after: Zxid, bytesMax: number): LogEntry[] {
    const start = this.#firstAfter(after);
    let end = start;
    let bytes = 0;
    for (; end < this.#entries.length; end += 1) {
      bytes += must(this.#entries[end], "an entry").payload.length;
      if (bytes > bytesMax && end > start) break;
    }
    return this.#entries.slice(start, end);
  }

  #firstAfter(after: Zxid): number {
    let low = this.#head;
    let high = this.#entries.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (must(this.#entries[middle], "an entry").zxid <= after) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
