/**
 * Every single-bit flip and every cut of a small log: what is made, what is done to it, and what may come of it.
 * What a later batch, a marker or the manifest proves durable must be reported when it is bad; an unproven last
 * batch may be cut, and nothing else; whatever is recovered has the right bytes. Used by recovery.test.ts.
 */

import type { Disk } from "../../src/log/disk.ts";
import { readHistory } from "../../src/log/history.ts";
import { recover } from "../../src/log/recovery.ts";
import { must } from "../../src/model/assert.ts";
import { type Limits, tinyLimits } from "../../src/model/limits.ts";
import type { Zxid } from "../../src/model/zxid.ts";
import { directory, entriesOf, makeDisk, type Process, payloadOf, start, zxid } from "./support.ts";

export const sweepLimits: Limits = { ...tinyLimits, log_segment_bytes: 2_048 };
const payloadBytes = 150;
const headerBytes = 48;
const recordBytes = 24 + payloadBytes;

/** A disk of plain arrays, so that one byte can be changed and changed back. Nothing is ever submitted to it. */
export class FrozenDisk implements Disk {
  readonly files: ReadonlyMap<string, Uint8Array>;
  constructor(files: ReadonlyMap<string, Uint8Array>) {
    this.files = files;
  }
  list(name: string): string[] {
    return [...this.files.keys()]
      .filter((file) => file.startsWith(`${name}/`))
      .map((file) => file.slice(name.length + 1))
      .sort();
  }
  size(file: string): number | undefined {
    return this.files.get(file)?.length;
  }
  read(file: string, offset: number, length: number): Uint8Array {
    return (this.files.get(file) ?? new Uint8Array(0)).subarray(offset, offset + length);
  }
  submit(): void {
    throw new Error("recovery changes nothing");
  }
  freeBytes(): number {
    return 0;
  }
}

/** Bytes of a segment that one batch has. */
interface Range {
  readonly file: string;
  readonly from: number;
  readonly to: number;
}

export interface Small {
  readonly files: Map<string, Uint8Array>;
  /** Every entry that recovery finds when nothing is touched, oldest first. */
  readonly all: readonly Zxid[];
  /** Of them, those of the last batch, when nothing proves it. */
  readonly unproven: readonly Zxid[];
  /** What must not be bad. */
  readonly proven: readonly Range[];
}

/**
 * How the log ends: its last batch behind a marker; not proven by anything; or torn by a crash, its second record
 * missing (the header that is left proves the batch before it) or its header too (nothing does). Each has three
 * segments in use, one of them cut; the marked one has the next made ahead of need, too.
 */
export const endings = ["marked", "unmarked", "torn record", "torn header"] as const;
export type Ending = (typeof endings)[number];

/** Five batches of two, so that the log rolls over once, then a cut inside the fifth and two batches more. */
export function smallLog(ending: Ending): Small {
  const disk = makeDisk(1);
  const process = start(disk, sweepLimits);
  const ranges: Range[] = [];
  const write = (epoch: number, counter: number): void => {
    process.append(zxid(epoch, counter), payloadBytes);
    process.append(zxid(epoch, counter + 1), payloadBytes);
    process.settle();
    ranges.push(lastBatch(process));
  };
  for (let index = 0; index < 5; index += 1) write(1, 1 + index * 2);
  process.log.truncate(zxid(1, 9), process.nowMs);
  // The second record of the fifth batch belongs to nobody now.
  const fifth = must(ranges.pop(), "five batches");
  ranges.push({ ...fifth, to: fifth.from + headerBytes + recordBytes });
  process.settle();
  write(2, 1);
  write(2, 3);
  if (ending === "marked") process.settle(true);
  const all = entriesOf(process.log).map((entry) => entry.zxid);
  return endAs(ending, disk.snapshotFiles(), all, ranges);
}

function endAs(ending: Ending, files: Map<string, Uint8Array>, all: readonly Zxid[], ranges: readonly Range[]): Small {
  const before = ranges.slice(0, -1);
  if (ending === "marked") return { files, all, unproven: [], proven: ranges };
  if (ending === "unmarked") return { files, all, unproven: all.slice(-2), proven: before };
  const last = must(ranges.at(-1), "a last batch");
  const from = ending === "torn header" ? last.from + 20 : last.to - payloadBytes;
  const to = ending === "torn header" ? last.from + headerBytes : last.to;
  must(files.get(last.file), "the last batch's file").fill(0, from, to);
  const left = all.slice(0, -2);
  if (ending === "torn record") return { files, all: left, unproven: [], proven: before };
  return { files, all: left, unproven: left.slice(-2), proven: before.slice(0, -1) };
}

/** Where the newest batch is: found by its payload, since the log tells nobody. */
function lastBatch(process: Process): Range {
  const wanted = Buffer.from(payloadOf(process.log.lastZxid, payloadBytes));
  for (const [file, content] of process.disk.snapshotFiles()) {
    const at = Buffer.from(content).indexOf(wanted);
    if (at >= 0) return { file, from: at + payloadBytes - 2 * recordBytes - headerBytes, to: at + payloadBytes };
  }
  throw new Error("not written");
}

type Found = "damaged" | readonly Zxid[];

/** What recovery says, every payload checked. */
export function read(disk: Disk): Found {
  const recovery = recover(disk, directory);
  if (recovery.type === "damaged") return "damaged";
  if (recovery.type === "empty") return [];
  const entries = readHistory(disk, recovery.segments, { after: recovery.base, until: recovery.last, bytesMax: 1e9 });
  for (const entry of entries) {
    if (!Buffer.from(entry.payload).equals(payloadOf(entry.zxid, entry.payload.length)))
      throw new Error(`wrong bytes for ${entry.zxid}`);
  }
  return entries.map((entry) => entry.zxid);
}

function equalZxids(a: readonly Zxid[], b: readonly Zxid[]): boolean {
  return a.length === b.length && a.every((value, index) => value === b[index]);
}

/** What is wrong with the finding, or "". */
export function judge(small: Small, found: Found, mustBeFound: boolean): string {
  if (mustBeFound) return found === "damaged" ? "" : "damage was not found";
  if (found === "damaged") return "damage was reported where there is none";
  if (equalZxids(found, small.all)) return "";
  const cut = small.all.slice(0, small.all.length - small.unproven.length);
  return small.unproven.length > 0 && equalZxids(found, cut) ? "" : `wrong entries: ${found.join()}`;
}

/** What a sweep did, and the first finding that is wrong, "" when there is none. */
export interface Swept {
  readonly states: number;
  readonly damaged: number;
  readonly cut: number;
  readonly problem: string;
}

class Tally {
  states = 0;
  damaged = 0;
  cut = 0;
  readonly #small: Small;
  constructor(small: Small) {
    this.#small = small;
  }
  /** Recovers, and says what is wrong. */
  look(disk: FrozenDisk, mustBeFound: boolean): string {
    const found = read(disk);
    this.states += 1;
    if (found === "damaged") this.damaged += 1;
    else if (found.length < this.#small.all.length) this.cut += 1;
    return judge(this.#small, found, mustBeFound);
  }
  result(problem: string): Swept {
    return { states: this.states, damaged: this.damaged, cut: this.cut, problem };
  }
}

function isProven(small: Small, file: string, offset: number): boolean {
  return small.proven.some((range) => range.file === file && range.from <= offset && offset < range.to);
}

/** Which bits of each byte: all; all but of zeros that belong to no proven batch, where nothing tells one bit from another; or one. */
export type Bits = "every" | "telling" | "one a byte";

function bitsOf(bits: Bits, byte: number, offset: number, mustBeFound: boolean): readonly number[] {
  if (bits === "every" || (bits === "telling" && (byte !== 0 || mustBeFound))) return [0, 1, 2, 3, 4, 5, 6, 7];
  return [offset & 7];
}

export function sweepFlips(small: Small, which: Bits): Swept {
  const disk = new FrozenDisk(small.files);
  const tally = new Tally(small);
  for (const [file, content] of small.files) {
    for (let offset = 0; offset < content.length; offset += 1) {
      const mustBeFound = file.includes("manifest") || isProven(small, file, offset);
      const before = content[offset] ?? 0;
      for (const bit of bitsOf(which, before, offset, mustBeFound)) {
        content[offset] = before ^ (1 << bit);
        const problem = tally.look(disk, mustBeFound);
        content[offset] = before;
        if (problem !== "") return tally.result(`${file} byte ${offset} bit ${bit}: ${problem}`);
      }
    }
  }
  return tally.result("");
}

/** Every length of every file, and none at all. A file that the manifest names never shrinks, so a cut of one is damage wherever it is. */
export function sweepCuts(small: Small): Swept {
  const tally = new Tally(small);
  const named = namedFiles(small);
  for (const [file, content] of small.files) {
    for (let length = -1; length < content.length; length += 1) {
      const files = new Map(small.files);
      if (length < 0) files.delete(file);
      else files.set(file, content.subarray(0, length));
      const problem = tally.look(new FrozenDisk(files), named.has(file));
      if (problem !== "") return tally.result(`${file} cut to ${length}: ${problem}`);
    }
  }
  return tally.result("");
}

function namedFiles(small: Small): ReadonlySet<string> {
  const recovery = recover(new FrozenDisk(small.files), directory);
  if (recovery.type !== "ok") throw new Error("the log is sound");
  return new Set([`${directory}/manifest`, ...recovery.segments.map((segment) => segment.file)]);
}
