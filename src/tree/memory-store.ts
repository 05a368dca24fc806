/**
 * A store that forgets everything at the end of the process, for tests and benchmarks. Simple rather
 * than lean: an image copies the whole map.
 */
import { assert } from "../model/assert.ts";
import { joinPath, nameOf, parentOf } from "../model/path.ts";
import { type Zxid, zeroZxid } from "../model/zxid.ts";
import type { Store, StoreImage, Znode } from "./store.ts";

export class MemoryStore implements Store {
  readonly #nodes = new Map<string, Znode>();
  /** Names of children in order, by parent; a parent without children has no entry. */
  readonly #children = new Map<string, string[]>();
  readonly #records = new Map<string, Uint8Array>();
  readonly #imagesMax: number;
  #images = 0;
  #appliedZxid: Zxid = zeroZxid;

  constructor(imagesMax = 64) {
    this.#imagesMax = imagesMax;
  }

  get appliedZxid(): Zxid {
    return this.#appliedZxid;
  }

  get(path: string): Znode | undefined {
    return this.#nodes.get(path);
  }

  children(path: string, after: string, limit: number): string[] {
    return pageOf(this.#children.get(path) ?? [], after, limit);
  }

  put(path: string, node: Znode): void {
    const parent = parentOf(path);
    if (parent !== undefined && !this.#nodes.has(path)) this.#addChild(parent, nameOf(path));
    this.#nodes.set(path, node);
  }

  remove(path: string): void {
    const parent = parentOf(path);
    if (this.#nodes.delete(path) && parent !== undefined) this.#removeChild(parent, nameOf(path));
  }

  record(key: string): Uint8Array | undefined {
    return this.#records.get(key);
  }

  *records(prefix: string): Iterable<readonly [key: string, value: Uint8Array]> {
    for (const key of [...this.#records.keys()].sort()) {
      const value = this.#records.get(key);
      if (key.startsWith(prefix) && value !== undefined) yield [key, value];
    }
  }

  putRecord(key: string, value: Uint8Array): void {
    this.#records.set(key, value);
  }

  removeRecord(key: string): void {
    this.#records.delete(key);
  }

  setApplied(zxid: Zxid): void {
    assert(zxid >= this.#appliedZxid, "applied zxid fell");
    this.#appliedZxid = zxid;
  }

  image(): StoreImage | undefined {
    if (this.#images >= this.#imagesMax) return undefined;
    this.#images += 1;
    return new MemoryImage(this.#appliedZxid, this.#nodes, () => {
      this.#images -= 1;
    });
  }

  #addChild(parent: string, name: string): void {
    const names = this.#children.get(parent);
    if (names === undefined) this.#children.set(parent, [name]);
    else names.splice(firstAfter(names, name), 0, name);
  }

  #removeChild(parent: string, name: string): void {
    const names = this.#children.get(parent) ?? [];
    const index = firstAfter(names, name) - 1;
    assert(names[index] === name, "a child is not in its parent's list");
    names.splice(index, 1);
    if (names.length === 0) this.#children.delete(parent);
  }
}

class MemoryImage implements StoreImage {
  readonly zxid: Zxid;
  readonly #nodes: ReadonlyMap<string, Znode>;
  readonly #children = new Map<string, string[]>();
  readonly #onRelease: () => void;
  #released = false;

  constructor(zxid: Zxid, nodes: ReadonlyMap<string, Znode>, onRelease: () => void) {
    this.zxid = zxid;
    this.#nodes = new Map(nodes);
    this.#onRelease = onRelease;
    for (const path of [...nodes.keys()].sort()) {
      const parent = parentOf(path);
      if (parent === undefined) continue;
      const names = this.#children.get(parent);
      if (names === undefined) this.#children.set(parent, [nameOf(path)]);
      else names.push(nameOf(path));
    }
  }

  get(path: string): Znode | undefined {
    assert(!this.#released, "an image was read after its release");
    return this.#nodes.get(path);
  }

  children(path: string, after: string, limit: number): string[] {
    assert(!this.#released, "an image was read after its release");
    return pageOf(this.#children.get(path) ?? [], after, limit);
  }

  release(): void {
    assert(!this.#released, "an image was released twice");
    this.#released = true;
    this.#onRelease();
  }
}

function pageOf(names: readonly string[], after: string, limit: number): string[] {
  const start = after === "" ? 0 : firstAfter(names, after);
  return names.slice(start, start + limit);
}

/** Index of the first name that is greater than `name`. */
function firstAfter(names: readonly string[], name: string): number {
  let low = 0;
  let high = names.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((names[middle] ?? "") <= name) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Every path of a store under `path`, itself first; for checks in tests. */
export function* walkPaths(view: Pick<Store, "get" | "children">, path: string): Iterable<string> {
  yield path;
  for (const name of view.children(path, "", Number.MAX_SAFE_INTEGER)) yield* walkPaths(view, joinPath(path, name));
}
