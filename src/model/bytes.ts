/**
 * A byte writer and reader with UTF-8, for codecs below the `node:*` line, where there is neither
 * Buffer nor TextEncoder. Numbers are little-endian. A lone surrogate is written as three bytes and
 * read back as it was (CESU-8 is read too), so every string survives; other malformed input reads
 * as U+FFFD, which no path may hold. The reader throws RangeError on overrun: whoever decodes bytes
 * that came from outside catches it once, at the codec's edge.
 */

const growBytesMin = 64;
const twoPow32 = 0x1_0000_0000;

export class ByteWriter {
  #bytes: Uint8Array;
  #view: DataView;
  #length = 0;

  constructor(capacity = 256) {
    this.#bytes = new Uint8Array(Math.max(capacity, growBytesMin));
    this.#view = new DataView(this.#bytes.buffer);
  }

  get length(): number {
    return this.#length;
  }

  u8(value: number): void {
    this.#reserve(1);
    this.#bytes[this.#length] = value;
    this.#length += 1;
  }

  u32(value: number): void {
    this.#reserve(4);
    this.#view.setUint32(this.#length, value, true);
    this.#length += 4;
  }

  f64(value: number): void {
    this.#reserve(8);
    this.#view.setFloat64(this.#length, value, true);
    this.#length += 8;
  }

  /** A non-negative safe integer: 1 to 8 bytes, seven bits each, lowest first. */
  varint(value: number): void {
    if (!(Number.isSafeInteger(value) && value >= 0)) throw new RangeError("a varint must be a non-negative safe integer");
    this.#reserve(8);
    let rest = value;
    while (rest >= 0x80) {
      this.#bytes[this.#length] = (rest % 0x80) | 0x80;
      this.#length += 1;
      rest = rest < twoPow32 ? rest >>> 7 : Math.floor(rest / 0x80);
    }
    this.#bytes[this.#length] = rest;
    this.#length += 1;
  }

  /** An int32, small magnitudes short. */
  int(value: number): void {
    this.varint(((value << 1) ^ (value >> 31)) >>> 0);
  }

  /** Bytes without their length. */
  raw(value: Uint8Array): void {
    this.#reserve(value.length);
    this.#bytes.set(value, this.#length);
    this.#length += value.length;
  }

  /** Bytes after their length as a varint. */
  bytes(value: Uint8Array): void {
    this.varint(value.length);
    this.raw(value);
  }

  /** UTF-8 after its length in bytes as a varint. */
  text(value: string): void {
    const length = encodedLength(value);
    this.varint(length);
    this.#reserve(length);
    encodeInto(value, this.#bytes, this.#length);
    this.#length += length;
  }

  /** What was written, as a copy of its own; the writer starts anew. */
  take(): Uint8Array {
    const taken = this.#bytes.slice(0, this.#length);
    this.#length = 0;
    return taken;
  }

  #reserve(count: number): void {
    const needed = this.#length + count;
    if (needed <= this.#bytes.length) return;
    const grown = new Uint8Array(Math.max(needed, this.#bytes.length * 2));
    grown.set(this.#bytes.subarray(0, this.#length));
    this.#bytes = grown;
    this.#view = new DataView(grown.buffer);
  }
}

export class ByteReader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #end: number;
  #offset: number;

  constructor(bytes: Uint8Array, start = 0, end = bytes.length) {
    if (start < 0 || start > end || end > bytes.length) throw new RangeError("a reader's range must lie inside its bytes");
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    this.#offset = start;
    this.#end = end;
  }

  get offset(): number {
    return this.#offset;
  }

  get remaining(): number {
    return this.#end - this.#offset;
  }

  u8(): number {
    return this.#view.getUint8(this.#advance(1));
  }

  u32(): number {
    return this.#view.getUint32(this.#advance(4), true);
  }

  f64(): number {
    return this.#view.getFloat64(this.#advance(8), true);
  }

  varint(): number {
    let value = 0;
    let scale = 1;
    for (let count = 0; count < 8; count += 1) {
      const byte = this.u8();
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) {
        if (value > Number.MAX_SAFE_INTEGER) break;
        return value;
      }
      scale *= 0x80;
    }
    throw new RangeError("a varint exceeds a safe integer");
  }

  int(): number {
    const value = this.varint();
    if (value >= twoPow32) throw new RangeError("an int exceeds 32 bits");
    return (value >>> 1) ^ -(value & 1);
  }

  /** `count` bytes: a view on the input, not a copy. */
  raw(count: number): Uint8Array {
    const start = this.#advance(count);
    return this.#bytes.subarray(start, start + count);
  }

  /** A view on the input, not a copy. */
  bytes(): Uint8Array {
    return this.raw(this.varint());
  }

  text(): string {
    const length = this.varint();
    const start = this.#advance(length);
    return utf8Decode(this.#bytes, start, start + length);
  }

  #advance(count: number): number {
    const start = this.#offset;
    if (count > this.#end - start) throw new RangeError("the input ends too early");
    this.#offset = start + count;
    return start;
  }
}

export function utf8Encode(text: string): Uint8Array {
  const bytes = new Uint8Array(encodedLength(text));
  encodeInto(text, bytes, 0);
  return bytes;
}

/** Bytes that `utf8Encode` makes of `text`; a lone surrogate counts three. */
export function encodedLength(text: string): number {
  let bytes = text.length;
  for (let i = 0; i < text.length; i += 1) {
    const unit = text.charCodeAt(i);
    if (unit < 0x80) continue;
    if (unit < 0x800) bytes += 1;
    else if (isPair(text, i, unit)) {
      bytes += 2;
      i += 1;
    } else bytes += 2;
  }
  return bytes;
}

/** Writes `text` at `start`; the caller has made room for `encodedLength(text)` bytes. Returns the offset after it. */
export function encodeInto(text: string, bytes: Uint8Array, start: number): number {
  let at = start;
  for (let i = 0; i < text.length; i += 1) {
    const unit = text.charCodeAt(i);
    if (unit < 0x80) {
      bytes[at] = unit;
      at += 1;
    } else if (unit < 0x800) {
      bytes[at] = 0xc0 | (unit >> 6);
      bytes[at + 1] = 0x80 | (unit & 0x3f);
      at += 2;
    } else if (isPair(text, i, unit)) {
      i += 1;
      at = writeAstral(bytes, at, 0x10000 + ((unit & 0x3ff) << 10) + (text.charCodeAt(i) & 0x3ff));
    } else {
      bytes[at] = 0xe0 | (unit >> 12);
      bytes[at + 1] = 0x80 | ((unit >> 6) & 0x3f);
      bytes[at + 2] = 0x80 | (unit & 0x3f);
      at += 3;
    }
  }
  return at;
}

function isPair(text: string, index: number, unit: number): boolean {
  if (unit < 0xd800 || unit > 0xdbff || index + 1 >= text.length) return false;
  const next = text.charCodeAt(index + 1);
  return next >= 0xdc00 && next <= 0xdfff;
}

function writeAstral(bytes: Uint8Array, at: number, point: number): number {
  bytes[at] = 0xf0 | (point >> 18);
  bytes[at + 1] = 0x80 | ((point >> 12) & 0x3f);
  bytes[at + 2] = 0x80 | ((point >> 6) & 0x3f);
  bytes[at + 3] = 0x80 | (point & 0x3f);
  return at + 4;
}

const chunkUnits = 4096;
const replacement = 0xfffd;

/** Text of `bytes[start, end)`. ASCII, which nearly all paths are, takes no detour. */
export function utf8Decode(bytes: Uint8Array, start: number, end: number): string {
  for (let i = start; i < end; i += 1) {
    if ((bytes[i] ?? 0) >= 0x80) return decodeMixed(bytes, start, end);
  }
  return decodeAscii(bytes, start, end);
}

function decodeAscii(bytes: Uint8Array, start: number, end: number): string {
  if (end - start <= chunkUnits) return fromUnits(bytes.subarray(start, end));
  let text = "";
  for (let at = start; at < end; at += chunkUnits) text += fromUnits(bytes.subarray(at, Math.min(at + chunkUnits, end)));
  return text;
}

function decodeMixed(bytes: Uint8Array, start: number, end: number): string {
  const units = new Uint16Array(end - start);
  let count = 0;
  let at = start;
  while (at < end) {
    const lead = bytes[at] ?? 0;
    const length = sequenceLength(lead);
    const point = length === 1 ? lead : continued(bytes, at, end, length);
    at += point < 0 ? 1 : length;
    if (point < 0) {
      units[count] = replacement;
      count += 1;
    } else if (point < 0x10000) {
      units[count] = point;
      count += 1;
    } else {
      units[count] = 0xd800 + ((point - 0x10000) >> 10);
      units[count + 1] = 0xdc00 + ((point - 0x10000) & 0x3ff);
      count += 2;
    }
  }
  let text = "";
  for (let from = 0; from < count; from += chunkUnits)
    text += fromUnits(units.subarray(from, Math.min(from + chunkUnits, count)));
  return text;
}

/** 0 for a byte that starts no sequence. */
function sequenceLength(lead: number): number {
  if (lead < 0x80) return 1;
  if (lead >= 0xc2 && lead <= 0xdf) return 2;
  if (lead >= 0xe0 && lead <= 0xef) return 3;
  return lead >= 0xf0 && lead <= 0xf4 ? 4 : 0;
}

/** The code point of a sequence of `length` bytes; −1 when it is malformed, cut short or longer than needed. */
function continued(bytes: Uint8Array, at: number, end: number, length: number): number {
  if (length === 0 || at + length > end) return -1;
  let point = (bytes[at] ?? 0) & (0x7f >> length);
  for (let i = 1; i < length; i += 1) {
    const byte = bytes[at + i] ?? 0;
    if ((byte & 0xc0) !== 0x80) return -1;
    point = (point << 6) | (byte & 0x3f);
  }
  const least = length === 2 ? 0x80 : length === 3 ? 0x800 : 0x10000;
  return point < least || point > 0x10ffff ? -1 : point;
}

function fromUnits(units: Uint8Array | Uint16Array): string {
  return String.fromCharCode.apply(undefined, units as unknown as number[]);
}
