/**
 * Which session owns which ephemeral nodes, of the committed tree. Invariant: equal to a scan of the
 * tree for nodes with an owner. Read when a session closes, and by getEphemerals.
 */
import { assert, must } from "../model/assert.ts";
import type { SessionId } from "../model/zxid.ts";
import { PathRecords } from "./path-records.ts";
import type { Store } from "./store.ts";

const none: ReadonlySet<string> = new Set();

export class Ephemerals {
  readonly #records: PathRecords;
  readonly #paths = new Map<SessionId, Set<string>>();
  /** Of a session's paths, together. */
  readonly #lengths = new Map<SessionId, number>();

  constructor(store: Store) {
    this.#records = new PathRecords(store, "ephemeral/");
    for (const path of this.#records.paths()) {
      const owner = must(store.get(path), "an indexed ephemeral is missing").owner;
      assert(owner !== 0, "an indexed ephemeral has no owner");
      this.#addTo(owner, path);
    }
  }

  get size(): number {
    return this.#records.size;
  }

  of(session: SessionId): ReadonlySet<string> {
    return this.#paths.get(session) ?? none;
  }

  lengthOf(session: SessionId): number {
    return this.#lengths.get(session) ?? 0;
  }

  add(owner: SessionId, path: string): void {
    this.#records.add(path);
    this.#addTo(owner, path);
  }

  remove(owner: SessionId, path: string): void {
    this.#records.remove(path);
    const paths = must(this.#paths.get(owner), "an ephemeral's owner has none");
    assert(paths.delete(path), "an ephemeral is not its owner's");
    this.#lengths.set(owner, this.lengthOf(owner) - path.length);
    if (paths.size > 0) return;
    this.#paths.delete(owner);
    this.#lengths.delete(owner);
  }

  #addTo(owner: SessionId, path: string): void {
    this.#lengths.set(owner, this.lengthOf(owner) + path.length);
    const paths = this.#paths.get(owner);
    if (paths === undefined) this.#paths.set(owner, new Set([path]));
    else paths.add(path);
  }
}
