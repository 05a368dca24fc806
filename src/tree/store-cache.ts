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
    const bytes = nodeOverheadBytes + path.length + (node.data === undefined ? 0 : node.data.length);
    if (bytes > this.#bytesMax) return;
    if (this.#young.size >= this.#countMax || this.#youngBytes + bytes > this.#bytesMax) {
      this.#old = this.#young;
      this.#young = new Map();
      this.#youngBytes = 0;
    }
    this.#young.set(path, node);
    this.#youngBytes += bytes;
  }

  /** The path was put or removed. */
  delete(path: string): void {
    this.#young.delete(path);
    this.#old.delete(path);
  }
}
