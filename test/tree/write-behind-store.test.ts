import t from "tap";
import { tinyLimits } from "../../src/model/limits.ts";
import { TokenSource } from "../../src/model/tokens.ts";
import type { Zxid } from "../../src/model/zxid.ts";
import type { StoreImage } from "../../src/tree/store.ts";
import { nodeKey } from "../../src/tree/store-keys.ts";
import { openStore, type WriteBehindStore } from "../../src/tree/write-behind-store.ts";
import { SimKeyValue } from "../sim/key-value.ts";
import { Random } from "../sim/random.ts";
import { NaiveStore, plainNode, randomBytes, randomNode } from "./store-model.ts";

function open(kv: SimKeyValue, tokens = new TokenSource()): WriteBehindStore {
  const opening = openStore({ kv, tokens, limits: tinyLimits });
  if (opening.type !== "ok") throw new Error(opening.reason);
  return opening.store;
}

/** A server's life with a store: random txns, flushes, late completions, images, crashes; a naive store knows what must be read. */
class Run {
  readonly random: Random;
  readonly kv: SimKeyValue;
  store: WriteBehindStore;
  model = new NaiveStore();
  /** The state after each txn since the durable one. */
  history = new Map<number, NaiveStore>([[0, this.model.copy()]]);
  images: { image: StoreImage; model: NaiveStore }[] = [];
  now = 0;
  durable = 0;
  readonly seen = { crashes: 0, failedSyncs: 0, rolledBack: 0, images: 0, flushes: 0, pages: 0 };

  constructor(seed: number) {
    this.random = new Random(seed);
    this.kv = new SimKeyValue(this.random.fork("kv"), { commitMsMax: 300, syncMsMax: 600 });
    this.store = open(this.kv);
  }

  path(): string {
    const r = this.random;
    const name = (): string => r.pick(["a", "b", "ab", "a-", "ä", "€", "zz", `n${String(r.below(40)).padStart(3, "0")}`]);
    const depth = 1 + r.below(3);
    return `/${Array.from({ length: depth }, name).join("/")}`;
  }

  txn(): void {
    const r = this.random;
    for (let changes = r.below(4); changes > 0; changes -= 1) {
      const path = this.path();
      const key = `${r.pick(["s/", "s/1", "r/"])}${r.below(12)}`;
      if (r.chance(0.6)) {
        const node = randomNode(r);
        this.store.put(path, node);
        this.model.nodes.set(path, node);
      } else if (this.model.nodes.delete(path) || r.chance(0.1)) this.store.remove(path);
      if (r.chance(0.2)) {
        const value = randomBytes(r, r.below(30));
        this.store.putRecord(key, value);
        this.model.records.set(key, value);
      } else if (this.model.records.delete(key)) this.store.removeRecord(key);
    }
    this.model.zxid += 1;
    this.store.setApplied(this.model.zxid as Zxid);
    this.history.set(this.model.zxid, this.model.copy());
  }

  /** Time passes; completions are handed over, all or, when the process is slow, none. */
  pass(): void {
    this.now += this.random.below(200);
    for (const event of this.kv.advance(this.now)) {
      const ours =
        event.type === "storeCommitted" ? this.store.onStoreCommitted(event.token) : this.store.onStoreSynced(event.token);
      if (!ours) throw new Error("a completion without an owner");
    }
    if (this.store.shouldFlush(this.now) || (!this.store.flushing && this.random.chance(0.05))) {
      this.store.flush(this.now);
      this.seen.flushes += 1;
    }
    for (const zxid of this.history.keys()) if (zxid < this.store.flushedZxid) this.history.delete(zxid);
  }

  takeImage(): void {
    const image = this.store.image();
    if (image === undefined) return;
    if (image.zxid !== this.model.zxid) throw new Error("an image is of the applied zxid");
    this.images.push({ image, model: this.model.copy() });
    this.seen.images += 1;
  }

  dropImage(): void {
    const [dropped] = this.images.splice(this.random.below(this.images.length), 1);
    dropped?.image.release();
  }

  crash(): void {
    this.durable = Math.max(this.durable, this.store.flushedZxid);
    if (this.random.chance(0.5) && this.kv.failSync(Number.POSITIVE_INFINITY)) {
      this.kv.kill();
      this.seen.failedSyncs += 1;
    } else this.kv.crash();
    this.images = [];
    this.store = open(this.kv);
    const zxid = this.store.appliedZxid;
    if (zxid < this.durable) throw new Error(`synced at ${this.durable}, reopened at ${zxid}`);
    if (zxid < this.model.zxid) this.seen.rolledBack += 1;
    this.model = (this.history.get(zxid) as NaiveStore).copy();
    // What is older may come back: the last sync may have failed.
    for (const later of [...this.history.keys()]) if (later > zxid) this.history.delete(later);
    this.seen.crashes += 1;
  }

  check(): void {
    const r = this.random;
    for (let i = 0; i < 4; i += 1) {
      const path = this.path();
      same(this.store.get(path), this.model.nodes.get(path), path);
      const parent = r.pick(["/", "/a", "/ä", "/a/b", "/zz"]);
      const after = r.chance(0.5) ? "" : this.path().slice(1, 3).replace("/", "");
      const limit = r.pick([1, 2, 5, 1_000]);
      same(
        this.store.children(parent, after, limit),
        this.model.children(parent, after, limit),
        `children of ${parent} after ${after}`,
      );
      const key = `s/${r.below(12)}`;
      same(this.store.record(key), this.model.records.get(key), key);
      for (const { image, model } of this.images) {
        same(image.get(path), model.nodes.get(path), `image ${image.zxid} ${path}`);
        same(
          image.children(parent, after, limit),
          model.children(parent, after, limit),
          `image ${image.zxid} children of ${parent}`,
        );
      }
      this.seen.pages += 1;
    }
    if (r.chance(0.1)) same([...this.store.records("s/")], this.model.recordsOf("s/"), "records");
  }

  step(): void {
    const r = this.random;
    this.txn();
    if (r.chance(0.5)) this.pass();
    if (r.chance(0.05)) this.takeImage();
    if (r.chance(0.05) && this.images.length > 0) this.dropImage();
    if (r.chance(0.01)) this.crash();
    this.check();
  }
}

function same(found: unknown, wanted: unknown, what: string): void {
  if (JSON.stringify(found) !== JSON.stringify(wanted))
    throw new Error(`${what}: ${JSON.stringify(found)} and not ${JSON.stringify(wanted)}`);
}

t.test("reads what was put, through flushes, images and crashes", (t) => {
  const seen = { crashes: 0, failedSyncs: 0, rolledBack: 0, images: 0, flushes: 0, pages: 0 };
  for (let seed = 1; seed <= 40; seed += 1) {
    const run = new Run(seed);
    try {
      for (let i = 0; i < 250; i += 1) run.step();
    } catch (error) {
      t.fail(`seed ${seed}: ${error instanceof Error ? error.stack : String(error)}`);
      break;
    }
    for (const { image } of run.images) image.release();
    if (run.kv.images !== 0) t.fail(`seed ${seed}: images leak`);
    for (const key of Object.keys(seen) as (keyof typeof seen)[]) seen[key] += run.seen[key];
  }
  for (const [what, count] of Object.entries(seen)) t.ok(count > 10, `${what}: ${count}`);
  t.end();
});

/** A store whose completions come when the test says so. */
function make(limits = tinyLimits): { kv: SimKeyValue; store: WriteBehindStore; settle(): void } {
  const kv = new SimKeyValue(new Random(1), { commitMsMax: 0, syncMsMax: 0 });
  const opening = openStore({ kv, tokens: new TokenSource(), limits });
  if (opening.type !== "ok") throw new Error(opening.reason);
  const store = opening.store;
  const settle = (): void => {
    for (const event of kv.advance(0))
      event.type === "storeCommitted" ? store.onStoreCommitted(event.token) : store.onStoreSynced(event.token);
  };
  return { kv, store, settle };
}

t.test("a node created and deleted between flushes costs nothing", (t) => {
  const { kv, store, settle } = make();
  store.setApplied(1 as Zxid);
  store.flush(0);
  settle();
  const before = kv.range(Uint8Array.of(0), Uint8Array.of(255, 255), 10).length;
  for (let i = 0; i < 1_000; i += 1) {
    store.put(`/lock-${i}`, plainNode(i));
    store.remove(`/lock-${i}`);
    store.putRecord(`r${i}`, Uint8Array.of(1));
    store.removeRecord(`r${i}`);
  }
  store.setApplied(2 as Zxid);
  t.equal(store.dirtyBytes, 0);
  t.same(store.children("/", "", 10), []);
  store.flush(0);
  settle();
  t.equal(kv.range(Uint8Array.of(0), Uint8Array.of(255, 255), 10).length, before);
  t.end();
});

t.test("children that stay are listed when most were deleted before a flush", (t) => {
  const { store } = make();
  const names = Array.from({ length: 600 }, (_, i) => `n${String((i * 7) % 600).padStart(3, "0")}`);
  for (const name of names) store.put(`/q/${name}`, plainNode(1));
  for (const name of names) if (!name.endsWith("3")) store.remove(`/q/${name}`);
  store.put("/q/n001", plainNode(2));
  store.setApplied(1 as Zxid);
  t.same(store.children("/q", "", 1_000), ["n001", ...names.filter((name) => name.endsWith("3"))].sort());
  t.same(store.children("/q", "n010", 2), ["n013", "n023"]);
  t.end();
});

t.test("a flush begins when dirty is old or large, and one at a time", (t) => {
  const { store, settle } = make();
  t.equal(store.shouldFlush(0), false, "clean");
  store.put("/a", plainNode(1));
  t.equal(store.shouldFlush(0), false, "inside a txn");
  store.setApplied(1 as Zxid);
  t.equal(store.shouldFlush(10), false, "young");
  t.equal(store.shouldFlush(10 + tinyLimits.flush_interval_ms), true, "old");
  store.put("/b", plainNode(2, new Uint8Array(tinyLimits.flush_bytes)));
  store.setApplied(2 as Zxid);
  t.equal(store.shouldFlush(11), true, "large");
  store.flush(11);
  t.equal(store.shouldFlush(99_999), false, "in flight");
  t.equal(store.flushedZxid, 0);
  settle();
  t.equal(store.flushedZxid, 2);
  t.equal(store.dirtyBytes, 0);
  t.equal(store.shouldFlush(99_999), false, "clean again");
  store.setApplied(3 as Zxid);
  store.shouldFlush(100_000);
  t.equal(store.shouldFlush(200_000), true, "a txn without a change is flushed too");
  t.end();
});

t.test("a large flush is encoded over several calls while puts go on", (t) => {
  const { kv, store, settle } = make();
  for (let i = 0; i < 9_000; i += 1) store.put(`/n${i}`, plainNode(i));
  store.setApplied(1 as Zxid);
  let calls = 0;
  while (store.shouldFlush(0)) {
    store.flush(0);
    calls += 1;
    if (calls === 2) {
      store.put("/n8999", plainNode(77));
      store.setApplied(2 as Zxid);
    }
  }
  t.ok(calls > 3, `${calls} calls`);
  settle();
  t.equal(store.flushedZxid, 1);
  t.equal(store.get("/n8999")?.czxid, 77);
  kv.crash();
  t.equal(open(kv).get("/n8999")?.czxid, 8_999);
  t.end();
});

t.test("what a failed sync left in the page cache is not flushed before this process has synced", (t) => {
  for (const settled of [false, true]) {
    const nothingSurvives = { below: () => 0 };
    const kv = new SimKeyValue(nothingSurvives, { commitMsMax: 0, syncMsMax: 0 });
    let store = open(kv);
    const finish = (): void => {
      for (const event of kv.advance(0))
        event.type === "storeCommitted" ? store.onStoreCommitted(event.token) : store.onStoreSynced(event.token);
    };
    store.setApplied(1 as Zxid);
    store.flush(0);
    finish();
    store.setApplied(2 as Zxid);
    store.flush(0);
    kv.failNextSync();
    kv.advance(0);
    kv.kill();
    store = open(kv);
    t.equal(store.appliedZxid, 2, "it is visible");
    t.equal(store.flushedZxid, 0, "and maybe nowhere else");
    t.ok(store.shouldFlush(0), "so something is flushed at once");
    store.flush(0);
    if (settled) finish();
    t.equal(store.flushedZxid, settled ? 2 : 0);
    kv.crash();
    t.equal(open(kv).appliedZxid, settled ? 2 : 1);
  }
  t.end();
});

t.test("generations stay as few as the images", (t) => {
  const { store, settle } = make();
  for (let round = 0; round < 50; round += 1) {
    store.put(`/n${round}`, plainNode(round));
    store.setApplied((round + 1) as Zxid);
    const image = store.image();
    store.put(`/n${round}`, plainNode(round + 1_000));
    store.setApplied((round + 1) as Zxid);
    t.equal(image?.get(`/n${round}`)?.czxid, round);
    image?.release();
    image?.release();
  }
  const bytes = store.dirtyBytes;
  t.ok(bytes < 50 * 700, `${bytes}`);
  store.flush(0);
  settle();
  t.equal(store.dirtyBytes, 0);
  t.same(store.children("/", "n4", 2), ["n40", "n41"]);
  t.end();
});

t.test("images are bounded by number and by the memory they hold back", (t) => {
  const { store, settle } = make();
  const images = Array.from({ length: tinyLimits.image_pins_max }, () => store.image());
  t.ok(images.every((image) => image !== undefined));
  t.equal(store.image(), undefined);
  for (const image of images) image?.release();
  let taken = 0;
  for (let round = 1; round <= 3; round += 1) {
    store.put("/big", plainNode(round, new Uint8Array(3 * tinyLimits.flush_bytes)));
    store.setApplied(round as Zxid);
    if (store.image() !== undefined) taken += 1;
    store.flush(0);
    settle();
  }
  t.equal(taken, 2);
  t.end();
});

t.test("a flipped bit in any stored value is found at read and by the scrub", (t) => {
  const random = new Random(5);
  const { kv, store, settle } = make();
  const paths = Array.from({ length: 20 }, (_, i) => `/n${i}`);
  for (const path of paths) store.put(path, plainNode(1, randomBytes(random, 10)));
  for (let i = 0; i < 5; i += 1) store.putRecord(`r${i}`, randomBytes(random, 10));
  store.setApplied(9 as Zxid);
  store.flush(0);
  settle();
  t.same(open(kv).verifyAll(100), { checked: 26, done: true, damage: undefined });
  for (let round = 0; round < 200; round += 1) {
    const key = kv.corrupt() as Uint8Array;
    const opening = openStore({ kv, tokens: new TokenSource(), limits: tinyLimits });
    if (opening.type === "damaged") t.match(opening.reason, /the applied zxid fails its checksum/);
    else {
      t.throws(
        () => {
          for (const path of paths) opening.store.get(path);
          for (let i = 0; i < 5; i += 1) opening.store.record(`r${i}`);
        },
        { message: /the tree store is damaged: .* fails its checksum/ },
      );
      let progress = opening.store.verifyAll(4);
      for (let steps = 0; progress.damage === undefined && steps < 20; steps += 1) progress = opening.store.verifyAll(4);
      t.match(progress.damage, /fails its checksum/);
    }
    kv.wipe();
    const again = open(kv);
    for (const path of paths) again.put(path, plainNode(1, randomBytes(random, 10)));
    for (let i = 0; i < 5; i += 1) again.putRecord(`r${i}`, randomBytes(random, 10));
    again.setApplied(9 as Zxid);
    again.flush(0);
    kv.advance(0);
    t.ok(key.length > 0);
  }
  t.end();
});

t.test("values without an applied zxid are damage, and an empty store is at 0", (t) => {
  const kv = new SimKeyValue(new Random(1), { commitMsMax: 0, syncMsMax: 0 });
  t.equal(open(kv).appliedZxid, 0);
  kv.commit([{ key: nodeKey("/a"), value: Uint8Array.of(1, 2, 3, 4, 5) }], 1);
  kv.advance(0);
  const opening = openStore({ kv, tokens: new TokenSource(), limits: tinyLimits });
  t.match(opening, { type: "damaged", reason: /no applied zxid/ });
  t.end();
});

t.test("a page of few reads few, also with many children dirty and many stored", (t) => {
  const { kv, store, settle } = make();
  for (let i = 0; i < 20_000; i += 1) store.put(`/q/n${String(i).padStart(6, "0")}`, plainNode(i));
  store.setApplied(1 as Zxid);
  while (store.shouldFlush(0)) store.flush(0);
  settle();
  for (let i = 0; i < 20_000; i += 2) store.put(`/q/n${String(i).padStart(6, "0")}x`, plainNode(i));
  store.setApplied(2 as Zxid);
  let read = 0;
  const range = kv.range.bind(kv);
  kv.range = (start, end, limit) => {
    const pairs = range(start, end, limit);
    read += pairs.length;
    return pairs;
  };
  t.same(store.children("/q", "n010000", 3), ["n010000x", "n010001", "n010002"]);
  t.ok(read <= 4, `${read} pairs read`);
  t.end();
});
