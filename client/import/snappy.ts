/**
 * Snappy, as ZooKeeper writes compressed snapshots with it: the stream format of snappy-java (a header of
 * 16 bytes, then blocks, each an int32 length and a block of the raw format), decompressed block by
 * block. The raw format: the length as a varint, then literals and copies of what came before.
 */
import { importFailure } from "./failure.ts";

/** 0x82 "SNAPPY" 0x00. */
const magic = Uint8Array.of(0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0x00);
/** The magic, a version and the oldest version that can read it. */
const headerBytes = 16;
/** snappy-java's blocks have 32 KiB unless that was changed. */
const blockBytesMax = 64 << 20;

export async function* unsnappy(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void, undefined> {
  let have: Uint8Array = new Uint8Array(0);
  let begun = false;
  for await (const chunk of chunks) {
    have = have.length === 0 ? chunk : joined(have, chunk);
    if (!begun && have.length >= headerBytes) {
      if (!magic.every((byte, i) => have[i] === byte)) throw importFailure("not a snappy stream: its first bytes are others");
      have = have.subarray(headerBytes);
      begun = true;
    }
    while (begun && have.length >= 4) {
      const length = readInt32(have);
      if (length < 0 || length > blockBytesMax) throw importFailure(`a snappy block of ${length} bytes; the file is corrupt`);
      if (have.length < 4 + length) break;
      yield unsnappyBlock(have.subarray(4, 4 + length));
      have = have.subarray(4 + length);
    }
  }
  if (!begun || have.length > 0) throw importFailure("the snappy stream ends in the middle of a block");
}

function joined(a: Uint8Array, b: Uint8Array): Uint8Array {
  const all = new Uint8Array(a.length + b.length);
  all.set(a);
  all.set(b, a.length);
  return all;
}

function readInt32(b: Uint8Array): number {
  return ((b[0] ?? 0) << 24) | ((b[1] ?? 0) << 16) | ((b[2] ?? 0) << 8) | (b[3] ?? 0);
}

/** One block of the raw format. */
export function unsnappyBlock(input: Uint8Array): Uint8Array {
  const { value: length, next } = readVarint(input);
  const output = new Uint8Array(length);
  let at = next;
  let end = 0;
  while (at < input.length) {
    const tag = input[at] ?? 0;
    at += 1;
    if ((tag & 3) === 0) {
      const { length: count, extra } = literalLength(input, at, tag);
      at += extra;
      if (at + count > input.length || end + count > length) throw corrupt();
      output.set(input.subarray(at, at + count), end);
      at += count;
      end += count;
    } else {
      const { count, offset, extra } = copyOf(input, at, tag);
      at += extra;
      if (offset === 0 || offset > end || end + count > length || at > input.length) throw corrupt();
      // Byte by byte: a copy may overlap what it writes, and then repeats it.
      for (let i = 0; i < count; i += 1) output[end + i] = output[end + i - offset] ?? 0;
      end += count;
    }
  }
  if (end !== length) throw corrupt();
  return output;
}

function corrupt(): Error {
  return importFailure("a snappy block that is corrupt");
}

function readVarint(input: Uint8Array): { readonly value: number; readonly next: number } {
  let value = 0;
  for (let i = 0; i < 5; i += 1) {
    const byte = input[i] ?? 0x80;
    value += (byte & 0x7f) * 2 ** (7 * i);
    if (byte < 0x80) {
      if (value > blockBytesMax) break;
      return { value, next: i + 1 };
    }
  }
  throw corrupt();
}

function littleEndian(input: Uint8Array, at: number, bytes: number): number {
  let value = 0;
  for (let i = bytes - 1; i >= 0; i -= 1) value = value * 256 + (input[at + i] ?? 0);
  return value;
}

/** `extra`: bytes of the tag after the first. */
function literalLength(input: Uint8Array, at: number, tag: number): { readonly length: number; readonly extra: number } {
  const short = tag >> 2;
  if (short < 60) return { length: short + 1, extra: 0 };
  const extra = short - 59;
  return { length: littleEndian(input, at, extra) + 1, extra };
}

interface Copy {
  readonly count: number;
  readonly offset: number;
  readonly extra: number;
}

function copyOf(input: Uint8Array, at: number, tag: number): Copy {
  if ((tag & 3) === 1) return { count: ((tag >> 2) & 7) + 4, offset: ((tag >> 5) << 8) | (input[at] ?? 0), extra: 1 };
  const extra = (tag & 3) === 2 ? 2 : 4;
  return { count: (tag >> 2) + 1, offset: littleEndian(input, at, extra), extra };
}
