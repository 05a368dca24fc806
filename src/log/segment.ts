/**
 * What is known of one segment file while the log is open. The last segment of a log is open; the ones
 * before it are sealed: their end is in the manifest, everything before it was durable when that was
 * written, and bytes behind it belong to nobody.
 */
import type { Zxid } from "../model/zxid.ts";
import { alignUp } from "./format.ts";

/** A batch is remembered for look-ups when this far behind the last one remembered. */
const indexStepBytes = 64 * 1024;
const namePrefix = "segment-";

export function segmentFile(directory: string, sequence: number): string {
  return `${directory}/${namePrefix}${String(sequence).padStart(8, "0")}`;
}

/** Undefined when the name is not a segment's. */
export function sequenceOf(name: string): number | undefined {
  return name.startsWith(namePrefix) ? Number(name.slice(namePrefix.length)) : undefined;
}

export interface SegmentFacts {
  readonly sequence: number;
  /** Batches start at multiples of it. */
  readonly alignment: number;
  /** The last entry before the segment. */
  readonly prev: Zxid;
  /** Of the file when the segment began. It never shrinks: a shorter file is damage. */
  readonly bytes: number;
  readonly sealed: boolean;
  /** Sealed: behind the last record. */
  readonly end: number;
  /** Sealed: the last entry, `prev` when there is none. */
  readonly last: Zxid;
}

export class Segment {
  readonly sequence: number;
  readonly alignment: number;
  readonly prev: Zxid;
  readonly file: string;
  readonly salt: number;
  readonly bytes: number;
  /** Of the file: `bytes`, or more when a batch did not fit an empty segment. */
  size: number;
  sealed = false;
  /** Behind the last record or marker written. */
  end = 0;
  last: Zxid;
  /** Batches in offset order: the entry before each, and where it starts. */
  readonly #indexPrevs: Zxid[] = [];
  readonly #indexOffsets: number[] = [];

  constructor(directory: string, sequence: number, alignment: number, prev: Zxid, salt: number, bytes: number) {
    this.sequence = sequence;
    this.alignment = alignment;
    this.prev = prev;
    this.file = segmentFile(directory, sequence);
    this.salt = salt;
    this.bytes = bytes;
    this.size = bytes;
    this.last = prev;
  }

  /** Where the next batch goes. */
  get nextOffset(): number {
    return alignUp(this.end, this.alignment);
  }

  facts(): SegmentFacts {
    const { sequence, alignment, prev, bytes, sealed } = this;
    return { sequence, alignment, prev, bytes, sealed, end: sealed ? this.end : 0, last: sealed ? this.last : prev };
  }

  /** Takes note of a batch of `bytes` that was written, or found, at `offset`. */
  addBatch(offset: number, bytes: number, prev: Zxid, last: Zxid): void {
    const indexed = this.#indexOffsets.at(-1);
    if (last !== prev && (indexed === undefined || offset - indexed >= indexStepBytes)) {
      this.#indexPrevs.push(prev);
      this.#indexOffsets.push(offset);
    }
    this.end = offset + bytes;
    this.last = last;
    if (this.end > this.size) this.size = this.end;
  }

  /** The offset of a batch from which on all entries after `zxid` are found. */
  offsetBefore(zxid: Zxid): number {
    let low = 0;
    let high = this.#indexPrevs.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#indexPrevs[middle] as Zxid) <= zxid) low = middle + 1;
      else high = middle;
    }
    return low === 0 ? 0 : (this.#indexOffsets[low - 1] as number);
  }

  /** Ends the segment behind the record of `last`, at `end`; nothing is ever written to it again. */
  seal(end: number, last: Zxid): void {
    this.sealed = true;
    this.end = end;
    this.last = last;
    while ((this.#indexOffsets.at(-1) ?? 0) >= end && end > 0) {
      this.#indexOffsets.pop();
      this.#indexPrevs.pop();
    }
  }
}
