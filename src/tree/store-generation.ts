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
import { ValueArena } from "./store-arena.ts";

/** Stands for the address of a value that was removed, as opposed to one of which a generation knows nothing. */
export const removed = -1;
/** Of a value that the generation does not have. */
const nowhere = -2;

/** What an entry costs beside its value: key, map entries, name. */
const nodeOverheadBytes = 160;
const recordOverheadBytes = 96;
const compactAfter = 64;

export class Generation {
  readonly #arena = new ValueArena();
  /** Path or key → address of the value in the arena, or `removed`. */
  readonly #nodes = new Map<string, number>();
  readonly #records = new Map<string, number>();
  readonly #children = new Map<string, DirtyNames>();
  #keyBytes = 0;
  #frozen = false;
  /** Images that read it. */
  pins = 0;
  /** Part of a flush that has not been committed. */
  inFlight = false;

  get bytes(): number {
    return this.#arena.bytes + this.#keyBytes + this.#nodes.size * nodeOverheadBytes + this.#records.size * recordOverheadBytes;
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

  /** Address of a node's value; `removed`; or undefined when nothing is known of it. */
  findNode(path: string): number | undefined {
    return this.#nodes.get(path);
  }

  findRecord(key: string): number | undefined {
    return this.#records.get(key);
  }

  nodeAt(address: number): Znode {
    return this.#arena.znode(address);
  }

  recordAt(address: number): Uint8Array {
    return this.#arena.record(address);
  }

  /** The stored form, checksum included. Of frozen generations only, because it is a view. */
  sealedAt(key: Uint8Array, address: number): Uint8Array {
    assert(this.#frozen, "only what is frozen is flushed");
    return this.#arena.sealed(key, address);
  }

  /** Paths and addresses. */
  nodes(): IterableIterator<[string, number]> {
    return this.#nodes.entries();
  }

  records(): IterableIterator<[string, number]> {
    return this.#records.entries();
  }

  /** Names under `parent` that were touched here, in order, perhaps repeated or forgotten; undefined for none. */
  names(parent: string): readonly string[] | undefined {
    const names = this.#children.get(parent);
    return names === undefined || names.size === 0 ? undefined : names.sorted();
  }

  setNode(path: string, node: Znode): void {
    const before = this.#touchNode(path);
    const address = this.#arena.putZnode(node, before);
    if (address !== before) this.#nodes.set(path, address);
  }

  removeNode(path: string): void {
    const before = this.#touchNode(path);
    if (before >= 0) this.#arena.free(before);
    this.#nodes.set(path, removed);
  }

  /** As though the path had never been touched here. */
  forgetNode(path: string): void {
    assert(!this.#frozen, "a frozen generation must not change");
    const before = this.#nodes.get(path);
    if (before === undefined) return;
    if (before >= 0) this.#arena.free(before);
    this.#nodes.delete(path);
    this.#keyBytes -= path.length;
    this.#unlist(path);
  }

  setRecord(key: string, payload: Uint8Array): void {
    const before = this.#touchRecord(key);
    this.#records.set(key, this.#arena.putRecord(payload, before));
  }

  removeRecord(key: string): void {
    const before = this.#touchRecord(key);
    if (before >= 0) this.#arena.free(before);
    this.#records.set(key, removed);
  }

  forgetRecord(key: string): void {
    assert(!this.#frozen, "a frozen generation must not change");
    const before = this.#records.get(key);
    if (before === undefined) return;
    if (before >= 0) this.#arena.free(before);
    this.#records.delete(key);
    this.#keyBytes -= key.length;
  }

  /** Takes over what an older generation knows and this one does not. */
  absorbOlder(older: Generation): void {
    for (const [path, address] of older.nodes()) if (!this.#nodes.has(path)) this.#copyNode(older, path, address);
    for (const [key, address] of older.records()) if (!this.#records.has(key)) this.#copyRecord(older, key, address);
  }

  /** Takes over all that a newer generation knows. */
  absorbNewer(newer: Generation): void {
    for (const [path, address] of newer.nodes()) this.#copyNode(newer, path, address);
    for (const [key, address] of newer.records()) this.#copyRecord(newer, key, address);
  }

  #copyNode(from: Generation, path: string, address: number): void {
    if (address === removed) this.removeNode(path);
    else this.#nodes.set(path, this.#arena.putCopy(from.#arena, address, this.#touchNode(path)));
  }

  #copyRecord(from: Generation, key: string, address: number): void {
    if (address === removed) this.removeRecord(key);
    else this.#records.set(key, this.#arena.putCopy(from.#arena, address, this.#touchRecord(key)));
  }

  /** Where the value was before a change; negative when there was none. */
  #touchNode(path: string): number {
    assert(!this.#frozen, "a frozen generation must not change");
    const before = this.#nodes.get(path);
    if (before !== undefined) return before;
    this.#keyBytes += path.length;
    this.#list(path);
    return nowhere;
  }

  #touchRecord(key: string): number {
    assert(!this.#frozen, "a frozen generation must not change");
    const before = this.#records.get(key);
    if (before === undefined) this.#keyBytes += key.length;
    return before ?? nowhere;
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
