/**
 * Stored form of the store's values: crc32c(key, payload), 4 bytes, then the payload. A znode's payload
 * is two bytes of flags, the fields that are not at their usual value, and the data to the end: about 40
 * bytes for a plain node. Dirty values are kept in this form too (`store-arena.ts`). Called by the
 * arena (encode), the flush (seal), the store and images (decode), the scrub and the snapshot (check).
 */
import { assert } from "../model/assert.ts";
import { crc32cOf } from "../model/crc32c.ts";
import type { NodeKind } from "../model/request.ts";
import type { SessionId, Zxid } from "../model/zxid.ts";
import { copiedData } from "./kept-data.ts";
import type { Znode } from "./store.ts";
import { damagedValue } from "./store-error.ts";
import { appliedKey, keySeed } from "./store-keys.ts";

const kinds: readonly NodeKind[] = ["persistent", "ephemeral", "container", "ttl"];
/** Flags: bits 0–1 are the kind. */
const hasData = 1 << 2;
const hasOwner = 1 << 3;
const hasTtl = 1 << 4;
const hasMzxid = 1 << 5;
const hasPzxid = 1 << 6;
const hasMtime = 1 << 7;
const hasVersions = 1 << 8;
const hasChildren = 1 << 9;
const flagsMax = (1 << 10) - 1;

const crcBytes = 4;
const headerBytesMax = 128;
const twoTo32 = 0x1_0000_0000;

/** Room that the stored form of a znode with this much data may need. */
export function znodeBytesMax(node: Znode): number {
  return headerBytesMax + (node.data === undefined ? 0 : node.data.length);
}

export function recordBytes(payload: Uint8Array): number {
  return crcBytes + payload.length;
}

/**
 * Writes a value at `start` and returns its end. The checksum comes later (`sealValue`), once, when
 * the value is flushed: one that is overwritten before that never needs it.
 */
export function encodeZnode(node: Znode, bytes: Uint8Array, start: number): number {
  writer.begin(bytes, start + crcBytes);
  writeHeader(node);
  assert(writer.at - start <= headerBytesMax, "a znode's header must fit its bound");
  if (node.data !== undefined) writer.put(node.data);
  return writer.at;
}

export function encodeRecord(payload: Uint8Array, bytes: Uint8Array, start: number): number {
  writer.begin(bytes, start + crcBytes);
  writer.put(payload);
  return writer.at;
}

/** Puts the checksum before the value in `bytes[start, end)`. */
export function sealValue(key: Uint8Array, bytes: Uint8Array, start: number, end: number): void {
  const crc = crc32cOf(bytes, start + crcBytes, end, keySeed(key));
  writer.begin(bytes, start);
  writer.half(crc);
}

/** The stored value of the applied zxid. */
export function appliedValue(zxid: Zxid): Uint8Array {
  const bytes = new Uint8Array(crcBytes + 8);
  writer.begin(bytes, crcBytes);
  writer.byte(formatVersion);
  writer.safe(zxid);
  sealValue(appliedKey, bytes, 0, bytes.length);
  return bytes;
}

function writeHeader(node: Znode): void {
  const w = writer;
  const flags = flagsOf(node);
  w.byte(flags & 0xff);
  w.byte(flags >>> 8);
  w.safe(node.czxid);
  w.safe(node.ctimeMs);
  w.safe(node.stampMs);
  assert(
    (node.hashHigh | 0) === node.hashHigh && (node.hashLow | 0) === node.hashLow,
    "the halves of a hash must be signed 32-bit integers",
  );
  w.half(node.hashHigh);
  w.half(node.hashLow);
  w.signed(node.acl);
  if ((flags & hasOwner) !== 0) w.safe(node.owner);
  if ((flags & hasTtl) !== 0) w.safe(node.ttlMs);
  if ((flags & hasMzxid) !== 0) w.safe(node.mzxid);
  if ((flags & hasPzxid) !== 0) w.safe(node.pzxid);
  if ((flags & hasMtime) !== 0) w.safe(node.mtimeMs);
  if ((flags & hasVersions) !== 0) {
    w.signed(node.version);
    w.signed(node.aversion);
  }
  if ((flags & hasChildren) !== 0) {
    w.signed(node.childCreates);
    w.signed(node.numChildren);
    w.signed(node.descendants);
    w.signed(node.bytesBelow);
  }
}

/** Writes into bytes that the caller has made large enough. */
class ValueWriter {
  #bytes: Uint8Array = new Uint8Array(0);
  at = 0;

  begin(bytes: Uint8Array, at: number): void {
    this.#bytes = bytes;
    this.at = at;
  }

  put(bytes: Uint8Array): void {
    this.#bytes.set(bytes, this.at);
    this.at += bytes.length;
  }

  byte(value: number): void {
    this.#bytes[this.at++] = value;
  }

  half(value: number): void {
    const bytes = this.#bytes;
    bytes[this.at++] = value & 0xff;
    bytes[this.at++] = (value >>> 8) & 0xff;
    bytes[this.at++] = (value >>> 16) & 0xff;
    bytes[this.at++] = value >>> 24;
  }

  /** A safe integer from 0, in 7 bytes. */
  safe(value: number): void {
    assert(Number.isSafeInteger(value) && value >= 0, "a stored number must be a safe integer from 0");
    const high = Math.floor(value / twoTo32);
    this.half(value % twoTo32);
    this.byte(high & 0xff);
    this.byte((high >>> 8) & 0xff);
    this.byte(high >>> 16);
  }

  /** An integer, small ones short: sign in the lowest bit, seven bits a byte. */
  signed(value: number): void {
    assert(Math.abs(value) <= Number.MAX_SAFE_INTEGER / 2, "a stored number must be a safe integer");
    let rest = value < 0 ? -2 * value - 1 : 2 * value;
    while (rest >= 0x80) {
      this.byte((rest % 0x80) | 0x80);
      rest = Math.floor(rest / 0x80);
    }
    this.byte(rest);
  }
}

const writer = new ValueWriter();
const formatVersion = 2;

function flagsOf(node: Znode): number {
  let flags = kinds.indexOf(node.kind);
  if (node.data !== undefined) flags |= hasData;
  if (node.owner !== 0) flags |= hasOwner;
  if (node.ttlMs !== 0) flags |= hasTtl;
  if (node.mzxid !== node.czxid) flags |= hasMzxid;
  if (node.pzxid !== node.czxid) flags |= hasPzxid;
  if (node.mtimeMs !== node.ctimeMs) flags |= hasMtime;
  if (node.version !== 0 || node.aversion !== 0) flags |= hasVersions;
  if (node.childCreates !== 0 || node.numChildren !== 0 || node.descendants !== 0 || node.bytesBelow !== 0) flags |= hasChildren;
  return flags;
}

/** True when the value is what was written under this key. */
export function isSound(key: Uint8Array, value: Uint8Array): boolean {
  if (value.length < crcBytes) return false;
  const crc =
    ((value[0] as number) | ((value[1] as number) << 8) | ((value[2] as number) << 16) | ((value[3] as number) << 24)) >>> 0;
  return crc === crc32cOf(value, crcBytes, value.length, keySeed(key));
}

function demandSound(key: Uint8Array, value: Uint8Array): void {
  if (!isSound(key, value)) throw damagedValue(key);
}

/** A stored record's payload, copied: `value` may be a buffer that the driver uses again. Throws DamagedStoreError on a bad checksum. */
export function decodeRecord(key: Uint8Array, value: Uint8Array): Uint8Array {
  demandSound(key, value);
  return decodeRecordAt(value, 0, value.length);
}

/** Of a value that we hold ourselves: no checksum. */
export function decodeRecordAt(bytes: Uint8Array, start: number, end: number): Uint8Array {
  return bytes.slice(start + crcBytes, end);
}

export function decodeApplied(value: Uint8Array): Zxid {
  demandSound(appliedKey, value);
  reader.begin(value, crcBytes, value.length);
  assert(reader.byte() === formatVersion, "the tree store has a format that this version does not know");
  return reader.safe() as Zxid;
}

/** Throws DamagedStoreError on a bad checksum. The data is copied. */
export function decodeZnode(key: Uint8Array, value: Uint8Array): Znode {
  demandSound(key, value);
  return decodeZnodeAt(value, 0, value.length);
}

/** Of a value that we hold ourselves: no checksum. The data is copied. */
export function decodeZnodeAt(bytes: Uint8Array, start: number, end: number): Znode {
  reader.begin(bytes, start + crcBytes, end);
  const flags = reader.byte() | (reader.byte() << 8);
  assert(flags <= flagsMax, "a stored znode must have known flags");
  return readZnode(flags);
}

function readZnode(flags: number): Znode {
  const r = reader;
  const czxid = r.safe() as Zxid;
  const ctimeMs = r.safe();
  const stampMs = r.safe();
  const hashHigh = r.half();
  const hashLow = r.half();
  const acl = r.signed();
  const owner = ((flags & hasOwner) === 0 ? 0 : r.safe()) as SessionId;
  const ttlMs = (flags & hasTtl) === 0 ? 0 : r.safe();
  const mzxid = (flags & hasMzxid) === 0 ? czxid : (r.safe() as Zxid);
  const pzxid = (flags & hasPzxid) === 0 ? czxid : (r.safe() as Zxid);
  const mtimeMs = (flags & hasMtime) === 0 ? ctimeMs : r.safe();
  const versions = (flags & hasVersions) !== 0;
  const version = versions ? r.signed() : 0;
  const aversion = versions ? r.signed() : 0;
  const children = (flags & hasChildren) !== 0;
  const childCreates = children ? r.signed() : 0;
  const numChildren = children ? r.signed() : 0;
  const descendants = children ? r.signed() : 0;
  const bytesBelow = children ? r.signed() : 0;
  const data = (flags & hasData) === 0 ? undefined : r.rest();
  return {
    data,
    acl,
    kind: kinds[flags & 3] as NodeKind,
    owner,
    ttlMs,
    czxid,
    mzxid,
    pzxid,
    ctimeMs,
    mtimeMs,
    stampMs,
    version,
    aversion,
    childCreates,
    numChildren,
    descendants,
    bytesBelow,
    hashHigh,
    hashLow,
  };
}

/** Reads a value whose checksum has been proved, so it checks no bounds of its own. */
class ValueReader {
  #bytes: Uint8Array = new Uint8Array(0);
  #at = 0;
  #end = 0;

  begin(bytes: Uint8Array, start: number, end: number): void {
    this.#bytes = bytes;
    this.#at = start;
    this.#end = end;
  }

  byte(): number {
    return this.#bytes[this.#at++] as number;
  }

  /** 32 bits, signed. */
  half(): number {
    return this.byte() | (this.byte() << 8) | (this.byte() << 16) | (this.byte() << 24);
  }

  safe(): number {
    const low = this.half() >>> 0;
    return low + (this.byte() | (this.byte() << 8) | (this.byte() << 16)) * twoTo32;
  }

  signed(): number {
    let value = 0;
    let scale = 1;
    for (;;) {
      const byte = this.byte();
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) break;
      scale *= 0x80;
    }
    return value % 2 === 1 ? -(value + 1) / 2 : value / 2;
  }

  rest(): Uint8Array {
    return copiedData(this.#bytes.subarray(this.#at, this.#end));
  }
}

const reader = new ValueReader();
