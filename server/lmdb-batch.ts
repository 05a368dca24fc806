/**
 * How writes travel from the loop's thread to the writer's: packed into few large buffers that change
 * hands without a copy. A write is the lengths of key and value (0 removes, else one more), then
 * their bytes.
 */
import type { KeyValueWrite } from "../src/tree/key-value.ts";

/** Some writes of one transaction; its last part carries the token. */
export interface BatchPart {
  readonly type: "part";
  readonly buffer: ArrayBuffer;
  readonly length: number;
  readonly writes: number;
  readonly token: number | undefined;
}
/** Given to the writer when it starts. */
export interface WriterData {
  readonly directory: string;
  /** Two words, shared: `writerState.busy` and `writerState.stop`. */
  readonly state: Int32Array;
}
export const writerState = { busy: 0, stop: 1 } as const;
export type ToWriter = BatchPart | { readonly type: "close" };
export type FromWriter =
  | { readonly type: "opened" }
  /** The buffers come back, to be used again. */
  | { readonly type: "committed"; readonly token: number; readonly buffers: readonly ArrayBuffer[] }
  | { readonly type: "failed"; readonly reason: string; readonly damaged: boolean }
  | { readonly type: "closed" };

/** Bytes and writes of a part: packing one takes well under a millisecond. */
export const partBytes = 1 << 18;
const partWritesMax = 2_048;
const lengthsBytes = 8;

/** Packs writes from `start` on, as many as a part takes, at least one if there is one. `spare` is used when it is large enough. */
export function packPart(
  writes: readonly KeyValueWrite[],
  start: number,
  token: number | undefined,
  spare: ArrayBuffer | undefined,
): { readonly part: BatchPart; readonly end: number } {
  let length = 0;
  let end = start;
  while (end < writes.length && end - start < partWritesMax) {
    const size = sizeOf(writes[end] as KeyValueWrite);
    if (length > 0 && length + size > partBytes) break;
    length += size;
    end += 1;
  }
  const buffer = spare !== undefined && length <= spare.byteLength ? spare : new ArrayBuffer(Math.max(length, partBytes));
  const bytes = new Uint8Array(buffer);
  let at = 0;
  for (let i = start; i < end; i += 1) at = packWrite(bytes, at, writes[i] as KeyValueWrite);
  return { part: { type: "part", buffer, length, writes: end - start, token: end === writes.length ? token : undefined }, end };
}

function sizeOf(write: KeyValueWrite): number {
  return lengthsBytes + write.key.length + (write.value === undefined ? 0 : write.value.length);
}

function packWrite(bytes: Uint8Array, start: number, write: KeyValueWrite): number {
  const { key, value } = write;
  let at = putLength(bytes, start, key.length);
  at = putLength(bytes, at, value === undefined ? 0 : value.length + 1);
  bytes.set(key, at);
  at += key.length;
  if (value === undefined) return at;
  bytes.set(value, at);
  return at + value.length;
}

/** Calls `put` or `remove` for each write of the part. */
export function unpackPart(
  part: BatchPart,
  put: (key: Uint8Array, value: Uint8Array) => void,
  remove: (key: Uint8Array) => void,
): void {
  const bytes = new Uint8Array(part.buffer, 0, part.length);
  let at = 0;
  while (at < bytes.length) {
    const keyEnd = at + lengthsBytes + getLength(bytes, at);
    const length = getLength(bytes, at + 4);
    const key = bytes.subarray(at + lengthsBytes, keyEnd);
    at = keyEnd;
    if (length === 0) remove(key);
    else {
      at += length - 1;
      put(key, bytes.subarray(keyEnd, at));
    }
  }
}

function putLength(bytes: Uint8Array, at: number, value: number): number {
  bytes[at] = value;
  bytes[at + 1] = value >>> 8;
  bytes[at + 2] = value >>> 16;
  bytes[at + 3] = value >>> 24;
  return at + 4;
}

function getLength(bytes: Uint8Array, at: number): number {
  return (
    ((bytes[at] as number) |
      ((bytes[at + 1] as number) << 8) |
      ((bytes[at + 2] as number) << 16) |
      ((bytes[at + 3] as number) << 24)) >>>
    0
  );
}
