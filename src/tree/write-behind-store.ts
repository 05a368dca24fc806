/**
 * The tree store of servers and of the simulator. Puts gather in a current generation in memory; a
 * flush freezes what is dirty and hands it to the KeyValue as one transaction together with the applied
 * zxid, so what is stored is always the state after a whole txn. Reads ask a bounded cache of decoded
 * znodes, then the dirty generations, newest first, then the KeyValue.
 *
 * Invariants
 * - Only committed and locally synced txns are put here, so a flush never needs to be taken back.
 * - A generation is dropped only when its flush is committed *and* the driver's reads show it.
 * - `flushedZxid` moves only when a flush is synced: log retention and log pins rest on it, because what
 *   is merely committed may be gone after a power cut.
 * - What is found at opening is visible and maybe not durable: a failed sync leaves its pages in the page cache, where they count as clean, and a
 *   restarted process reads them (fsyncgate, 2018). So nothing counts as flushed until this process has committed and synced
 *   something itself, which it does at once: that commit's pages lead to all that are older.
 * - A value whose checksum is wrong is never returned: DamagedStoreError stops the server.
 *
 * Called by the replica (flushes, images, completions) and by the tree (reads and puts).
 */
import { assert } from "../model/assert.ts";
import { buggify } from "../model/buggify.ts";
import type { Limits } from "../model/limits.ts";
import type { TokenSource } from "../model/tokens.ts";
import { type Zxid, zeroZxid } from "../model/zxid.ts";
import type { KeyValue } from "./key-value.ts";
import type { Store, StoreImage, Znode } from "./store.ts";
import { ZnodeCache } from "./store-cache.ts";
import { damageText } from "./store-error.ts";
import { Flush } from "./store-flush.ts";
import { Generation, removed } from "./store-generation.ts";
import { PinnedImage } from "./store-image.ts";
import { appliedKey, endKey, firstKey, nextKey, nodeKey, recordKey } from "./store-keys.ts";
import { knowNode, knowRecord, readChildren, readNode, readRecord, readRecords } from "./store-read.ts";
import { decodeApplied, isSound } from "./znode-codec.ts";

export interface WriteBehindOptions {
  readonly kv: KeyValue;
  readonly tokens: TokenSource;
  readonly limits: Limits;
}

export type StoreOpening =
  | { readonly type: "ok"; readonly store: WriteBehindStore }
  | { readonly type: "damaged"; readonly reason: string };

/** What one call of the scrub found. `done`: every value was read since the last time it was true. */
export interface ScrubProgress {
  readonly checked: number;
  readonly done: boolean;
  /** In words; undefined while all is sound. */
  readonly damage: string | undefined;
}

const cacheCountMax = 4_096;
const cacheBytesMax = 8 << 20;
/** Memory that images may hold back, in multiples of `flush_bytes`. */
const pinnedFlushesMax = 4;
/** Dirty memory, in multiples of `flush_bytes`, from which `congested` says so. */
const congestedFlushes = 4;

/** The store as of its last durable flush; an empty KeyValue is a store at zxid 0. */
export function openStore(options: WriteBehindOptions): StoreOpening {
  const value = options.kv.get(appliedKey);
  if (value === undefined) {
    const empty = options.kv.range(firstKey, endKey, 1).length === 0;
    if (!empty) return { type: "damaged", reason: "the tree store is damaged: it has values and no applied zxid" };
    return { type: "ok", store: new WriteBehindStore(options, zeroZxid) };
  }
  if (!isSound(appliedKey, value)) return { type: "damaged", reason: damageText(appliedKey) };
  return { type: "ok", store: new WriteBehindStore(options, decodeApplied(value)) };
}

export class WriteBehindStore implements Store {
  readonly #kv: KeyValue;
  readonly #tokens: TokenSource;
  readonly #limits: Limits;
  readonly #cache = new ZnodeCache(cacheCountMax, cacheBytesMax);
  /** Newest first; the first is the current generation, all others are frozen. */
  #layers: Generation[] = [new Generation()];
  #current: Generation;
  /** From the freeze until the sync. */
  #flush: Flush | undefined;
  #applied: Zxid;
  /** Applied zxid of the last flush begun. Invariant: flushed ≤ flushing ≤ applied. */
  #flushingZxid: Zxid;
  #flushedZxid: Zxid;
  /** What was found at opening is durable. */
  #confirmed: boolean;
  /** Something was put since the last setApplied: no flush and no image may cut through a txn. */
  #insideTxn = false;
  /** When `shouldFlush` first saw something unflushed. */
  #dirtySinceMs: number | undefined;
  /** Of the next flush to be submitted. */
  #flushToken: number;
  readonly #images = new Set<PinnedImage>();
  #scrubKey: Uint8Array = firstKey;

  constructor(options: WriteBehindOptions, applied: Zxid) {
    this.#kv = options.kv;
    this.#tokens = options.tokens;
    this.#limits = options.limits;
    this.#current = this.#layers[0] as Generation;
    this.#flushToken = options.tokens.next();
    this.#applied = applied;
    this.#flushingZxid = applied;
    this.#confirmed = applied === zeroZxid;
    this.#flushedZxid = this.#confirmed ? applied : zeroZxid;
  }

  // ---- reads

  get appliedZxid(): Zxid {
    return this.#applied;
  }

  get(path: string): Znode | undefined {
    const cached = this.#cache.get(path);
    if (cached !== undefined && !buggify("the cache forgets")) return cached;
    const node = readNode(this.#layers, this.#kv, path);
    if (node !== undefined) this.#cache.set(path, node);
    return node;
  }

  children(path: string, after: string, limit: number): string[] {
    return readChildren(this.#layers, this.#kv, path, after, limit);
  }

  record(key: string): Uint8Array | undefined {
    return readRecord(this.#layers, this.#kv, key);
  }

  records(prefix: string): Iterable<readonly [key: string, value: Uint8Array]> {
    return readRecords(this.#layers, this.#kv, prefix);
  }

  // ---- puts

  put(path: string, node: Znode): void {
    this.#insideTxn = true;
    this.#current.setNode(path, node);
    this.#cache.replace(path, node);
  }

  /** A node that was created since the last flush leaves nothing behind. */
  remove(path: string): void {
    this.#insideTxn = true;
    const here = this.#current.findNode(path);
    if (here !== undefined && here !== removed && !this.#nodeBelow(path)) this.#current.forgetNode(path);
    else this.#current.removeNode(path);
    this.#cache.delete(path);
  }

  putRecord(key: string, value: Uint8Array): void {
    this.#insideTxn = true;
    this.#current.setRecord(key, value);
  }

  removeRecord(key: string): void {
    this.#insideTxn = true;
    const here = this.#current.findRecord(key);
    if (here !== undefined && here !== removed && !this.#recordBelow(key)) this.#current.forgetRecord(key);
    else this.#current.removeRecord(key);
  }

  setApplied(zxid: Zxid): void {
    assert(zxid >= this.#applied, "the applied zxid must not fall");
    this.#applied = zxid;
    this.#insideTxn = false;
  }

  /** True when the path is present below the current generation. */
  #nodeBelow(path: string): boolean {
    const known = knowNode(this.#layers, path, 1);
    return known === undefined ? this.#kv.get(nodeKey(path)) !== undefined : known === "present";
  }

  #recordBelow(key: string): boolean {
    const known = knowRecord(this.#layers, key, 1);
    return known === undefined ? this.#kv.get(recordKey(key)) !== undefined : known === "present";
  }

  // ---- flushes

  /** appliedZxid of the last flush of this process whose sync has completed: what a power cut leaves. 0 before the first. */
  get flushedZxid(): Zxid {
    return this.#flushedZxid;
  }

  /** Memory held by values that are not dropped yet, those in flight included. */
  get dirtyBytes(): number {
    let bytes = 0;
    for (const layer of this.#layers) bytes += layer.bytes;
    return bytes;
  }

  /** Flushes do not keep up with puts; the leader had better refuse writes. */
  get congested(): boolean {
    return this.dirtyBytes > congestedFlushes * this.#limits.flush_bytes;
  }

  /** A flush has begun and is not synced. */
  get flushing(): boolean {
    return this.#flush !== undefined;
  }

  /** Ask each turn: dirty for long or large, and none in flight; or one is begun and has more to encode. */
  shouldFlush(nowMs: number): boolean {
    if (this.#flush !== undefined) return this.#flush.token === undefined;
    if (this.#insideTxn) return false;
    if (!this.#confirmed) return true;
    if (this.#applied === this.#flushingZxid && this.#unflushedBytes() === 0) return false;
    if (buggify("a flush begins early")) return true;
    this.#dirtySinceMs ??= nowMs;
    if (buggify("a flush begins late") && !this.congested) return false;
    return nowMs - this.#dirtySinceMs >= this.#limits.flush_interval_ms || this.#unflushedBytes() >= this.#limits.flush_bytes;
  }

  /** Begins a flush, or goes on with one. Each call submits a bounded part; the last one also commits. */
  flush(_nowMs: number): void {
    assert(this.#flush === undefined || this.#flush.token === undefined, "one flush at a time");
    this.#flush ??= this.#beginFlush();
    if (this.#flush.step(this.#kv, this.#flushToken)) this.#flushToken = this.#tokens.next();
  }

  #beginFlush(): Flush {
    assert(!this.#insideTxn, "a flush must not cut through a txn");
    this.#freezeCurrent();
    this.#dirtySinceMs = undefined;
    this.#flushingZxid = this.#applied;
    return new Flush(this.#layers.slice(1), this.#applied);
  }

  /** True when the completion is of this store. The driver's reads show the flush from now on, so its generations go. */
  onStoreCommitted(token: number): boolean {
    const flush = this.#flush;
    if (flush === undefined || flush.token !== token) return false;
    assert(!flush.committed, "a flush commits once");
    flush.committed = true;
    const kept: Generation[] = [];
    for (const layer of this.#layers) {
      if (layer.inFlight) layer.inFlight = false;
      else kept.push(layer);
    }
    this.#layers = kept;
    assert(this.#layers[0] === this.#current, "a flush must leave the current generation");
    this.#coalesce();
    return true;
  }

  onStoreSynced(token: number): boolean {
    const flush = this.#flush;
    if (flush === undefined || flush.token !== token) return false;
    assert(flush.committed, "a flush commits before it is synced");
    assert(flush.zxid >= this.#flushedZxid, "the flushed zxid must not fall");
    this.#flushedZxid = flush.zxid;
    this.#confirmed = true;
    this.#flush = undefined;
    return true;
  }

  #unflushedBytes(): number {
    let bytes = 0;
    for (const layer of this.#layers) if (!layer.inFlight) bytes += layer.bytes;
    return bytes;
  }

  #freezeCurrent(): void {
    if (this.#current.size === 0) return;
    this.#current.freeze();
    this.#current = new Generation();
    this.#layers.unshift(this.#current);
  }

  /**
   * Merges frozen generations that nobody reads into the current one, the smaller into the larger, so
   * that the layers stay as few as the images. An image pins every layer older than its newest, so
   * those that nobody pins are the newest.
   */
  #coalesce(): void {
    while (this.#layers.length > 1) {
      const older = this.#layers[1] as Generation;
      if (older.pins > 0 || older.inFlight) return;
      this.#layers.shift();
      if (older.size <= this.#current.size) {
        this.#current.absorbOlder(older);
        this.#layers[0] = this.#current;
      } else {
        older.thaw();
        older.absorbNewer(this.#current);
        this.#current = older;
      }
    }
  }

  // ---- images

  image(): StoreImage | undefined {
    assert(!this.#insideTxn, "an image must not cut through a txn");
    if (this.#images.size >= this.#limits.image_pins_max || buggify("no image is to be had")) return undefined;
    if (this.#pinnedBytes() > pinnedFlushesMax * this.#limits.flush_bytes) return undefined;
    this.#freezeCurrent();
    const image = new PinnedImage(this.#layers.slice(1), this.#kv.image(), this.#applied, this.#onRelease);
    this.#images.add(image);
    return image;
  }

  readonly #onRelease = (image: PinnedImage): void => {
    this.#images.delete(image);
    this.#coalesce();
  };

  /** Of generations that only images keep. */
  #pinnedBytes(): number {
    const seen = new Set<Generation>(this.#layers);
    let bytes = 0;
    for (const image of this.#images) {
      for (const layer of image.layers) {
        if (seen.has(layer)) continue;
        seen.add(layer);
        bytes += layer.bytes;
      }
    }
    return bytes;
  }

  // ---- scrub

  /** Reads and checks up to `step` stored values, going on where the last call ended. */
  verifyAll(step: number): ScrubProgress {
    const pairs = this.#kv.range(this.#scrubKey, endKey, step);
    for (const [key, value] of pairs) {
      if (!isSound(key, value)) return { checked: pairs.length, done: false, damage: damageText(key) };
    }
    const last = pairs[pairs.length - 1];
    const done = pairs.length < step || last === undefined;
    this.#scrubKey = done ? firstKey : nextKey(last[0]);
    return { checked: pairs.length, done, damage: undefined };
  }

  /** For a store that a snapshot replaced. */
  close(): void {
    for (const image of [...this.#images]) image.release();
    this.#kv.close();
  }
}
