/** A sliding view of a file, so that reading many small batches in a row takes few disk reads. Used by recovery and history. */
import type { Disk } from "./disk.ts";

export class FileWindow {
  readonly #disk: Disk;
  readonly #file: string;
  readonly #windowBytes: number;
  #bytes: Uint8Array = new Uint8Array(0);
  #start = 0;

  constructor(disk: Disk, file: string, windowBytes: number) {
    this.#disk = disk;
    this.#file = file;
    this.#windowBytes = windowBytes;
  }

  /** Brings `length` bytes at `offset` into view, as many as the file has. Returns the index of `offset` in `bytes`. */
  show(offset: number, length: number): number {
    const inside = offset >= this.#start && offset + length <= this.#start + this.#bytes.length;
    if (!inside) {
      this.#bytes = this.#disk.read(this.#file, offset, Math.max(length, this.#windowBytes));
      this.#start = offset;
    }
    return offset - this.#start;
  }

  /** The bytes in view; valid until the next `show`. */
  get bytes(): Uint8Array {
    return this.#bytes;
  }
}
