/**
 * Finds containers that became empty and nodes whose TTL has passed, by cluster time. What exists is
 * indexed (and survives a restart); *when* to look at each is a heap of due times in memory, kept
 * lazily: a node that was written since is put back, one with children leaves the heap until its last
 * child goes. The heap is this server's own; only the leader's proposal of a `reap` has an effect,
 * and that is validated anew at prepare.
 */

import { DueHeap } from "./due-heap.ts";
import { PathRecords } from "./path-records.ts";
import type { Store, Znode } from "./store.ts";

/** Nodes looked at in one call: after a restart all are due once. */
const examinedMax = 10_000;

export class Reaper {
  readonly #store: Store;
  readonly #records: PathRecords;
  readonly #due = new DueHeap();
  readonly #retryMs: number;

  constructor(store: Store, retryMs: number) {
    this.#store = store;
    this.#retryMs = Math.max(1, retryMs);
    this.#records = new PathRecords(store, "reap/");
    for (const path of this.#records.paths()) this.#due.set(path, 0);
  }

  /** Containers and TTL nodes that exist. */
  get size(): number {
    return this.#records.size;
  }

  added(path: string, node: Znode): void {
    this.#records.add(path);
    if (node.kind === "ttl") this.#due.set(path, dueMs(node));
  }

  removed(path: string): void {
    this.#records.remove(path);
    this.#due.remove(path);
  }

  /** The last child of a container or TTL node went. */
  becameEmpty(path: string, node: Znode): void {
    this.#due.set(path, dueMs(node));
  }

  /** Up to `limit` paths that may be reaped at cluster time `stampMs`. They come again after a while unless they were reaped. */
  due(stampMs: number, limit: number): string[] {
    const paths: string[] = [];
    for (let examined = 0; examined < examinedMax && paths.length < limit; examined += 1) {
      const path = this.#due.firstDue(stampMs);
      if (path === undefined) break;
      const node = this.#store.get(path);
      if (node === undefined || !isCandidate(node)) this.#due.remove(path);
      else if (dueMs(node) > stampMs) this.#due.set(path, dueMs(node));
      else {
        paths.push(path);
        this.#due.set(path, stampMs + this.#retryMs);
      }
    }
    return paths;
  }
}

/** A container that never had a child is kept: its first child may be on the way. */
function isCandidate(node: Znode): boolean {
  if (node.numChildren > 0) return false;
  return node.kind === "ttl" || (node.kind === "container" && node.childCreates !== 0);
}

function dueMs(node: Znode): number {
  return node.kind === "ttl" ? node.stampMs + node.ttlMs : 0;
}

export function isReapable(node: Znode, stampMs: number): boolean {
  return isCandidate(node) && dueMs(node) <= stampMs;
}
