/**
 * SNAP: the whole store as pairs in key order, in bounded chunks, and back. The source reads a
 * KeyValueImage: it shows the last *committed* flush, which may not be synced yet; that is fine for an image
 * sent elsewhere, and the log must be pinned from its `zxid`. The applied zxid has the last key
 * of all, so a sink that was cut short holds values without one, which `openStore` calls damage.
 * Every value's checksum is proved on both sides. Called by the leader's and the learner's synchronisation.
 */
import { assert } from "../model/assert.ts";
import type { TokenSource } from "../model/tokens.ts";
import { type Zxid, zeroZxid } from "../model/zxid.ts";
import type { KeyValue, KeyValueImage, KeyValueWrite } from "./key-value.ts";
import { damagedValue, damageText } from "./store-error.ts";
import { appliedKey, endKey, firstKey, nextKey } from "./store-keys.ts";
import { appliedValue, decodeApplied, isSound } from "./znode-codec.ts";

export type Pair = readonly [key: Uint8Array, value: Uint8Array];

export interface SnapshotPart {
  readonly pairs: readonly Pair[];
  /** The last part. */
  readonly done: boolean;
}

/** Pairs read ahead at most; how many follows from the size of those before. */
const readAheadMax = 512;

export class SnapshotSource {
  readonly #image: KeyValueImage;
  readonly #chunkBytes: number;
  /** Read from the image and not yet given out. */
  #ahead: readonly Pair[] = [];
  #at = 0;
  #from: Uint8Array = firstKey;
  #exhausted = false;
  #pairsRead = 0;
  #bytesRead = 0;
  #released = false;
  /** Applied zxid of the image; pin the log from here. */
  readonly zxid: Zxid;

  constructor(kv: KeyValue, chunkBytes: number) {
    this.#image = kv.image();
    this.#chunkBytes = chunkBytes;
    const value = this.#image.get(appliedKey);
    this.zxid = value === undefined ? zeroZxid : decodeApplied(value);
    if (value === undefined) this.#giveEmpty();
  }

  /** The next part: at least one pair, and no more after `chunkBytes`. Throws DamagedStoreError when a value is bad. */
  next(): SnapshotPart {
    assert(!this.#released, "a released snapshot must not be read");
    const pairs: Pair[] = [];
    let bytes = 0;
    while (bytes < this.#chunkBytes && this.#fill()) {
      const pair = this.#ahead[this.#at] as Pair;
      this.#at += 1;
      if (!isSound(pair[0], pair[1])) throw damagedValue(pair[0]);
      pairs.push(pair);
      bytes += pair[0].length + pair[1].length;
    }
    return { pairs, done: !this.#fill() };
  }

  release(): void {
    if (this.#released) return;
    this.#released = true;
    this.#ahead = [];
    this.#image.release();
  }

  /** A store that was never flushed: its image says that it is at zxid 0. */
  #giveEmpty(): void {
    this.#ahead = [[appliedKey, appliedValue(zeroZxid)]];
    this.#exhausted = true;
  }

  /** True when there is a pair to give out. */
  #fill(): boolean {
    if (this.#at < this.#ahead.length) return true;
    if (this.#exhausted) return false;
    const limit = this.#readAhead();
    this.#ahead = this.#image.range(this.#from, endKey, limit);
    this.#at = 0;
    this.#exhausted = this.#ahead.length < limit;
    for (const [key, value] of this.#ahead) this.#bytesRead += key.length + value.length;
    this.#pairsRead += this.#ahead.length;
    const last = this.#ahead[this.#ahead.length - 1];
    if (last !== undefined) this.#from = nextKey(last[0]);
    return last !== undefined;
  }

  #readAhead(): number {
    if (this.#pairsRead === 0) return 4;
    const average = this.#bytesRead / this.#pairsRead;
    return Math.max(1, Math.min(readAheadMax, Math.ceil(this.#chunkBytes / average)));
  }
}

/**
 * Receives a SNAP into an empty KeyValue beside the one in use. Parts that arrive while a commit is in
 * flight go into the next one together. The sender should wait while `pending` is large.
 */
export class SnapshotSink {
  readonly #kv: KeyValue;
  readonly #tokens: TokenSource;
  #gathered: KeyValueWrite[] = [];
  #gatheredBytes = 0;
  #inFlight: { readonly token: number; readonly bytes: number } | undefined;
  #lastKey: Uint8Array = new Uint8Array(0);
  #complete = false;

  constructor(kv: KeyValue, tokens: TokenSource) {
    assert(kv.range(firstKey, endKey, 1).length === 0, "a snapshot goes into an empty store");
    this.#kv = kv;
    this.#tokens = tokens;
  }

  /** Takes a part. Nothing of it is taken when a value is bad or out of order: the answer says what, and the SNAP must be given up. */
  write(pairs: readonly Pair[]): string | undefined {
    const reason = this.#fault(pairs);
    if (reason !== undefined) return reason;
    for (const [key, value] of pairs) {
      this.#gathered.push({ key, value });
      this.#gatheredBytes += key.length + value.length;
    }
    const last = pairs[pairs.length - 1];
    if (last !== undefined) this.#lastKey = last[0];
    this.#complete = last !== undefined && compareKeys(last[0], appliedKey) === 0;
    this.#commit();
    return undefined;
  }

  /** Bytes taken and not yet synced. */
  get pending(): number {
    return this.#gatheredBytes + (this.#inFlight === undefined ? 0 : this.#inFlight.bytes);
  }

  /** The whole image, its applied zxid included, is durable here. */
  get synced(): boolean {
    return this.#complete && this.#inFlight === undefined && this.#gathered.length === 0;
  }

  onStoreCommitted(token: number): boolean {
    return this.#inFlight !== undefined && this.#inFlight.token === token;
  }

  onStoreSynced(token: number): boolean {
    if (this.#inFlight === undefined || this.#inFlight.token !== token) return false;
    this.#inFlight = undefined;
    this.#commit();
    return true;
  }

  #commit(): void {
    if (this.#inFlight !== undefined || this.#gathered.length === 0) return;
    const writes = this.#gathered;
    this.#inFlight = { token: this.#tokens.next(), bytes: this.#gatheredBytes };
    this.#gathered = [];
    this.#gatheredBytes = 0;
    this.#kv.commit(writes, this.#inFlight.token);
  }

  #fault(pairs: readonly Pair[]): string | undefined {
    let before = this.#lastKey;
    for (const [key, value] of pairs) {
      if (compareKeys(before, key) >= 0) return "the snapshot is out of order";
      if (!isSound(key, value)) return damageText(key);
      before = key;
    }
    return undefined;
  }
}

function compareKeys(a: Uint8Array, b: Uint8Array): number {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i += 1) {
    const difference = (a[i] as number) - (b[i] as number);
    if (difference !== 0) return difference;
  }
  return a.length - b.length;
}
