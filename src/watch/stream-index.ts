/**
 * Finds the streams that cover a path: one look-up for each of its ancestors, however many streams
 * there are. Belongs to `stream-table.ts`.
 */
import { assert } from "../model/assert.ts";
import { parentOf } from "../model/path.ts";
import type { Stream } from "./stream.ts";

export class StreamIndex {
  /** By the stream's path. Invariant: no empty set. */
  readonly #flat = new Map<string, Set<Stream>>();
  readonly #recursive = new Map<string, Set<Stream>>();

  add(stream: Stream): void {
    const map = stream.recursive ? this.#recursive : this.#flat;
    const streams = map.get(stream.path);
    if (streams === undefined) map.set(stream.path, new Set([stream]));
    else streams.add(stream);
  }

  remove(stream: Stream): void {
    const map = stream.recursive ? this.#recursive : this.#flat;
    const streams = map.get(stream.path);
    assert(streams?.delete(stream) === true, "only an indexed stream can be removed");
    if (streams.size === 0) map.delete(stream.path);
  }

  /** Puts all streams that cover `path` into `found`, each once. */
  collect(path: string, found: Stream[]): void {
    const parent = parentOf(path);
    push(this.#flat.get(path), found);
    if (parent !== undefined) push(this.#flat.get(parent), found);
    if (this.#recursive.size === 0) return;
    for (let at: string | undefined = path; at !== undefined; at = parentOf(at)) push(this.#recursive.get(at), found);
  }
}

function push(streams: Set<Stream> | undefined, found: Stream[]): void {
  if (streams === undefined) return;
  for (const stream of streams) found.push(stream);
}
