import t from "tap";
import { type Limits, productionLimits } from "../../src/model/limits.ts";
import { isWithin, parentOf, rootPath } from "../../src/model/path.ts";
import type { SubscribeRequest } from "../../src/model/request.ts";
import type { Stat } from "../../src/model/stat.ts";
import type { Change, StreamDelivery } from "../../src/model/watch.ts";
import { counterSpan, type Zxid } from "../../src/model/zxid.ts";
import type { StoreImage, Znode } from "../../src/tree/store.ts";
import type { HistoryTxn } from "../../src/watch/stream.ts";
import { StreamTable } from "../../src/watch/stream-table.ts";
import { Random } from "../support/random.ts";
import { change, zx } from "./support.ts";

const limits: Limits = {
  ...productionLimits,
  snapshot_chunk_bytes: 700,
  image_pins_max: 3,
  image_pin_ms: 2_000,
  streams_per_connection_max: 6,
};

/** A server around the table: an applied tree, all txns ever, how far history reaches back, and what was sent. */
class World {
  readonly txns: HistoryTxn[] = [];
  readonly nodes = new Map<string, { czxid: Zxid; zxid: Zxid; acl: number; data: Uint8Array | undefined }>([
    [rootPath, { czxid: zx(0), zxid: zx(0), acl: 1, data: undefined }],
  ]);
  readonly sent: { connection: number; delivery: StreamDelivery }[] = [];
  readonly table: StreamTable;
  oldest = zx(0);
  appliedZxid = zx(0);
  nowMs = 0;
  pins = 0;
  /** Connections that lack READ by ACL 2. */
  readonly restricted = new Set<number>();

  constructor(custom: Partial<Limits> = {}) {
    const access = {
      permits: (connection: number, acl: number) => acl === 1 || !this.restricted.has(connection),
      statOf: (node: Znode) => ({ czxid: node.czxid, mzxid: node.mzxid }) as Stat,
    };
    this.table = new StreamTable({ ...limits, ...custom }, this, () => this.image(), access);
  }

  changesAfter(zxid: Zxid, bytesMax: number): readonly HistoryTxn[] | undefined {
    if (zxid < this.oldest) return undefined;
    const from = this.txns.findIndex((txn) => txn.zxid > zxid);
    return from === -1 ? [] : this.txns.slice(from, from + 1 + (bytesMax % 3));
  }

  image(): StoreImage | undefined {
    if (this.pins === limits.image_pins_max) return undefined;
    this.pins += 1;
    const nodes = new Map(this.nodes);
    const get = (path: string) => {
      const node = nodes.get(path);
      if (node === undefined) return undefined;
      const numChildren = [...nodes.keys()].filter((other) => parentOf(other) === path).length;
      return { acl: node.acl, data: node.data, czxid: node.czxid, mzxid: node.zxid, numChildren } as Znode;
    };
    const children = (path: string, after: string, limit: number) => {
      const names = [...nodes.keys()]
        .filter((other) => parentOf(other) === path)
        .map((other) => other.slice(other.lastIndexOf("/") + 1));
      return names
        .toSorted()
        .filter((name) => name > after)
        .slice(0, limit);
    };
    return {
      zxid: this.appliedZxid,
      get,
      children,
      release: () => {
        this.pins -= 1;
      },
    };
  }

  /** Applies one txn with these changes; without any it is a refusal. */
  apply(...changes: readonly Omit<Change, "zxid">[]): Zxid {
    const zxid = this.nextZxid();
    const stamped = changes.map((one) => ({ ...one, zxid }));
    for (const one of stamped) {
      if (one.type === "deleted") this.nodes.delete(one.path);
      else this.nodes.set(one.path, { czxid: this.nodes.get(one.path)?.czxid ?? zxid, zxid, acl: one.acl, data: one.data });
    }
    this.txns.push({ zxid, changes: stamped });
    this.appliedZxid = zxid;
    this.table.onApplied(zxid, stamped);
    return zxid;
  }

  /** Now and then a new epoch begins. */
  nextZxid(): Zxid {
    const next = this.appliedZxid + 1;
    return zx(next % 17 === 0 ? (Math.floor(next / counterSpan) + 1) * counterSpan + 1 : next);
  }

  pump(ms = 0): boolean {
    this.nowMs += ms;
    return this.table.pump(this.nowMs, (connection, delivery) => this.sent.push({ connection, delivery }));
  }

  /** Pumps until nothing waits. */
  drain(ms = 0): void {
    for (let turns = 0; this.pump(ms); turns += 1) if (turns > 10_000) throw new Error("pump never ends");
  }

  subscribe(connection: number, request: Partial<SubscribeRequest>) {
    const full: SubscribeRequest = {
      type: "subscribe",
      stream: 1,
      path: "/a",
      recursive: true,
      fromZxid: undefined,
      withData: true,
      ...request,
    };
    return this.table.subscribe(connection, full, this.nowMs);
  }

  /** What was sent since the last call, in words. */
  take(): string[] {
    return this.sent.splice(0).map(({ connection, delivery }) => `${connection}.${delivery.stream} ${describe(delivery)}`);
  }
}

function describe(delivery: StreamDelivery): string {
  if (delivery.type === "end") return `end ${delivery.code}`;
  if (delivery.type === "snapshot")
    return `snapshot@${delivery.zxid}${delivery.done ? " done" : ""} ${delivery.entries.map((entry) => entry.path).join(",")}`;
  return `@${delivery.zxid} ${delivery.changes.map((one) => `${one.type} ${one.path}`).join(",")}`;
}

function made(path: string, acl = 1): Change {
  return { ...change("created", path, 0, acl), data: Uint8Array.of(1) };
}

function set(path: string, acl = 1): Change {
  return { ...change("dataChanged", path, 0, acl), data: Uint8Array.of(2) };
}

t.test("a snapshot, then every change after it, in one call", async (t) => {
  const world = new World();
  world.apply(made("/a"));
  world.apply(made("/a/y"), made("/a/x"), made("/b"));
  world.apply(made("/a/x/z"));
  world.subscribe(1, {});
  world.apply(set("/a/x"));
  world.drain();
  t.strictSame(world.take(), ["1.1 snapshot@3 /a,/a/x,/a/x/z", "1.1 snapshot@3 done /a/y", "1.1 @4 dataChanged /a/x"]);
  t.equal(world.pins, 0, "the image is released");
  world.apply(set("/b"));
  world.apply(made("/a/q"), set("/a"));
  world.pump();
  t.strictSame(world.take(), ["1.1 @6 created /a/q,dataChanged /a"]);
});

t.test("a subtree, or a node with its direct children; names that only begin alike are others", async (t) => {
  const world = new World();
  world.subscribe(1, { stream: 1, recursive: false, fromZxid: zx(0) });
  world.subscribe(1, { stream: 2, recursive: true, fromZxid: zx(0) });
  world.subscribe(1, { stream: 3, path: "/", recursive: true, fromZxid: zx(0) });
  world.subscribe(1, { stream: 4, path: "/", recursive: false, fromZxid: zx(0) });
  const all = [made("/a"), made("/ab"), made("/a/b"), made("/a/b/c")];
  const expected = (zxid: number) => [
    `1.1 @${zxid} created /a,created /a/b`,
    `1.2 @${zxid} created /a,created /a/b,created /a/b/c`,
    `1.3 @${zxid} created /a,created /ab,created /a/b,created /a/b/c`,
    `1.4 @${zxid} created /a,created /ab`,
  ];
  world.apply(...all);
  world.drain();
  t.strictSame(world.take().toSorted(), expected(1), "from history");
  world.apply(...all);
  world.drain();
  t.strictSame(world.take().toSorted(), expected(2), "live");
});

t.test("a live change goes out before pump when asked for, so that it precedes the reply", async (t) => {
  const world = new World();
  world.subscribe(1, { fromZxid: zx(0) });
  world.drain();
  world.apply(made("/a"));
  world.table.deliverLive(world.nowMs, (connection, delivery) => world.sent.push({ connection, delivery }));
  t.strictSame(world.take(), ["1.1 @1 created /a"]);
  world.drain();
  t.strictSame(world.take(), [], "once");
});

t.test("withData false strips data, from snapshot, history and live changes", async (t) => {
  const world = new World();
  world.apply(made("/a"));
  world.subscribe(1, { stream: 1, withData: false });
  world.subscribe(1, { stream: 2, withData: false, fromZxid: zx(0) });
  world.drain();
  world.apply(set("/a"));
  world.drain();
  const told: (Uint8Array | undefined)[] = [];
  for (const { delivery } of world.sent) {
    if (delivery.type === "snapshot") for (const entry of delivery.entries) told.push(entry.data);
    if (delivery.type === "changes") for (const one of delivery.changes) told.push(one.data);
  }
  t.strictSame(told, [undefined, undefined, undefined, undefined]);
});

t.test("quiet streams get a bookmark a second, and nothing when there is nothing new", async (t) => {
  const world = new World();
  world.subscribe(1, { fromZxid: zx(0) });
  world.drain();
  world.apply(made("/b"));
  world.pump(500);
  t.strictSame(world.take(), []);
  world.pump(600);
  t.strictSame(world.take(), ["1.1 @1 "]);
  world.pump(5_000);
  t.strictSame(world.take(), []);
  world.apply(made("/c"));
  world.table.setWritable(1, false);
  world.pump(5_000);
  t.strictSame(world.take(), [], "not writable");
  world.table.setWritable(1, true);
  world.drain(600);
  world.drain(600);
  t.strictSame(world.take(), ["1.1 @2 "]);
});

t.test("a zxid that is not applied yet waits, and nothing up to it is delivered", async (t) => {
  const world = new World();
  world.subscribe(1, { fromZxid: zx(2) });
  world.drain();
  world.apply(made("/a"));
  world.drain();
  world.table.setWritable(1, false);
  world.table.setWritable(1, true);
  world.drain(2_000);
  world.apply(set("/a"));
  world.drain(2_000);
  t.strictSame(world.take(), []);
  world.apply(set("/a"));
  world.drain();
  t.strictSame(world.take(), ["1.1 @3 dataChanged /a"]);
});

t.test("refusals", async (t) => {
  const world = new World();
  for (let i = 0; i < 5; i += 1) world.apply(made(`/a${i}`));
  world.oldest = zx(3);
  const compacted = world.subscribe(1, { fromZxid: zx(2) });
  t.strictSame([compacted.code, compacted.detail], ["COMPACTED", "3"]);
  t.equal(world.subscribe(1, { fromZxid: zx(3) }).code, "OK", "the oldest itself");
  t.equal(world.subscribe(1, { fromZxid: zx(3) }).code, "BAD_ARGUMENTS", "the number is in use");
  for (let stream = 2; stream <= limits.streams_per_connection_max; stream += 1) world.subscribe(1, { stream, fromZxid: zx(5) });
  t.equal(world.subscribe(1, { stream: 99 }).code, "LIMIT", "streams");
  t.equal(world.table.count, limits.streams_per_connection_max);
  for (let connection = 2; connection <= 5; connection += 1) {
    t.equal(world.subscribe(connection, {}).code, connection < 5 ? "OK" : "LIMIT", "images");
    world.apply(set("/a0"));
  }
  t.ok(world.table.unsubscribe(2, 1));
  t.notOk(world.table.unsubscribe(2, 1));
  t.equal(world.subscribe(5, {}).code, "OK", "an image is free again");
  for (let connection = 1; connection <= 5; connection += 1) world.table.dropConnection(connection);
  t.strictSame([world.table.count, world.pins, world.pump()], [0, 0, false]);
});

t.test("subscribers at one zxid share an image", async (t) => {
  const world = new World();
  for (let connection = 1; connection <= 10; connection += 1) t.equal(world.subscribe(connection, {}).code, "OK");
  t.equal(world.pins, 1);
  world.table.dropConnection(1);
  t.equal(world.pins, 1);
  world.drain();
  t.equal(world.pins, 0);
});

t.test("a consumer that is paused goes on where it stopped, or ends when history is gone", async (t) => {
  const world = new World();
  for (const connection of [1, 2]) world.subscribe(connection, { fromZxid: zx(0) });
  world.drain();
  world.apply(made("/a"));
  world.drain();
  world.take();
  world.apply(set("/a"));
  for (const connection of [1, 2]) world.table.setWritable(connection, false);
  world.apply(set("/a"));
  t.equal(world.pump(), false, "nothing to do for who cannot take it");
  world.table.setWritable(1, true);
  world.drain();
  t.match(world.take().join(" "), /^1\.1 @\d dataChanged \/a.*dataChanged \/a$/);
  world.oldest = zx(2);
  world.table.setWritable(2, true);
  world.drain();
  t.strictSame(world.take(), ["2.1 end SLOW_CONSUMER"]);
  t.equal(world.table.count, 1);
});

t.test("an image is not held for ever", async (t) => {
  const world = new World();
  world.apply(made("/a"), ...[1, 2, 3, 4, 5, 6, 7, 8].map((i) => made(`/a/${i}`)));
  world.subscribe(1, {});
  world.subscribe(2, {});
  world.table.setWritable(2, false);
  world.pump();
  world.table.setWritable(1, false);
  world.pump(limits.image_pin_ms - 1);
  t.equal(world.pins, 1);
  world.pump(1);
  t.equal(world.pins, 0);
  world.take();
  for (const connection of [1, 2]) world.table.setWritable(connection, true);
  world.drain();
  t.strictSame(world.take().toSorted(), ["1.1 end COMPACTED", "2.1 end COMPACTED"]);
});

t.test("a burst above the output bound is read from history instead of memory", async (t) => {
  const world = new World({ output_bytes_per_connection_max: 1_000 });
  world.subscribe(1, { fromZxid: zx(0) });
  world.drain();
  for (let i = 0; i < 8; i += 1) world.apply(made(`/a/${i}`));
  world.table.deliverLive(world.nowMs, () => t.fail("nothing is buffered"));
  t.ok(world.pump());
  world.drain();
  t.equal(
    world
      .take()
      .join(" ")
      .match(/created/g)?.length,
    8,
  );
});

t.test("a txn applied past a live stream stops the server (a snapshot installed under live streams)", async (t) => {
  const world = new World();
  world.subscribe(1, { fromZxid: zx(0) });
  world.drain();
  world.appliedZxid = zx(5);
  t.throws(() => world.pump(), /past a live stream/);
  t.throws(() => world.apply(made("/a")), /every txn/);
});

// ---- against the filter of the whole history

interface Tracked {
  readonly connection: number;
  readonly request: SubscribeRequest;
  /** All up to here was told: by the snapshot, then by bookmarks. */
  seen: Zxid;
  snapshotDone: boolean;
}

function covered(request: SubscribeRequest, path: string): boolean {
  if (request.recursive) return isWithin(path, request.path);
  return path === request.path || parentOf(path) === request.path;
}

class Checker {
  readonly world: World;
  readonly streams = new Map<string, Tracked>();
  /** The tree's paths by zxid, with ACLs: what a snapshot must show. */
  readonly trees = new Map<Zxid, Map<string, number>>();
  deliveries = { snapshot: 0, changes: 0, bookmarks: 0, end: 0 };

  constructor(world: World) {
    this.world = world;
  }

  mayRead(connection: number, acl: number): boolean {
    return acl === 1 || !this.world.restricted.has(connection);
  }

  /** What a stream must have been told of (after, upTo]. */
  expected(stream: Tracked, after: Zxid, upTo: Zxid): string {
    const all = this.world.txns.filter((txn) => txn.zxid > after && txn.zxid <= upTo).flatMap((txn) => txn.changes);
    return lines(all.filter((one) => covered(stream.request, one.path) && this.mayRead(stream.connection, one.acl)));
  }

  check(connection: number, delivery: StreamDelivery): string | undefined {
    const key = `${connection}.${delivery.stream}`;
    const stream = this.streams.get(key);
    if (stream === undefined) return `${key}: no such stream`;
    if (delivery.type === "end") {
      this.streams.delete(key);
      this.parts.delete(key);
      this.deliveries.end += 1;
      const compacted = stream.seen < this.world.oldest;
      return delivery.code === "COMPACTED"
        ? stream.snapshotDone
          ? "COMPACTED after the snapshot"
          : undefined
        : compacted
          ? undefined
          : `${key}: ended without reason`;
    }
    return delivery.type === "snapshot" ? this.snapshot(key, stream, delivery) : this.changes(key, stream, delivery);
  }

  readonly parts = new Map<string, string[]>();

  snapshot(key: string, stream: Tracked, delivery: StreamDelivery & { type: "snapshot" }): string | undefined {
    if (stream.snapshotDone || delivery.zxid !== stream.seen) return `${key}: unexpected snapshot`;
    const paths = this.parts.get(key) ?? [];
    for (const entry of delivery.entries) paths.push(entry.path);
    this.parts.set(key, delivery.done ? [] : paths);
    if (!delivery.done) return undefined;
    stream.snapshotDone = true;
    this.deliveries.snapshot += 1;
    const tree = [...(this.trees.get(delivery.zxid) ?? [])].filter(
      ([path, acl]) => covered(stream.request, path) && this.mayRead(stream.connection, acl),
    );
    const wanted = tree
      .map(([path]) => path)
      .toSorted()
      .join();
    return paths.toSorted().join() === wanted ? undefined : `${key}: snapshot ${paths} instead of ${wanted}`;
  }

  changes(key: string, stream: Tracked, delivery: StreamDelivery & { type: "changes" }): string | undefined {
    if (!stream.snapshotDone) return `${key}: changes before the snapshot`;
    if (delivery.zxid <= stream.seen || delivery.zxid > this.world.appliedZxid)
      return `${key}: bookmark ${delivery.zxid} after ${stream.seen}`;
    const wanted = this.expected(stream, stream.seen, delivery.zxid);
    stream.seen = delivery.zxid;
    this.deliveries[delivery.changes.length > 0 ? "changes" : "bookmarks"] += 1;
    return lines(delivery.changes) === wanted ? undefined : `${key}: ${lines(delivery.changes)} instead of ${wanted}`;
  }

  settle(): string | undefined {
    for (const { connection, delivery } of this.world.sent.splice(0)) {
      const wrong = this.check(connection, delivery);
      if (wrong !== undefined) return wrong;
    }
    return undefined;
  }
}

function lines(changes: readonly Change[]): string {
  return changes.map((one) => `${one.zxid} ${one.type} ${one.path}`).join(", ");
}

const paths = ["/a", "/ab", "/a/b", "/a/c", "/a/b/c", "/a/b/d", "/b"];

/** A txn that fits the tree: creates below existing parents, deletes of leaves, sets; sometimes a refusal. */
function randomTxn(random: Random, world: World): void {
  const changes: Change[] = [];
  const touched = new Set<string>();
  for (let i = random.below(4); i > 0; i -= 1) {
    const path = random.pick(paths);
    const acl = 1 + random.below(2);
    if (
      touched.has(path) ||
      touched.has(parentOf(path) ?? "") ||
      paths.some((other) => parentOf(other) === path && touched.has(other))
    )
      continue;
    touched.add(path);
    if (!world.nodes.has(path)) {
      if (world.nodes.has(parentOf(path) ?? "")) changes.push(made(path, acl));
    } else if (random.chance(0.6) || paths.some((other) => parentOf(other) === path && world.nodes.has(other))) {
      changes.push(set(path, world.nodes.get(path)?.acl ?? 1));
    } else changes.push(change("deleted", path, 0, world.nodes.get(path)?.acl ?? 1));
  }
  world.apply(...changes);
}

function randomSubscribe(random: Random, checker: Checker): string | undefined {
  const { world } = checker;
  const connection = 1 + random.below(4);
  const stream = 1 + random.below(3);
  const ask = random.below(3);
  const span = random.below(30);
  const fromZxid = ask === 0 ? undefined : (world.txns[Math.max(0, world.txns.length - span)]?.zxid ?? zx(0));
  const request: SubscribeRequest = {
    type: "subscribe",
    stream,
    path: random.pick(["/", ...paths]),
    recursive: random.chance(0.5),
    fromZxid,
    withData: true,
  };
  const key = `${connection}.${stream}`;
  const { code } = world.table.subscribe(connection, request, world.nowMs);
  if (checker.streams.has(key)) return code === "BAD_ARGUMENTS" ? undefined : `${key}: ${code} for a number in use`;
  if (code === "OK")
    checker.streams.set(key, { connection, request, seen: fromZxid ?? world.appliedZxid, snapshotDone: fromZxid !== undefined });
  if (code === "COMPACTED" && !(fromZxid !== undefined && fromZxid < world.oldest)) return `${key}: COMPACTED at ${fromZxid}`;
  return undefined;
}

/** The client's connection breaks; it comes back and resumes each stream at its last bookmark. */
function reconnect(connection: number, checker: Checker): void {
  const { world } = checker;
  world.table.dropConnection(connection);
  for (const [key, stream] of checker.streams) {
    if (stream.connection !== connection) continue;
    checker.parts.delete(key);
    const resume = { ...stream.request, fromZxid: stream.snapshotDone ? stream.seen : undefined };
    if (world.table.subscribe(connection, resume, world.nowMs).code !== "OK") checker.streams.delete(key);
    else if (!stream.snapshotDone) stream.seen = world.appliedZxid;
  }
}

function randomStep(random: Random, checker: Checker): string | undefined {
  const { world } = checker;
  const connection = 1 + random.below(4);
  const choice = random.below(20);
  if (choice < 9) randomTxn(random, world);
  else if (choice < 12) return randomSubscribe(random, checker);
  else if (choice === 12) {
    const stream = 1 + random.below(3);
    checker.parts.delete(`${connection}.${stream}`);
    if (world.table.unsubscribe(connection, stream) !== checker.streams.delete(`${connection}.${stream}`)) return "unsubscribe";
  } else if (choice === 13) reconnect(connection, checker);
  else if (choice < 16) world.table.setWritable(connection, random.chance(0.5));
  else if (choice === 16 && random.chance(0.3))
    world.oldest = zx(Math.max(world.oldest, world.txns[world.txns.length - random.below(40)]?.zxid ?? 0));
  else world.pump(random.below(400));
  checker.trees.set(world.appliedZxid, new Map([...world.nodes].map(([path, node]) => [path, node.acl])));
  return undefined;
}

/** All writable at last: every stream must reach the end of the log. */
function finish(checker: Checker): string | undefined {
  const { world } = checker;
  for (let connection = 1; connection <= 4; connection += 1) world.table.setWritable(connection, true);
  for (let turns = 0; turns < 4; turns += 1) world.drain(700);
  const wrong = checker.settle();
  if (wrong !== undefined) return wrong;
  for (const [key, stream] of checker.streams) {
    if (!stream.snapshotDone) return `${key}: never finished its snapshot`;
    if (stream.seen < world.appliedZxid) return `${key}: stuck at ${stream.seen} of ${world.appliedZxid}`;
  }
  return world.table.count === checker.streams.size && world.pins === 0 ? undefined : "streams or images are left";
}

t.test("random streams get the exact filter of the log", async (t) => {
  const total = { snapshot: 0, changes: 0, bookmarks: 0, end: 0 };
  for (let seed = 1; seed <= 150; seed += 1) {
    const random = new Random(seed);
    const checker = new Checker(new World());
    checker.world.restricted.add(3).add(4);
    checker.trees.set(zx(0), new Map([[rootPath, 1]]));
    for (let step = 1; step <= 300; step += 1) {
      const wrong = randomStep(random, checker) ?? checker.settle();
      if (wrong !== undefined) throw new Error(`seed ${seed} step ${step}: ${wrong}`);
    }
    const wrong = finish(checker);
    if (wrong !== undefined) throw new Error(`seed ${seed} at the end: ${wrong}`);
    for (const kind of ["snapshot", "changes", "bookmarks", "end"] as const) total[kind] += checker.deliveries[kind];
  }
  t.ok(
    total.snapshot > 500 && total.changes > 2_000 && total.bookmarks > 200 && total.end > 50,
    `every kind was met: ${JSON.stringify(total)}`,
  );
});
