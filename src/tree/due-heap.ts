/**
 * Paths by due time: a binary heap that knows where each path is, so that a path has one entry at
 * most and can be moved or removed. Equal times come in the order of their paths.
 */
import { assert, must } from "../model/assert.ts";

interface Entry {
  readonly path: string;
  dueMs: number;
  index: number;
}

export class DueHeap {
  readonly #heap: Entry[] = [];
  readonly #entries = new Map<string, Entry>();

  get size(): number {
    return this.#heap.length;
  }

  /** Adds `path`, or moves it. */
  set(path: string, dueMs: number): void {
    let entry = this.#entries.get(path);
    if (entry === undefined) {
      entry = { path, dueMs, index: this.#heap.length };
      this.#entries.set(path, entry);
      this.#heap.push(entry);
    }
    entry.dueMs = dueMs;
    this.#settle(entry);
  }

  remove(path: string): void {
    const entry = this.#entries.get(path);
    if (entry === undefined) return;
    this.#entries.delete(path);
    const last = must(this.#heap.pop(), "the heap lacks an entry");
    if (last === entry) return;
    this.#place(last, entry.index);
    this.#settle(last);
  }

  /** The first path with a due time of at most `nowMs`. It stays. */
  firstDue(nowMs: number): string | undefined {
    const first = this.#heap[0];
    return first !== undefined && first.dueMs <= nowMs ? first.path : undefined;
  }

  #settle(entry: Entry): void {
    this.#rise(entry);
    this.#sink(entry);
    assert(this.#heap[entry.index] === entry, "the heap lost an entry");
  }

  #rise(entry: Entry): void {
    while (entry.index > 0) {
      const parent = must(this.#heap[(entry.index - 1) >> 1], "the heap has a hole");
      if (!isBefore(entry, parent)) return;
      this.#swap(entry, parent);
    }
  }

  #sink(entry: Entry): void {
    for (;;) {
      const left = this.#heap[entry.index * 2 + 1];
      const right = this.#heap[entry.index * 2 + 2];
      const lesser = left !== undefined && right !== undefined && isBefore(right, left) ? right : left;
      if (lesser === undefined || !isBefore(lesser, entry)) return;
      this.#swap(entry, lesser);
    }
  }

  #swap(left: Entry, right: Entry): void {
    const index = left.index;
    this.#place(left, right.index);
    this.#place(right, index);
  }

  #place(entry: Entry, index: number): void {
    entry.index = index;
    this.#heap[index] = entry;
  }
}

function isBefore(left: Entry, right: Entry): boolean {
  return left.dueMs < right.dueMs || (left.dueMs === right.dueMs && left.path < right.path);
}
