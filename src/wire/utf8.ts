/**
 * UTF-8 without TextEncoder, for code that also runs in the deterministic core. Strings that come out
 * hold no lone surrogate, so a text has one encoding wherever it travels. Called by the cursors and jute.
 */

const chr = String.fromCharCode;

/** Writes `text` at `at`; `target` has room for three bytes a unit. Returns the end. A lone surrogate becomes U+FFFD. */
export function utf8Write(text: string, target: Uint8Array, at: number): number {
  const length = text.length;
  for (let i = 0; i < length; i += 1) {
    const unit = text.charCodeAt(i);
    if (unit >= 0x80) return writeWide(text, i, target, at + i);
    target[at + i] = unit;
  }
  return at + length;
}

function writeWide(text: string, from: number, target: Uint8Array, start: number): number {
  let at = start;
  for (let i = from; i < text.length; i += 1) {
    const point = text.codePointAt(i) as number;
    if (point > 0xffff) i += 1;
    at = writePoint(point >= 0xd800 && point <= 0xdfff ? 0xfffd : point, target, at);
  }
  return at;
}

function writePoint(point: number, target: Uint8Array, start: number): number {
  let at = start;
  if (point < 0x80) {
    target[at++] = point;
    return at;
  }
  if (point < 0x800) {
    target[at++] = 0xc0 | (point >> 6);
  } else {
    if (point < 0x10000) {
      target[at++] = 0xe0 | (point >> 12);
    } else {
      target[at++] = 0xf0 | (point >> 18);
      target[at++] = 0x80 | ((point >> 12) & 0x3f);
    }
    target[at++] = 0x80 | ((point >> 6) & 0x3f);
  }
  target[at++] = 0x80 | (point & 0x3f);
  return at;
}

/** The text of bytes `start` … `end`; undefined when they are not UTF-8 (overlong forms and surrogates are not). */
export function utf8Read(bytes: Uint8Array, start: number, end: number): string | undefined {
  for (let i = start; i < end; i += 1) {
    if ((bytes[i] as number) >= 0x80) return readWide(bytes, start, end, false);
  }
  return readAscii(bytes, start, end);
}

/**
 * As ZooKeeper's clients need it: surrogates written as three bytes each (CESU-8, what Java's encoder
 * does) are joined, and what is no text becomes U+FFFD.
 */
export function utf8ReadLenient(bytes: Uint8Array, start: number, end: number): string {
  return utf8Read(bytes, start, end) ?? joinSurrogates(readWide(bytes, start, end, true) as string);
}

// Sixteen units a call: about three times as fast as one by one, and no array for `apply`.
function readAscii(b: Uint8Array, start: number, end: number): string {
  let text = "";
  let i = start;
  for (; i + 16 <= end; i += 16) {
    text += chr(
      b[i] as number,
      b[i + 1] as number,
      b[i + 2] as number,
      b[i + 3] as number,
      b[i + 4] as number,
      b[i + 5] as number,
      b[i + 6] as number,
      b[i + 7] as number,
      b[i + 8] as number,
      b[i + 9] as number,
      b[i + 10] as number,
      b[i + 11] as number,
      b[i + 12] as number,
      b[i + 13] as number,
      b[i + 14] as number,
      b[i + 15] as number,
    );
  }
  if (i + 8 <= end) {
    text += chr(
      b[i] as number,
      b[i + 1] as number,
      b[i + 2] as number,
      b[i + 3] as number,
      b[i + 4] as number,
      b[i + 5] as number,
      b[i + 6] as number,
      b[i + 7] as number,
    );
    i += 8;
  }
  if (i + 4 <= end) {
    text += chr(b[i] as number, b[i + 1] as number, b[i + 2] as number, b[i + 3] as number);
    i += 4;
  }
  for (; i < end; i += 1) text += chr(b[i] as number);
  return text;
}

/** In lenient mode surrogates pass and a bad byte is U+FFFD; else either ends in undefined. */
function readWide(bytes: Uint8Array, start: number, end: number, lenient: boolean): string | undefined {
  let text = "";
  let i = start;
  while (i < end) {
    const point = pointAt(bytes, i, end, lenient);
    if (point < 0 && !lenient) return undefined;
    text += point < 0 ? "\ufffd" : String.fromCodePoint(point);
    i += point < 0 ? 1 : lengthOf(point);
  }
  return text;
}

function lengthOf(point: number): number {
  if (point < 0x80) return 1;
  if (point < 0x800) return 2;
  return point < 0x10000 ? 3 : 4;
}

/** The code point at `at`; −1 when there is none. */
function pointAt(bytes: Uint8Array, at: number, end: number, surrogates: boolean): number {
  const first = bytes[at] as number;
  if (first < 0x80) return first;
  if (first < 0xc2 || first > 0xf4) return -1;
  const length = first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
  if (at + length > end) return -1;
  let point = first & (0x7f >> length);
  for (let i = 1; i < length; i += 1) {
    const byte = bytes[at + i] as number;
    if ((byte & 0xc0) !== 0x80) return -1;
    point = (point << 6) | (byte & 0x3f);
  }
  if (lengthOf(point) !== length || point > 0x10ffff) return -1;
  return point >= 0xd800 && point <= 0xdfff && !surrogates ? -1 : point;
}

/** Pairs are characters already, by being neighbours in the string; what stands alone becomes U+FFFD. */
function joinSurrogates(text: string): string {
  let joined = "";
  for (const character of text) {
    const unit = character.charCodeAt(0);
    const alone = character.length === 1 && unit >= 0xd800 && unit <= 0xdfff;
    joined += alone ? "\ufffd" : character;
  }
  return joined;
}
