/**
 * Damage is not absence: every single-bit flip and every cut of a small log. What a later batch, a marker
 * or the manifest proves durable is reported when it is bad, and never cut; an unproven last batch is cut,
 * and nothing else is; whatever is recovered is right.
 */
import t from "tap";
import type { Disk } from "../../src/log/disk.ts";
import { readHistory } from "../../src/log/history.ts";
import { recover } from "../../src/log/recovery.ts";
import { segmentFile } from "../../src/log/segment.ts";
import { type Limits, tinyLimits } from "../../src/model/limits.ts";
import type { Zxid } from "../../src/model/zxid.ts";
import { directory, entriesOf, makeDisk, type Process, payloadOf, start, tryOpen, zxid } from "./support.ts";

t.setTimeout(120_000);

const limits: Limits = { ...tinyLimits, log_segment_bytes: 2_048 };

/** A disk of plain arrays, so that one byte can be changed and changed back. Nothing is ever submitted to it. */
class FrozenDisk implements Disk {
  readonly files: Map<string, Uint8Array>;
  constructor(files: Map<string, Uint8Array>) {
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

interface Small {
  readonly files: Map<string, Uint8Array>;
  /** Every entry, oldest first. */
  readonly all: readonly Zxid[];
  /** Of them, those of the last batch, when nothing proves it. */
  readonly unproven: readonly Zxid[];
  /** Ranges of segment bytes that must not be bad. */
  readonly proven: readonly { readonly file: string; readonly from: number; readonly to: number }[];
}

/** Five batches of two, so that the log rolls over once, then a cut inside the fifth and two batches more. */
function smallLog(marked: boolean): Small {
  const disk = makeDisk(1);
  const process = start(disk, limits);
  const ranges: { file: string; from: number; to: number }[] = [];
  const write = (epoch: number, counter: number): void => {
    process.append(zxid(epoch, counter), 150);
    process.append(zxid(epoch, counter + 1), 150);
    process.settle();
    ranges.push(lastBatch(process));
  };
  for (let index = 0; index < 5; index += 1) write(1, 1 + index * 2);
  process.log.truncate(zxid(1, 9), process.nowMs);
  // The second record of the fifth batch belongs to nobody now.
  const fifth = ranges.pop();
  if (fifth !== undefined) ranges.push({ ...fifth, to: fifth.from + 48 + 24 + 150 });
  process.settle();
  write(2, 1);
  write(2, 3);
  if (marked) process.settle(true);
  else ranges.pop();
  const all = entriesOf(process.log).map((entry) => entry.zxid);
  return { files: disk.snapshotFiles(), all, unproven: marked ? [] : all.slice(-2), proven: ranges };
}

/** Where the newest batch is: found by its payload, since the log tells nobody. */
function lastBatch(process: Process): { file: string; from: number; to: number } {
  const wanted = Buffer.from(payloadOf(process.log.lastZxid, 150));
  for (const [file, content] of process.disk.snapshotFiles()) {
    const at = Buffer.from(content).indexOf(wanted);
    if (at >= 0) return { file, from: at - 48 - 24 - 174, to: at + 150 };
  }
  throw new Error("not written");
}

type Found = "damaged" | readonly Zxid[];

/** What recovery says, every payload checked. */
function read(disk: Disk): Found {
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
function judge(small: Small, found: Found, mustBeFound: boolean): string {
  if (mustBeFound) return found === "damaged" ? "" : "damage was not found";
  if (found === "damaged") return "damage was reported where there is none";
  if (equalZxids(found, small.all)) return "";
  const cut = small.all.slice(0, small.all.length - small.unproven.length);
  return small.unproven.length > 0 && equalZxids(found, cut) ? "" : `wrong entries: ${found.join()}`;
}

function isProven(small: Small, file: string, offset: number): boolean {
  return small.proven.some((range) => range.file === file && range.from <= offset && offset < range.to);
}

for (const marked of [false, true]) {
  t.test(`every single-bit flip, last batch ${marked ? "marked" : "not marked"}`, async (t) => {
    const small = smallLog(marked);
    const disk = new FrozenDisk(small.files);
    t.equal(judge(small, read(disk), false), "", "untouched");
    const files = [...small.files.keys()].filter((file) => file.includes("segment") || file.includes("manifest"));
    t.ok(small.proven.length >= (marked ? 7 : 6));
    let flips = 0;
    let damaged = 0;
    for (const file of files) {
      const content = small.files.get(file) ?? new Uint8Array(0);
      for (let offset = 0; offset < content.length; offset += 1) {
        const mustBeFound = file.includes("manifest") || isProven(small, file, offset);
        // Of the zeros behind a batch, where nothing tells one bit from another, one bit a byte.
        const bits = content[offset] === 0 && !mustBeFound ? [offset & 7] : [0, 1, 2, 3, 4, 5, 6, 7];
        for (const bit of bits) {
          const before = content[offset] ?? 0;
          content[offset] = before ^ (1 << bit);
          const found = read(disk);
          content[offset] = before;
          flips += 1;
          if (found === "damaged") damaged += 1;
          const problem = judge(small, found, mustBeFound);
          if (problem !== "") return void t.fail(`${file} byte ${offset} bit ${bit}: ${problem}`);
        }
      }
    }
    t.ok(damaged > 8_000, `${damaged} of ${flips} flips were damage`);
  });

  t.test(`every cut of every file, last batch ${marked ? "marked" : "not marked"}`, async (t) => {
    const small = smallLog(marked);
    for (const [file, content] of small.files) {
      for (let length = 0; length < content.length; length += 1) {
        const disk = new FrozenDisk(new Map([...small.files, [file, content.subarray(0, length)]]));
        const named = file.includes("manifest") || small.proven.some((range) => range.file === file);
        const found = read(disk);
        const problem = judge(small, found, named);
        if (problem !== "") return void t.fail(`${file} cut to ${length}: ${problem}`);
      }
      const without = new Map(small.files);
      without.delete(file);
      if (small.proven.some((range) => range.file === file) || file.includes("manifest"))
        t.equal(read(new FrozenDisk(without)), "damaged", `${file} missing`);
    }
  });
}

t.test("zeros instead of a sector: damage where proven, a cut in the last batch", async (t) => {
  for (const marked of [false, true]) {
    const small = smallLog(marked);
    for (const [file, content] of small.files) {
      for (let offset = 0; offset < content.length; offset += 512) {
        const holed = content.slice();
        holed.fill(0, offset, offset + 512);
        const found = read(new FrozenDisk(new Map([...small.files, [file, holed]])));
        const touched =
          file.includes("manifest") ||
          small.proven.some((range) => range.file === file && range.from < offset + 512 && offset < range.to);
        t.equal(judge(small, found, touched), "", `${file} ${offset}`);
      }
    }
  }
});

t.test("the reason names file, offset and zxids", async (t) => {
  const disk = makeDisk(2);
  const process = start(disk, limits);
  for (let counter = 1; counter <= 4; counter += 1) process.write(7, counter, counter, 150);
  disk.flipBit(segmentFile(directory, 1), 512 + 100, 3);
  const opening = tryOpen(disk, limits);
  t.equal(opening.type, "damaged");
  if (opening.type === "damaged")
    t.equal(opening.reason, "log-1/segment-00000001 is damaged at offset 512: entries after 7:1 up to 7:2 cannot be read");
});

t.test("a torn tail is cut into a new segment, and stays cut", async (t) => {
  const disk = makeDisk(3);
  const first = start(disk, limits);
  for (let counter = 1; counter <= 3; counter += 1) first.write(7, counter, counter, 150);
  disk.flipBit(segmentFile(directory, 1), 2 * 512 + 100, 3);
  const second = start(disk, limits, first.nowMs);
  t.equal(second.opening.type === "ok" && second.opening.tornTailCut, true);
  second.settle();
  t.equal(second.log.durableZxid, zxid(7, 2));
  // The very same bit flips back: the batch is whole again, and belongs to nobody.
  disk.flipBit(segmentFile(directory, 1), 2 * 512 + 100, 3);
  const third = start(disk, limits, second.nowMs);
  t.equal(third.log.lastZxid, zxid(7, 2));
  t.equal(third.opening.type === "ok" && third.opening.tornTailCut, false);
  third.settle();
  third.write(8, 1, 2);
  t.same(
    entriesOf(start(disk, limits, third.nowMs).log).map((entry) => entry.zxid),
    [zxid(7, 1), zxid(7, 2), zxid(8, 1), zxid(8, 2)],
  );
});

t.test("stale bytes behind a cut (schedule 17)", async (t) => {
  const disk = makeDisk(4);
  const first = start(disk, limits);
  for (let counter = 8; counter <= 10; counter += 1) first.write(4, counter - 7, counter - 7, 150);
  first.log.truncate(zxid(4, 1), first.nowMs);
  first.settle();
  first.write(5, 1, 1, 150);
  // 5:1 is torn by a crash; 4:2 and 4:3 are still there, whole, behind the cut.
  disk.flipBit(segmentFile(directory, 2), 60, 0);
  const second = start(disk, limits, first.nowMs);
  t.equal(second.opening.type === "ok" && second.opening.tornTailCut, true);
  t.equal(second.log.lastZxid, zxid(4, 1));
});

t.test("bytes of another segment or offset never pass for ours", async (t) => {
  const disk = makeDisk(5);
  const process = start(disk, limits);
  for (let counter = 1; counter <= 3; counter += 1) process.write(1, counter, counter, 150);
  const files = disk.snapshotFiles();
  const segment = files.get(segmentFile(directory, 1)) ?? new Uint8Array(0);
  // A misdirected write: batch 3 again in the next slot.
  segment.set(segment.subarray(2 * 512, 3 * 512), 3 * 512);
  t.same(
    read(new FrozenDisk(files)),
    [1, 2, 3].map((counter) => zxid(1, counter)),
  );
  // A lost write: batch 2 is what was there before it.
  segment.fill(0, 512, 2 * 512);
  t.equal(read(new FrozenDisk(files)), "damaged");
});

t.test("segments without a manifest are damage once they hold anything", async (t) => {
  const disk = makeDisk(6);
  start(disk, limits).write(1, 1, 1);
  const files = disk.snapshotFiles();
  files.delete(`${directory}/manifest`);
  t.equal(read(new FrozenDisk(files)), "damaged");
  files.set(segmentFile(directory, 1), new Uint8Array(2_048));
  t.same(read(new FrozenDisk(files)), [], "a crash before the first manifest");
});
