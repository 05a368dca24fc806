/**
 * Reads through layers: dirty generations, newest first, over a view of the KeyValue. The live store
 * and its images differ only in which layers and which view they hold.
 */
import { joinPath } from "../model/path.ts";
import type { KeyValueView } from "./key-value.ts";
import type { Znode } from "./store.ts";
import { type Generation, removed } from "./store-generation.ts";
import {
  childrenEnd,
  childrenStart,
  nameAt,
  nameStart,
  nextKey,
  nodeKey,
  recordKey,
  recordName,
  recordsEnd,
  recordsStart,
} from "./store-keys.ts";
import { decodeRecord, decodeZnode } from "./znode-codec.ts";

/** A driver may offer keys without their values: children need no more. */
export interface KeyRangeView extends KeyValueView {
  keys?(start: Uint8Array, end: Uint8Array, limit: number): Uint8Array[];
}

export type Layers = readonly Generation[];

const namesPerPage = 2_048;
const recordsPerPage = 256;

/** What the layers know of a value, newest first: that it is there, that it was removed, or nothing. */
export type Knowledge = "present" | "removed" | undefined;

export function knowNode(layers: Layers, path: string, from = 0): Knowledge {
  for (let i = from; i < layers.length; i += 1) {
    const address = (layers[i] as Generation).findNode(path);
    if (address !== undefined) return address === removed ? "removed" : "present";
  }
  return undefined;
}

export function knowRecord(layers: Layers, key: string, from = 0): Knowledge {
  for (let i = from; i < layers.length; i += 1) {
    const address = (layers[i] as Generation).findRecord(key);
    if (address !== undefined) return address === removed ? "removed" : "present";
  }
  return undefined;
}

/** A node through the layers, then the view. */
export function readNode(layers: Layers, view: KeyValueView, path: string): Znode | undefined {
  for (let i = 0; i < layers.length; i += 1) {
    const layer = layers[i] as Generation;
    const address = layer.findNode(path);
    if (address !== undefined) return address === removed ? undefined : layer.nodeAt(address);
  }
  return storedNode(view, path);
}

export function readRecord(layers: Layers, view: KeyValueView, key: string): Uint8Array | undefined {
  for (let i = 0; i < layers.length; i += 1) {
    const layer = layers[i] as Generation;
    const address = layer.findRecord(key);
    if (address !== undefined) return address === removed ? undefined : layer.recordAt(address);
  }
  return storedRecord(view, key);
}

function storedNode(view: KeyValueView, path: string): Znode | undefined {
  const key = nodeKey(path);
  const value = view.get(key);
  return value === undefined ? undefined : decodeZnode(key, value);
}

function storedRecord(view: KeyValueView, name: string): Uint8Array | undefined {
  const key = recordKey(name);
  const value = view.get(key);
  return value === undefined ? undefined : decodeRecord(key, value);
}

/** Names of children after `after`, at most `limit`, in order: a merge of what is stored and what is dirty. */
export function readChildren(layers: Layers, view: KeyRangeView, parent: string, after: string, limit: number): string[] {
  const stored = new StoredNames(view, parent, after, limit);
  const dirty = new TouchedNames(layers, parent, after);
  const names: string[] = [];
  while (names.length < limit) {
    const touched = dirty.head;
    const below = stored.head;
    if (touched === undefined && below === undefined) break;
    if (touched === undefined || (below !== undefined && below < touched)) {
      names.push(below as string);
      stored.next();
      continue;
    }
    const known = knowNode(layers, joinPath(parent, touched));
    if (known === undefined ? below === touched : known === "present") names.push(touched);
    if (below === touched) stored.next();
    dirty.next();
  }
  return names;
}

/** Names from the KeyValue, read a page at a time. */
class StoredNames {
  readonly #view: KeyRangeView;
  readonly #end: Uint8Array;
  readonly #nameStart: number;
  readonly #pageSize: number;
  #page: readonly Uint8Array[];
  #at = 0;
  head: string | undefined;

  constructor(view: KeyRangeView, parent: string, after: string, limit: number) {
    this.#view = view;
    this.#end = childrenEnd(parent);
    this.#nameStart = nameStart(parent);
    this.#pageSize = Math.min(limit + 1, namesPerPage);
    this.#page = readKeys(view, childrenStart(parent, after), this.#end, this.#pageSize);
    this.#decode();
  }

  next(): void {
    this.#at += 1;
    if (this.#at === this.#page.length && this.#at === this.#pageSize) this.#turnPage();
    this.#decode();
  }

  #turnPage(): void {
    const last = this.#page[this.#at - 1] as Uint8Array;
    this.#page = readKeys(this.#view, nextKey(last), this.#end, this.#pageSize);
    this.#at = 0;
  }

  #decode(): void {
    const key = this.#page[this.#at];
    this.head = key === undefined ? undefined : nameAt(key, this.#nameStart);
  }
}

function readKeys(view: KeyRangeView, start: Uint8Array, end: Uint8Array, limit: number): readonly Uint8Array[] {
  if (view.keys !== undefined) return view.keys(start, end, limit);
  return view.range(start, end, limit).map(keyOfPair);
}

function keyOfPair(pair: readonly [key: Uint8Array, value: Uint8Array]): Uint8Array {
  return pair[0];
}

/** Names touched in any of the layers, each once. */
class TouchedNames {
  readonly #lists: (readonly string[])[] = [];
  readonly #at: number[] = [];
  head: string | undefined;

  constructor(layers: Layers, parent: string, after: string) {
    for (const layer of layers) {
      const names = layer.names(parent);
      if (names === undefined) continue;
      this.#lists.push(names);
      this.#at.push(firstAfter(names, after));
    }
    this.#least();
  }

  next(): void {
    for (let i = 0; i < this.#lists.length; i += 1) {
      const names = this.#lists[i] as readonly string[];
      let at = this.#at[i] as number;
      while (names[at] === this.head) at += 1;
      this.#at[i] = at;
    }
    this.#least();
  }

  #least(): void {
    let least: string | undefined;
    for (let i = 0; i < this.#lists.length; i += 1) {
      const name = (this.#lists[i] as readonly string[])[this.#at[i] as number];
      if (name !== undefined && (least === undefined || name < least)) least = name;
    }
    this.head = least;
  }
}

/** Index of the first name greater than `after`. */
function firstAfter(names: readonly string[], after: string): number {
  let low = 0;
  let high = names.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((names[middle] as string) > after) high = middle;
    else low = middle + 1;
  }
  return low;
}

/** All records whose key starts with `prefix`, in order. */
export function* readRecords(
  layers: Layers,
  view: KeyValueView,
  prefix: string,
): IterableIterator<readonly [key: string, value: Uint8Array]> {
  const dirty = touchedRecords(layers, prefix);
  let at = 0;
  for (const [key, value] of storedRecords(view, prefix)) {
    for (; at < dirty.length && (dirty[at] as string) < key; at += 1) yield* present(layers, view, dirty[at] as string);
    if (dirty[at] === key) {
      yield* present(layers, view, key);
      at += 1;
    } else yield [key, value];
  }
  for (; at < dirty.length; at += 1) yield* present(layers, view, dirty[at] as string);
}

function* present(layers: Layers, view: KeyValueView, key: string): IterableIterator<readonly [key: string, value: Uint8Array]> {
  const value = readRecord(layers, view, key);
  if (value !== undefined) yield [key, value];
}

function touchedRecords(layers: Layers, prefix: string): readonly string[] {
  const keys = new Set<string>();
  for (const layer of layers) {
    for (const [key] of layer.records()) if (key.startsWith(prefix)) keys.add(key);
  }
  return [...keys].sort();
}

function* storedRecords(view: KeyValueView, prefix: string): IterableIterator<readonly [key: string, value: Uint8Array]> {
  const end = recordsEnd(prefix);
  let start = recordsStart(prefix);
  for (;;) {
    const page = view.range(start, end, recordsPerPage);
    for (const [key, value] of page) yield [recordName(key), decodeRecord(key, value)];
    const last = page[page.length - 1];
    if (last === undefined || page.length < recordsPerPage) return;
    start = nextKey(last[0]);
  }
}
