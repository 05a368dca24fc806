/** The log while nothing goes wrong: append, sync, roll over, cut, trim, read back, restart. */
import t, { type Test } from "tap";
import { InvariantError } from "../../src/model/assert.ts";
import { type Limits, tinyLimits } from "../../src/model/limits.ts";
import { type Zxid, zeroZxid } from "../../src/model/zxid.ts";
import { entriesOf, makeDisk, Process, payloadOf, start, zxid, zxidsOf } from "./support.ts";

function same(t: Test, process: Process, wanted: Zxid[], length: number): void {
  const found = entriesOf(process.log);
  t.same(
    found.map((entry) => entry.zxid),
    wanted,
  );
  for (const entry of found) t.ok(Buffer.from(entry.payload).equals(payloadOf(entry.zxid, length)), `payload of ${entry.zxid}`);
}

function counters(epoch: number, from: number, to: number): Zxid[] {
  return Array.from({ length: to - from + 1 }, (_, index) => zxid(epoch, from + index));
}

t.test("a new log is empty and idle once its first segment and manifest are there", async (t) => {
  const process = start(makeDisk(1));
  t.equal(process.log.idle, false);
  process.settle();
  t.equal(process.log.idle, true);
  t.equal(process.log.lastZxid, zeroZxid);
  t.same(process.log.tails(10), [zeroZxid]);
  t.equal(process.log.contains(zeroZxid), true);
  t.same(process.log.readAfter(zeroZxid, 100), []);
});

t.test("an entry is durable when its fdatasync is done, and not before", async (t) => {
  const process = start(makeDisk(2));
  process.settle();
  process.append(zxid(1, 1));
  t.equal(process.log.lastZxid, zxid(1, 1));
  t.equal(process.log.durableZxid, zeroZxid);
  t.equal(process.log.syncingSinceMs, undefined);
  process.turn(100);
  t.equal(process.log.syncingSinceMs, 100);
  t.equal(process.log.durableZxid, zeroZxid);
  t.equal(process.log.idle, false);
  t.same(
    process.log.readAfter(zeroZxid, 100)?.map((entry) => entry.zxid),
    [zxid(1, 1)],
    "readable from memory at once",
  );
  process.turn(200);
  t.equal(process.log.durableZxid, zxid(1, 1));
  t.equal(process.log.syncingSinceMs, undefined);
  t.equal(process.log.idle, true);
});

t.test("one write is in flight; the next batch gathers meanwhile", async (t) => {
  const disk = makeDisk(3);
  const process = start(disk);
  process.settle();
  const before = disk.submitted;
  process.append(zxid(1, 1));
  process.turn(10);
  for (let counter = 2; counter <= 9; counter += 1) {
    process.append(zxid(1, counter));
    process.turn(10);
  }
  t.equal(disk.submitted - before, 1);
  process.settle();
  t.equal(disk.submitted - before, 2, "eight entries in one write");
  t.equal(process.log.durableZxid, zxid(1, 9));
});

t.test("gaps are refused", async (t) => {
  const process = start(makeDisk(4));
  process.append(zxid(1, 1));
  t.throws(() => process.append(zxid(1, 3)), InvariantError);
  t.throws(() => process.append(zxid(2, 2)), InvariantError);
  t.throws(() => process.append(zxid(1, 1)), InvariantError);
  process.append(zxid(3, 1));
});

t.test("a restart finds everything again, over several segments and epochs", async (t) => {
  const disk = makeDisk(5);
  const first = start(disk);
  for (let epoch = 1; epoch <= 3; epoch += 1)
    for (let counter = 1; counter <= 40; counter += 1) first.write(epoch, counter, counter, 300);
  t.ok(disk.list("log-1").filter((name) => name.startsWith("segment")).length > 3, "several segments");
  const wanted = [...counters(1, 1, 40), ...counters(2, 1, 40), ...counters(3, 1, 40)];
  same(t, first, wanted, 300);
  const second = start(disk, tinyLimits, first.nowMs);
  t.equal(second.log.lastZxid, zxid(3, 40));
  t.equal(second.log.idle, false, "what was read may be in the page cache alone");
  same(t, second, wanted, 300);
  second.settle();
  t.equal(second.log.idle, true);
  t.equal(second.log.durableZxid, zxid(3, 40));
  t.same(second.log.tails(10), [zxid(3, 40), zxid(2, 40), zxid(1, 40), zeroZxid]);
  t.same(second.log.tails(2), [zxid(3, 40), zxid(2, 40)]);
  second.write(3, 41, 45, 300);
  same(t, second, [...wanted, ...counters(3, 41, 45)], 300);
});

t.test("entries larger than a segment, and empty ones", async (t) => {
  const disk = makeDisk(6);
  const first = start(disk);
  first.write(1, 1, 1, 50_000);
  first.write(1, 2, 2, 0);
  first.write(1, 3, 4, 40_000);
  const second = start(disk, tinyLimits, first.nowMs);
  second.settle();
  t.same(
    entriesOf(second.log).map((entry) => entry.payload.length),
    [50_000, 0, 40_000, 40_000],
  );
  t.ok(Buffer.from(entriesOf(second.log)[3]?.payload ?? []).equals(payloadOf(zxid(1, 4), 40_000)));
});

t.test("readAfter: at least one entry, then up to the bytes asked for, from disk and from memory", async (t) => {
  const process = start(makeDisk(7));
  for (let counter = 1; counter <= 200; counter += 1) process.write(1, counter, counter, 100);
  t.equal(process.log.readAfter(zxid(1, 1), 1)?.length, 1, "from disk");
  t.equal(process.log.readAfter(zxid(1, 1), 350)?.length, 3);
  t.equal(process.log.readAfter(zxid(1, 1), 350)?.[0]?.zxid, zxid(1, 2));
  t.equal(process.log.readAfter(zxid(1, 190), 1)?.length, 1, "from memory");
  t.equal(process.log.readAfter(zxid(1, 190), 350)?.length, 3);
  t.equal(process.log.readAfter(zxid(1, 190), 350)?.[0]?.zxid, zxid(1, 191));
  t.same(process.log.readAfter(zxid(1, 200), 350), []);
  const fromDisk = process.log.readAfter(zeroZxid, 1_000_000) ?? [];
  t.ok(fromDisk.length < 200, "memory begins somewhere");
  t.equal(process.log.readAfter(fromDisk.at(-1)?.zxid ?? zeroZxid, 1_000_000)?.at(-1)?.zxid, zxid(1, 200));
});

t.test("what is not durable stays in memory, beyond the bound", async (t) => {
  const process = start(makeDisk(8));
  process.settle();
  for (let counter = 1; counter <= 300; counter += 1) process.append(zxid(1, counter), 100);
  process.turn();
  t.same(zxidsOf(process.log), counters(1, 1, 300));
  process.turn(process.disk.nextCompletionMs());
  t.ok(process.log.durableZxid > zeroZxid && process.log.durableZxid < zxid(1, 300), "a part of it is durable");
  t.same(zxidsOf(process.log), counters(1, 1, 300));
  process.settle();
  t.same(zxidsOf(process.log), counters(1, 1, 300));
  const kept = process.log.readAfter(zxid(1, 200), 1_000_000) ?? [];
  t.ok(kept.length < 100, `${kept.length}: memory is bounded again`);
});

t.test("truncate: inside a batch, at a segment's start, to the base, to the end", async (t) => {
  for (const [cut, batch] of [
    [7, 10],
    [10, 10],
    [60, 1],
    [1, 1],
    [0, 5],
    [99, 20],
    [100, 10],
  ] as const) {
    const disk = makeDisk(9);
    const first = start(disk);
    for (let counter = 1; counter <= 100; counter += batch) first.write(4, counter, counter + batch - 1, 200);
    const to = cut === 0 ? zeroZxid : zxid(4, cut);
    first.log.truncate(to, first.nowMs);
    t.equal(first.log.lastZxid, to);
    t.equal(first.log.durableZxid, to);
    t.equal(first.log.idle, cut === 100);
    t.equal(first.log.contains(zxid(4, 100)), cut === 100);
    first.settle();
    t.equal(first.log.idle, true);
    first.write(5, 1, 30, 200);
    const wanted = [...(cut === 0 ? [] : counters(4, 1, cut)), ...counters(5, 1, 30)];
    same(t, first, wanted, 200);
    const second = start(disk, tinyLimits, first.nowMs);
    second.settle();
    same(t, second, wanted, 200);
    second.write(5, 31, 31, 200);
    t.equal(start(disk, tinyLimits, second.nowMs).log.lastZxid, zxid(5, 31));
  }
});

t.test("truncate while a marker is in flight: what was cut stays away, and what was kept stays", async (t) => {
  const disk = makeDisk(21);
  const process = start(disk);
  process.write(1, 1, 9);
  const before = disk.submitted;
  process.turn(process.nowMs + tinyLimits.log_marker_idle_ms);
  t.equal(disk.submitted, before + 1, "a marker");
  t.equal(process.log.idle, false);
  t.equal(process.log.quiet, true);
  process.log.truncate(zxid(1, 4), process.nowMs);
  t.equal(process.log.quiet, false);
  process.append(zxid(2, 1));
  process.settle();
  const wanted = [...counters(1, 1, 4), zxid(2, 1)];
  t.same(zxidsOf(process.log), wanted);
  t.same(zxidsOf(start(disk, tinyLimits, process.nowMs).log), wanted);
});

t.test("truncate wants an idle log and an entry that it has", async (t) => {
  const process = start(makeDisk(10));
  process.write(1, 1, 5);
  t.throws(() => process.log.truncate(zxid(1, 6), process.nowMs), InvariantError);
  process.append(zxid(1, 6));
  t.throws(() => process.log.truncate(zxid(1, 5), process.nowMs), InvariantError);
});

t.test("appending at once after truncate waits for the new segment", async (t) => {
  const disk = makeDisk(11);
  const process = start(disk);
  process.write(1, 1, 5);
  process.log.truncate(zxid(1, 3), process.nowMs);
  process.append(zxid(2, 1));
  t.equal(process.log.durableZxid, zxid(1, 3));
  process.settle();
  t.equal(process.log.durableZxid, zxid(2, 1));
  t.same(zxidsOf(start(disk).log), [...counters(1, 1, 3), zxid(2, 1)]);
});

const history: Limits = { ...tinyLimits, history_txns_min: 40, history_bytes_min: 20_000, history_bytes_max: 200_000 };

function filled(seed: number, limits: Limits, entries: number): Process {
  const process = start(makeDisk(seed), limits);
  for (let counter = 1; counter <= entries; counter += 1) process.write(1, counter, counter, 400);
  return process;
}

t.test("trim keeps what is pinned, whatever the byte cap says", async (t) => {
  const process = filled(12, { ...history, history_bytes_max: 1_000, history_bytes_min: 500, history_txns_min: 0 }, 200);
  process.log.trim(zeroZxid);
  t.equal(process.log.base, zeroZxid);
  process.log.trim(zxid(1, 100));
  process.settle();
  t.ok(process.log.base > zxid(1, 60) && process.log.base <= zxid(1, 100), `base ${process.log.base}`);
  const rest = zxidsOf(process.log);
  t.equal(rest[0], process.log.base + 1);
  t.equal(rest.at(-1), zxid(1, 200));
  t.equal(process.log.readAfter(zeroZxid, 100), undefined);
  t.equal(process.log.contains(zxid(1, 1)), false);
  t.equal(process.log.contains(process.log.base), true);
  t.same(process.log.tails(5), [zxid(1, 200), process.log.base]);
  const again = start(process.disk, process.limits, process.nowMs);
  t.equal(again.log.base, process.log.base);
  t.same(zxidsOf(again.log), rest);
});

t.test("trim keeps the least history, both txns and bytes", async (t) => {
  const process = filled(13, history, 200);
  process.log.trim(zxid(1, 200));
  process.settle();
  const kept = zxidsOf(process.log).length;
  t.ok(kept >= 40 && kept < 120, `${kept} txns kept`);
  t.ok(process.log.bytes >= 20_000);
  const bytesRule = filled(14, { ...history, history_txns_min: 0, history_bytes_min: 100_000 }, 200);
  bytesRule.log.trim(zxid(1, 200));
  t.ok(bytesRule.log.bytes >= 100_000 && bytesRule.log.bytes < 140_000, `${bytesRule.log.bytes} bytes kept`);
});

t.test("trim removes the files, after the manifest", async (t) => {
  const process = filled(15, { ...history, history_txns_min: 0, history_bytes_min: 0 }, 100);
  const before = process.disk.list("log-1").length;
  process.log.trim(zxid(1, 100));
  t.equal(process.disk.list("log-1").length, before, "the manifest comes first");
  t.equal(process.log.idle, true, "a trim touches no entries");
  process.settle();
  t.ok(process.disk.list("log-1").length <= 3);
});

t.test("createLog starts after its base, aside, and clears what an earlier attempt left", async (t) => {
  const disk = makeDisk(16);
  const left = start(disk);
  left.write(1, 1, 50, 300);
  const process = new Process(disk, left.nowMs, tinyLimits, zxid(3, 7));
  process.append(zxid(3, 8));
  t.equal(process.log.base, zxid(3, 7));
  process.settle();
  t.equal(process.log.idle, true);
  t.equal(process.log.durableZxid, zxid(3, 8));
  t.same(disk.list("log-1"), ["manifest", "segment-00000001"]);
  t.equal(process.log.readAfter(zxid(1, 5), 10), undefined);
  const again = start(disk, tinyLimits, process.nowMs);
  t.equal(again.log.base, zxid(3, 7));
  t.same(zxidsOf(again.log), [zxid(3, 8)]);
});

t.test("remove waits for what is in flight, then removes the directory", async (t) => {
  const disk = makeDisk(17);
  const process = start(disk);
  process.settle();
  process.append(zxid(1, 1));
  process.turn();
  process.log.remove();
  process.settle();
  t.same(disk.list("log-1"), []);
});

t.test("a marker follows the last batch once, after the idle time", async (t) => {
  const disk = makeDisk(18);
  const process = start(disk);
  process.write(1, 1, 1);
  const before = disk.submitted;
  process.turn(process.nowMs + tinyLimits.log_marker_idle_ms - 1);
  t.equal(disk.submitted, before);
  process.turn(process.nowMs + 1);
  t.equal(disk.submitted, before + 1);
  process.settle(true);
  process.settle(true);
  t.equal(disk.submitted, before + 1);
  start(disk, tinyLimits, process.nowMs).settle();
  t.equal(
    disk.submitted,
    before + 6,
    "a start makes a segment, a copy with its marker and a manifest, and removes the segment before",
  );
});

t.test("an empty directory is damage for a log that has been used", async (t) => {
  t.throws(() => start(makeDisk(19), tinyLimits, 0, true), /missing/);
});

t.test("a slow disk shows: the oldest sync in flight", async (t) => {
  const disk = makeDisk(20);
  const process = start(disk);
  process.settle();
  disk.stall(5_000);
  process.append(zxid(1, 1));
  process.turn(1_000);
  process.append(zxid(1, 2));
  process.turn(4_000);
  t.equal(process.log.syncingSinceMs, 1_000);
  process.settle();
  t.equal(process.log.syncingSinceMs, undefined);
});

t.test("starts without end make no segments without end", async (t) => {
  const disk = makeDisk(18);
  let nowMs = 0;
  let most = 0;
  let written = 0;
  for (let life = 0; life < 60; life += 1) {
    const process = start(disk, tinyLimits, nowMs);
    // Killed anywhere in its opening, or soon after a write, with its marker or without.
    if (life % 3 === 0) process.turn(nowMs + life / 10);
    else {
      process.settle();
      written += 1;
      process.write(1, written, written);
      if (life % 2 === 0) process.settle(true);
    }
    nowMs = process.nowMs + 1;
    disk.kill();
    most = Math.max(most, disk.list("log-1").filter((name) => name.startsWith("segment")).length);
  }
  const last = start(disk, tinyLimits, nowMs);
  last.settle();
  t.equal(zxidsOf(last.log).length, written, "all that was written is there");
  t.ok(most <= 4, `${most} segments at most, strays included`);
});
