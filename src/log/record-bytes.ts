/**
 * A minimal writer and reader of numbers and text, for the epoch record: off the hot path, without
 * TextEncoder (the core has none). Numbers are float64, text is UTF-16 code units. The reader never reads
 * outside its bytes: what is not there reads as 0, and `finished` tells whether all of it was right.
 */
import { viewOf } from "./format.ts";

export class ByteWriter {
  readonly #bytes: number[] = [];
  readonly #scratch = new Uint8Array(8);
  readonly #view = viewOf(this.#scratch);

  number(value: number): void {
    this.#view.setFloat64(0, value, true);
    for (const byte of this.#scratch) this.#bytes.push(byte);
  }

  numbers(values: readonly number[]): void {
    this.number(values.length);
    for (const value of values) this.number(value);
  }

  text(value: string): void {
    this.number(value.length);
    for (let index = 0; index < value.length; index += 1) {
      const unit = value.charCodeAt(index);
      this.#bytes.push(unit & 0xff, unit >>> 8);
    }
  }

  bytes(): Uint8Array {
    return Uint8Array.from(this.#bytes);
  }
}

export class ByteReader {
  readonly #view: DataView;
  #at = 0;
  #failed = false;

  constructor(bytes: Uint8Array) {
    this.#view = viewOf(bytes);
  }

  /** A safe integer that is not negative. */
  number(): number {
    if (!this.#has(8)) return 0;
    const value = this.#view.getFloat64(this.#at, true);
    this.#at += 8;
    if (Number.isSafeInteger(value) && value >= 0) return value;
    this.#failed = true;
    return 0;
  }

  numbers(): number[] {
    const count = this.number();
    const values: number[] = [];
    for (let index = 0; index < count && !this.#failed; index += 1) values.push(this.number());
    return values;
  }

  text(): string {
    const count = this.number();
    if (!this.#has(count * 2)) return "";
    let value = "";
    for (let index = 0; index < count; index += 1) value += String.fromCharCode(this.#view.getUint16(this.#at + index * 2, true));
    this.#at += count * 2;
    return value;
  }

  #has(bytes: number): boolean {
    if (this.#failed || this.#at + bytes > this.#view.byteLength) this.#failed = true;
    return !this.#failed;
  }

  /** All bytes were read, and every value was there and in range. */
  get finished(): boolean {
    return !this.#failed && this.#at === this.#view.byteLength;
  }
}
