/**
 * Dirty values in their stored form, side by side in a few large buffers. As objects they would cost
 * three times the memory (boxed numbers, an ArrayBuffer a node) and every one of them would be moved and
 * marked by the garbage collector. A value is named by its address; it is overwritten in place
 * while it fits, and slots that were given up are used again, so churn does not grow the arena.
 */
import { assert } from "../model/assert.ts";
import type { Znode } from "./store.ts";
import {
  decodeRecordAt,
  decodeZnodeAt,
  encodeRecord,
  encodeZnode,
  recordBytes,
  sealValue,
  znodeBytesMax,
} from "./znode-codec.ts";

/** Before each value: capacity and length, four bytes each. */
const slotHeaderBytes = 8;
const capacityStep = 16;
const chunkBytesMin = 1 << 12;
const chunkBytesMax = 1 << 18;
/** An address is the chunk's number times this plus the slot's offset in it. */
const addressStep = 1 << 20;

export class ValueArena {
  readonly #chunks: Uint8Array[] = [];
  /** Offset of the first unused byte of the last shared chunk. */
  #tail = 0;
  #tailIndex = -1;
  /** Slots given up, by capacity. */
  readonly #free = new Map<number, number[]>();
  /** Where the staged value is, until it is placed. */
  #stagedIndex = 0;
  #stagedStart = 0;
  #bytes = 0;

  /** Capacity of all slots in use. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Stores a znode, over the value at `address` when there is one (0 or more); returns where it is now. */
  putZnode(node: Znode, address: number): number {
    this.#stage(znodeBytesMax(node));
    const end = encodeZnode(node, this.#chunks[this.#stagedIndex] as Uint8Array, this.#stagedStart);
    return this.#place(end - this.#stagedStart, address);
  }

  putRecord(payload: Uint8Array, address: number): number {
    this.#stage(recordBytes(payload));
    const end = encodeRecord(payload, this.#chunks[this.#stagedIndex] as Uint8Array, this.#stagedStart);
    return this.#place(end - this.#stagedStart, address);
  }

  /** Takes over a value of another arena. */
  putCopy(from: ValueArena, source: number, address: number): number {
    const start = from.#startOf(source);
    const value = from.#chunkOf(source).subarray(start, start + from.#lengthOf(source));
    this.#stage(value.length);
    (this.#chunks[this.#stagedIndex] as Uint8Array).set(value, this.#stagedStart);
    return this.#place(value.length, address);
  }

  free(address: number): void {
    const capacity = this.#capacityOf(address);
    this.#bytes -= capacity;
    if (capacity > chunkBytesMax) {
      this.#chunks[Math.floor(address / addressStep)] = new Uint8Array(0);
      return;
    }
    const slots = this.#free.get(capacity);
    if (slots === undefined) this.#free.set(capacity, [address]);
    else slots.push(address);
  }

  znode(address: number): Znode {
    const start = this.#startOf(address);
    return decodeZnodeAt(this.#chunkOf(address), start, start + this.#lengthOf(address));
  }

  record(address: number): Uint8Array {
    const start = this.#startOf(address);
    return decodeRecordAt(this.#chunkOf(address), start, start + this.#lengthOf(address));
  }

  /** The value with its checksum, as it is stored: a view, good while the arena is not written to. */
  sealed(key: Uint8Array, address: number): Uint8Array {
    const chunk = this.#chunkOf(address);
    const start = this.#startOf(address);
    const end = start + this.#lengthOf(address);
    sealValue(key, chunk, start, end);
    return chunk.subarray(start, end);
  }

  /** Makes room for a value of up to `bytes`, not yet part of anything. */
  #stage(bytes: number): void {
    const needed = bytes + slotHeaderBytes + capacityStep;
    if (needed > chunkBytesMax) {
      this.#stagedIndex = this.#chunks.push(new Uint8Array(needed)) - 1;
      this.#stagedStart = slotHeaderBytes;
      return;
    }
    const tail = this.#tailIndex < 0 ? undefined : this.#chunks[this.#tailIndex];
    if (tail === undefined || tail.length - this.#tail < needed) this.#addChunk(needed, tail);
    this.#stagedIndex = this.#tailIndex;
    this.#stagedStart = this.#tail + slotHeaderBytes;
  }

  #addChunk(needed: number, last: Uint8Array | undefined): void {
    const doubled = last === undefined ? chunkBytesMin : Math.min(2 * last.length, chunkBytesMax);
    this.#tailIndex = this.#chunks.push(new Uint8Array(Math.max(doubled, needed))) - 1;
    this.#tail = 0;
  }

  /** Gives the staged value its slot: the one at `address` if it fits, one that was given up, or where it is. */
  #place(length: number, address: number): number {
    if (address >= 0) {
      if (length <= this.#capacityOf(address)) return this.#moveTo(address, length);
      this.free(address);
    }
    const apart = this.#stagedIndex !== this.#tailIndex;
    const capacity = apart
      ? (this.#chunks[this.#stagedIndex] as Uint8Array).length - slotHeaderBytes
      : Math.ceil(length / capacityStep) * capacityStep;
    this.#bytes += capacity;
    const reused = apart ? undefined : this.#free.get(capacity)?.pop();
    if (reused !== undefined) return this.#moveTo(reused, length);
    const offset = this.#stagedStart - slotHeaderBytes;
    const placed = this.#stagedIndex * addressStep + offset;
    if (!apart) this.#tail = this.#stagedStart + capacity;
    this.#setHeader(placed, capacity, length);
    return placed;
  }

  #moveTo(address: number, length: number): number {
    const from = this.#chunks[this.#stagedIndex] as Uint8Array;
    const to = this.#chunkOf(address);
    const end = this.#stagedStart + length;
    if (from === to) to.copyWithin(this.#startOf(address), this.#stagedStart, end);
    else to.set(from.subarray(this.#stagedStart, end), this.#startOf(address));
    this.#setHeader(address, this.#capacityOf(address), length);
    if (this.#stagedIndex !== this.#tailIndex) this.#chunks.pop();
    return address;
  }

  #chunkOf(address: number): Uint8Array {
    const chunk = this.#chunks[Math.floor(address / addressStep)];
    assert(chunk !== undefined && chunk.length > 0, "an address must be of a value in use");
    return chunk;
  }

  #startOf(address: number): number {
    return (address % addressStep) + slotHeaderBytes;
  }

  #capacityOf(address: number): number {
    return wordAt(this.#chunkOf(address), address % addressStep);
  }

  #lengthOf(address: number): number {
    return wordAt(this.#chunkOf(address), (address % addressStep) + 4);
  }

  #setHeader(address: number, capacity: number, length: number): void {
    const chunk = this.#chunkOf(address);
    const offset = address % addressStep;
    setWordAt(chunk, offset, capacity);
    setWordAt(chunk, offset + 4, length);
  }
}

function wordAt(bytes: Uint8Array, at: number): number {
  return (
    (bytes[at] as number) |
    ((bytes[at + 1] as number) << 8) |
    ((bytes[at + 2] as number) << 16) |
    ((bytes[at + 3] as number) << 24)
  );
}

function setWordAt(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value & 0xff;
  bytes[at + 1] = (value >>> 8) & 0xff;
  bytes[at + 2] = (value >>> 16) & 0xff;
  bytes[at + 3] = value >>> 24;
}
