import { type ChildProcess, spawn } from "node:child_process";
import {
  closeSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  readSync,
  rmSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import t from "tap";
import { LmdbKeyValue } from "../../server/lmdb.ts";
import { productionLimits } from "../../src/model/limits.ts";
import { TokenSource } from "../../src/model/tokens.ts";
import type { Zxid } from "../../src/model/zxid.ts";
import type { Event } from "../../src/replica/event.ts";
import type { KeyValueImage, KeyValueWrite } from "../../src/tree/key-value.ts";
import { SnapshotSink, SnapshotSource } from "../../src/tree/snapshot-image.ts";
import { openStore, type WriteBehindStore } from "../../src/tree/write-behind-store.ts";
import { Random } from "../sim/random.ts";
import { childNodeArguments } from "../support/child.ts";
import { plainNode } from "../tree/store-model.ts";
import { applyBatches, bytesOf, numberKey, textOf } from "./lmdb-batches.ts";

t.setTimeout(900_000);

const first = Uint8Array.of(0);
const end = Uint8Array.of(255, 255);

/** A store and what it has reported. */
class Opened {
  readonly events: Event[] = [];
  readonly kv: LmdbKeyValue;
  #waiting: (() => void) | undefined;

  constructor(directory: string) {
    this.kv = new LmdbKeyValue(directory, (event) => {
      this.events.push(event);
      this.#waiting?.();
    });
  }

  async until(condition: () => boolean): Promise<void> {
    while (!condition()) {
      await new Promise<void>((resolve) => {
        this.#waiting = resolve;
      });
    }
  }

  async commit(writes: readonly KeyValueWrite[], token: number): Promise<void> {
    this.kv.commit(writes, token);
    await this.until(() =>
      this.events.some((event) => event.type === "storeFailed" || (event.type === "storeSynced" && event.token === token)),
    );
  }

  async close(): Promise<void> {
    this.kv.close();
    await this.kv.closed;
  }
}

function write(key: string, value: string | undefined): KeyValueWrite {
  return { key: bytesOf(key), value: value === undefined ? undefined : bytesOf(value) };
}

function storedText(view: KeyValueImage | LmdbKeyValue, key: string): string | undefined {
  const value = view.get(bytesOf(key));
  return value === undefined ? undefined : textOf(value);
}

function newDirectory(t: { teardown(cleanUp: () => void): unknown }): string {
  const directory = mkdtempSync(join(tmpdir(), "zabra-lmdb-"));
  t.teardown(() => rmSync(directory, { recursive: true, force: true }));
  return join(directory, "store-1");
}

t.test("commits become visible with their events, and are there when opened again", async (t) => {
  const directory = newDirectory(t);
  const opened = new Opened(directory);
  t.equal(storedText(opened.kv, "a"), undefined);
  opened.kv.commit([write("a", "1"), write("b", ""), write("c", "x".repeat(300_000))], 7);
  opened.kv.commit([write("a", "2"), write("c", undefined), write("never", undefined)], 8);
  t.equal(storedText(opened.kv, "a"), undefined, "not in the loop's own turn");
  await opened.until(() => opened.events.length === 4);
  t.same(
    opened.events.map((event) => ("token" in event ? [event.type, event.token] : [])),
    [
      ["storeCommitted", 7],
      ["storeSynced", 7],
      ["storeCommitted", 8],
      ["storeSynced", 8],
    ],
  );
  t.same(
    ["a", "b", "c"].map((key) => storedText(opened.kv, key)),
    ["2", "", undefined],
  );
  await opened.close();
  const again = new Opened(directory);
  t.same(
    again.kv.range(first, end, 10).map(([key, value]) => [textOf(key), textOf(value)]),
    [
      ["a", "2"],
      ["b", ""],
    ],
  );
  await again.close();
});

t.test("a young store that grows and shrinks in its transactions", async (t) => {
  const opened = new Opened(newDirectory(t));
  const random = new Random(1);
  const expected = new Map<string, string>();
  const value = "v".repeat(200);
  for (let token = 1; token <= 100; token += 1) {
    const writes: KeyValueWrite[] = [];
    const change = (number: number, text: string | undefined): void => {
      const key = `key${String(number).padStart(8, "0")}`;
      writes.push(write(key, text));
      if (text === undefined) expected.delete(key);
      else expected.set(key, text);
    };
    for (let i = random.below(400); i > 0; i -= 1) change(random.below(600), value);
    const from = random.below(600);
    for (let i = random.below(600); i > 0; i -= 1) change((from + i) % 600, undefined);
    await opened.commit(writes, token);
  }
  const found = opened.kv.range(first, end, 1_000).map(([key]) => textOf(key));
  t.same(found, [...expected.keys()].sort());
  await opened.close();
});

t.test("whoever hears of a commit reads it, whatever was read just before", async (t) => {
  const latest = { number: 0, stale: 0 };
  const kv: LmdbKeyValue = new LmdbKeyValue(newDirectory(t), (event) => {
    if (event.type !== "storeCommitted") return;
    if (storedText(kv, "a") !== String(event.token)) latest.stale += 1;
    latest.number = event.token;
  });
  for (let number = 1; number <= 300; number += 1) {
    kv.commit([write("a", String(number))], number);
    while (latest.number < number) {
      kv.get(bytesOf("a"));
      await new Promise((resolve) => setImmediate(resolve));
    }
  }
  t.equal(latest.stale, 0);
  kv.close();
  await kv.closed;
});

t.test("ranges: bounds, limits, order of bytes, keys alone", async (t) => {
  const opened = new Opened(newDirectory(t));
  const keys = ["a", "a\u0000", "a\u0001", "ab", "b", "é", "€"];
  await opened.commit(
    keys.map((key) => write(key, key)),
    1,
  );
  const names = (start: string, to: string, limit: number): string[] =>
    opened.kv.range(bytesOf(start), bytesOf(to), limit).map(([key]) => textOf(key));
  t.same(names("a", "b", 100), ["a", "a\u0000", "a\u0001", "ab"]);
  t.same(names("a\u0000", "b", 2), ["a\u0000", "a\u0001"]);
  t.same(names("ac", "€", 100), ["b", "é"]);
  t.same(names("x", "y", 100), []);
  t.same(opened.kv.keys(first, end, 100).map(textOf), keys);
  const [pair] = opened.kv.range(first, end, 1);
  opened.kv.get(bytesOf("b"));
  t.same(pair?.map(textOf), ["a", "a"], "pairs are the caller's");
  await opened.close();
});

t.test("an image stays still, however many transactions follow", async (t) => {
  const opened = new Opened(newDirectory(t));
  const images: { image: KeyValueImage; round: number }[] = [];
  const value = "v".repeat(400);
  for (let round = 0; round < 30; round += 1) {
    await opened.commit(
      Array.from({ length: 200 }, (_, i) => write(`k${(i * 7 + round) % 500}`, `${round} ${value}`)).concat(
        write("round", String(round)),
      ),
      round,
    );
    images.push({ image: opened.kv.image(), round });
    if (images.length > 8) images.shift()?.image.release();
    for (const { image, round } of images) t.equal(storedText(image, "round"), String(round));
    const latest = images.at(-1);
    t.ok(latest?.image.range(first, end, 1_000).every(([, bytes]) => Number(textOf(bytes).split(" ")[0]) <= round));
  }
  images[0]?.image.release();
  images[0]?.image.release();
  t.throws(() => images[0]?.image.get(first), { message: /released/ });
  await opened.close();
});

t.test("a failed commit is reported once, leaves nothing, and nothing follows it", async (t) => {
  const directory = newDirectory(t);
  const opened = new Opened(directory);
  await opened.commit([write("a", "1")], 1);
  opened.kv.commit([write("a", "2"), { key: new Uint8Array(5_000), value: Uint8Array.of(1) }], 2);
  opened.kv.commit([write("a", "3")], 3);
  await opened.until(() => opened.events.some((event) => event.type === "storeFailed"));
  opened.kv.commit([write("a", "4")], 4);
  await opened.close();
  t.same(
    opened.events.map((event) => event.type),
    ["storeCommitted", "storeSynced", "storeFailed"],
  );
  const again = new Opened(directory);
  t.equal(storedText(again.kv, "a"), "1");
  await again.close();
});

t.test("a held store commits nothing until it is let go", async (t) => {
  const opened = new Opened(newDirectory(t));
  opened.kv.commit([write("a", "1")], 1);
  let tokensWhenHeld: readonly number[] = [];
  const held = new Promise<void>((resolve) => {
    const release = opened.kv.hold(() => {
      tokensWhenHeld = syncedTokens(opened);
      // Time enough for a transaction; a store that commits all the same is seen below, when it is let go.
      setTimeout(() => {
        t.same(syncedTokens(opened), tokensWhenHeld, "nothing in between");
        release();
        resolve();
      }, 200);
    });
  });
  opened.kv.commit([write("a", "2")], 2);
  t.throws(() => opened.kv.hold(() => {}), { message: /one at a time/ });
  await held;
  t.notOk(tokensWhenHeld.includes(2), "what came after the request waits");
  await opened.until(() => syncedTokens(opened).length === 2);
  t.equal(storedText(opened.kv, "a"), "2");
  opened.kv.hold(() => {})();
  await opened.close();
  opened.kv.hold(() => t.fail("a closed store is not held"))();
});

function syncedTokens(opened: Opened): readonly number[] {
  return opened.events.flatMap((event) => (event.type === "storeSynced" ? [event.token] : []));
}

t.test("a store that is closed while it is held writes what it has once it is let go", async (t) => {
  const directory = newDirectory(t);
  const opened = new Opened(directory);
  await opened.commit([write("a", "1")], 1);
  const release = opened.kv.hold(() => {});
  opened.kv.commit([write("a", "2")], 2);
  opened.kv.close();
  release();
  await opened.kv.closed;
  const again = new Opened(directory);
  t.equal(storedText(again.kv, "a"), "2");
  await again.close();
});

/** LMDB's number of the newest transaction, in its lock file, which is mapped by all who have the environment open. */
const newestAt = 8;

/** What an opener does that read LMDB's meta page before the last commit and says so after it (LMDB ITS#9496). */
function turnBack(directory: string): void {
  const fd = openSync(join(directory, "lock.mdb"), "r+");
  const number = Buffer.alloc(8);
  readSync(fd, number, 0, 8, newestAt);
  number.writeBigUInt64LE(number.readBigUInt64LE() - 1n);
  writeSync(fd, number, 0, 8, newestAt);
  closeSync(fd);
}

t.test("a store that another process has turned back loses nothing: it fails, and has all when it is opened again", async (t) => {
  const directory = newDirectory(t);
  const opened = new Opened(directory);
  await opened.commit([write("a", "1")], 1);
  await opened.commit([write("b", "1")], 2);
  turnBack(directory);
  opened.kv.commit([write("c", "1")], 3);
  await opened.until(() => opened.events.length > 4);
  t.match(opened.events.at(-1), { type: "storeFailed", reason: /another process has opened it/ });
  await opened.close();
  const again = new Opened(directory);
  t.same(
    ["a", "b", "c"].map((key) => storedText(again.kv, key)),
    ["1", "1", undefined],
  );
  await again.close();
});

t.test("a process that a dead server left behind, in the middle of opening the store, turns nothing back", async (t) => {
  const directory = newDirectory(t);
  const opened = new Opened(directory);
  await opened.commit([write("a", "1")], 1);
  await opened.close();
  const child = spawn(process.execPath, [...childNodeArguments, readerPath, directory], { stdio: ["ignore", "pipe", "inherit"] });
  t.teardown(() => child.kill("SIGKILL"));
  await new Promise((resolve) => child.stdout.once("data", resolve));
  // What the process has mapped, under a name that stays.
  const mapped = join(directory, "mapped");
  mkdirSync(mapped);
  linkSync(join(directory, "lock.mdb"), join(mapped, "lock.mdb"));
  const again = new Opened(directory);
  await again.commit([write("a", "2")], 2);
  turnBack(mapped);
  await again.commit([write("b", "2")], 3);
  t.same(
    ["a", "b"].map((key) => storedText(again.kv, key)),
    ["2", "2"],
  );
  await again.close();
});

function openTree(kv: LmdbKeyValue): WriteBehindStore {
  const opening = openStore({ kv, tokens: new TokenSource(), limits: productionLimits });
  if (opening.type !== "ok") throw new Error(opening.reason);
  return opening.store;
}

t.test("the tree store and a snapshot over LMDB", async (t) => {
  const from = new Opened(newDirectory(t));
  const store = openTree(from.kv);
  for (let i = 0; i < 9_000; i += 1) store.put(`/a/n${String(i).padStart(5, "0")}`, plainNode(i, new Uint8Array(i % 300)));
  store.setApplied(5 as Zxid);
  while (store.flushedZxid < 5) {
    if (store.shouldFlush(0) || !store.flushing) store.flush(0);
    const events = from.events.splice(0);
    for (const event of events) {
      if (event.type === "storeCommitted") store.onStoreCommitted(event.token);
      if (event.type === "storeSynced") store.onStoreSynced(event.token);
    }
    if (events.length === 0 && !store.shouldFlush(0)) await from.until(() => from.events.length > 0);
  }
  t.equal(store.dirtyBytes, 0);
  t.equal(store.get("/a/n00299")?.data?.length, 299);
  t.equal(store.get("/a/n00298")?.data?.length, 298);
  t.same(store.children("/a", "n08996", 10), ["n08997", "n08998", "n08999"]);
  t.equal(store.children("/a", "", 100_000).length, 9_000);
  const to = new Opened(newDirectory(t));
  const sink = new SnapshotSink(to.kv, new TokenSource());
  const source = new SnapshotSource(from.kv, productionLimits.snapshot_chunk_bytes);
  t.equal(source.zxid, 5);
  for (let done = false; !done; ) {
    const part = source.next();
    t.equal(sink.write(part.pairs), undefined);
    done = part.done;
  }
  source.release();
  while (!sink.synced) {
    for (const event of to.events.splice(0)) if (event.type === "storeSynced") sink.onStoreSynced(event.token);
    if (!sink.synced) await to.until(() => to.events.length > 0);
  }
  const copy = openTree(to.kv);
  t.equal(copy.appliedZxid, 5);
  t.equal(copy.get("/a/n00299")?.data?.length, 299);
  t.same(copy.verifyAll(100_000), { checked: 9_001, done: true, damage: undefined });
  await from.close();
  await to.close();
});

/** ZABRA_LMDB_ROUNDS=100 for the long run. */
const rounds = Number(process.env["ZABRA_LMDB_ROUNDS"] ?? 3);
const childPath = programPath("lmdb-child");
const readerPath = programPath("lmdb-reader-child");

function programPath(name: string): string {
  return fileURLToPath(new URL(`./${name}.${import.meta.url.endsWith(".ts") ? "ts" : "js"}`, import.meta.url));
}

/** Runs the child until it has printed `lines` numbers and `ms` more, then kills it; the last number printed. */
t.test("a store that LMDB would refuse, or that was condemned, is damaged", async (t) => {
  const directory = newDirectory(t);
  const opened = new Opened(directory);
  await opened.commit([write("a", "1")], 1);
  await opened.close();
  const file = join(directory, "data.mdb");
  const sound = readFileSync(file);
  const changed = (offset: number, value: number): Buffer => {
    const bytes = Buffer.from(sound);
    bytes.writeUInt32LE(value, offset);
    return bytes;
  };
  for (const [bytes, told] of [
    [changed(24, 0xbeefc0df), /meta page 0 of data\.mdb is not LMDB's/],
    [changed(28, 7), /meta page 0/],
    [changed(8_192 + 24, 0), /meta page 1/],
    [changed(48, 8_191), /its pages are said to have 8191 bytes/],
    [changed(8_192 + 48, 4_096), /its meta pages disagree on the size of a page/],
    [sound.subarray(0, 40), /meta page 0/],
    [sound.subarray(0, 8_192), /meta page 1/],
  ] as const) {
    writeFileSync(file, bytes);
    t.throws(() => new Opened(directory), { name: "InvariantError", message: told });
  }
  writeFileSync(file, sound);
  const again = new Opened(directory);
  t.equal(storedText(again.kv, "a"), "1");
  again.kv.condemn("the tree store is damaged: told by the test");
  await again.close();
  t.throws(() => new Opened(directory), /told by the test/);
});

async function runAndKill(directory: string, after: number, lines: number, ms: number): Promise<number> {
  const child: ChildProcess = spawn(process.execPath, [...childNodeArguments, childPath, directory, String(after)], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  let printed = "";
  child.stdout?.setEncoding("utf8");
  child.stdout?.on("data", (text: string) => {
    const before = printed.split("\n").length - 1;
    printed += text;
    if (before < lines && printed.split("\n").length - 1 >= lines) setTimeout(() => child.kill("SIGKILL"), ms);
  });
  if (lines === 0) setTimeout(() => child.kill("SIGKILL"), ms);
  const [code, signal] = await new Promise<[number | null, string | null]>((resolve) =>
    child.on("close", (code, signal) => resolve([code, signal])),
  );
  if (signal !== "SIGKILL") throw new Error(`the child ended with ${code ?? signal}`);
  return Number(printed.split("\n").at(-2) ?? after);
}

t.test("a process that exits in the middle of a transaction ends, with its code", async (t) => {
  const directory = newDirectory(t);
  for (const afterMs of [0, 30, 100]) {
    const child = spawn(process.execPath, [...childNodeArguments, childPath, directory, "0", String(afterMs)], {
      stdio: ["ignore", "ignore", "inherit"],
    });
    const code = await new Promise((resolve) => child.on("close", resolve));
    t.equal(code, 70, `${afterMs} ms after the start`);
  }
});

t.test("killed at any moment, it holds whole batches, all synced ones included", async (t) => {
  const directory = newDirectory(t);
  const random = new Random(Number(process.env["ZABRA_TEST_SEED"] ?? 11));
  const content = new Map<string, Uint8Array>();
  let held = 0;
  let unreported = 0;
  for (let round = 0; round < rounds; round += 1) {
    const synced = await runAndKill(
      directory,
      held,
      round % 6 === 5 ? 0 : 1 + random.below(6),
      random.below(round % 6 === 5 ? 400 : 30),
    );
    const opened = new Opened(directory);
    const found = Number(storedText(opened.kv, numberKey) ?? 0);
    if (found < synced) t.fail(`round ${round}: ${synced} was synced and ${found} is there`);
    if (found > synced) unreported += 1;
    applyBatches(content, held, found);
    held = found;
    const pairs = opened.kv.range(first, end, 100_000);
    t.equal(pairs.length, content.size, `round ${round}: after batch ${held}`);
    for (const [key, value] of pairs) {
      if (!Buffer.from(value).equals(content.get(textOf(key)) ?? new Uint8Array(0)))
        t.fail(`round ${round}: ${textOf(key)} is not as of batch ${held}`);
    }
    await opened.close();
  }
  t.ok(held > rounds, `${held} batches`);
  t.comment(`${unreported} rounds held more than was reported`);
});
