/**
 * Reads a log directory at start and decides what is there: the log, a torn tail to cut, or damage.
 *
 * Damage is not absence (PAR, FAST'18). Only the last batch of the open segment may be torn, and only while
 * nothing later proves that it was durable; inside it nothing is damage. Everything else that is bad was
 * acknowledged once, perhaps, and is reported with its place and zxids, never cut. It is called once, by
 * openLog; it changes nothing on the disk.
 */
import { mutant } from "../model/mutant.ts";
import type { Zxid } from "../model/zxid.ts";
import { formatZxid } from "../model/zxid.ts";
import type { Disk } from "./disk.ts";
import { EpochRuns } from "./epoch-runs.ts";
import { FileWindow } from "./file-window.ts";
import { alignUp, type BatchHeader, batchHeaderBytes, getBatchHeader, RecordCursor, segmentSalt } from "./format.ts";
import { baseOf, decodeManifest, type Manifest } from "./manifest.ts";
import { Segment, sequenceOf } from "./segment.ts";

export interface Recovered {
  readonly type: "ok";
  readonly logSalt: number;
  readonly nextSequence: number;
  readonly base: Zxid;
  /** The last one is open. */
  readonly segments: Segment[];
  readonly runs: EpochRuns;
  readonly last: Zxid;
  /** A later batch, or the manifest, proves entries up to here durable; the others may be in the page cache alone. */
  readonly proven: Zxid;
  /** The open segment has something behind its end that is no batch. */
  readonly torn: boolean;
}
export type Recovery = Recovered | { readonly type: "empty" } | { readonly type: "damaged"; readonly reason: string };

const windowBytes = 256 * 1024;

export function recover(disk: Disk, directory: string): Recovery {
  const file = `${directory}/manifest`;
  const size = disk.size(file);
  if (size === undefined) return recoverWithoutManifest(disk, directory);
  const reading = decodeManifest(disk.read(file, 0, size));
  if (reading.type === "bad")
    return { type: "damaged", reason: `${file} is damaged: it ${reading.reason}; all entries of the log are in doubt` };
  return recoverSegments(disk, directory, reading.manifest);
}

/** A segment is written to only after a manifest names it: without one, anything but zeros is the rest of a lost log. */
function recoverWithoutManifest(disk: Disk, directory: string): Recovery {
  for (const name of disk.list(directory)) {
    const file = `${directory}/${name}`;
    if (sequenceOf(name) !== undefined && findNonZero(disk, file, 0, disk.size(file) ?? 0)) {
      return { type: "damaged", reason: `${directory}/manifest is missing, and ${file} holds entries` };
    }
  }
  return { type: "empty" };
}

function recoverSegments(disk: Disk, directory: string, manifest: Manifest): Recovery {
  const base = baseOf(manifest);
  const scan = new Scan(disk, new EpochRuns(), base);
  const segments: Segment[] = [];
  for (const facts of manifest.segments) {
    const salt = segmentSalt(manifest.logSalt, facts.sequence);
    const segment = new Segment(directory, facts.sequence, facts.alignment, facts.prev, salt, facts.bytes);
    const size = disk.size(segment.file);
    const zxids = range(facts.prev, facts.sealed ? facts.last : undefined);
    if (size === undefined) return { type: "damaged", reason: `${segment.file} is missing: ${zxids}` };
    if (size < facts.bytes)
      return { type: "damaged", reason: `${segment.file} has ${size} bytes and had ${facts.bytes}: ${zxids}` };
    segment.size = size;
    const reason = facts.sealed ? scan.sealed(segment, facts.end, facts.last) : scan.open(segment);
    if (reason !== undefined) return { type: "damaged", reason };
    segments.push(segment);
  }
  const { logSalt, nextSequence } = manifest;
  return {
    type: "ok",
    logSalt,
    nextSequence,
    base,
    segments,
    runs: scan.runs,
    last: scan.last,
    proven: scan.proven,
    torn: scan.torn,
  };
}

/** What the log is found to hold, segment by segment. Its methods return the damage in words, undefined when there is none. */
class Scan {
  readonly runs: EpochRuns;
  readonly #disk: Disk;
  last: Zxid;
  proven: Zxid;
  torn = false;

  constructor(disk: Disk, runs: EpochRuns, base: Zxid) {
    this.#disk = disk;
    this.runs = runs;
    this.last = base;
    this.proven = base;
  }

  /** All up to `end` was durable when the manifest was written. */
  sealed(segment: Segment, end: number, last: Zxid): string | undefined {
    const window = new FileWindow(this.#disk, segment.file, windowBytes);
    if (mutant("bytes behind a cut count again")) {
      while (this.#takeBatch(window, segment, segment.nextOffset, Number.POSITIVE_INFINITY));
      return undefined;
    }
    while (segment.end < end) {
      const offset = segment.nextOffset;
      if (offset < end && this.#takeBatch(window, segment, offset, end)) continue;
      if (mutant("damage is taken for the end of the log")) break;
      return damage(segment, offset, this.last, last);
    }
    const whole = segment.end === end && this.last === last;
    if (!whole && !mutant("damage is taken for the end of the log")) return damage(segment, segment.end, this.last, last);
    segment.seal(end, last);
    this.proven = last;
    return undefined;
  }

  open(segment: Segment): string | undefined {
    const window = new FileWindow(this.#disk, segment.file, windowBytes);
    while (this.#takeBatch(window, segment, segment.nextOffset, Number.POSITIVE_INFINITY));
    const offset = segment.nextOffset;
    // A whole header that does not continue the log was not left by a crash of ours.
    const misplaced = headerAt(window, segment, offset);
    const blind = mutant("damage is taken for the end of the log");
    if (misplaced !== undefined && !continues(misplaced, segment, this.last) && !blind)
      return damage(segment, offset, this.last, misplaced.last);
    const from =
      misplaced === undefined
        ? offset + segment.alignment
        : alignUp(offset + batchHeaderBytes + misplaced.bodyBytes, segment.alignment);
    const proof = findProof(window, segment, from, offset);
    if (proof !== undefined && !blind) return damage(segment, offset, this.last, proof.prev);
    if (misplaced !== undefined) this.proven = this.last;
    this.torn = findNonZero(this.#disk, segment.file, offset, segment.size);
    return undefined;
  }

  /** Takes the batch at `offset` into the log, up to `end` when the log was cut inside it. False when it is not there, or not whole. */
  #takeBatch(window: FileWindow, segment: Segment, offset: number, end: number): boolean {
    const header = headerAt(window, segment, offset);
    if (header === undefined || !continues(header, segment, this.last)) return false;
    const bytes = Math.min(batchHeaderBytes + header.bodyBytes, end - offset);
    if (offset + bytes > segment.size || bytes < batchHeaderBytes) return false;
    const at = window.show(offset, bytes);
    if (at + bytes > window.bytes.length) return false;
    const cut = bytes < batchHeaderBytes + header.bodyBytes;
    const zxids = wholeBatch(
      new RecordCursor(window.bytes, at + batchHeaderBytes, at + bytes, header.prev, segment.salt),
      header,
      cut,
    );
    if (zxids === undefined) return false;
    for (const zxid of zxids) this.runs.push(zxid);
    this.last = zxids.at(-1) ?? this.last;
    this.proven = header.prev;
    segment.addBatch(offset, bytes, header.prev, this.last);
    return true;
  }
}

function headerAt(window: FileWindow, segment: Segment, offset: number): BatchHeader | undefined {
  const at = window.show(offset, batchHeaderBytes);
  return getBatchHeader(window.bytes, at, offset, segment.sequence, segment.salt);
}

function continues(header: BatchHeader, segment: Segment, last: Zxid): boolean {
  return header.prev === last && header.durableEnd === segment.end;
}

/** The zxids of a batch whose every record is good; a batch that the log was cut in has fewer than its header says. */
function wholeBatch(cursor: RecordCursor, header: BatchHeader, cut: boolean): Zxid[] | undefined {
  const zxids: Zxid[] = [];
  while (cursor.next()) zxids.push(cursor.zxid);
  if (cursor.bad) return undefined;
  const whole = cut ? zxids.length < header.entries : zxids.length === header.entries && cursor.zxid === header.last;
  return whole ? zxids : undefined;
}

/** A later batch, even a torn one, was begun only after everything up to its `durableEnd` was durable. */
function findProof(window: FileWindow, segment: Segment, from: number, offset: number): BatchHeader | undefined {
  for (let at = from; at + batchHeaderBytes <= segment.size; at += segment.alignment) {
    const header = headerAt(window, segment, at);
    if (header !== undefined && header.durableEnd > offset) return header;
  }
  return undefined;
}

function findNonZero(disk: Disk, file: string, from: number, to: number): boolean {
  for (let at = from; at < to; at += windowBytes) {
    if (!isZero(disk.read(file, at, Math.min(windowBytes, to - at)))) return true;
  }
  return false;
}

function isZero(bytes: Uint8Array): boolean {
  let seen = 0;
  for (let index = 0; index < bytes.length; index += 1) seen |= bytes[index] as number;
  return seen === 0;
}

function damage(segment: Segment, offset: number, last: Zxid, to: Zxid): string {
  return `${segment.file} is damaged at offset ${offset}: ${range(last, to)}`;
}

function range(last: Zxid, to: Zxid | undefined): string {
  const end = to === undefined ? "" : ` up to ${formatZxid(to)}`;
  return `entries after ${formatZxid(last)}${end} cannot be read`;
}
