/**
 * The leader's deadlines of sessions: volatile, on its monotonic clock. Deadlines are rounded *up*
 * to whole buckets, so touching is O(1) and nobody expires early. A session stays here, expired or
 * not, until it is touched again or removed: whoever cannot propose its end now asks again later.
 */
import type { SessionId } from "../model/zxid.ts";

export class ExpiryQueue {
  readonly #bucketMs: number;
  /** Bucket b holds sessions whose deadline is b · bucketMs. */
  readonly #buckets = new Map<number, Set<SessionId>>();
  readonly #bucketOf = new Map<SessionId, number>();
  /** No bucket below this one has sessions. */
  #first = 0;
  /** Time that counts for nobody. */
  #putOffMs = 0;

  constructor(bucketMs: number) {
    this.#bucketMs = bucketMs;
  }

  get size(): number {
    return this.#bucketOf.size;
  }

  /** All deadlines, by so much. */
  putOff(ms: number): void {
    this.#putOffMs += ms;
  }

  /** The session lives until `nowMs + timeoutMs` at least. A touch never brings a deadline forward. */
  touch(session: SessionId, timeoutMs: number, nowMs: number): void {
    const bucket = Math.ceil((nowMs - this.#putOffMs + timeoutMs) / this.#bucketMs);
    const before = this.#bucketOf.get(session);
    if (before !== undefined && before >= bucket) return;
    if (before !== undefined) this.#take(session, before);
    this.#bucketOf.set(session, bucket);
    const sessions = this.#buckets.get(bucket);
    if (sessions === undefined) this.#buckets.set(bucket, new Set([session]));
    else sessions.add(session);
    if (bucket < this.#first || this.#bucketOf.size === 1) this.#first = bucket;
  }

  /** Up to `limit` sessions whose deadline has passed, the longest expired first. */
  expired(nowMs: number, limit: number): SessionId[] {
    const found: SessionId[] = [];
    if (this.#bucketOf.size === 0) return found;
    const last = Math.floor((nowMs - this.#putOffMs) / this.#bucketMs);
    for (let bucket = this.#first; bucket <= last && found.length < limit; bucket += 1) {
      const sessions = this.#buckets.get(bucket);
      if (sessions === undefined) {
        if (bucket === this.#first) this.#first += 1;
        continue;
      }
      for (const session of sessions) {
        if (found.length >= limit) break;
        found.push(session);
      }
    }
    return found;
  }

  remove(session: SessionId): void {
    const bucket = this.#bucketOf.get(session);
    if (bucket === undefined) return;
    this.#bucketOf.delete(session);
    this.#take(session, bucket);
  }

  clear(): void {
    this.#buckets.clear();
    this.#bucketOf.clear();
    this.#first = 0;
  }

  #take(session: SessionId, bucket: number): void {
    const sessions = this.#buckets.get(bucket);
    sessions?.delete(session);
    if (sessions?.size === 0) this.#buckets.delete(bucket);
  }
}
