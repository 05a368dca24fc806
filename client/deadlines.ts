/**
 * Deadlines of calls, in buckets of a few milliseconds, so that adding and removing one is O(1) at any
 * number of calls. Invariant: `nextMs` is never later than the earliest deadline's bucket end (it may
 * be earlier: then a tick finds nothing). Used by `request-table.ts`.
 */
const bucketMs = 8;

export interface Timed {
  readonly deadlineMs: number;
}

export class Deadlines<T extends Timed> {
  readonly #buckets = new Map<number, Set<T>>();
  #earliest = Number.POSITIVE_INFINITY;

  /** When to call `takeDue` next; undefined when there are no deadlines. */
  get nextMs(): number | undefined {
    return this.#buckets.size === 0 ? undefined : (this.#earliest + 1) * bucketMs;
  }

  add(item: T): void {
    const key = Math.floor(item.deadlineMs / bucketMs);
    const bucket = this.#buckets.get(key);
    if (bucket === undefined) this.#buckets.set(key, new Set([item]));
    else bucket.add(item);
    if (key < this.#earliest) this.#earliest = key;
  }

  remove(item: T): void {
    const key = Math.floor(item.deadlineMs / bucketMs);
    const bucket = this.#buckets.get(key);
    if (bucket === undefined) return;
    bucket.delete(item);
    if (bucket.size > 0) return;
    this.#buckets.delete(key);
    if (this.#buckets.size === 0) this.#earliest = Number.POSITIVE_INFINITY;
  }

  /** Removes and returns all that are due: late by up to a bucket, never early. */
  takeDue(nowMs: number): readonly T[] {
    const next = this.nextMs;
    if (next === undefined || next > nowMs) return [];
    const due: T[] = [];
    let earliest = Number.POSITIVE_INFINITY;
    for (const [key, bucket] of this.#buckets) {
      if ((key + 1) * bucketMs <= nowMs) {
        for (const item of bucket) due.push(item);
        this.#buckets.delete(key);
      } else if (key < earliest) earliest = key;
    }
    this.#earliest = earliest;
    return due.sort((a, b) => a.deadlineMs - b.deadlineMs);
  }
}
