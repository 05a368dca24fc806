/**
 * Frames on a byte stream: an int32 (big-endian) with the body's length, then the body. Peer links
 * and the ZooKeeper port use them. A length is checked as soon as its four bytes are there, and
 * memory for a frame grows with the bytes that have come, never with the length that was claimed.
 */
import { ProtocolError } from "./cursor.ts";

/** The four bytes before a body of this length. */
export function frameHeader(length: number): Uint8Array {
  return Uint8Array.of(length >>> 24, length >>> 16, length >>> 8, length);
}

export class FrameDecoder {
  readonly #bytesMax: number;
  /**
   * Bytes that have come and were not handed out: `#start` … `#end` of `#bytes`. A chunk that we were
   * given has no room behind `#end`; our own memory may have.
   */
  #bytes: Uint8Array = new Uint8Array(0);
  #start = 0;
  #end = 0;

  /** `bytesMax`: of a body. */
  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  /** Takes the chunk over: it must not be written again. */
  push(chunk: Uint8Array): void {
    if (this.#start === this.#end) {
      this.#bytes = chunk;
      this.#start = 0;
      this.#end = chunk.length;
    } else {
      this.#append(chunk);
    }
  }

  /** The next body; undefined until all of it has come. A view, without a copy when it came in one chunk. */
  next(): Uint8Array | undefined {
    const have = this.#end - this.#start;
    if (have < 4) return undefined;
    const length = this.#length();
    if (have - 4 < length) return undefined;
    const body = this.#bytes.subarray(this.#start + 4, this.#start + 4 + length);
    this.#start += 4 + length;
    return body;
  }

  #length(): number {
    const b = this.#bytes;
    const at = this.#start;
    const length =
      ((b[at] as number) << 24) | ((b[at + 1] as number) << 16) | ((b[at + 2] as number) << 8) | (b[at + 3] as number);
    if (length <= 0 || length > this.#bytesMax) throw new ProtocolError(`a frame of ${length} bytes`);
    return length;
  }

  /** Behind `#end` nothing was handed out yet, so what was handed out is not written again. */
  #append(chunk: Uint8Array): void {
    if (this.#end + chunk.length > this.#bytes.length) this.#grow(chunk.length);
    this.#bytes.set(chunk, this.#end);
    this.#end += chunk.length;
  }

  #grow(bytes: number): void {
    const unread = this.#bytes.subarray(this.#start, this.#end);
    const grown = new Uint8Array(2 * (unread.length + bytes));
    grown.set(unread);
    this.#bytes = grown;
    this.#start = 0;
    this.#end = unread.length;
  }
}
