/**
 * A batch being gathered: one growing buffer that records are encoded into once, and that is written as it
 * is. The pool hands buffers out again after their write is done, so the hot path allocates nothing here.
 * Owned by the log; from `seal` until its write is done the disk holds the buffer and nobody may change it.
 */
import { assert } from "../model/assert.ts";
import type { Zxid } from "../model/zxid.ts";
import { batchHeaderBytes, putBatchHeader, putRecord, recordHeaderBytes, sumRecords, viewOf } from "./format.ts";

const firstCapacity = 16 * 1024;
/** A buffer that once held a giant is not kept for the next small batch. */
const pooledCapacityMax = 8 * 1024 * 1024;
const pooledMax = 4;

export class Batch {
  #bytes = new Uint8Array(firstCapacity);
  #view = viewOf(this.#bytes);
  #length = batchHeaderBytes;
  #entries = 0;
  #prev: Zxid;
  #last: Zxid;

  constructor(prev: Zxid) {
    this.#prev = prev;
    this.#last = prev;
  }

  /** Empties it for records after `prev`. */
  restart(prev: Zxid): void {
    this.#length = batchHeaderBytes;
    this.#entries = 0;
    this.#prev = prev;
    this.#last = prev;
  }

  get length(): number {
    return this.#length;
  }

  get capacity(): number {
    return this.#bytes.length;
  }

  get entries(): number {
    return this.#entries;
  }

  get last(): Zxid {
    return this.#last;
  }

  append(zxid: Zxid, payload: Uint8Array): void {
    this.#reserve(recordHeaderBytes + payload.length);
    this.#length = putRecord(this.#bytes, this.#view, this.#length, this.#last, zxid, payload);
    this.#last = zxid;
    this.#entries += 1;
  }

  #reserve(bytes: number): void {
    const wanted = this.#length + bytes;
    if (wanted <= this.#bytes.length) return;
    const grown = new Uint8Array(Math.max(wanted, 2 * this.#bytes.length));
    grown.set(this.#bytes.subarray(0, this.#length));
    this.#bytes = grown;
    this.#view = viewOf(grown);
  }

  /** The bytes to write at `offset` of the segment. Only now is it known which segment, hence which salt. */
  seal(offset: number, durableEnd: number, sequence: number, salt: number): Uint8Array {
    assert(offset === 0 || durableEnd > 0, "a later batch of a segment names the end of the one before it");
    sumRecords(this.#bytes, this.#view, batchHeaderBytes, this.#length, salt);
    const bodyBytes = this.#length - batchHeaderBytes;
    const header = { bodyBytes, entries: this.#entries, offset, durableEnd, prev: this.#prev, last: this.#last };
    putBatchHeader(this.#bytes, this.#view, header, sequence, salt);
    return this.#bytes.subarray(0, this.#length);
  }
}

export class BatchPool {
  readonly #free: Batch[] = [];

  take(prev: Zxid): Batch {
    const batch = this.#free.pop();
    if (batch === undefined) return new Batch(prev);
    batch.restart(prev);
    return batch;
  }

  give(batch: Batch): void {
    if (this.#free.length < pooledMax && batch.capacity <= pooledCapacityMax) this.#free.push(batch);
  }
}
