/**
 * Jute, ZooKeeper's serialisation: big-endian primitives, buffers and strings with an int32 length,
 * vectors with an int32 count (−1 is null for all three), records without tags. Strings are read
 * leniently (see utf8.ts) and written as UTF-8. A count is checked against the bytes that are left
 * before anything is allocated for it.
 */
import type { Acl, AclEntry } from "../model/acl.ts";
import type { Stat } from "../model/stat.ts";
import { ProtocolError, type Reader, type Writer } from "./cursor.ts";
import { utf8ReadLenient } from "./utf8.ts";

// ---- reading

/** Null is read as empty. */
export function readString(r: Reader): string {
  const length = readLength(r);
  return length < 0 ? "" : r.text(length, utf8ReadLenient);
}

/** Null is undefined. */
export function readOptionalString(r: Reader): string | undefined {
  const length = readLength(r);
  return length < 0 ? undefined : r.text(length, utf8ReadLenient);
}

/** Where ZooKeeper cannot do without one: null is an error. */
export function readPresentString(r: Reader): string {
  const length = readLength(r);
  if (length < 0) throw new ProtocolError("null where a text must be");
  return r.text(length, utf8ReadLenient);
}

/** Null is undefined. A view of the input. */
export function readBuffer(r: Reader): Uint8Array | undefined {
  const length = readLength(r);
  return length < 0 ? undefined : r.raw(length);
}

export function readBoolean(r: Reader): boolean {
  return r.uint8() !== 0;
}

function readLength(r: Reader): number {
  const length = r.int32();
  if (length < -1 || length > r.remaining) throw new ProtocolError("a length out of range");
  return length;
}

/** How many elements follow, of `bytesMin` at least each; null counts as none. */
function readCount(r: Reader, bytesMin: number): number {
  const count = r.int32();
  if (count < -1 || count * bytesMin > r.remaining) throw new ProtocolError("a count out of range");
  return Math.max(count, 0);
}

export function readStrings(r: Reader): string[] {
  const count = readCount(r, 4);
  const texts: string[] = [];
  for (let i = 0; i < count; i += 1) texts.push(readString(r));
  return texts;
}

export function readAcl(r: Reader): AclEntry[] {
  const count = readCount(r, 12);
  const acl: AclEntry[] = [];
  for (let i = 0; i < count; i += 1) {
    const perms = r.int32() >>> 0; // A bit set: the native form has no negative ones.
    const scheme = readString(r);
    acl.push({ perms, scheme, id: readString(r) });
  }
  return acl;
}

// ---- writing

export function writeString(w: Writer, text: string): void {
  const at = w.length;
  w.int32(0);
  w.patchInt32(at, w.text(text));
}

export function writeBuffer(w: Writer, bytes: Uint8Array | undefined): void {
  if (bytes === undefined) return w.int32(-1);
  w.int32(bytes.length);
  w.raw(bytes);
}

export function writeBoolean(w: Writer, value: boolean): void {
  w.uint8(value ? 1 : 0);
}

export function writeStrings(w: Writer, texts: readonly string[]): void {
  w.int32(texts.length);
  for (const text of texts) writeString(w, text);
}

export function writeAcl(w: Writer, acl: Acl): void {
  w.int32(acl.length);
  for (const entry of acl) {
    w.int32(entry.perms);
    writeString(w, entry.scheme);
    writeString(w, entry.id);
  }
}

/** 68 bytes. */
export function writeStat(w: Writer, stat: Stat): void {
  w.int64(stat.czxid);
  w.int64(stat.mzxid);
  w.int64(stat.ctimeMs);
  w.int64(stat.mtimeMs);
  w.int32(stat.version);
  w.int32(stat.cversion);
  w.int32(stat.aversion);
  w.int64(stat.ephemeralOwner);
  w.int32(stat.dataLength);
  w.int32(stat.numChildren);
  w.int64(stat.pzxid);
}

// ---- frames

/** Leaves room for a frame's length; `endFrame` with the returned mark fills it in. */
export function beginFrame(w: Writer): number {
  const mark = w.length;
  w.int32(0);
  return mark;
}

export function endFrame(w: Writer, mark: number): void {
  w.patchInt32(mark, w.length - mark - 4);
}
