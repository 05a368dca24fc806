/**
 * The write-ahead log of one server, and the history that streams and learners read. Appends gather in a
 * batch; a turn's end submits one write with one fdatasync, and the next batch gathers while it is in
 * flight. Opened by recovery.ts; used by zab (append, truncate, sync streams) and replica (history, trim).
 *
 * Invariants:
 * - `durableZxid` moves only when the fdatasync that covers it has completed.
 * - At most one write is in flight, and a batch is written only after the one before it is durable.
 * - The manifest is the only truth about which segments exist. Roll-over, cut and trim are each one atomic
 *   replacement of it: a new segment is created and synced before the manifest names it, written to only
 *   after that manifest is durable (but for a copied batch), and a file is removed only after a manifest without it is durable.
 * - What recovery read may be in the page cache alone (the process was killed, the machine was not), so
 *   nothing counts as durable, and nothing is written, until opening has made a new segment and the manifest durable.
 *   What is there may even be what a failed fdatasync left: its pages count as clean, and no sync writes them any more
 *   (fsyncgate, 2018). So opening ends the segment behind what a later batch proves; a last batch that nothing proves is copied
 *   into a new segment, which is synced and marked before the manifest names it.
 * - Segments do not grow in number with the starts of a process: opening copies a segment of little use whole, and leaves none of it behind.
 */
import { assert, must } from "../model/assert.ts";
import { buggify } from "../model/buggify.ts";
import { crc32c } from "../model/crc32c.ts";
import type { Limits } from "../model/limits.ts";
import { mutant } from "../model/mutant.ts";
import type { TokenSource } from "../model/tokens.ts";
import { counterOf, epochOf, follows, type Zxid, zeroZxid } from "../model/zxid.ts";
import { type Batch, BatchPool } from "./batch.ts";
import type { Disk } from "./disk.ts";
import type { LogEntry } from "./entry.ts";
import { EpochRuns } from "./epoch-runs.ts";
import { segmentSalt } from "./format.ts";
import { findRecordEnd, readHistory } from "./history.ts";
import { encodeManifest } from "./manifest.ts";
import { MemoryTail } from "./memory-tail.ts";
import { type Recovered, recover } from "./recovery.ts";
import { Segment, segmentFile, sequenceOf } from "./segment.ts";

export type { LogEntry } from "./entry.ts";

export interface LogOptions {
  readonly disk: Disk;
  readonly tokens: TokenSource;
  /** Such as `log-1`, directly below the data directory. */
  readonly directory: string;
  readonly limits: Limits;
  /** True when this log has been used before: then an empty directory is damage, not a new log. */
  readonly existing?: boolean;
}

export type LogOpening =
  | { readonly type: "ok"; readonly log: Log; readonly tornTailCut: boolean }
  /** File, offset and zxids, in words. */
  | { readonly type: "damaged"; readonly reason: string };

/** Recovers the log of a directory. An empty or missing directory is a new log that starts at zero. */
export function openLog(options: LogOptions): LogOpening {
  const recovery = recover(options.disk, options.directory);
  if (recovery.type === "damaged") return recovery;
  if (recovery.type === "ok") return { type: "ok", log: new Log(options, recovery.base, recovery), tornTailCut: recovery.torn };
  if (options.existing === true)
    return { type: "damaged", reason: `${options.directory} is missing: all entries of the log are lost` };
  return { type: "ok", log: new Log(options, zeroZxid, undefined), tornTailCut: false };
}

/** A new log that starts after `base`, to be filled aside. What an interrupted attempt left in the directory is removed first. */
export function createLog(options: LogOptions, base: Zxid): Log {
  return new Log(options, base, undefined);
}

/** What a token of ours is for. */
type Operation = "write" | "spare" | "manifest" | "clear" | "remove";

/** A write with its fdatasync. */
interface WriteInFlight {
  readonly batch: Batch;
  readonly sinceMs: number | undefined;
}

/** The next segment's file, made ahead of need. */
interface Spare {
  readonly size: number;
  ready: boolean;
}

/** A new segment begins after `prev`: first its file, then at opening the batch copied into it and its marker, then the manifest that names it. */
interface Turnover {
  readonly prev: Zxid;
  step: "file" | "copy" | "mark" | "manifest";
  sinceMs: number | undefined;
  readonly copied: Batch | undefined;
}

const maxFileBytes = 0xffff_ffff;
/** A segment is copied whole at opening when no more than one part in so many of it is used. */
const copiedPart = 4;

export class Log {
  readonly #disk: Disk;
  readonly #tokens: TokenSource;
  readonly #directory: string;
  readonly #limits: Limits;
  readonly #logSalt: number;
  readonly #operations = new Map<number, Operation>();

  /** In order. The last one is open, unless a turnover is under way. */
  #segments: Segment[];
  #nextSequence: number;
  #base: Zxid;
  #last: Zxid;
  #durable: Zxid;
  readonly #runs: EpochRuns;
  readonly #tail: MemoryTail;

  /** Gathered and not yet written; each but the last one is full. */
  readonly #batches: Batch[] = [];
  readonly #pool = new BatchPool();
  #write: WriteInFlight | undefined;
  #spare: Spare | undefined;
  #turnover: Turnover | undefined;
  /** False until the page cache's part of what recovery read is known to be durable. */
  #opened = false;
  readonly #openedLast: Zxid;
  /** An earlier attempt's files are being removed. */
  #clearing = false;
  #manifestWanted = false;
  #manifestInFlight = false;
  /** Files that the next manifest no longer names, and those that the one in flight does not name. */
  #obsolete: string[] = [];
  #obsoleteInFlight: string[] = [];
  /** The last batch with entries has no later batch to prove that it was durable. */
  #unmarked = false;
  #durableAtMs = 0;
  #removing = false;
  #removalSubmitted = false;

  constructor(options: LogOptions, base: Zxid, recovered: Recovered | undefined) {
    this.#disk = options.disk;
    this.#tokens = options.tokens;
    this.#directory = options.directory;
    this.#limits = options.limits;
    this.#base = base;
    this.#logSalt = recovered?.logSalt ?? freshSalt(options.directory, base);
    this.#segments = recovered?.segments ?? [];
    this.#nextSequence = recovered?.nextSequence ?? 1;
    this.#runs = recovered?.runs ?? new EpochRuns();
    this.#last = recovered?.last ?? base;
    this.#durable = recovered?.proven ?? base;
    this.#openedLast = this.#last;
    const trusted = recovered?.torn === false && mutant("a last batch is trusted where it stands");
    const from = recovered === undefined || trusted ? this.#last : this.#copyStart(recovered.proven);
    this.#tail = new MemoryTail(from);
    if (recovered === undefined) this.#openNew();
    else this.#openRecovered(from, recovered.torn, trusted);
    this.#advance();
  }

  // ---- state

  /** The zxid before the first retained entry. */
  get base(): Zxid {
    return this.#base;
  }

  /** Last appended, maybe not durable. */
  get lastZxid(): Zxid {
    return this.#last;
  }

  /** Directly after opening only what a later batch proves; all of it once the log is idle. */
  get durableZxid(): Zxid {
    return this.#durable;
  }

  /** Its own files are durable: a restart finds this log, be it without entries. */
  get opened(): boolean {
    return this.#opened;
  }

  /** Nothing is buffered or in flight that touches entries; the creation of a spare segment and a trim do not. */
  get idle(): boolean {
    return this.quiet && this.#write === undefined;
  }

  /** As `idle`, but that a marker may be on its way to the disk: a log that was idle becomes so by time alone. */
  get quiet(): boolean {
    const writes = this.#write !== undefined && this.#write.batch.entries !== 0;
    return this.#opened && !writes && this.#turnover === undefined && this.#batches.length === 0;
  }

  /** When the oldest operation that holds up durability was submitted. */
  get syncingSinceMs(): number | undefined {
    return this.#write?.sinceMs ?? this.#turnover?.sinceMs;
  }

  /** Of all segment files. */
  get bytes(): number {
    let total = 0;
    for (const segment of this.#segments) total += segment.size;
    return total;
  }

  contains(zxid: Zxid): boolean {
    return zxid === this.#base || this.#runs.contains(zxid);
  }

  /** The last zxid of each epoch retained, newest first, then the base; at most `max`. */
  tails(max: number): Zxid[] {
    const tails = this.#runs.lasts();
    tails.push(this.#base);
    return tails.slice(0, max);
  }

  /**
   * Entries directly after `zxid`: one if there is any, then up to `bytesMax` of payload. Undefined when
   * they are no longer kept. May end early where memory takes over from the disk; ask again from there.
   */
  readAfter(zxid: Zxid, bytesMax: number): readonly LogEntry[] | undefined {
    if (zxid < this.#base) return undefined;
    const most = buggify("a read of the log ends early") ? 0 : bytesMax;
    if (zxid >= this.#tail.prev) return this.#tail.readAfter(zxid, most);
    return readHistory(this.#disk, this.#segments, { after: zxid, until: this.#tail.prev, bytesMax: most });
  }

  // ---- changes

  /** Buffers an entry; `endTurn` writes it. The payload is kept: nobody may change it afterwards. */
  append(zxid: Zxid, payload: Uint8Array): void {
    assert(follows(this.#last, zxid), "the log has no gaps");
    assert(!this.#removing, "a removed log takes no entries");
    this.#batchFor(payload.length).append(zxid, payload);
    this.#tail.push(zxid, payload);
    this.#runs.push(zxid);
    this.#last = zxid;
  }

  #batchFor(payloadBytes: number): Batch {
    const gathering = this.#batches.at(-1);
    const fits = gathering !== undefined && gathering.length + payloadBytes <= this.#limits.proposal_bytes_max;
    if (fits && !buggify("a batch of one entry")) return gathering;
    const batch = this.#pool.take(this.#last);
    this.#batches.push(batch);
    return batch;
  }

  /** Cuts all entries after `to`. Done at once in memory, and on the disk when the log is idle again; a marker in flight is waited for. */
  truncate(to: Zxid, nowMs: number): void {
    assert(this.quiet, "only a log without entries in flight is truncated");
    assert(this.contains(to), "a log is truncated to an entry that it has");
    if (to === this.#last) return;
    this.#cut(to);
    this.#runs.truncate(to);
    this.#tail.truncate(to);
    this.#last = to;
    this.#durable = to;
    this.#beginTurnover(to, nowMs);
    this.#advance();
  }

  /** Makes the segments end with `to`. Bytes behind it are left as they are: no manifest counts them in, and no salt fits them again. */
  #cut(to: Zxid): void {
    while (this.#segments.length > 0 && must(this.#segments.at(-1), "a segment").prev >= to) {
      this.#obsolete.push(must(this.#segments.pop(), "a segment").file);
    }
    const segment = this.#segments.at(-1);
    if (segment === undefined) return;
    const end = segment.sealed && segment.last === to ? segment.end : findRecordEnd(this.#disk, segment, to);
    segment.seal(end, to);
  }

  /**
   * Drops the oldest whole segments: those with nothing after `keepAfter`, while enough history remains,
   * or while there is more than the byte cap. `keepAfter` beats the cap.
   */
  trim(keepAfter: Zxid): void {
    if (buggify("the log is trimmed late")) return;
    if (!this.#opened || this.#turnover !== undefined || this.#manifestWanted || this.#manifestInFlight) return;
    let dropped = 0;
    let bytes = this.bytes;
    while (dropped < this.#segments.length - 1) {
      const segment = must(this.#segments[dropped], "a segment");
      if (segment.last > keepAfter || !this.#mayDrop(segment, bytes)) break;
      bytes -= segment.size;
      dropped += 1;
    }
    if (dropped > 0) this.#drop(dropped);
  }

  #mayDrop(segment: Segment, bytes: number): boolean {
    if (bytes > this.#limits.history_bytes_max) return true;
    const txns = this.#runs.count(segment.last, this.#last);
    return txns >= this.#limits.history_txns_min && bytes - segment.size >= this.#limits.history_bytes_min;
  }

  #drop(count: number): void {
    const dropped = this.#segments.splice(0, count);
    for (const segment of dropped) this.#obsolete.push(segment.file);
    this.#base = must(this.#segments[0], "the open segment").prev;
    assert(this.#base <= this.#durable, "only durable entries are trimmed");
    this.#runs.trim(this.#base);
    this.#manifestWanted = true;
    this.#advance();
  }

  /** Removes the directory, once nothing of ours is in flight. The log must not be used afterwards, but for `onDiskDone`. */
  remove(): void {
    this.#removing = true;
    this.#advance();
  }

  /** The directory is gone. */
  get removed(): boolean {
    return this.#removalSubmitted && this.#operations.size === 0;
  }

  // ---- turns

  /** Submits what the turn gathered, unless a write is in flight. */
  endTurn(nowMs: number): void {
    if (this.#turnover !== undefined) this.#turnover.sinceMs ??= nowMs;
    if (!this.#opened || this.#write !== undefined || this.#turnover !== undefined || this.#removing) return;
    const batch = this.#batches[0];
    if (batch !== undefined) this.#writeOrTurnOver(batch, nowMs);
    else if (
      this.#unmarked &&
      (nowMs - this.#durableAtMs >= this.#limits.log_marker_idle_ms || buggify("a marker without delay"))
    )
      this.#writeMarker(nowMs);
    this.#prepareSpare();
  }

  #writeOrTurnOver(batch: Batch, nowMs: number): void {
    const open = this.#open;
    const offset = open.nextOffset;
    // A batch larger than a whole segment makes its file longer.
    const full = offset + batch.length > open.size || buggify("a segment ends early");
    if (offset > 0 && full) {
      open.seal(open.end, open.last);
      this.#beginTurnover(open.last, nowMs);
      this.#advance();
      return;
    }
    this.#batches.shift();
    this.#writeBatch(batch, nowMs);
  }

  /** A batch without entries: proves the one before it, which *is* durable, while nothing else does. */
  #writeMarker(nowMs: number): void {
    this.#writeBatch(this.#pool.take(this.#open.last), nowMs);
    this.#unmarked = false;
  }

  #writeBatch(batch: Batch, nowMs: number | undefined): void {
    const open = this.#open;
    const offset = open.nextOffset;
    assert(this.#write === undefined && !open.sealed, "one write at a time, and to the open segment");
    assert(offset + batch.length < maxFileBytes, "offsets have 32 bits");
    const bytes = batch.seal(offset, open.end, open.sequence, open.salt);
    open.addBatch(offset, bytes.length, open.last, batch.last);
    this.#submitWrite(open.file, offset, bytes);
    this.#write = { batch, sinceMs: nowMs };
  }

  #submitWrite(file: string, offset: number, bytes: Uint8Array): void {
    this.#disk.submit({ type: "write", token: this.#token("write"), file, offset, chunks: [bytes], sync: true });
  }

  get #open(): Segment {
    return must(this.#segments.at(-1), "an open segment");
  }

  /** The next segment is made when the open one is half full, so that a turnover need not wait for it. */
  #prepareSpare(): void {
    if (buggify("a spare segment comes late")) return;
    if (this.#spare === undefined && this.#turnover === undefined && this.#open.end * 2 > this.#open.size) this.#createSpare();
  }

  #createSpare(): void {
    const bytes = this.#limits.log_segment_bytes;
    this.#spare = { size: bytes, ready: false };
    const file = segmentFile(this.#directory, this.#nextSequence);
    this.#disk.submit({ type: "create", token: this.#token("spare"), file, bytes });
  }

  /** True when the token was ours. Completions must always be passed on, whatever role the server has by then. */
  onDiskDone(token: number, nowMs: number): boolean {
    const operation = this.#operations.get(token);
    if (operation === undefined) return false;
    this.#operations.delete(token);
    if (operation === "write") this.#onWriteDone(nowMs);
    else if (operation === "spare") must(this.#spare, "the spare that was created").ready = true;
    else if (operation === "manifest") this.#onManifestDone();
    else if (operation === "clear") this.#clearing = false;
    this.#advance();
    return true;
  }

  #onWriteDone(nowMs: number): void {
    const { batch } = must(this.#write, "the write that is done");
    this.#write = undefined;
    if (this.#turnover?.step === "copy") return this.#markCopy(this.#turnover);
    if (this.#turnover?.step === "mark") return this.#nameSegment(this.#turnover);
    if (batch.entries > 0) {
      assert(batch.last > this.#durable, "durability moves forward");
      this.#durable = batch.last;
      this.#durableAtMs = nowMs;
      this.#unmarked = true;
      const bytesMax = buggify("memory keeps only what is not durable") ? 0 : this.#limits.history_memory_bytes;
      this.#tail.evict(this.#durable, bytesMax);
    }
    this.#pool.give(batch);
  }

  #onManifestDone(): void {
    this.#manifestInFlight = false;
    for (const file of this.#obsoleteInFlight) this.#submitRemove(file, "remove");
    this.#obsoleteInFlight = [];
    if (this.#turnover?.step !== "manifest") return;
    this.#turnover = undefined;
    this.#unmarked = false;
  }

  // ---- opening, segments and manifest

  #openNew(): void {
    const leftovers = this.#disk.list(this.#directory);
    if (leftovers.length > 0) {
      this.#clearing = true;
      this.#submitRemove(this.#directory, "clear");
    }
    this.#beginTurnover(this.#base, undefined);
  }

  /** The open segment ends at `from`; what follows goes on in the next. A last marker is left behind: it proves, and is unproven. */
  #openRecovered(from: Zxid, torn: boolean, trusted: boolean): void {
    this.#removeStrays();
    this.#manifestWanted = true;
    if (!torn && (trusted || this.#open.end === 0)) return;
    const copied = from < this.#last ? this.#copyOf(from, this.#last) : undefined;
    this.#cut(from);
    this.#beginTurnover(from, undefined, copied);
  }

  /** All of a segment that was hardly used is copied, so that a server which is started again and again does not fill its disk with such. */
  #copyStart(proven: Zxid): Zxid {
    const { prev, end } = this.#open;
    return end * copiedPart <= this.#limits.log_segment_bytes ? prev : proven;
  }

  #copyOf(from: Zxid, last: Zxid): Batch {
    const batch = this.#pool.take(from);
    const range = { after: from, until: last, bytesMax: Number.POSITIVE_INFINITY };
    for (const { zxid, payload } of readHistory(this.#disk, this.#segments, range)) {
      batch.append(zxid, payload);
      this.#tail.push(zxid, payload);
    }
    return batch;
  }

  /**
   * Segments that the manifest does not name. One that an earlier manifest named is removed only once this
   * manifest is durable; one made ahead of need was never named, and its name is needed again.
   */
  #removeStrays(): void {
    const named = new Set(this.#segments.map((segment) => segment.file));
    for (const name of this.#disk.list(this.#directory)) {
      const file = `${this.#directory}/${name}`;
      const sequence = sequenceOf(name);
      if (sequence === undefined || named.has(file)) continue;
      if (sequence < this.#nextSequence) this.#obsolete.push(file);
      else this.#submitRemove(file, "remove");
    }
  }

  #beginTurnover(prev: Zxid, nowMs: number | undefined, copied?: Batch): void {
    assert(this.#turnover === undefined, "one turnover at a time");
    this.#turnover = { prev, step: "file", sinceMs: nowMs, copied };
  }

  /** Submits whatever of turnover, manifest and removal can go on now. Called after everything that may have cleared the way. */
  #advance(): void {
    if (this.#removing) return this.#advanceRemoval();
    if (this.#clearing) return;
    this.#advanceTurnover();
    const named = this.#turnover === undefined || this.#turnover.step === "manifest";
    if (this.#manifestWanted && !this.#manifestInFlight && named) this.#submitManifest();
    if (!this.#opened) this.#advanceOpening();
  }

  #advanceTurnover(): void {
    const turnover = this.#turnover;
    if (turnover === undefined || turnover.step !== "file") return;
    if (this.#spare === undefined) this.#createSpare();
    const spare = must(this.#spare, "a spare");
    if (!spare.ready || this.#write !== undefined || this.#manifestInFlight) return;
    const sequence = this.#nextSequence;
    const salt = segmentSalt(this.#logSalt, sequence);
    this.#segments.push(new Segment(this.#directory, sequence, alignmentFor(this.#limits), turnover.prev, salt, spare.size));
    this.#nextSequence += 1;
    this.#spare = undefined;
    if (turnover.copied === undefined) return this.#nameSegment(turnover);
    turnover.step = "copy";
    this.#writeBatch(turnover.copied, undefined);
  }

  /** What was proved before must not look like the last batch of a crash, in which nothing is damage. */
  #markCopy(turnover: Turnover): void {
    turnover.step = "mark";
    this.#writeBatch(this.#pool.take(this.#open.last), undefined);
  }

  #nameSegment(turnover: Turnover): void {
    turnover.step = "manifest";
    this.#manifestWanted = true;
  }

  #submitManifest(): void {
    this.#manifestWanted = false;
    this.#manifestInFlight = true;
    this.#obsoleteInFlight = this.#obsolete;
    this.#obsolete = [];
    const segments = this.#segments.map((segment) => segment.facts());
    const content = encodeManifest({ logSalt: this.#logSalt, nextSequence: this.#nextSequence, segments });
    this.#disk.submit({ type: "replace", token: this.#token("manifest"), file: `${this.#directory}/manifest`, content });
  }

  #advanceOpening(): void {
    if (this.#write !== undefined || this.#turnover !== undefined || this.#manifestWanted || this.#manifestInFlight) return;
    this.#opened = true;
    this.#durable = this.#openedLast;
  }

  /** The directory goes last: operations of ours inside it must not run into its removal. */
  #advanceRemoval(): void {
    if (this.#operations.size > 0 || this.#removalSubmitted) return;
    this.#removalSubmitted = true;
    this.#submitRemove(this.#directory, "remove");
  }

  #submitRemove(file: string, operation: Operation): void {
    this.#disk.submit({ type: "remove", token: this.#token(operation), file });
  }

  #token(operation: Operation): number {
    const token = this.#tokens.next();
    this.#operations.set(token, operation);
    return token;
  }
}

/** Differs between the logs of one server, whose directories and bases differ. */
function freshSalt(directory: string, base: Zxid): number {
  const bytes = new Uint8Array(directory.length + 8);
  for (let index = 0; index < directory.length; index += 1) bytes[index] = directory.charCodeAt(index);
  const view = new DataView(bytes.buffer);
  view.setUint32(directory.length, epochOf(base));
  view.setUint32(directory.length + 4, counterOf(base));
  return crc32c(bytes);
}

/**
 * A page of the page cache is what a device writes at once, so no batch shares one with a durable batch.
 * Simulated segments are a few pages long: there it is a sector, the unit in which the simulated disk tears.
 */
function alignmentFor(limits: Limits): number {
  return limits.log_segment_bytes >= 1 << 20 ? 4096 : 512;
}
