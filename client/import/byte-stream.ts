/**
 * A file, or what is compressed in it, as a stream of big-endian fields. It keeps one chunk or one field
 * in memory, whichever is larger; a field's length is bounded before memory is taken for it. `adler` is the Adler-32 of
 * all that was read, ZooKeeper's checksum of snapshots. Used by snapshot.ts and txn-log.ts.
 */
import { createReadStream } from "node:fs";
import { createGunzip } from "node:zlib";
import { importFailure } from "./failure.ts";
import { unsnappy } from "./snappy.ts";

/** Of one field. ZooKeeper's jute.maxbuffer is 1 MiB unless it was raised. */
const fieldBytesMax = 256 << 20;

export class ByteStream {
  readonly #name: string;
  readonly #chunks: AsyncIterator<Uint8Array>;
  #bytes: Uint8Array = new Uint8Array(0);
  #at = 0;
  /** Of the stream, before `#bytes`. */
  #passed = 0;
  #ended = false;
  adler = 1;

  private constructor(name: string, chunks: AsyncIterable<Uint8Array>) {
    this.#name = name;
    this.#chunks = chunks[Symbol.asyncIterator]();
  }

  /** Compression goes by the file's suffix, as ZooKeeper has it: `.gz`, `.snappy`, or none. */
  static open(path: string): ByteStream {
    const file = createReadStream(path, { highWaterMark: 1 << 18 });
    if (path.endsWith(".gz")) {
      const unzipped = createGunzip();
      file.on("error", (error) => unzipped.destroy(error));
      return new ByteStream(path, file.pipe(unzipped));
    }
    return new ByteStream(path, path.endsWith(".snappy") ? unsnappy(file) : file);
  }

  static over(name: string, chunks: AsyncIterable<Uint8Array>): ByteStream {
    return new ByteStream(name, chunks);
  }

  get position(): number {
    return this.#passed + this.#at;
  }

  async close(): Promise<void> {
    await this.#chunks.return?.();
  }

  /** A failure at this place of the file. */
  failure(problem: string, cause?: unknown): Error {
    return importFailure(`${this.#name}, byte ${this.position}: ${problem}`, cause);
  }

  /** False when the stream ends before `count` more bytes. */
  async has(count: number): Promise<boolean> {
    while (this.#bytes.length - this.#at < count && !this.#ended) await this.#more(count);
    return this.#bytes.length - this.#at >= count;
  }

  /** The next `count` bytes; a view, valid until the next call. */
  async raw(count: number): Promise<Uint8Array> {
    if (this.#bytes.length - this.#at < count && !(await this.has(count))) throw this.failure("the file ends in the middle");
    const bytes = this.#bytes.subarray(this.#at, this.#at + count);
    this.#at += count;
    this.adler = adler32(bytes, this.adler);
    return bytes;
  }

  async int32(): Promise<number> {
    const b = await this.raw(4);
    return ((b[0] ?? 0) << 24) | ((b[1] ?? 0) << 16) | ((b[2] ?? 0) << 8) | (b[3] ?? 0);
  }

  /** Any 64 bits, as two halves. */
  async halves(): Promise<{ readonly high: number; readonly low: number }> {
    const high = await this.int32();
    return { high, low: (await this.int32()) >>> 0 };
  }

  /** A zxid or a time. */
  async int64(what: string): Promise<number> {
    const { high, low } = await this.halves();
    const value = high * 2 ** 32 + low;
    if (!Number.isSafeInteger(value)) throw this.failure(`${what} is beyond 53 bits (an epoch has at most 21)`);
    return value;
  }

  /** A length or count: −1 is null. */
  async length(what: string, max = fieldBytesMax): Promise<number> {
    const length = await this.int32();
    if (length < -1 || length > max) throw this.failure(`${what} has the length ${length}; the file is corrupt`);
    return length;
  }

  /** A copy; undefined for null. */
  async buffer(what: string): Promise<Uint8Array | undefined> {
    const length = await this.length(what);
    return length < 0 ? undefined : (await this.raw(length)).slice();
  }

  async text(what: string): Promise<string> {
    const length = await this.length(what);
    return length <= 0 ? "" : decoder.decode(await this.raw(length));
  }

  async #more(wanted: number): Promise<void> {
    const next = await this.#next();
    if (next === undefined) {
      this.#ended = true;
      return;
    }
    const rest = this.#bytes.subarray(this.#at);
    this.#passed += this.#at;
    this.#at = 0;
    this.#bytes = rest.length === 0 ? next : await this.#gather([rest, next], rest.length + next.length, wanted);
  }

  /** All chunks of a long field at once, so that they are copied once. */
  async #gather(parts: Uint8Array[], have: number, wanted: number): Promise<Uint8Array> {
    let total = have;
    while (total < wanted) {
      const next = await this.#next();
      if (next === undefined) {
        this.#ended = true;
        break;
      }
      parts.push(next);
      total += next.length;
    }
    const all = new Uint8Array(total);
    let at = 0;
    for (const part of parts) {
      all.set(part, at);
      at += part.length;
    }
    return all;
  }

  async #next(): Promise<Uint8Array | undefined> {
    try {
      const result = await this.#chunks.next();
      return result.done === true ? undefined : result.value;
    } catch (error) {
      throw this.failure(`cannot be read: ${error instanceof Error ? error.message : String(error)}`, error);
    }
  }
}

const decoder = new TextDecoder();
const adlerPrime = 65_521;
/** So many bytes are summed before the sums could pass 2⁵³. */
const adlerRun = 1 << 16;

/** Adler-32 (RFC 1950) of `bytes`, after bytes with the checksum `before`; 1 at the beginning. */
export function adler32(bytes: Uint8Array, before = 1): number {
  let a = before & 0xffff;
  let b = before >>> 16;
  for (let start = 0; start < bytes.length; start += adlerRun) {
    const end = Math.min(start + adlerRun, bytes.length);
    for (let i = start; i < end; i += 1) {
      a += bytes[i] ?? 0;
      b += a;
    }
    a %= adlerPrime;
    b %= adlerPrime;
  }
  return b * 0x1_0000 + a;
}
