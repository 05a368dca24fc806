/**
 * Decoded znodes, clean or dirty, bounded by count and by bytes. Two maps, the younger and the older: a find in
 * the older one moves up, and when the younger is full it becomes the older. No list, no clock, and what
 * was read lately survives.
 */
import type { Znode } from "./store.ts";

const nodeOverheadBytes = 512;

export class ZnodeCache {
  readonly #countMax: number;
  readonly #bytesMax: number;
  #young = new Map<string, Znode>();
  #old = new Map<string, Znode>();
  #youngBytes = 0;

  /** The bounds are of both maps together. */
  constructor(countMax: number, bytesMax: number) {
    this.#countMax = countMax >> 1;
    this.#bytesMax = bytesMax >> 1;
  }

  get(path: string): Znode | undefined {
    const young = this.#young.get(path);
    if (young !== undefined) return young;
    const old = this.#old.get(path);
    if (old !== undefined) this.set(path, old);
    return old;
  }

  set(path: string, node: Znode): void {
    const bytes = bytesOf(path, node);
    if (bytes > this.#bytesMax) return;
    if (this.#young.size >= this.#countMax || this.#youngBytes + bytes > this.#bytesMax) {
      this.#old = this.#young;
      this.#young = new Map();
      this.#youngBytes = 0;
    }
    this.#young.set(path, node);
    this.#youngBytes += bytes;
  }

  /** The path was put: a node that is kept is kept as it is now. Others are not taken in, for most of what is put is not read soon. */
  replace(path: string, node: Znode): void {
    const before = this.#young.get(path);
    if (before === undefined) {
      if (this.#old.delete(path)) this.set(path, node);
      return;
    }
    const bytes = this.#youngBytes - bytesOf(path, before) + bytesOf(path, node);
    if (bytes > this.#bytesMax) return this.delete(path);
    this.#young.set(path, node);
    this.#youngBytes = bytes;
  }

  /** The path was removed. */
  delete(path: string): void {
    const young = this.#young.get(path);
    if (young !== undefined) {
      this.#young.delete(path);
      this.#youngBytes -= bytesOf(path, young);
    }
    this.#old.delete(path);
  }
}

function bytesOf(path: string, node: Znode): number {
  return nodeOverheadBytes + path.length + (node.data === undefined ? 0 : node.data.length);
}
