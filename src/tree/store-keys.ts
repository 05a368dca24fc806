/**
 * Keys of the tree store in its KeyValue. One byte of kind, then text in UTF-8:
 *
 *   01 name                 a record (session, ACL table, reply table, index, digest …)
 *   02 parent 00 name       a znode: its path with the last `/` replaced by a zero byte
 *   ff a                    the applied zxid, so that an image sent in key order ends with it
 *
 * Valid paths hold no character below U+0020, so the children of a node are contiguous and come in
 * the order of their names; `/` is the parent "" and sorts first. Called by the write-behind store,
 * the flush and the snapshot image.
 */
import { encodedLength, encodeInto, utf8Decode } from "../model/bytes.ts";
import { crc32cOf } from "../model/crc32c.ts";

const recordKind = 1;
const nodeKind = 2;
const metaKind = 0xff;
const slash = 47;

/** Holds the zxid up to which the store is applied. */
export const appliedKey: Uint8Array = Uint8Array.of(metaKind, 97);
/** Every key lies between these two. */
export const firstKey: Uint8Array = Uint8Array.of(0);
export const endKey: Uint8Array = Uint8Array.of(metaKind, 0xff);

/** The name at the end of a node's key, which starts at `start`. */
export function nameAt(key: Uint8Array, start: number): string {
  return utf8Decode(key, start, key.length);
}

/** Bytes of a node's key that come before its name. */
export function nameStart(parent: string): number {
  return keyOf(nodeKind, parent.length === 1 ? "" : parent).length + 1;
}

export function nodeKey(path: string): Uint8Array {
  const key = keyOf(nodeKind, path);
  key[key.lastIndexOf(slash)] = 0;
  return key;
}

export function recordKey(name: string): Uint8Array {
  return keyOf(recordKind, name);
}

/** The first key after the child `after`; with "" the first key that a child may have. */
export function childrenStart(parent: string, after: string): Uint8Array {
  const prefix = parent.length === 1 ? "" : parent;
  return after === "" ? keyOf(nodeKind, `${prefix}\u0000\u0001`) : keyOf(nodeKind, `${prefix}\u0000${after}\u0000`);
}

export function childrenEnd(parent: string): Uint8Array {
  return keyOf(nodeKind, parent.length === 1 ? "\u0001" : `${parent}\u0001`);
}

export function recordsStart(prefix: string): Uint8Array {
  return keyOf(recordKind, prefix);
}

/** No record name holds U+FFFF. */
export function recordsEnd(prefix: string): Uint8Array {
  return prefix === "" ? Uint8Array.of(nodeKind) : keyOf(recordKind, `${prefix}\uffff`);
}

export function recordName(key: Uint8Array): string {
  return utf8Decode(key, 1, key.length);
}

/** The key after `key` in byte order. */
export function nextKey(key: Uint8Array): Uint8Array {
  const next = new Uint8Array(key.length + 1);
  next.set(key);
  return next;
}

/** A key in words, for errors and logs. */
export function describeKey(key: Uint8Array): string {
  if (key[0] === recordKind) return `record ${recordName(key)}`;
  if (key[0] === nodeKind) return `znode ${utf8Decode(key, 1, key.length).replace("\u0000", "/")}`;
  return key[0] === metaKind ? "the applied zxid" : "an unknown key";
}

/** Seed of a value's checksum, so that a value under another's key is damage too. */
export function keySeed(key: Uint8Array): number {
  return crc32cOf(key, 0, key.length, 0);
}

function keyOf(kind: number, text: string): Uint8Array {
  const key = new Uint8Array(text.length + 1);
  key[0] = kind;
  for (let i = 0; i < text.length; i += 1) {
    const unit = text.charCodeAt(i);
    if (unit >= 0x80) return wideKeyOf(kind, text);
    key[i + 1] = unit;
  }
  return key;
}

function wideKeyOf(kind: number, text: string): Uint8Array {
  const key = new Uint8Array(encodedLength(text) + 1);
  key[0] = kind;
  encodeInto(text, key, 1);
  return key;
}
