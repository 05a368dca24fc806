/** The epoch record: two copies, saves in order, durable when both are there; crashes, kills, damage and newer formats. */
import t from "tap";
import {
  type EpochRecord,
  EpochRecordFile,
  type EpochRecordOpening,
  encodeEpochRecord,
  epochRecordFiles,
} from "../../src/log/epoch-record.ts";
import { frameFile } from "../../src/log/framed-file.ts";
import { InvariantError } from "../../src/model/assert.ts";
import { TokenSource } from "../../src/model/tokens.ts";
import { makeEpoch, makeZxid } from "../../src/model/zxid.ts";
import { SimDisk } from "../sim/disk.ts";
import { Random } from "../sim/random.ts";
import { makeDisk } from "./support.ts";

function record(accepted: number, current = accepted): EpochRecord {
  return {
    nodeId: 3,
    clusterId: "zürich-\u{1f9ed}",
    foundation: "founded",
    member: true,
    voters: [1, 2, 3],
    observers: [4],
    acceptedEpoch: makeEpoch(accepted),
    currentEpoch: makeEpoch(current),
    generation: 2,
    floorZxid: makeZxid(makeEpoch(1), 7),
  };
}

function settle(disk: SimDisk, file: EpochRecordFile): void {
  for (let next = disk.nextCompletionMs(); next !== undefined; next = disk.nextCompletionMs()) {
    for (const token of disk.advance(next)) if (!file.onDiskDone(token)) throw new Error("a token that nobody knows");
  }
}

function open(disk: SimDisk): EpochRecordFile {
  const opening = EpochRecordFile.open(disk, new TokenSource());
  if (opening.type !== "ok") throw new Error(JSON.stringify(opening));
  return opening.file;
}

function saved(...epochs: number[]): SimDisk {
  const disk = makeDisk(1);
  const file = EpochRecordFile.create(disk, new TokenSource(), record(0));
  for (const epoch of epochs) file.save(record(epoch));
  settle(disk, file);
  return disk;
}

t.test("absent, saved, read again", async (t) => {
  const disk = makeDisk(1);
  t.same(EpochRecordFile.open(disk, new TokenSource()), { type: "absent" });
  const file = EpochRecordFile.create(disk, new TokenSource(), record(0));
  t.equal(file.saving, false);
  file.save(record(1, 0));
  file.save(record(1));
  file.save({ ...record(2, 1), member: false });
  t.equal(file.saving, true);
  t.equal(file.record.acceptedEpoch, 2);
  t.equal(file.durable.acceptedEpoch, 0);
  const seen: number[] = [];
  for (let next = disk.nextCompletionMs(); next !== undefined; next = disk.nextCompletionMs()) {
    for (const token of disk.advance(next)) file.onDiskDone(token);
    seen.push(file.durable.acceptedEpoch + file.durable.currentEpoch / 10);
  }
  t.same([...new Set(seen)], [0, 1, 2.1], "what waited was overtaken, what was under way was not");
  t.equal(file.saving, false);
  const again = open(disk);
  t.same(again.record, { ...record(2, 1), member: false });
  t.equal(again.saving, true, "what was read is written anew before it counts");
  settle(disk, again);
  t.equal(again.saving, false);
});

t.test("a token of somebody else is left alone", async (t) => {
  t.equal(open(saved(1)).onDiskDone(12_345), false);
});

t.test("epochs never fall, and current is at most accepted", async (t) => {
  const file = open(saved(5));
  t.throws(() => file.save(record(4)), InvariantError);
  t.throws(() => file.save(record(5, 4)), InvariantError);
  t.throws(() => file.save(record(5, 6)), InvariantError);
});

/** Every bit flip and every cut, an empty file and none (undefined) among them. */
function* damagesOf(content: Uint8Array): Generator<Uint8Array | undefined> {
  for (let bit = 0; bit < content.length * 8; bit += 1) {
    const bad = content.slice();
    bad[bit >> 3] = (bad[bit >> 3] ?? 0) ^ (1 << (bit & 7));
    yield bad;
  }
  for (let length = 0; length < content.length; length += 1) yield content.slice(0, length);
  yield undefined;
}

function openCopies(disk: SimDisk, copies: readonly (Uint8Array | undefined)[]): EpochRecordOpening {
  const files = new Map<string, Uint8Array>();
  for (const [index, copy] of copies.entries()) if (copy !== undefined) files.set(epochRecordFiles[index] ?? "", copy);
  disk.restoreFiles(files);
  return EpochRecordFile.open(disk, new TokenSource());
}

t.test("saves on a hung disk: the one under way and the last are written", async (t) => {
  const disk = makeDisk(1);
  const file = EpochRecordFile.create(disk, new TokenSource(), record(0));
  disk.stall(1_000);
  for (let epoch = 1; epoch <= 200; epoch += 1) file.save(record(epoch));
  t.equal(disk.pendingOperations, 2);
  t.equal(file.record.acceptedEpoch, 200);
  t.equal(file.durable.acceptedEpoch, 0);
  const submitted = disk.submitted;
  for (const token of disk.advance(1_000)) file.onDiskDone(token);
  t.equal(file.durable.acceptedEpoch, 1);
  settle(disk, file);
  t.equal(file.durable.acceptedEpoch, 200);
  t.equal(file.saving, false);
  t.equal(disk.submitted - submitted, 2, "both copies, once");
  t.equal(open(disk).record.acceptedEpoch, 200);
});

t.test("every bit flip and cut of either copy is survived, of both is damage", async (t) => {
  const disk = makeDisk(1);
  const good = encodeEpochRecord(record(7), 9);
  t.ok(good.length > 100 && good.length < 400);
  let checked = 0;
  for (const bad of damagesOf(good)) {
    checked += 1;
    for (const copies of [
      [good, bad],
      [bad, good],
    ]) {
      const opening = openCopies(disk, copies);
      if (opening.type !== "ok" || opening.record.acceptedEpoch !== 7)
        return void t.fail(`one good copy is enough: ${opening.type}`);
    }
    const both = openCopies(disk, [bad, bad]);
    if (both.type !== (bad === undefined ? "absent" : "damaged")) return void t.fail(`both copies bad: ${both.type}`);
  }
  t.ok(checked > 1_000, `${checked} damages`);
});

t.test("a save that reached one copy only: every bit flip and cut of either leaves the other, never a third", async (t) => {
  const disk = makeDisk(1);
  const before = encodeEpochRecord(record(7), 9);
  const after = encodeEpochRecord(record(8), 10);
  for (const order of [0, 1]) {
    const put = (older: Uint8Array | undefined, newer: Uint8Array | undefined): EpochRecordOpening =>
      openCopies(disk, order === 0 ? [older, newer] : [newer, older]);
    for (const bad of damagesOf(before)) {
      const opening = put(bad, after);
      if (opening.type !== "ok" || opening.record.acceptedEpoch !== 8)
        return void t.fail(`the older one was bad: ${opening.type}`);
    }
    // The save had not been reported: the record before it is all that the server has promised.
    for (const bad of damagesOf(after)) {
      const opening = put(before, bad);
      if (opening.type !== "ok" || opening.record.acceptedEpoch !== 7)
        return void t.fail(`the newer one was bad: ${opening.type}`);
    }
  }
});

t.test("one copy missing is survived, one missing and one bad is damage", async (t) => {
  const disk = saved(7);
  const files = disk.snapshotFiles();
  const [first = "", second = ""] = epochRecordFiles;
  disk.restoreFiles(new Map([[second, files.get(second) ?? new Uint8Array(0)]]));
  settle(disk, open(disk));
  t.same([...disk.snapshotFiles().keys()].sort(), [first, second], "and repaired");
  disk.restoreFiles(new Map([[second, new Uint8Array(9)]]));
  const opening = EpochRecordFile.open(disk, new TokenSource());
  t.equal(opening.type, "damaged");
  t.match(opening, { reason: /epoch-record-1 is missing, epoch-record-2 is too short/ });
});

t.test("the higher sequence wins, and the older copy is brought up before anything counts", async (t) => {
  const disk = makeDisk(2);
  const [first = "", second = ""] = epochRecordFiles;
  disk.restoreFiles(
    new Map([
      [first, encodeEpochRecord(record(8), 41)],
      [second, encodeEpochRecord(record(9), 42)],
    ]),
  );
  const file = open(disk);
  t.equal(file.record.acceptedEpoch, 9);
  settle(disk, file);
  disk.flipBit(second, 30, 1);
  t.equal(open(disk).record.acceptedEpoch, 9, "the newer copy may go bad afterwards");
});

t.test("create takes over from copies that are there", async (t) => {
  const disk = saved(1, 2, 3);
  const fresh = EpochRecordFile.create(disk, new TokenSource(), { ...record(0), foundation: "empty" });
  fresh.save({ ...record(0), foundation: "founding" });
  settle(disk, fresh);
  t.equal(open(disk).record.foundation, "founding");
  // A crash between the two copies: the old one has lost all the same.
  const [, second = ""] = epochRecordFiles;
  const old = saved(1, 2, 3).snapshotFiles().get(second) ?? new Uint8Array(0);
  disk.restoreFiles(new Map([...disk.snapshotFiles(), [second, old]]));
  t.equal(open(disk).record.foundation, "founding");
});

t.test("a newer format is refused as such", async (t) => {
  const disk = saved(1);
  const [first = ""] = epochRecordFiles;
  const bytes = disk.read(first, 0, 10_000);
  const magic = new DataView(bytes.buffer, bytes.byteOffset).getUint32(0, true);
  const newer = frameFile({ magic, version: 9, summedWholeSince: 3 }, bytes.subarray(16));
  disk.restoreFiles(new Map([...disk.snapshotFiles(), [first, newer]]));
  t.match(EpochRecordFile.open(disk, new TokenSource()), { type: "newer", reason: /version 9/ });
});

t.test("crashes and kills: what was durable never falls back", async (t) => {
  let mixed = 0;
  for (let seed = 1; seed <= 2_000; seed += 1) {
    const random = new Random(seed).fork("test");
    const disk = new SimDisk(new Random(seed).fork("disk"));
    let file = EpochRecordFile.create(disk, new TokenSource(), record(0));
    let durable = 0;
    for (let life = 0; life < 5; life += 1) {
      for (let step = random.below(12); step > 0; step -= 1) {
        if (random.chance(0.4)) file.save(record(file.record.acceptedEpoch + 1));
        else for (const token of disk.advance(disk.nextCompletionMs() ?? 0)) file.onDiskDone(token);
        if (!file.saving) durable = file.durable.acceptedEpoch;
      }
      if (!file.saving) durable = file.durable.acceptedEpoch;
      const wanted = file.record.acceptedEpoch;
      if (random.chance(0.3)) disk.kill();
      else disk.crash();
      const opening = EpochRecordFile.open(disk, new TokenSource());
      if (opening.type === "absent" && durable === 0) {
        file = EpochRecordFile.create(disk, new TokenSource(), record(0));
        continue;
      }
      if (opening.type !== "ok") return void t.fail(`seed ${seed}: ${JSON.stringify(opening)}`);
      file = opening.file;
      const found = file.record.acceptedEpoch;
      if (found < durable || found > wanted)
        return void t.fail(`seed ${seed}: found ${found}, durable was ${durable}, wanted ${wanted}`);
      if (found > durable) mixed += 1;
    }
  }
  t.ok(mixed > 100, `${mixed} saves survived although they were not reported`);
});
