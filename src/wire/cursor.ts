/**
 * Bounded cursors over bytes: protobuf's wire format and big-endian integers (ZooKeeper's), both ways.
 *
 * `Reader` never runs over its end and throws ProtocolError for anything malformed; lengths are checked
 * before anything is made of them. `Writer` asserts instead: what it is given comes from our own code.
 *
 * Tags. A protobuf field begins with a tag, `number · 8 + wire type` (0: varint, 2: length-delimited).
 * Codecs name fields by these tags as literals (field 1: 8 or 10, field 2: 16 or 18 …), so that a
 * decoder is one `switch` that is a jump table, and a field of the wrong wire type is an unknown one.
 *
 * Ownership. Bytes that a Reader returns are views of its input, not copies: the input must not be
 * written again, and whoever keeps such bytes for long keeps all of the input (a socket's 64 KiB
 * chunk, say), so long-lived owners copy. Bytes from `Writer.finish` are never written again either.
 */
import { assert } from "../model/assert.ts";
import { utf8Read, utf8Write } from "./utf8.ts";

/** What the other side sent is malformed: its connection is closed. */
export class ProtocolError extends Error {
  override readonly name = "ProtocolError";
}

const depthMax = 16;
const twoTo28 = 0x1000_0000;
const twoTo32 = 0x1_0000_0000;
const bytesMax = 0x1000_0000;

/** A varint of at most 32 bits; returns its end. */
function putSmall(bytes: Uint8Array, start: number, value: number): number {
  let rest = value;
  let at = start;
  while (rest > 0x7f) {
    bytes[at++] = (rest & 0x7f) | 0x80;
    rest >>>= 7;
  }
  bytes[at++] = rest;
  return at;
}

/** A varint of a safe integer, in two parts of 28 and 25 bits; returns its end. */
function putVarint(bytes: Uint8Array, at: number, value: number): number {
  if (value >= 0 && value === (value | 0)) return putSmall(bytes, at, value);
  assert(Number.isSafeInteger(value) && value > 0, "not an unsigned safe integer");
  const high = Math.floor(value / twoTo28);
  const low = value - high * twoTo28;
  bytes[at] = (low & 0x7f) | 0x80;
  bytes[at + 1] = ((low >>> 7) & 0x7f) | 0x80;
  bytes[at + 2] = ((low >>> 14) & 0x7f) | 0x80;
  bytes[at + 3] = (low >>> 21) | 0x80;
  return putSmall(bytes, at + 4, high);
}

function join(high: number, low: number): number {
  if (high >= 0x200_0000) throw new ProtocolError("a number beyond 53 bits");
  return high * twoTo28 + low;
}

function varintLength(value: number): number {
  if (value < 0x80) return 1;
  if (value < 0x4000) return 2;
  return value < 0x20_0000 ? 3 : 4;
}

/**
 * Writes into a slab. `finish` hands out what was written and goes on behind it, so small messages
 * cost no allocation of their own; the slab lives as long as any message of it.
 * Fields with proto3's default value (0, false, empty) are left out, but for `optional…` and `element…`.
 */
export class Writer {
  readonly #slabBytes: number;
  #bytes: Uint8Array;
  /** Begin of what is being written. */
  #start = 0;
  #at = 0;

  constructor(slabBytes = 65_536) {
    this.#slabBytes = slabBytes;
    this.#bytes = new Uint8Array(slabBytes);
  }

  /** Bytes written since the last `finish` or `reset`. */
  get length(): number {
    return this.#at - this.#start;
  }

  /** What was written, valid until the next write: for a caller who copies it at once. */
  view(): Uint8Array {
    return this.#bytes.subarray(this.#start, this.#at);
  }

  /** What was written, for keeps. */
  finish(): Uint8Array {
    const written = this.#bytes.subarray(this.#start, this.#at);
    this.#start = this.#at;
    if (this.#bytes.length > this.#slabBytes) this.#newSlab(0);
    return written;
  }

  /** Forgets what was written since the last `finish`. */
  reset(): void {
    this.#at = this.#start;
  }

  /** Forgets what was written since `length` was this. */
  cut(length: number): void {
    this.#at = this.#start + length;
  }

  // ---- protobuf fields

  uint(tag: number, value: number): void {
    if (value !== 0) this.optionalUint(tag, value);
  }

  /** Written also when 0. */
  optionalUint(tag: number, value: number | undefined): void {
    if (value === undefined) return;
    this.#room(15);
    const bytes = this.#bytes;
    this.#at = putVarint(bytes, putSmall(bytes, this.#at, tag), value);
  }

  /** An int32, zigzag. */
  sint(tag: number, value: number): void {
    if (value === 0) return;
    this.optionalSint(tag, value);
  }

  /** Written also when 0. */
  optionalSint(tag: number, value: number): void {
    assert(value === (value | 0), "not an int32");
    this.#room(10);
    const bytes = this.#bytes;
    this.#at = putSmall(bytes, putSmall(bytes, this.#at, tag), ((value << 1) ^ (value >> 31)) >>> 0);
  }

  /** A repeated field of numbers, packed. */
  packed(tag: number, values: readonly number[]): void {
    if (values.length === 0) return;
    const mark = this.open(tag, 6 * values.length);
    for (const value of values) {
      this.#room(10);
      this.#at = putVarint(this.#bytes, this.#at, value);
    }
    this.close(mark);
  }

  /** A safe integer of up to 52 bits, zigzag. */
  sint64(tag: number, value: number): void {
    this.uint(tag, value < 0 ? -2 * value - 1 : 2 * value);
  }

  bool(tag: number, value: boolean): void {
    if (value) this.uint(tag, 1);
  }

  string(tag: number, text: string): void {
    if (text.length !== 0) this.elementString(tag, text);
  }

  bytes(tag: number, bytes: Uint8Array): void {
    if (bytes.length !== 0) this.elementBytes(tag, bytes);
  }

  /** Nothing when undefined; written also when empty. */
  optionalBytes(tag: number, bytes: Uint8Array | undefined): void {
    if (bytes !== undefined) this.elementBytes(tag, bytes);
  }

  /** An element of a repeated field: written also when empty. */
  elementString(tag: number, text: string): void {
    this.#room(10 + 3 * text.length);
    const reserved = varintLength(text.length);
    const start = putSmall(this.#bytes, this.#at, tag) + reserved;
    this.#at = utf8Write(text, this.#bytes, start);
    this.#patchLength(start, reserved);
  }

  elementBytes(tag: number, bytes: Uint8Array): void {
    this.#room(10 + bytes.length);
    const at = putSmall(this.#bytes, putSmall(this.#bytes, this.#at, tag), bytes.length);
    this.#bytes.set(bytes, at);
    this.#at = at + bytes.length;
  }

  /**
   * Begins a nested message; `close` with the returned mark ends it. The body is moved when
   * `expectedBytes` is wrong enough to need a length of another size, so a guess saves a copy.
   */
  open(tag: number, expectedBytes = 0): number {
    this.#room(10);
    const reserved = varintLength(expectedBytes);
    this.#at = putSmall(this.#bytes, this.#at, tag) + reserved;
    return (this.#at - this.#start) * 8 + reserved;
  }

  close(mark: number): void {
    this.#patchLength(this.#start + (mark >>> 3), mark & 7);
  }

  // ---- big-endian

  uint8(value: number): void {
    this.#room(1);
    this.#bytes[this.#at++] = value;
  }

  int32(value: number): void {
    this.#room(4);
    this.#int32At(this.#at, value);
    this.#at += 4;
  }

  /** A safe integer, negative ones too. */
  int64(value: number): void {
    assert(Number.isSafeInteger(value), "not a safe integer");
    this.#room(8);
    this.#int32At(this.#at, Math.floor(value / twoTo32));
    this.#int32At(this.#at + 4, value);
    this.#at += 8;
  }

  /** Overwrites an int32 at an offset from the begin. */
  patchInt32(offset: number, value: number): void {
    assert(this.#start + offset + 4 <= this.#at, "patch beyond what was written");
    this.#int32At(this.#start + offset, value);
  }

  raw(bytes: Uint8Array): void {
    this.#room(bytes.length);
    this.#bytes.set(bytes, this.#at);
    this.#at += bytes.length;
  }

  /** UTF-8 alone; returns its length. */
  text(text: string): number {
    this.#room(3 * text.length);
    const start = this.#at;
    this.#at = utf8Write(text, this.#bytes, start);
    return this.#at - start;
  }

  // ---- inside

  #int32At(at: number, value: number): void {
    const bytes = this.#bytes;
    bytes[at] = value >>> 24;
    bytes[at + 1] = value >>> 16;
    bytes[at + 2] = value >>> 8;
    bytes[at + 3] = value;
  }

  /** Writes the length of the bytes from `body` on into the `reserved` bytes before them. */
  #patchLength(body: number, reserved: number): void {
    const length = this.#at - body;
    const wanted = varintLength(length);
    const offset = body - this.#start - reserved;
    if (wanted !== reserved) this.#moveBody(offset + reserved, wanted - reserved);
    putSmall(this.#bytes, this.#start + offset, length);
  }

  #moveBody(offset: number, by: number): void {
    this.#room(4);
    const body = this.#start + offset;
    this.#bytes.copyWithin(body + by, body, this.#at);
    this.#at += by;
  }

  #room(bytes: number): void {
    if (this.#at + bytes > this.#bytes.length) this.#newSlab(bytes);
  }

  /** What is being written moves to the begin of a new slab. */
  #newSlab(bytes: number): void {
    const unfinished = this.#bytes.subarray(this.#start, this.#at);
    const wanted = unfinished.length + bytes;
    assert(wanted <= bytesMax, "a message of more than 256 MiB");
    this.#bytes = new Uint8Array(wanted > this.#slabBytes / 2 ? 2 * wanted : this.#slabBytes);
    this.#bytes.set(unfinished);
    this.#start = 0;
    this.#at = unfinished.length;
  }
}

/** Reads within `bytes`. `elementsMax` bounds how many strings, byte fields and nested messages one input may hold. */
export class Reader {
  readonly #bytes: Uint8Array;
  #at = 0;
  #end: number;
  #depth = 0;
  #elements: number;

  constructor(bytes: Uint8Array, elementsMax: number = bytesMax) {
    this.#bytes = bytes;
    this.#end = bytes.length;
    this.#elements = elementsMax;
  }

  /** True until the end of the innermost message that was entered. */
  more(): boolean {
    return this.#at < this.#end;
  }

  get remaining(): number {
    return this.#end - this.#at;
  }

  // ---- protobuf

  tag(): number {
    const tag = this.uint32();
    if (tag < 8) throw new ProtocolError("field number 0");
    return tag;
  }

  /** A safe integer ≥ 0. */
  uint(): number {
    const byte = this.#at < this.#end ? (this.#bytes[this.#at] as number) : 0xff;
    if (byte >= 0x80) return this.#longUint();
    this.#at += 1;
    return byte;
  }

  uint32(): number {
    const value = this.uint();
    if (value >= twoTo32) throw new ProtocolError("a number beyond 32 bits");
    return value;
  }

  sint(): number {
    const value = this.uint32();
    return (value >>> 1) ^ -(value & 1);
  }

  sint64(): number {
    const value = this.uint();
    return value % 2 === 0 ? value / 2 : -(value + 1) / 2;
  }

  bool(): boolean {
    return this.uint() !== 0;
  }

  /** A repeated field of numbers, as it comes packed. */
  packed(into: number[]): void {
    const mark = this.enter();
    while (this.more()) {
      this.#countElement();
      into.push(this.uint());
    }
    this.leave(mark);
  }

  string(): string {
    const end = this.#element();
    const text = utf8Read(this.#bytes, this.#at, end);
    if (text === undefined) throw new ProtocolError("a string that is not UTF-8");
    this.#at = end;
    return text;
  }

  /** A view of the input. */
  bytes(): Uint8Array {
    const end = this.#element();
    const start = this.#at;
    this.#at = end;
    return new Uint8Array(this.#bytes.buffer, this.#bytes.byteOffset + start, end - start);
  }

  /** Goes into a nested message; `leave` with the returned mark ends it. */
  enter(): number {
    const mark = this.#end;
    this.#end = this.#element();
    this.#depth += 1;
    if (this.#depth > depthMax) throw new ProtocolError("messages nested too deeply");
    return mark;
  }

  leave(mark: number): void {
    assert(this.#at === this.#end, "left a message before its end");
    this.#end = mark;
    this.#depth -= 1;
  }

  /** Passes over a field that is not known here. Groups are not proto3. */
  skip(tag: number): void {
    const type = tag & 7;
    if (type === 0) this.#skipVarint();
    else if (type === 1) this.#advance(8);
    else if (type === 2) this.#advance(this.uint32());
    else if (type === 5) this.#advance(4);
    else throw new ProtocolError("unknown wire type");
  }

  // ---- big-endian

  uint8(): number {
    const at = this.#at;
    this.#advance(1);
    return this.#bytes[at] as number;
  }

  int32(): number {
    const at = this.#at;
    this.#advance(4);
    return this.#int32At(at);
  }

  /** Infinity, of either sign, when it is not a safe integer. */
  int64(): number {
    const at = this.#at;
    this.#advance(8);
    const value = this.#int32At(at) * twoTo32 + (this.#int32At(at + 4) >>> 0);
    if (Number.isSafeInteger(value)) return value;
    return value > 0 ? Infinity : -Infinity;
  }

  /** A view of the next `length` bytes. */
  raw(length: number): Uint8Array {
    const at = this.#at;
    this.#advance(length);
    this.#countElement();
    return new Uint8Array(this.#bytes.buffer, this.#bytes.byteOffset + at, length);
  }

  /** What `decode` makes of the next `length` bytes; they are passed over. */
  text(length: number, decode: (bytes: Uint8Array, start: number, end: number) => string): string {
    const at = this.#at;
    this.#advance(length);
    this.#countElement();
    return decode(this.#bytes, at, this.#at);
  }

  // ---- inside

  #int32At(at: number): number {
    const b = this.#bytes;
    return ((b[at] as number) << 24) | ((b[at + 1] as number) << 16) | ((b[at + 2] as number) << 8) | (b[at + 3] as number);
  }

  #advance(bytes: number): void {
    if (bytes < 0 || bytes > this.#end - this.#at) throw new ProtocolError("cut off");
    this.#at += bytes;
  }

  #countElement(): void {
    this.#elements -= 1;
    if (this.#elements < 0) throw new ProtocolError("too many elements");
  }

  /** Reads a length; returns where the element ends. */
  #element(): number {
    const length = this.uint32();
    if (length > this.#end - this.#at) throw new ProtocolError("cut off");
    this.#countElement();
    return this.#at + length;
  }

  /** A varint in two parts, of 28 bits and the rest; one of more than a safe integer's 53 bits is refused. */
  #longUint(): number {
    const bytes = this.#bytes;
    const end = this.#end;
    let at = this.#at;
    let low = 0;
    for (let shift = 0; shift < 28; shift += 7) {
      if (at >= end) throw new ProtocolError("cut off");
      const byte = bytes[at++] as number;
      low |= (byte & 0x7f) << shift;
      if (byte < 0x80) {
        this.#at = at;
        return low;
      }
    }
    let high = 0;
    for (let shift = 0; shift < 28; shift += 7) {
      if (at >= end) throw new ProtocolError("cut off");
      const byte = bytes[at++] as number;
      high |= (byte & 0x7f) << shift;
      if (byte < 0x80) {
        this.#at = at;
        return join(high, low);
      }
    }
    this.#at = at;
    this.#zeroPadding();
    return join(high, low);
  }

  /** The ninth and tenth byte of a varint would be beyond 53 bits: they may be there, but hold nothing. */
  #zeroPadding(): void {
    for (let i = 0; i < 2; i += 1) {
      const byte = this.uint8();
      if ((byte & 0x7f) !== 0) throw new ProtocolError("a number beyond 53 bits");
      if (byte < 0x80) return;
    }
    throw new ProtocolError("a varint of more than ten bytes");
  }

  #skipVarint(): void {
    for (let i = 0; i < 10; i += 1) {
      if (this.uint8() < 0x80) return;
    }
    throw new ProtocolError("a varint of more than ten bytes");
  }
}
