/**
 * A set of paths that is kept in memory and, a small record each, in the store, so that it can be
 * rebuilt at start without reading the whole tree. Records are numbered by a local counter (paths
 * are too long for keys); the numbers are this server's own and need not agree with other replicas.
 */
import { assert, must } from "../model/assert.ts";
import { utf8Decode, utf8Encode } from "../model/bytes.ts";
import type { Store } from "./store.ts";

export class PathRecords {
  readonly #store: Store;
  readonly #prefix: string;
  /** Number of each path's record. */
  readonly #numbers = new Map<string, number>();
  #next = 1;

  constructor(store: Store, prefix: string) {
    this.#store = store;
    this.#prefix = prefix;
    for (const [key, value] of store.records(prefix)) {
      const number = Number.parseInt(key.slice(prefix.length), 36);
      this.#numbers.set(utf8Decode(value, 0, value.length), number);
      this.#next = Math.max(this.#next, number + 1);
    }
  }

  get size(): number {
    return this.#numbers.size;
  }

  paths(): Iterable<string> {
    return this.#numbers.keys();
  }

  add(path: string): void {
    assert(!this.#numbers.has(path), "a path is indexed already");
    const number = this.#next;
    this.#next += 1;
    this.#numbers.set(path, number);
    this.#store.putRecord(this.#prefix + number.toString(36), utf8Encode(path));
  }

  remove(path: string): void {
    const number = must(this.#numbers.get(path), "a path is not indexed");
    this.#numbers.delete(path);
    this.#store.removeRecord(this.#prefix + number.toString(36));
  }
}
