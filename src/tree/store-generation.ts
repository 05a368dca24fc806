/**
 * A generation of dirty values: what was put between two freezes. The current one takes puts; frozen
 * ones are being flushed, or kept for images, and never change. Reads ask the newest first; a
 * `removed` entry hides what is below. Names of the touched children are kept a parent, in order, so
 * that a page of children needs no look at the others.
 *
 * Invariant: a name is listed under its parent whenever `nodes` has an entry for its path (it may also
 * be listed without one, after `forget`).
 */
import { assert } from "../model/assert.ts";
import { nameOf, parentOf } from "../model/path.ts";
import type { Znode } from "./store.ts";

/** A value that was removed, as opposed to one of which a generation knows nothing. */
export const removed: unique symbol = Symbol("removed");
export type Removed = typeof removed;

/** What a dirty value costs in the heap beside its data: object, boxed numbers, keys, map entries. */
const nodeOverheadBytes = 512;
const recordOverheadBytes = 192;
const compactAfter = 64;

export class Generation {
  readonly #nodes = new Map<string, Znode | Removed>();
  readonly #records = new Map<string, Uint8Array | Removed>();
  readonly #children = new Map<string, DirtyNames>();
  #bytes = 0;
  #frozen = false;
  /** Images that read it. */
  pins = 0;
  /** Part of a flush that has not been committed. */
  inFlight = false;

  get bytes(): number {
    return this.#bytes;
  }

  get size(): number {
    return this.#nodes.size + this.#records.size;
  }

  get frozen(): boolean {
    return this.#frozen;
  }

  freeze(): void {
    this.#frozen = true;
  }

  /** It takes puts again; legal while no image and no flush reads it. */
  thaw(): void {
    assert(this.pins === 0 && !this.inFlight, "a generation in use must stay frozen");
    this.#frozen = false;
  }

  node(path: string): Znode | Removed | undefined {
    return this.#nodes.get(path);
  }

  record(key: string): Uint8Array | Removed | undefined {
    return this.#records.get(key);
  }

  nodes(): IterableIterator<[string, Znode | Removed]> {
    return this.#nodes.entries();
  }

  records(): IterableIterator<[string, Uint8Array | Removed]> {
    return this.#records.entries();
  }

  /** Names under `parent` that were touched here, in order, perhaps repeated or forgotten; undefined for none. */
  names(parent: string): readonly string[] | undefined {
    const names = this.#children.get(parent);
    return names === undefined || names.size === 0 ? undefined : names.sorted();
  }

  setNode(path: string, node: Znode | Removed): void {
    assert(!this.#frozen, "a frozen generation must not change");
    const before = this.#nodes.get(path);
    this.#nodes.set(path, node);
    this.#bytes += dataBytes(node);
    if (before !== undefined) this.#bytes -= dataBytes(before);
    else {
      this.#bytes += nodeOverheadBytes + path.length;
      this.#list(path);
    }
  }

  /** As though the path had never been touched here. */
  forgetNode(path: string): void {
    assert(!this.#frozen, "a frozen generation must not change");
    const before = this.#nodes.get(path);
    if (before === undefined) return;
    this.#nodes.delete(path);
    this.#bytes -= dataBytes(before) + nodeOverheadBytes + path.length;
    this.#unlist(path);
  }

  setRecord(key: string, value: Uint8Array | Removed): void {
    assert(!this.#frozen, "a frozen generation must not change");
    const before = this.#records.get(key);
    this.#records.set(key, value);
    this.#bytes += value === removed ? 0 : value.length;
    if (before === undefined) this.#bytes += recordOverheadBytes + key.length;
    else if (before !== removed) this.#bytes -= before.length;
  }

  forgetRecord(key: string): void {
    assert(!this.#frozen, "a frozen generation must not change");
    const before = this.#records.get(key);
    if (before === undefined || !this.#records.delete(key)) return;
    this.#bytes -= recordOverheadBytes + key.length + (before === removed ? 0 : before.length);
  }

  /** Takes over what an older generation knows and this one does not. */
  absorbOlder(older: Generation): void {
    for (const [path, node] of older.nodes()) if (!this.#nodes.has(path)) this.setNode(path, node);
    for (const [key, value] of older.records()) if (!this.#records.has(key)) this.setRecord(key, value);
  }

  /** Takes over all that a newer generation knows. */
  absorbNewer(newer: Generation): void {
    for (const [path, node] of newer.nodes()) this.setNode(path, node);
    for (const [key, value] of newer.records()) this.setRecord(key, value);
  }

  #list(path: string): void {
    const parent = parentOf(path);
    if (parent === undefined) return;
    let names = this.#children.get(parent);
    if (names === undefined) {
      names = new DirtyNames();
      this.#children.set(parent, names);
    }
    names.add(nameOf(path));
  }

  #unlist(path: string): void {
    const parent = parentOf(path);
    if (parent === undefined) return;
    const names = this.#children.get(parent);
    if (names === undefined) return;
    names.forgotten += 1;
    if (names.forgotten >= names.size) this.#children.delete(parent);
    else if (names.forgotten > compactAfter && names.forgotten * 2 > names.size) this.#compact(parent, names);
  }

  #compact(parent: string, names: DirtyNames): void {
    const prefix = parent.length === 1 ? "/" : `${parent}/`;
    const kept = new DirtyNames();
    let last = "";
    for (const name of names.sorted()) {
      if (name !== last && this.#nodes.has(prefix + name)) kept.add(name);
      last = name;
    }
    this.#children.set(parent, kept);
  }
}

function dataBytes(node: Znode | Removed): number {
  return node === removed || node.data === undefined ? 0 : node.data.length;
}

/** Names in order. They mostly come in order (sequential nodes), so sorting waits until somebody reads. */
class DirtyNames {
  #sorted: string[] = [];
  #tail: string[] = [];
  /** Names listed whose entry is gone. */
  forgotten = 0;

  get size(): number {
    return this.#sorted.length + this.#tail.length;
  }

  add(name: string): void {
    const sorted = this.#sorted;
    const inOrder = this.#tail.length === 0 && (sorted.length === 0 || (sorted[sorted.length - 1] as string) < name);
    if (inOrder) sorted.push(name);
    else this.#tail.push(name);
  }

  sorted(): readonly string[] {
    if (this.#tail.length > 0) {
      this.#sorted = mergeNames(this.#sorted, this.#tail.sort(inUnitOrder));
      this.#tail = [];
    }
    return this.#sorted;
  }
}

function inUnitOrder(a: string, b: string): number {
  return a < b ? -1 : a === b ? 0 : 1;
}

function mergeNames(left: readonly string[], right: readonly string[]): string[] {
  const merged: string[] = [];
  let at = 0;
  for (const name of right) {
    for (; at < left.length && (left[at] as string) < name; at += 1) merged.push(left[at] as string);
    merged.push(name);
  }
  for (; at < left.length; at += 1) merged.push(left[at] as string);
  return merged;
}
