/**
 * Walks a store image in path order, a part at a time: the root of the walk, then (recursive) each
 * node before its children, children by name. Holds a page of names a level. Belongs to `stream-table.ts`.
 */
import { joinPath } from "../model/path.ts";
import type { Znode } from "../tree/store.ts";
import type { ImagePin } from "./image-pins.ts";

const namesPerPage = 128;

interface Level {
  readonly path: string;
  names: readonly string[];
  next: number;
}

export interface WalkedNode {
  readonly path: string;
  readonly node: Znode;
}

export class SnapshotWalk {
  readonly pin: ImagePin;
  readonly #recursive: boolean;
  /** From the top of the walk down to where it is. */
  readonly #levels: Level[] = [];
  #root: string | undefined;

  constructor(pin: ImagePin, path: string, recursive: boolean) {
    this.pin = pin;
    this.#root = path;
    this.#recursive = recursive;
  }

  /** The next node; undefined after the last. */
  next(): WalkedNode | undefined {
    if (this.#root !== undefined) return this.#first(this.#root);
    for (let level = this.#levels.at(-1); level !== undefined; level = this.#levels.at(-1)) {
      const name = this.#nextName(level);
      if (name === undefined) {
        this.#levels.pop();
        continue;
      }
      const path = joinPath(level.path, name);
      const node = this.pin.image.get(path);
      if (node === undefined) continue;
      if (this.#recursive && node.numChildren > 0) this.#descend(path);
      return { path, node };
    }
    return undefined;
  }

  #first(path: string): WalkedNode | undefined {
    this.#root = undefined;
    const node = this.pin.image.get(path);
    if (node === undefined) return undefined;
    this.#descend(path);
    return { path, node };
  }

  #descend(path: string): void {
    this.#levels.push({ path, names: this.pin.image.children(path, "", namesPerPage), next: 0 });
  }

  #nextName(level: Level): string | undefined {
    if (level.next === level.names.length && level.names.length === namesPerPage) {
      level.names = this.pin.image.children(level.path, level.names[namesPerPage - 1] ?? "", namesPerPage);
      level.next = 0;
    }
    const name = level.names[level.next];
    if (name !== undefined) level.next += 1;
    return name;
  }
}
