/**
 * ZooKeeper's serialisation, written for the conformance cases alone: it shares nothing with `src/wire`,
 * so that a mistake there is not made twice. A reader throws on bytes that are not there.
 */

export type Part = Buffer;

export function int(value: number): Part {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32BE(value | 0);
  return bytes;
}

export function long(value: bigint | number): Part {
  const bytes = Buffer.alloc(8);
  bytes.writeBigInt64BE(BigInt.asIntN(64, BigInt(value)));
  return bytes;
}

export function bool(value: boolean): Part {
  return Buffer.from([value ? 1 : 0]);
}

export function buffer(value: Uint8Array | string | undefined): Part {
  if (value === undefined) return int(-1);
  const bytes = typeof value === "string" ? Buffer.from(value, "utf8") : Buffer.from(value);
  return Buffer.concat([int(bytes.length), bytes]);
}

/** undefined is null; a Buffer is written as it stands, valid UTF-8 or not. */
export function text(value: string | Buffer | undefined): Part {
  return buffer(value);
}

export function vector(parts: readonly Part[] | undefined): Part {
  return parts === undefined ? int(-1) : Buffer.concat([int(parts.length), ...parts]);
}

export function frame(...parts: readonly Part[]): Buffer {
  const body = Buffer.concat(parts);
  return Buffer.concat([int(body.length), body]);
}

export class JuteReader {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  get left(): number {
    return this.#bytes.length - this.#at;
  }

  int(): number {
    this.#at += 4;
    return this.#bytes.readInt32BE(this.#at - 4);
  }

  long(): bigint {
    this.#at += 8;
    return this.#bytes.readBigInt64BE(this.#at - 8);
  }

  bool(): boolean {
    this.#at += 1;
    return this.#bytes.readUInt8(this.#at - 1) !== 0;
  }

  buffer(): Buffer | undefined {
    const length = this.int();
    if (length < 0) return undefined;
    if (length > this.left) throw new RangeError(`a length of ${length} where ${this.left} bytes are left`);
    this.#at += length;
    return this.#bytes.subarray(this.#at - length, this.#at);
  }

  text(): string {
    return this.buffer()?.toString("utf8") ?? "null";
  }

  vector<T>(read: () => T): T[] {
    const count = this.int();
    return Array.from({ length: Math.max(count, 0) }, read);
  }
}
