/**
 * A KeyValue in memory for the simulator: an ordered map with a volatile tip and a durable prefix.
 * Commits become visible, and later durable, in the order submitted, each after a drawn latency; the
 * completions come out of `advance`. A crash keeps what was synced and some of what was only
 * committed, as LMDB does: always a whole number of commits. A commit whose sync has failed stays visible to the next process, and no
 * sync but that of a later commit makes it durable. Images die with the process.
 */
import { assert, must } from "../../src/model/assert.ts";
import type { KeyValue, KeyValueImage, KeyValueWrite } from "../../src/tree/key-value.ts";

export interface RandomSource {
  /** 0 ≤ i < n, an integer. */
  below(n: number): number;
}

export type StoreEvent = { readonly type: "storeCommitted" | "storeSynced"; readonly token: number };

export interface SimKeyValueOptions {
  /** Until a commit is visible, and from then until it is durable: drawn from 0 to this. */
  readonly commitMsMax?: number;
  readonly syncMsMax?: number;
}

type Pair = readonly [key: Uint8Array, value: Uint8Array];

interface Commit {
  readonly token: number;
  readonly writes: readonly { readonly id: string; readonly key: Uint8Array; readonly value: Uint8Array | undefined }[];
  readonly committedAtMs: number;
  readonly syncedAtMs: number;
  /** What the writes replaced; filled when the commit becomes visible. */
  readonly before: (Pair | undefined)[];
  /** Its sync has failed, or was never asked for: its process is dead. */
  orphaned: boolean;
}

/** Byte strings sort as their bytes do. `ids` is sorted; it is copied before a change when an image shares it. */
interface Content {
  ids: string[];
  pairs: Map<string, Pair>;
  shared: boolean;
}

export class SimKeyValue implements KeyValue {
  readonly #random: RandomSource;
  readonly #commitMsMax: number;
  readonly #syncMsMax: number;
  #content: Content = { ids: [], pairs: new Map(), shared: false };
  /** Submitted and not visible yet. */
  #submitted: Commit[] = [];
  /** Parts of a commit that has not been made. */
  #prepared: KeyValueWrite[] = [];
  /** Visible and not durable yet. */
  #unsynced: Commit[] = [];
  #nowMs = 0;
  #lastMs = 0;
  #process = 1;
  #open = true;
  images = 0;
  /** Why it must not be used again. */
  condemned: string | undefined;

  constructor(random: RandomSource, options: SimKeyValueOptions = {}) {
    this.#random = random;
    this.#commitMsMax = options.commitMsMax ?? 20;
    this.#syncMsMax = options.syncMsMax ?? 40;
  }

  get(key: Uint8Array): Uint8Array | undefined {
    assert(this.#open, "a closed store must not be read");
    return this.#content.pairs.get(idOf(key))?.[1];
  }

  range(start: Uint8Array, end: Uint8Array, limit: number): Pair[] {
    assert(this.#open, "a closed store must not be read");
    return rangeOf(this.#content, start, end, limit);
  }

  image(): KeyValueImage {
    assert(this.#open, "a closed store must not be read");
    this.#content.shared = true;
    this.images += 1;
    return new SimImage(this, this.#content, this.#process);
  }

  prepare(writes: readonly KeyValueWrite[]): void {
    assert(this.#open, "a closed store must not be written");
    for (const { key, value } of writes) this.#prepared.push({ key: key.slice(), value: value?.slice() });
  }

  commit(last: readonly KeyValueWrite[], token: number): void {
    assert(this.#open, "a closed store must not be written");
    const writes = this.#prepared.length === 0 ? last : [...this.#prepared, ...last];
    this.#prepared = [];
    const committedAtMs = Math.max(this.#lastMs, this.#nowMs + this.#random.below(this.#commitMsMax + 1));
    this.#lastMs = committedAtMs;
    const syncedAtMs = committedAtMs + this.#random.below(this.#syncMsMax + 1);
    this.#submitted.push({ token, writes: writes.map(copyWrite), committedAtMs, syncedAtMs, before: [], orphaned: false });
  }

  condemn(reason: string): void {
    this.condemned ??= reason;
  }

  /** A later `open` finds what is durable; nothing completes any more. */
  close(): void {
    this.#open = false;
    this.#submitted = [];
    this.#prepared = [];
  }

  /** The time of the next completion; undefined when nothing is under way. */
  nextDueMs(): number | undefined {
    const commit = this.#submitted[0]?.committedAtMs;
    const sync = this.#syncing()?.syncedAtMs;
    if (commit === undefined || sync === undefined) return commit ?? sync;
    return Math.min(commit, sync);
  }

  /** Moves time on; the completions due by then, in order. */
  advance(nowMs: number): StoreEvent[] {
    this.#nowMs = Math.max(this.#nowMs, nowMs);
    const events: StoreEvent[] = [];
    for (;;) {
      const next = this.nextDueMs();
      if (next === undefined || next > this.#nowMs) return events;
      const sync = this.#syncing();
      if (sync !== undefined && sync.syncedAtMs <= next) {
        this.#unsynced.splice(0, this.#unsynced.indexOf(sync) + 1);
        if (this.#open) events.push({ type: "storeSynced", token: sync.token });
      } else this.#makeVisible(events);
    }
  }

  /** The oldest commit whose sync is under way. */
  #syncing(): Commit | undefined {
    return this.#unsynced.find((commit) => !commit.orphaned);
  }

  /** A sync that is due fails; the process is about to end. False when none is. */
  failSync(nowMs: number): boolean {
    const sync = this.#syncing();
    if (sync === undefined || sync.syncedAtMs > nowMs) return false;
    sync.orphaned = true;
    return true;
  }

  /** The sync of the commit submitted last will fail. */
  failNextSync(): void {
    must(this.#submitted.at(-1), "a commit").orphaned = true;
  }

  /** What is visible may be on no disk, and stays so until a later commit is synced. */
  get orphans(): boolean {
    return this.#unsynced.some((commit) => commit.orphaned);
  }

  /** The process died, the machine did not. */
  kill(): void {
    if (!this.orphans) return this.crash();
    for (const commit of this.#unsynced) commit.orphaned = true;
    this.#endProcess();
  }

  /** The process died: a prefix of the commits survives, all synced ones and maybe some that were only visible. Reopened in the same call. */
  crash(): void {
    const survivors = this.#random.below(this.#unsynced.length + 1);
    for (let i = this.#unsynced.length - 1; i >= survivors; i -= 1) this.#takeBack(this.#unsynced[i] as Commit);
    this.#unsynced = [];
    this.#endProcess();
  }

  #endProcess(): void {
    this.#submitted = [];
    this.#prepared = [];
    this.#process += 1;
    this.#open = true;
    this.images = 0;
  }

  /** Flips one bit of one stored value, drawn; returns its key, or undefined when there is none. */
  corrupt(): Uint8Array | undefined {
    const id = this.#content.ids[this.#random.below(Math.max(1, this.#content.ids.length))];
    const pair = id === undefined ? undefined : this.#content.pairs.get(id);
    if (pair === undefined) return undefined;
    this.flip(pair[0], this.#random.below(pair[1].length * 8));
    return pair[0];
  }

  /** Flips one bit of every stored value. */
  corruptAll(): void {
    for (const [key, value] of [...this.#content.pairs.values()]) this.flip(key, this.#random.below(value.length * 8));
  }

  flip(key: Uint8Array, bit: number): void {
    const pair = must(this.#content.pairs.get(idOf(key)), "there is no such key to damage");
    const value = pair[1].slice();
    value[bit >> 3] = (value[bit >> 3] as number) ^ (1 << (bit & 7));
    this.#own();
    this.#content.pairs.set(idOf(key), [pair[0], value]);
  }

  /** The next commit is told as done and changes nothing: what a driver makes of a failed commit that it ignores. */
  loseNextCommit(): void {
    const next = this.#submitted[0];
    if (next !== undefined) this.#submitted[0] = { ...next, writes: [] };
  }

  /** Changes a stored value behind the server's back. */
  overwrite(key: Uint8Array, change: (value: Uint8Array) => void): boolean {
    const pair = this.#content.pairs.get(idOf(key));
    if (pair === undefined) return false;
    const value = pair[1].slice();
    change(value);
    this.#own();
    this.#content.pairs.set(idOf(key), [pair[0], value]);
    return true;
  }

  /** Removes everything, as a lost disk does. */
  wipe(): void {
    this.#content = { ids: [], pairs: new Map(), shared: false };
    this.#unsynced = [];
    this.#submitted = [];
    this.#prepared = [];
    this.#open = true;
    this.condemned = undefined;
  }

  /** For checks: true while `process` is the one that runs. */
  isCurrent(process: number): boolean {
    return this.#process === process;
  }

  #makeVisible(events: StoreEvent[]): void {
    const commit = this.#submitted.shift() as Commit;
    this.#own();
    for (const write of commit.writes) {
      commit.before.push(this.#content.pairs.get(write.id));
      this.#set(write.id, write.value === undefined ? undefined : [write.key, write.value]);
    }
    this.#unsynced.push(commit);
    if (this.#open) events.push({ type: "storeCommitted", token: commit.token });
  }

  #takeBack(commit: Commit): void {
    this.#own();
    for (let i = commit.writes.length - 1; i >= 0; i -= 1) this.#set((commit.writes[i] as { id: string }).id, commit.before[i]);
  }

  #own(): void {
    if (!this.#content.shared) return;
    this.#content = { ids: [...this.#content.ids], pairs: new Map(this.#content.pairs), shared: false };
  }

  #set(id: string, pair: Pair | undefined): void {
    const { ids, pairs } = this.#content;
    if (pair === undefined) {
      if (pairs.delete(id)) ids.splice(firstAtLeast(ids, id), 1);
      return;
    }
    if (!pairs.has(id)) {
      const last = ids[ids.length - 1];
      if (last === undefined || last < id) ids.push(id);
      else ids.splice(firstAtLeast(ids, id), 0, id);
    }
    pairs.set(id, pair);
  }
}

class SimImage implements KeyValueImage {
  readonly #owner: SimKeyValue;
  readonly #content: Content;
  readonly #process: number;
  #released = false;

  constructor(owner: SimKeyValue, content: Content, process: number) {
    this.#owner = owner;
    this.#content = content;
    this.#process = process;
  }

  get(key: Uint8Array): Uint8Array | undefined {
    this.#check();
    return this.#content.pairs.get(idOf(key))?.[1];
  }

  range(start: Uint8Array, end: Uint8Array, limit: number): Pair[] {
    this.#check();
    return rangeOf(this.#content, start, end, limit);
  }

  release(): void {
    if (this.#released) return;
    this.#released = true;
    if (this.#owner.isCurrent(this.#process)) this.#owner.images -= 1;
  }

  #check(): void {
    assert(!this.#released, "a released image must not be read");
    assert(this.#owner.isCurrent(this.#process), "an image must not outlive its process");
  }
}

function copyWrite(write: KeyValueWrite): Commit["writes"][number] {
  return { id: idOf(write.key), key: write.key.slice(), value: write.value?.slice() };
}

/** One UTF-16 unit a byte. */
function idOf(bytes: Uint8Array): string {
  let id = "";
  for (let i = 0; i < bytes.length; i += 1) id += String.fromCharCode(bytes[i] as number);
  return id;
}

function rangeOf(content: Content, start: Uint8Array, end: Uint8Array, limit: number): Pair[] {
  const result: Pair[] = [];
  const endId = idOf(end);
  for (let at = firstAtLeast(content.ids, idOf(start)); result.length < limit; at += 1) {
    const id = content.ids[at];
    if (id === undefined || id >= endId) break;
    result.push(content.pairs.get(id) as Pair);
  }
  return result;
}

function firstAtLeast(ids: readonly string[], id: string): number {
  let low = 0;
  let high = ids.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((ids[middle] as string) >= id) high = middle;
    else low = middle + 1;
  }
  return low;
}
