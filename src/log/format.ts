/**
 * The bytes of a segment. A segment is a row of batches, each at an aligned offset and each one write and
 * one fdatasync; behind the last one are the zeros of the preallocation. All numbers are little endian.
 *
 *     batch   magic u32 · crc u32 (of the rest of the header) · body bytes u32 · entries u32 · offset u32 ·
 *             durable end u32 · prev zxid u64 · last zxid u64 · sequence u32 · 0 u32        48 bytes
 *     record  crc u32 (of the rest of the record) · payload bytes u32 · zxid u64 · prev zxid u64 · payload
 *
 * Invariants:
 * - Every checksum starts from the segment's salt, and no two segments of a log share one; a header also
 *   names its own offset and sequence. So no byte of another segment or place is ever taken for ours.
 * - A batch is written only after the one before it is durable. So a good header *proves* that everything
 *   before its offset was durable: what is bad there is damage, not a torn tail. A batch without entries
 *   (a marker) is written for that proof alone.
 * - No sector is written twice: batches start on `alignment`, so a torn write cannot hurt the batch before it.
 * Called by batch.ts (writing), recovery.ts and history.ts (reading).
 */
import { crc32cOf } from "../model/crc32c.ts";
import { counterOf, counterSpan, epochOf, follows, parseZxid, type Zxid } from "../model/zxid.ts";

export const batchHeaderBytes = 48;
export const recordHeaderBytes = 24;
/** "ZAB1". The last byte is the version of this format. */
export const batchMagic = 0x3142_415a;

export interface BatchHeader {
  readonly bodyBytes: number;
  readonly entries: number;
  /** Where the batch starts. */
  readonly offset: number;
  /** Where the batch before it ended, 0 for the first of a segment. All up to here is durable. */
  readonly durableEnd: number;
  /** The last entry before the batch. */
  readonly prev: Zxid;
  /** The last entry of the batch; `prev` for a marker. */
  readonly last: Zxid;
}

export function putZxid(view: DataView, at: number, zxid: Zxid): void {
  view.setUint32(at, counterOf(zxid), true);
  view.setUint32(at + 4, epochOf(zxid), true);
}

/** Undefined when the bytes are no zxid. */
export function getZxid(view: DataView, at: number): Zxid | undefined {
  return parseZxid(view.getUint32(at + 4, true) * counterSpan + view.getUint32(at, true));
}

export function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** The least multiple of `alignment` that is not below `offset`. */
export function alignUp(offset: number, alignment: number): number {
  return Math.ceil(offset / alignment) * alignment;
}

/** Segments of one log differ in salt for certain: multiplication by an odd number is one-to-one. */
export function segmentSalt(logSalt: number, sequence: number): number {
  return (logSalt ^ Math.imul(sequence, 0x9e37_79b1)) >>> 0;
}

/** Fills the header of a batch whose body is in place. */
export function putBatchHeader(bytes: Uint8Array, view: DataView, header: BatchHeader, sequence: number, salt: number): void {
  view.setUint32(0, batchMagic, true);
  view.setUint32(8, header.bodyBytes, true);
  view.setUint32(12, header.entries, true);
  view.setUint32(16, header.offset, true);
  view.setUint32(20, header.durableEnd, true);
  putZxid(view, 24, header.prev);
  putZxid(view, 32, header.last);
  view.setUint32(40, sequence, true);
  view.setUint32(44, 0, true);
  view.setUint32(4, crc32cOf(bytes, 8, batchHeaderBytes, salt), true);
}

/** The header at `at` of `bytes`, which is `offset` in the file; undefined unless it was written there, in this segment, whole. */
export function getBatchHeader(
  bytes: Uint8Array,
  at: number,
  offset: number,
  sequence: number,
  salt: number,
): BatchHeader | undefined {
  // Most places that are looked at hold no batch: they need no view.
  if (at + batchHeaderBytes > bytes.length || bytes[at] !== (batchMagic & 0xff)) return undefined;
  const view = viewOf(bytes);
  if (view.getUint32(at, true) !== batchMagic) return undefined;
  if (view.getUint32(at + 4, true) !== crc32cOf(bytes, at + 8, at + batchHeaderBytes, salt)) return undefined;
  if (view.getUint32(at + 16, true) !== offset || view.getUint32(at + 40, true) !== sequence) return undefined;
  const prev = getZxid(view, at + 24);
  const last = getZxid(view, at + 32);
  if (prev === undefined || last === undefined) return undefined;
  return {
    bodyBytes: view.getUint32(at + 8, true),
    entries: view.getUint32(at + 12, true),
    offset,
    durableEnd: view.getUint32(at + 20, true),
    prev,
    last,
  };
}

/** Puts a record without its checksum (the salt is known only once the segment is). Returns the offset behind it. */
export function putRecord(bytes: Uint8Array, view: DataView, at: number, prev: Zxid, zxid: Zxid, payload: Uint8Array): number {
  view.setUint32(at + 4, payload.length, true);
  putZxid(view, at + 8, zxid);
  putZxid(view, at + 16, prev);
  bytes.set(payload, at + recordHeaderBytes);
  return at + recordHeaderBytes + payload.length;
}

/** Fills in the checksums of all records from `start` up to `end`. */
export function sumRecords(bytes: Uint8Array, view: DataView, start: number, end: number, salt: number): void {
  for (let at = start; at < end; ) {
    const next = at + recordHeaderBytes + view.getUint32(at + 4, true);
    view.setUint32(at, crc32cOf(bytes, at + 4, next, salt), true);
    at = next;
  }
}

/**
 * Steps over the records of one batch body, checking each: sum, length, and that it follows the one
 * before. `next` is false at the end and at a bad record; `bad` tells the two apart.
 */
export class RecordCursor {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #salt: number;
  readonly #end: number;
  #at: number;
  #next: number;
  #zxid: Zxid;
  #bad = false;

  /** The body is `bytes` from `start` up to `end`; `prev` is the entry before it. */
  constructor(bytes: Uint8Array, start: number, end: number, prev: Zxid, salt: number) {
    this.#bytes = bytes;
    this.#view = viewOf(bytes);
    this.#salt = salt;
    this.#end = end;
    this.#at = start;
    this.#next = start;
    this.#zxid = prev;
  }

  next(): boolean {
    if (this.#bad || this.#next === this.#end) return false;
    this.#at = this.#next;
    this.#bad = !this.#check();
    return !this.#bad;
  }

  #check(): boolean {
    const at = this.#at;
    if (at + recordHeaderBytes > this.#end) return false;
    const next = at + recordHeaderBytes + this.#view.getUint32(at + 4, true);
    if (next > this.#end) return false;
    if (this.#view.getUint32(at, true) !== crc32cOf(this.#bytes, at + 4, next, this.#salt)) return false;
    const zxid = getZxid(this.#view, at + 8);
    if (zxid === undefined || getZxid(this.#view, at + 16) !== this.#zxid || !follows(this.#zxid, zxid)) return false;
    this.#zxid = zxid;
    this.#next = next;
    return true;
  }

  get bad(): boolean {
    return this.#bad;
  }

  /** Of the record that `next` stepped on; of the entry before the batch at first. */
  get zxid(): Zxid {
    return this.#zxid;
  }

  /** Where the record ends, as an index into the bytes. */
  get end(): number {
    return this.#next;
  }

  get payloadBytes(): number {
    return this.#next - this.#at - recordHeaderBytes;
  }

  /** A copy. */
  payload(): Uint8Array {
    return this.#bytes.slice(this.#at + recordHeaderBytes, this.#next);
  }
}
