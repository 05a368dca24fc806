/** The disk driver on a real directory: order a file, atomic replacement, one report of the first failure. */
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import t from "tap";
import { NodeDisk } from "../../server/disk.ts";
import { Inbox } from "../../server/inbox.ts";
import type { Event } from "../../src/replica/event.ts";
import type { WithTeardown } from "./with-teardown.ts";

interface Bench {
  readonly directory: string;
  readonly disk: NodeDisk;
  readonly events: Event[];
  /** Waits until as many events have come. */
  until(count: number): Promise<void>;
}

function bench(t: WithTeardown): Bench {
  const directory = mkdtempSync(join(tmpdir(), "zabra-disk-"));
  const inbox = new Inbox();
  const disk = new NodeDisk(directory, inbox);
  const events: Event[] = [];
  let wake = (): void => {};
  inbox.onArrival(() => {
    events.push(...inbox.take());
    wake();
  });
  t.teardown(async () => {
    await disk.close();
    rmSync(directory, { recursive: true, force: true });
  });
  const until = async (count: number): Promise<void> => {
    while (events.length < count)
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
  };
  return { directory, disk, events, until };
}

function bytes(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

t.test("writes to one file happen in the order submitted", async (t) => {
  const { disk, events, until } = bench(t);
  disk.submit({ type: "create", token: 1, file: "log/a", bytes: 3_000_000 });
  for (let i = 0; i < 50; i += 1) {
    disk.submit({
      type: "write",
      token: 2 + i,
      file: "log/a",
      offset: 0,
      chunks: [bytes(String(i).padStart(4))],
      sync: i % 10 === 0,
    });
  }
  await until(51);
  t.same(
    events,
    Array.from({ length: 51 }, (_, i) => ({ type: "diskDone", token: i + 1 })),
  );
  t.equal(Buffer.from(disk.read("log/a", 0, 4)).toString(), "  49");
  t.equal(disk.size("log/a"), 3_000_000);
  t.ok(
    disk.read("log/a", 4, 3_000_000).every((byte) => byte === 0),
    "the rest is zeros",
  );
});

t.test("a small write to one file does not wait for a large one to another", async (t) => {
  const { disk, events, until } = bench(t);
  disk.submit({ type: "replace", token: 1, file: "log/b", content: bytes("b") });
  await until(1);
  disk.submit({ type: "create", token: 2, file: "log/large", bytes: 200_000_000 });
  disk.submit({ type: "write", token: 3, file: "log/b", offset: 0, chunks: [bytes("B")], sync: true });
  await until(3);
  t.same(
    events.map((event) => (event.type === "diskDone" ? event.token : 0)),
    [1, 3, 2],
  );
});

t.test("many chunks make one piece, at the offset", async (t) => {
  const { disk, until } = bench(t);
  const chunks = Array.from({ length: 2_000 }, (_, i) => new Uint8Array(500).fill(i % 251));
  disk.submit({ type: "create", token: 1, file: "a", bytes: 1_100_000 });
  disk.submit({ type: "write", token: 2, file: "a", offset: 7, chunks, sync: true });
  await until(2);
  t.ok(Buffer.concat(chunks).equals(disk.read("a", 7, 1_000_000)));
  t.equal(disk.read("a", 1_099_990, 100).length, 10, "fewer at the end of the file");
});

t.test("replace is whole; names come sorted, without leftovers and the lock", async (t) => {
  const { disk, directory, until } = bench(t);
  writeFileSync(join(directory, "zabra.lock"), "x");
  disk.submit({ type: "replace", token: 1, file: "record", content: bytes("first") });
  disk.submit({ type: "replace", token: 2, file: "record", content: bytes("second, longer") });
  disk.submit({ type: "replace", token: 3, file: "dir/x", content: bytes("") });
  await until(3);
  t.equal(readFileSync(join(directory, "record"), "utf8"), "second, longer");
  t.same(disk.list(""), ["dir", "record"]);
  t.same(disk.list("none"), []);
  t.equal(disk.size("none"), undefined);
});

t.test("a directory is removed after what was submitted for it before, and before what comes after", async (t) => {
  const { disk, directory, until } = bench(t);
  disk.submit({ type: "create", token: 1, file: "log-1/a", bytes: 5_000_000 });
  disk.submit({ type: "write", token: 2, file: "log-1/a", offset: 0, chunks: [bytes("x")], sync: true });
  disk.submit({ type: "remove", token: 3, file: "log-1" });
  disk.submit({ type: "replace", token: 4, file: "log-1/b", content: bytes("new") });
  disk.submit({ type: "remove", token: 5, file: "never-there" });
  await until(5);
  t.same(disk.list("log-1"), ["b"]);
  t.notOk(existsSync(join(directory, "log-1", "a")));
});

t.test("a failure is reported once, and nothing after it", async (t) => {
  const { disk, directory, events, until } = bench(t);
  mkdirSync(join(directory, "is-a-directory"));
  disk.submit({ type: "write", token: 1, file: "is-a-directory", offset: 0, chunks: [bytes("x")], sync: true });
  disk.submit({ type: "write", token: 2, file: "is-a-directory", offset: 0, chunks: [bytes("x")], sync: true });
  disk.submit({ type: "write", token: 3, file: "missing", offset: 0, chunks: [bytes("x")], sync: true });
  await until(1);
  disk.submit({ type: "replace", token: 4, file: "fine", content: bytes("x") });
  await disk.close();
  t.equal(events.length, 1);
  t.match(events[0], { type: "diskFailed", reason: /write is-a-directory: EISDIR/ });
  t.notOk(existsSync(join(directory, "fine")), "nothing is begun after a failure");
});

t.test("more files than descriptors kept", async (t) => {
  const { disk, until } = bench(t);
  for (let i = 0; i < 40; i += 1) {
    disk.submit({ type: "create", token: 2 * i, file: `f${i}`, bytes: 10 });
    disk.submit({ type: "write", token: 2 * i + 1, file: `f${i}`, offset: 0, chunks: [bytes(`${i}`)], sync: true });
  }
  await until(80);
  for (let i = 0; i < 40; i += 1) t.equal(Buffer.from(disk.read(`f${i}`, 0, `${i}`.length)).toString(), `${i}`);
  t.ok(disk.freeBytes() > 0);
});

t.test("what an interrupted replace left is gone at the next start", async (t) => {
  const { directory } = bench(t);
  mkdirSync(join(directory, "log"));
  writeFileSync(join(directory, "record.tmp"), "half");
  writeFileSync(join(directory, "log", "segment.tmp"), "half");
  const disk = new NodeDisk(directory, new Inbox());
  await disk.close();
  t.notOk(existsSync(join(directory, "record.tmp")));
  t.notOk(existsSync(join(directory, "log", "segment.tmp")));
});
