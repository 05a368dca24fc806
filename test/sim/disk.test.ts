/** The virtual disk does what it says: order, latency, what a crash may and may not do, and misuse. */
import t from "tap";
import { SimDisk, type SimDiskOptions } from "./disk.ts";
import { Random } from "./random.ts";

function make(seed: number, options: SimDiskOptions = {}): SimDisk {
  return new SimDisk(new Random(seed), options);
}

function settle(disk: SimDisk): number[] {
  const tokens: number[] = [];
  for (let next = disk.nextCompletionMs(); next !== undefined; next = disk.nextCompletionMs()) tokens.push(...disk.advance(next));
  return tokens;
}

function filled(value: number, length: number): Uint8Array {
  return new Uint8Array(length).fill(value);
}

t.test("operations on one file complete in order, after their latency", async (t) => {
  const disk = make(1, { latencyMinMs: 1, latencyMaxMs: 50 });
  disk.submit({ type: "create", token: 1, file: "d/f", bytes: 2_048 });
  for (let token = 2; token < 20; token += 1)
    disk.submit({ type: "write", token, file: "d/f", offset: 0, chunks: [filled(token, 10)], sync: true });
  t.same(disk.advance(0.5), []);
  t.equal(disk.read("d/f", 0, 1)[0], 19, "reads see what was submitted");
  t.same(
    settle(disk),
    Array.from({ length: 19 }, (_, index) => index + 1),
  );
  t.same(disk.list(""), ["d"]);
  t.same(disk.list("d"), ["f"]);
  t.equal(disk.size("d/f"), 2_048);
  t.equal(disk.size("d/g"), undefined);
});

t.test("what a completed sync covered survives every crash; the rest is each sector for itself", async (t) => {
  const seen = new Set<string>();
  for (let seed = 1; seed <= 400; seed += 1) {
    const disk = make(seed);
    disk.submit({ type: "create", token: 1, file: "f", bytes: 4_096 });
    disk.submit({ type: "write", token: 2, file: "f", offset: 0, chunks: [filled(1, 500), filled(1, 524)], sync: true });
    settle(disk);
    disk.submit({ type: "write", token: 3, file: "f", offset: 1_024, chunks: [filled(2, 1_024)], sync: true });
    disk.crash();
    t.equal(disk.size("f"), 4_096);
    const content = disk.read("f", 0, 4_096);
    if (!content.subarray(0, 1_024).every((byte) => byte === 1)) return void t.fail("synced bytes were lost");
    if (!content.subarray(2_048).every((byte) => byte === 0)) return void t.fail("bytes that nobody wrote");
    seen.add([1_024, 1_536].map((start) => kind(content.subarray(start, start + 512))).join());
  }
  for (const one of ["new", "old", "torn", "garbage"])
    for (const other of ["new", "old"]) t.ok(seen.has(`${one},${other}`), `${one},${other}`);
});

function kind(sector: Uint8Array): string {
  const values = new Set(sector);
  if (values.size > 2) return "garbage";
  if (values.size === 2) return "torn";
  return values.has(2) ? "new" : "old";
}

t.test("a sync covers what was submitted before it on the file, not after", async (t) => {
  for (let seed = 1; seed <= 100; seed += 1) {
    const disk = make(seed, { lostProbability: 1 });
    disk.submit({ type: "create", token: 1, file: "f", bytes: 512 });
    settle(disk);
    disk.submit({ type: "write", token: 2, file: "f", offset: 0, chunks: [filled(1, 512)], sync: true });
    disk.submit({ type: "write", token: 3, file: "f", offset: 256, chunks: [filled(2, 10)], sync: true });
    while (disk.pendingOperations === 2) disk.advance(disk.nextCompletionMs() ?? 0);
    disk.crash();
    if (disk.pendingOperations === 0 && ![1, 2].includes(disk.read("f", 256, 1)[0] ?? 0))
      return void t.fail("the first sync was lost");
    t.equal(disk.read("f", 0, 1)[0], 1);
  }
});

t.test("replace: old or new, whole; durable when done", async (t) => {
  const seen = new Set<string>();
  for (let seed = 1; seed <= 200; seed += 1) {
    const disk = make(seed);
    disk.submit({ type: "replace", token: 1, file: "m", content: filled(1, 100) });
    settle(disk);
    disk.submit({ type: "replace", token: 2, file: "m", content: filled(2, 70) });
    if (seed % 2 === 0) settle(disk);
    disk.crash();
    const content = disk.read("m", 0, 1_000);
    seen.add(`${seed % 2 === 0 ? "done" : "pending"} ${content.length} ${content[0]} ${disk.list("").join()}`);
  }
  t.same([...seen].sort(), ["done 70 2 m", "pending 100 1 m", "pending 100 1 m,m.tmp", "pending 70 2 m", "pending 70 2 m,m.tmp"]);
});

t.test("create and remove: done or half done while pending, certain when done", async (t) => {
  const sizes = new Set<string>();
  const removed = new Set<string>();
  for (let seed = 1; seed <= 200; seed += 1) {
    const disk = make(seed);
    disk.submit({ type: "create", token: 1, file: "d/a", bytes: 1_000 });
    settle(disk);
    disk.submit({ type: "create", token: 2, file: "d/b", bytes: 1_000 });
    disk.crash();
    t.equal(disk.size("d/a"), 1_000);
    const size = disk.size("d/b");
    sizes.add(size === undefined ? "absent" : size === 1_000 ? "whole" : "short");
    disk.submit({ type: "remove", token: 3, file: "d" });
    if (seed % 2 === 0) settle(disk);
    disk.crash();
    removed.add(`${seed % 2} ${disk.list("d").includes("a")}`);
  }
  t.same([...sizes].sort(), ["absent", "short", "whole"]);
  t.same([...removed].sort(), ["0 false", "1 false", "1 true"]);
});

t.test("kill: happened, in part, or not; and still not durable", async (t) => {
  const after = new Set<string>();
  for (let seed = 1; seed <= 300; seed += 1) {
    const disk = make(seed, { lostProbability: 0.5, tornProbability: 0, garbageProbability: 0 });
    disk.submit({ type: "create", token: 1, file: "f", bytes: 512 });
    settle(disk);
    disk.submit({ type: "write", token: 2, file: "f", offset: 0, chunks: [filled(1, 512)], sync: true });
    disk.kill();
    const seen = disk.read("f", 0, 512).reduce((sum, byte) => sum + byte, 0);
    disk.crash();
    const left = disk.read("f", 0, 512).reduce((sum, byte) => sum + byte, 0);
    t.ok(left === seen || left === 0);
    after.add(`${seen === 512 ? "whole" : "part"} ${left === seen ? "kept" : "lost"}`);
  }
  t.same([...after].sort(), ["part kept", "part lost", "whole kept", "whole lost"]);
});

t.test("misuse is told", async (t) => {
  const disk = make(1);
  t.throws(() => disk.submit({ type: "write", token: 1, file: "f", offset: 0, chunks: [], sync: true }), /no such file/);
  const other = make(1);
  other.submit({ type: "create", token: 1, file: "d/f", bytes: 10 });
  t.throws(() => other.submit({ type: "remove", token: 2, file: "d" }), /is pending/);
  settle(other);
  const buffer = filled(1, 10);
  other.submit({ type: "write", token: 3, file: "d/f", offset: 0, chunks: [buffer], sync: true });
  buffer[3] = 9;
  t.throws(() => settle(other), /was changed/);
});

t.test("stall, free space, wipe", async (t) => {
  const disk = make(1, { freeBytes: 100 });
  t.equal(disk.freeBytes(), 100);
  disk.setFreeBytes(5);
  t.equal(disk.freeBytes(), 5);
  disk.stall(1_000);
  disk.submit({ type: "create", token: 1, file: "f", bytes: 10 });
  t.same(disk.advance(999), []);
  t.equal(disk.nextCompletionMs(), 1_000);
  t.same(disk.advance(1_000), [1]);
  disk.wipe();
  t.same(disk.list(""), []);
});
