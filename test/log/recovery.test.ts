/**
 * Damage is not absence: every single-bit flip and every cut of a small log (sweep.ts). What a later batch, a marker
 * or the manifest proves durable is reported when it is bad, and never cut; an unproven last batch is cut,
 * and nothing else is; whatever is recovered is right. `npm run storage` takes every bit
 * of every byte, in all of them; here zeros, and logs with torn ends, have one bit a byte.
 */
import t from "tap";
import { segmentFile } from "../../src/log/segment.ts";
import { setMutant } from "../../src/model/mutant.ts";
import { directory, entriesOf, makeDisk, start, tryOpen, zxid } from "./support.ts";
import { endings, FrozenDisk, judge, sweepLimits as limits, read, smallLog, sweepCuts, sweepFlips } from "./sweep.ts";

t.setTimeout(900_000);

const everyBit = process.env["ZABRA_EVERY_BIT"] === "1";

for (const ending of endings) {
  t.test(`every single-bit flip and every cut of a log that ends ${ending}`, async (t) => {
    const small = smallLog(ending);
    t.equal(judge(small, read(new FrozenDisk(small.files)), false), "", "untouched");
    t.ok(small.files.size >= 4 && small.proven.length >= 5);
    const flips = sweepFlips(small, everyBit ? "every" : ending.startsWith("torn") ? "one a byte" : "telling");
    t.equal(flips.problem, "");
    t.ok(flips.damaged > 1_500, `flips: ${JSON.stringify(flips)}`);
    t.equal(flips.cut > 0, small.unproven.length > 0, "only an unproven batch is cut");
    const cuts = sweepCuts(small);
    t.equal(cuts.problem, "");
    t.ok(cuts.damaged > 5_000, `cuts: ${JSON.stringify(cuts)}`);
  });
}

t.test("the sweep finds planted bugs", async (t) => {
  t.teardown(() => setMutant(""));
  const small = smallLog("marked");
  setMutant("damage is taken for the end of the log");
  t.match(sweepFlips(small, "one a byte").problem, /damage was not found/);
  setMutant("bytes behind a cut count again");
  t.not(judge(small, read(new FrozenDisk(small.files)), false), "");
});

t.test("zeros instead of a sector: damage where proven, a cut in the last batch", async (t) => {
  for (const ending of endings) {
    const small = smallLog(ending);
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
