/**
 * A virtual disk that is as bad as a real one may be, and no worse, and the same again from the same seed.
 *
 * Reads see everything submitted (the page cache). The platter has only what a completed sync covered. An
 * operation completes after a latency; operations on one file complete in order, on several files in any.
 * - `crash()`, a power cut: every 512-byte sector that no sync has covered is kept, lost, torn or, while it
 *   was being written, garbage, each by itself; a `replace` is old or new with its temporary file left or
 *   not; a `create` is absent, short or whole; a `remove` has happened or not.
 * - `kill()`, the process alone: operations under way have happened, happened in part, or not, and what has
 *   happened is in the page cache, so a later crash() may still lose it.
 * Either way pending operations are forgotten and a new process opens the same object.
 * It throws where a driver's user breaks the contract: a buffer changed in flight, a write to a missing
 * file, a directory removed while operations inside it are pending.
 */
import type { Disk, DiskOperation } from "../../src/log/disk.ts";

/** Deterministic randomness. */
export interface RandomSource {
  /** 0 … n − 1. */
  below(n: number): number;
}

export interface SimDiskOptions {
  readonly latencyMinMs?: number;
  readonly latencyMaxMs?: number;
  /** What becomes of an unsynced sector in a crash; the rest of the probability keeps it. */
  readonly lostProbability?: number;
  readonly tornProbability?: number;
  readonly garbageProbability?: number;
  readonly freeBytes?: number;
}

export const sectorBytes = 512;
const drawRange = 2 ** 20;
const temporarySuffix = ".tmp";

type WriteOperation = Extract<DiskOperation, { type: "write" }>;

/** A write that no sync has covered yet. */
interface UnsyncedWrite {
  readonly order: number;
  readonly offset: number;
  readonly bytes: Uint8Array;
  /** The operation has completed: its bytes are in the cache for certain. */
  done: boolean;
}

interface SimFile {
  /** As read. */
  content: Uint8Array;
  /** What the platter has, of sectors where that differs from `content`. */
  readonly platter: Map<number, Uint8Array>;
  platterSize: number;
  /** The same of sectors whose sync has failed: they count as clean, so only another write of theirs brings them to the platter. */
  readonly clean: Map<number, Uint8Array>;
  unsynced: UnsyncedWrite[];
  /** The platter may have this instead, whole: a `replace` that is not known to be durable. Undefined inside: no file. */
  previous: { readonly content: Uint8Array | undefined } | undefined;
}

interface Pending {
  readonly operation: DiskOperation;
  readonly order: number;
  readonly atMs: number;
  /** Of a write: its bytes as submitted. */
  readonly bytes: Uint8Array;
  /** Of a remove: the files that were there. */
  readonly removed: readonly (readonly [string, SimFile])[];
}

export class SimDisk implements Disk {
  readonly #random: RandomSource;
  #options: Required<SimDiskOptions>;
  #usualOptions: Required<SimDiskOptions> | undefined;
  readonly #files = new Map<string, SimFile>();
  #pending: Pending[] = [];
  /** When the last operation submitted on a file completes. */
  readonly #busyUntilMs = new Map<string, number>();
  /** Files whose removal may be undone by a crash. */
  readonly #graves = new Map<string, SimFile>();
  #nowMs = 0;
  #order = 0;
  #stalledUntilMs = 0;
  #freeBytes: number;
  /** Operations submitted since the beginning, for tests that crash at each. */
  submitted = 0;

  constructor(random: RandomSource, options: SimDiskOptions = {}) {
    this.#random = random;
    this.#options = {
      latencyMinMs: 0.1,
      latencyMaxMs: 2,
      lostProbability: 0.35,
      tornProbability: 0.15,
      garbageProbability: 0.1,
      freeBytes: 2 ** 40,
      ...options,
    };
    this.#freeBytes = this.#options.freeBytes;
  }

  // ---- Disk

  list(directory: string): string[] {
    const names = new Set<string>();
    const prefix = directory === "" ? "" : `${directory}/`;
    for (const file of this.#files.keys()) {
      if (file.startsWith(prefix)) names.add(file.slice(prefix.length).split("/")[0] ?? "");
    }
    return [...names].sort();
  }

  size(file: string): number | undefined {
    return this.#files.get(file)?.content.length;
  }

  read(file: string, offset: number, length: number): Uint8Array {
    return this.#file(file).content.slice(offset, offset + length);
  }

  freeBytes(): number {
    return this.#freeBytes;
  }

  submit(operation: DiskOperation): void {
    this.submitted += 1;
    this.#order += 1;
    const { file } = operation;
    this.#checkNoConflict(operation);
    const slow = operation.type === "replace" && this.slowReplace !== undefined && file.startsWith(this.slowReplace.prefix);
    const latencyMs = this.#latencyMs() + (slow ? (this.slowReplace?.ms ?? 0) : 0);
    const atMs = Math.max(this.#nowMs + latencyMs, this.#busyUntilMs.get(file) ?? 0, this.#stalledUntilMs);
    this.#busyUntilMs.set(file, atMs);
    const bytes = operation.type === "write" ? join(operation.chunks) : new Uint8Array(0);
    const removed = operation.type === "remove" ? this.#filesOf(file) : [];
    this.#pending.push({ operation, order: this.#order, atMs, bytes, removed });
    this.#begin(operation, bytes);
  }

  #latencyMs(): number {
    const { latencyMinMs, latencyMaxMs } = this.#options;
    return latencyMinMs + this.#draw() * (latencyMaxMs - latencyMinMs);
  }

  /** In [0, 1). */
  #draw(): number {
    return this.#random.below(drawRange) / drawRange;
  }

  #checkNoConflict(operation: DiskOperation): void {
    for (const other of this.#pending) {
      // Only a removal is of a directory.
      const inside =
        (operation.type === "remove" && other.operation.file.startsWith(`${operation.file}/`)) ||
        (other.operation.type === "remove" && operation.file.startsWith(`${other.operation.file}/`));
      if (inside)
        throw new Error(`${operation.type} ${operation.file} while ${other.operation.type} ${other.operation.file} is pending`);
      if (other.operation.file === operation.file && operation.type === "write" && other.operation.type === "replace") {
        throw new Error(`write to ${operation.file} while it is being replaced`);
      }
    }
  }

  /** The page cache shows the operation at once. */
  #begin(operation: DiskOperation, bytes: Uint8Array): void {
    const { file } = operation;
    if (operation.type === "write") this.#write(this.#file(file), operation.offset, bytes);
    else if (operation.type === "create") this.#files.set(file, makeFile(new Uint8Array(operation.bytes), this.#shown(file)));
    else if (operation.type === "replace") this.#files.set(file, makeFile(operation.content.slice(), this.#shown(file)));
    else for (const [name] of this.#filesOf(file)) this.#files.delete(name);
  }

  #write(file: SimFile, offset: number, bytes: Uint8Array): void {
    file.unsynced.push({ order: this.#order, offset, bytes, done: false });
    this.#save(file, offset, bytes.length);
    put(file, offset, bytes);
  }

  /** Keeps the platter's bytes of the sectors that are about to differ from it. */
  #save(file: SimFile, offset: number, length: number): void {
    for (let sector = Math.floor(offset / sectorBytes); sector * sectorBytes < offset + length; sector += 1) {
      const clean = file.clean.get(sector);
      if (clean !== undefined) file.platter.set(sector, clean);
      else if (!file.platter.has(sector)) file.platter.set(sector, sectorOf(file.content, sector));
      file.clean.delete(sector);
    }
  }

  // ---- time

  /** Moves the clock. Returns the tokens of the operations that are complete by then, in the order of their completion. */
  advance(nowMs: number): number[] {
    this.#nowMs = Math.max(this.#nowMs, nowMs);
    if (this.#pending.length === 0 || this.#stalledUntilMs > nowMs) return [];
    const done = this.#pending.filter((pending) => pending.atMs <= nowMs);
    done.sort((a, b) => a.atMs - b.atMs || a.order - b.order);
    if (done.length === 0) return [];
    this.#pending = this.#pending.filter((pending) => !done.includes(pending));
    for (const pending of done) this.#complete(pending);
    return done.map((pending) => pending.operation.token);
  }

  /** When the next operation completes; undefined when none is pending. */
  nextCompletionMs(): number | undefined {
    let next: number | undefined;
    for (const pending of this.#pending)
      next = Math.min(next ?? Number.POSITIVE_INFINITY, Math.max(pending.atMs, this.#stalledUntilMs));
    return next;
  }

  /** A hung or slow disk: nothing completes before `untilMs`. */
  stall(untilMs: number): void {
    this.#stalledUntilMs = Math.max(this.#stalledUntilMs, untilMs);
  }

  /** Ends a stall: what waited for its end is done now. */
  unstall(nowMs: number): void {
    this.#stalledUntilMs = 0;
    this.#pending = this.#pending.map((pending) => ({ ...pending, atMs: Math.min(pending.atMs, nowMs) }));
    this.#busyUntilMs.clear();
  }

  setFreeBytes(bytes: number): void {
    this.#freeBytes = bytes;
  }

  /** A write below this directory is under way, and was when so many operations had been submitted. */
  writing(directory: string, submitted: number): boolean {
    return this.#pending.some(
      ({ operation, order }) => order <= submitted && operation.type === "write" && operation.file.startsWith(`${directory}/`),
    );
  }

  /** A file whose name begins so is being replaced. */
  replacing(prefix: string): boolean {
    return this.#pending.some(({ operation }) => operation.type === "replace" && operation.file.startsWith(prefix));
  }

  /** More latency for whole-file replacements of files whose names begin so (a slow epoch record). */
  slowReplace: { readonly prefix: string; readonly ms: number } | undefined;

  get pendingOperations(): number {
    return this.#pending.length;
  }

  #complete(pending: Pending): void {
    const { operation } = pending;
    if (operation.type === "write") this.#completeWrite(pending, operation);
    else if (operation.type === "remove") for (const [name] of pending.removed) this.#graves.delete(name);
    else this.#makeDurable(operation.file, pending);
  }

  #completeWrite(pending: Pending, operation: WriteOperation): void {
    if (!isJoined(operation.chunks, pending.bytes)) throw new Error(`a buffer being written to ${operation.file} was changed`);
    const file = this.#files.get(operation.file);
    if (file === undefined) return;
    for (const write of file.unsynced) if (write.order === pending.order) write.done = true;
    if (operation.sync) sync(file, pending.order);
  }

  /** A create or replace is whole on the platter, its directory entry too; writes submitted after it are not. */
  #makeDurable(name: string, pending: Pending): void {
    const file = this.#files.get(name);
    if (file === undefined) return;
    // A later create or replace of the same file is still under way: the platter's content is this one's.
    const later = this.#pending.some((other) => other.operation.file === name && other.operation.type !== "write");
    const content =
      pending.operation.type === "replace"
        ? pending.operation.content.slice()
        : new Uint8Array(pending.operation.type === "create" ? pending.operation.bytes : 0);
    file.previous = later ? { content } : undefined;
    this.#graves.delete(name);
  }

  /**
   * As `advance`, but no sync reaches the platter although the caller is told so: what a driver gets that
   * asks again after a failed fdatasync (its pages count as clean by then).
   */
  advanceUnsynced(nowMs: number): number[] {
    const done = this.#pending.filter((pending) => pending.atMs <= nowMs);
    this.#pending = this.#pending.filter((pending) => !done.includes(pending));
    return done.map((pending) => pending.operation.token);
  }

  /**
   * An fdatasync that is due fails. What it should have written stays in the page cache and counts as clean (fsyncgate, 2018). False when
   * no such operation is due.
   */
  failSync(nowMs: number): boolean {
    const due = this.#pending.find(({ operation, atMs }) => operation.type === "write" && operation.sync && atMs <= nowMs);
    const file = due === undefined ? undefined : this.#files.get(due.operation.file);
    if (due === undefined || file === undefined) return false;
    this.#pending.splice(this.#pending.indexOf(due), 1);
    for (const [sector, platter] of file.platter) file.clean.set(sector, platter);
    file.platter.clear();
    file.unsynced = [];
    file.platterSize = file.content.length;
    return true;
  }

  /** Sectors whose sync has failed and that nothing has written since. */
  get cleanSectors(): number {
    let count = 0;
    for (const file of this.#files.values()) count += file.clean.size;
    return count;
  }

  /** A part of the file as after a power cut that keeps no more than it must. */
  certain(name: string, from: number, to: number): Uint8Array {
    const file = this.#file(name);
    const bytes = file.content.slice(from, to);
    for (const [sector, platter] of file.clean) {
      const start = sector * sectorBytes - from;
      const kept = platter.subarray(Math.max(0, -start), Math.max(0, Math.min(platter.length, bytes.length - start)));
      if (kept.length > 0) bytes.set(kept, Math.max(0, start));
    }
    return bytes;
  }

  // ---- faults

  /** The next crash, and that alone, treats unsynced sectors so. */
  nextCrash(options: SimDiskOptions): void {
    this.#usualOptions ??= this.#options;
    this.#options = { ...this.#options, ...options };
  }

  /** Power is cut. */
  crash(): void {
    const pending = this.#forget();
    for (const { operation, removed } of pending) {
      if (operation.type === "create") this.#crashCreate(operation.file);
      else if (operation.type === "replace") this.#crashReplace(operation.file, operation.content);
      else if (operation.type === "remove") for (const [name, file] of removed) this.#graves.set(name, file);
    }
    for (const [name, file] of [...this.#files]) this.#crashFile(name, file);
    for (const [name, file] of [...this.#graves]) this.#maybeRise(name, file);
    this.#graves.clear();
    this.#options = this.#usualOptions ?? this.#options;
    this.#usualOptions = undefined;
  }

  #crashCreate(name: string): void {
    const file = this.#files.get(name);
    if (file === undefined || this.#draw() < 0.3) return;
    // Under way: not all of its zeros are there.
    file.content = file.content.slice(0, this.#random.below(file.content.length + 1));
    file.platterSize = file.content.length;
  }

  #crashReplace(name: string, content: Uint8Array): void {
    if (this.#draw() < 0.5) return;
    const temporary = makeFile(content.slice(0, this.#random.below(content.length + 1)), undefined);
    this.#files.set(name + temporarySuffix, temporary);
  }

  #crashFile(name: string, file: SimFile): void {
    if (file.previous !== undefined && this.#draw() < 0.5) {
      const { content } = file.previous;
      if (content === undefined) this.#files.delete(name);
      else this.#files.set(name, makeFile(content, undefined));
      return;
    }
    file.previous = undefined;
    const writing = new Set<number>();
    for (const write of file.unsynced) if (!write.done) addSectors(writing, write.offset, write.bytes.length);
    for (const [sector, platter] of file.platter) this.#crashSector(file, sector, platter, writing.has(sector));
    for (const [sector, platter] of file.clean) this.#crashSector(file, sector, platter, false);
    // The length of a file that grew is itself not synced.
    const grown = file.content.length - file.platterSize;
    if (grown > 0 && file.unsynced.length > 0)
      file.content = file.content.slice(0, file.platterSize + this.#random.below(grown + 1));
    settle(file);
  }

  #crashSector(file: SimFile, sector: number, platter: Uint8Array, writing: boolean): void {
    const { lostProbability, tornProbability, garbageProbability } = this.#options;
    const draw = this.#draw();
    const start = sector * sectorBytes;
    if (draw < lostProbability) file.content.set(clip(platter, file.content.length - start), start);
    else if (draw < lostProbability + tornProbability) this.#tear(file, start, platter);
    else if (writing && draw < lostProbability + tornProbability + garbageProbability) this.#scramble(file, start);
  }

  /** The new bytes up to a point, the old ones behind it, or the other way round. */
  #tear(file: SimFile, start: number, platter: Uint8Array): void {
    const at = this.#random.below(sectorBytes);
    const old = clip(platter, file.content.length - start);
    if (this.#draw() < 0.5) file.content.set(old.subarray(0, Math.min(at, old.length)), start);
    else if (at < old.length) file.content.set(old.subarray(at), start + at);
  }

  #scramble(file: SimFile, start: number): void {
    const end = Math.min(start + sectorBytes, file.content.length);
    for (let at = start; at < end; at += 1) file.content[at] = this.#random.below(256);
  }

  #maybeRise(name: string, file: SimFile): void {
    if (this.#files.has(name) || this.#draw() < 0.5) return;
    this.#files.set(name, file);
    settle(file);
  }

  /** The process ends, the machine goes on: what has happened stays in the page cache, and is no more durable than before. */
  kill(): void {
    const stopped = new Set<string>();
    for (const pending of this.#forget()) {
      const { operation, removed } = pending;
      if (operation.type === "remove") this.#killRemove(removed);
      else if (stopped.has(operation.file) || this.#draw() < 0.5) {
        stopped.add(operation.file);
        this.#undo(pending);
      }
    }
  }

  #killRemove(removed: readonly (readonly [string, SimFile])[]): void {
    for (const [name, file] of removed) {
      if (this.#files.has(name)) continue;
      if (this.#draw() < 0.5) this.#files.set(name, file);
      else this.#graves.set(name, file);
    }
  }

  /** The operation, and with it all later ones on the file, has not happened, or (a write) only in part. */
  #undo(pending: Pending): void {
    const { operation } = pending;
    const file = this.#files.get(operation.file);
    if (file === undefined) return;
    if (operation.type === "write") {
      rollBack(file, pending.order, this.#random.below(pending.bytes.length + 1));
    } else if (operation.type === "create" && this.#draw() < 0.5) {
      file.content = file.content.slice(0, this.#random.below(file.content.length + 1));
      file.platterSize = file.content.length;
    } else if (file.previous?.content === undefined) {
      this.#files.delete(operation.file);
    } else {
      this.#files.set(operation.file, makeFile(file.previous.content, undefined));
    }
  }

  #forget(): Pending[] {
    const pending = this.#pending;
    this.#pending = [];
    this.#busyUntilMs.clear();
    this.#stalledUntilMs = 0;
    return pending;
  }

  // ---- for tests

  /** Every file and its content, as read. */
  snapshotFiles(): Map<string, Uint8Array> {
    const copy = new Map<string, Uint8Array>();
    for (const [name, file] of this.#files) copy.set(name, file.content.slice());
    return copy;
  }

  /** Makes the disk hold exactly these files, all durable. */
  restoreFiles(files: ReadonlyMap<string, Uint8Array>): void {
    this.wipe();
    for (const [name, content] of files) this.#files.set(name, makeFile(content.slice(), undefined));
  }

  /** A disk of its own with the same files as read, all durable. */
  clone(): SimDisk {
    const copy = new SimDisk(this.#random, this.#options);
    copy.restoreFiles(this.snapshotFiles());
    return copy;
  }

  flipBit(name: string, offset: number, bit: number): void {
    const { content } = this.#file(name);
    if (offset >= content.length) throw new Error(`${name} has no byte ${offset}`);
    content[offset] = (content[offset] ?? 0) ^ (1 << bit);
  }

  /** A new, empty disk. Pending operations are forgotten. */
  wipe(): void {
    this.#forget();
    this.#files.clear();
    this.#graves.clear();
  }

  // ---- files

  #file(name: string): SimFile {
    const file = this.#files.get(name);
    if (file === undefined) throw new Error(`no such file: ${name}`);
    return file;
  }

  /** What the platter has under a name that is about to get a new file. */
  #shown(name: string): { readonly content: Uint8Array | undefined } {
    const file = this.#files.get(name);
    if (file === undefined) return { content: this.#graves.get(name)?.content };
    return file.previous ?? { content: file.content };
  }

  /** The file, or all files of the directory. */
  #filesOf(name: string): [string, SimFile][] {
    return [...this.#files].filter(([file]) => file === name || file.startsWith(`${name}/`));
  }
}

function makeFile(content: Uint8Array, previous: SimFile["previous"]): SimFile {
  return { content, platter: new Map(), platterSize: content.length, clean: new Map(), unsynced: [], previous };
}

function join(chunks: readonly Uint8Array[]): Uint8Array {
  const [only] = chunks;
  if (chunks.length === 1 && only !== undefined) return only.slice();
  const joined = new Uint8Array(chunks.reduce((total, chunk) => total + chunk.length, 0));
  let at = 0;
  for (const chunk of chunks) {
    joined.set(chunk, at);
    at += chunk.length;
  }
  return joined;
}

/** The chunks, one after the other, are still these bytes. */
function isJoined(chunks: readonly Uint8Array[], bytes: Uint8Array): boolean {
  let at = 0;
  for (const chunk of chunks) {
    if (Buffer.compare(chunk, bytes.subarray(at, at + chunk.length)) !== 0) return false;
    at += chunk.length;
  }
  return at === bytes.length;
}

function clip(bytes: Uint8Array, length: number): Uint8Array {
  return bytes.subarray(0, Math.max(0, Math.min(bytes.length, length)));
}

/** Buffers of sectors that have become durable, to be used again. */
const spareSectors: Uint8Array[] = [];

/** The sector's bytes, zeros behind the end of the file. */
function sectorOf(content: Uint8Array, sector: number): Uint8Array {
  const bytes = spareSectors.pop() ?? new Uint8Array(sectorBytes);
  const found = content.subarray(sector * sectorBytes, (sector + 1) * sectorBytes);
  bytes.set(found);
  if (found.length < sectorBytes) bytes.fill(0, found.length);
  return bytes;
}

function addSectors(sectors: Set<number>, offset: number, length: number): void {
  for (let sector = Math.floor(offset / sectorBytes); sector * sectorBytes < offset + length; sector += 1) sectors.add(sector);
}

/** Puts bytes into the content, which grows as needed. */
function put(file: SimFile, offset: number, bytes: Uint8Array): void {
  if (offset + bytes.length > file.content.length) {
    const grown = new Uint8Array(offset + bytes.length);
    grown.set(file.content);
    file.content = grown;
  }
  file.content.set(bytes, offset);
}

/** Everything up to the write of this order is on the platter. */
function sync(file: SimFile, order: number): void {
  const covered = file.unsynced.filter((write) => write.order <= order);
  file.unsynced = file.unsynced.filter((write) => write.order > order);
  const dirty = new Set<number>();
  for (const write of file.unsynced) addSectors(dirty, write.offset, write.bytes.length);
  for (const [sector, platter] of file.platter) {
    if (!dirty.has(sector)) {
      file.platter.delete(sector);
      spareSectors.push(platter);
    } else for (const write of covered) overlay(platter, sector, write, write.bytes.length);
  }
  const end = covered.reduce((most, write) => Math.max(most, write.offset + write.bytes.length), 0);
  file.platterSize = file.unsynced.length === 0 ? file.content.length : Math.max(file.platterSize, end);
}

/** Puts the first `length` bytes of the write into a sector's bytes, where they overlap. */
function overlay(bytes: Uint8Array, sector: number, write: UnsyncedWrite, length: number): void {
  const start = sector * sectorBytes;
  const from = Math.max(start, write.offset);
  const to = Math.min(start + sectorBytes, write.offset + length);
  if (from < to) bytes.set(write.bytes.subarray(from - write.offset, to - write.offset), from - start);
}

/** Takes the write of this order back, but for its first `kept` bytes, and all later ones. */
function rollBack(file: SimFile, order: number, kept: number): void {
  const writes = file.unsynced.filter((write) => write.order <= order);
  let size = file.platterSize;
  for (const write of writes) size = Math.max(size, write.offset + (write.order === order ? kept : write.bytes.length));
  file.content = clip(file.content, size).slice();
  for (const [sector, platter] of file.platter) {
    // The file is again too short for it.
    if (sector * sectorBytes >= file.content.length) {
      file.platter.delete(sector);
      continue;
    }
    const bytes = platter.slice();
    for (const write of writes) overlay(bytes, sector, write, write.order === order ? kept : write.bytes.length);
    file.content.set(clip(bytes, file.content.length - sector * sectorBytes), sector * sectorBytes);
  }
  // What is left of them stays unsynced.
  file.unsynced = writes.map((write) => (write.order === order ? { ...write, bytes: write.bytes.slice(0, kept) } : write));
}

/** What is there is on the platter. */
function settle(file: SimFile): void {
  file.platter.clear();
  file.clean.clear();
  file.unsynced = [];
  file.platterSize = file.content.length;
}
