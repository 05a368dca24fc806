/** ZooKeeper's snapshot and log files: the tree that comes out of them, and what is said of those that are damaged. */
import { mkdirSync, truncateSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import t from "tap";
import { ByteStream } from "../../../client/import/byte-stream.ts";
import { readDataDirectory } from "../../../client/import/data-directory.ts";
import { ImportError } from "../../../client/import/failure.ts";
import { kindOf } from "../../../client/import/offline-tree.ts";
import { unsnappyBlock } from "../../../client/import/snappy.ts";
import { parseSnapshot } from "../../../client/import/snapshot.ts";
import { parseLog, readLog } from "../../../client/import/txn-log.ts";
import {
  aclTable,
  containerOwner,
  type FixtureNode,
  type FixtureTxn,
  logBytes,
  sessionOwner,
  snappyBytes,
  snapshotBytes,
  ttlOwner,
  write,
} from "./zookeeper-files.ts";

const base: readonly FixtureNode[] = [
  { path: "", data: "", creates: 4, zxid: 0 },
  { path: "/zookeeper", zxid: 0, acl: -1 },
  { path: "/zookeeper/quota", zxid: 0 },
  { path: "/a", data: "one", creates: 7 },
  { path: "/a/b", data: "two", acl: 2, zxid: 3 },
  { path: "/c", owner: containerOwner },
  { path: "/e", data: "gone", owner: sessionOwner },
  { path: "/t", data: "", owner: ttlOwner(5_000_000_000) },
];

interface Row {
  readonly path: string;
  readonly data: string | undefined;
  readonly kind: string;
  readonly ttlMs: number;
  readonly creates: number;
}

async function rowsOf(directory: string, top = "/"): Promise<readonly Row[]> {
  const { tree } = await readDataDirectory(directory);
  return [...tree.nodesBelow(top)].map(({ path, data, kind, ttlMs, childCreates }) => ({
    path,
    data: data === undefined ? undefined : new TextDecoder().decode(data),
    kind,
    ttlMs,
    creates: childCreates,
  }));
}

const baseRows: readonly Row[] = [
  { path: "/", data: "", kind: "persistent", ttlMs: 0, creates: 4 },
  { path: "/a", data: "one", kind: "persistent", ttlMs: 0, creates: 7 },
  { path: "/a/b", data: "two", kind: "persistent", ttlMs: 0, creates: 0 },
  { path: "/c", data: undefined, kind: "container", ttlMs: 0, creates: 0 },
  { path: "/t", data: "", kind: "ttl", ttlMs: 5_000_000_000, creates: 0 },
];

t.test("a snapshot, plain and compressed", async (t) => {
  for (const [suffix, pack] of [
    ["", (bytes: Uint8Array) => bytes],
    [".gz", gzipSync],
    [".snappy", snappyBytes],
  ] as const) {
    for (const trailing of [false, true]) {
      const directory = t.testdir();
      write(join(directory, `snapshot.3${suffix}`), pack(snapshotBytes(base, trailing)));
      t.strictSame(await rowsOf(directory), baseRows, `${suffix} ${trailing}`);
    }
  }
});

t.test("ACLs, ephemerals, the zxid, and a part of the tree", async (t) => {
  const directory = t.testdir();
  mkdirSync(join(directory, "version-2"));
  write(join(directory, "version-2", "snapshot.3"), snapshotBytes(base));
  const { tree, zxid, txns } = await readDataDirectory(directory);
  t.strictSame([...tree.nodesBelow("/a/b")][0]?.acl, aclTable[1]);
  t.equal(tree.ephemerals, 1);
  t.strictSame([zxid, txns], [3, 0]);
  t.strictSame(
    (await rowsOf(directory, "/a")).map((row) => row.path),
    ["/", "/b"],
  );
  const kinds = tree.kinds();
  t.strictSame(kinds.kindOf("/c", 1), { kind: "container", ttlMs: 0 });
  t.strictSame(kinds.kindOf("/c", 2), { kind: "persistent", ttlMs: 0 }, "another node of that name");
  t.strictSame(kinds.kindOf("/t", 1), { kind: "ttl", ttlMs: 5_000_000_000 });
  t.strictSame(kinds.kindOf("/none", 1), { kind: "persistent", ttlMs: 0 });
});

t.test("what an ephemeralOwner means", async (t) => {
  t.equal(kindOf({ high: 0, low: 0 }), "persistent");
  t.equal(kindOf({ high: -0x8000_0000, low: 0 }), "container");
  t.equal(kindOf({ high: 0x0100_0000, low: 1 }), "ephemeral");
  t.equal(kindOf({ high: 0xff00_0000 | 0, low: 1 }), "ttl");
  t.equal(kindOf({ high: 0xff00_0100 | 0, low: 1 }), "ephemeral", "a session of server 255");
});

const txns: readonly (readonly [number, FixtureTxn])[] = [
  [4, { type: "createSession" }],
  [5, { type: "create", path: "/a/x", data: "x", creates: 8 }],
  [6, { type: "create2", path: "/a/eph", data: "", ephemeral: true, creates: 9 }],
  [7, { type: "setData", path: "/a", data: "changed" }],
  [8, { type: "error" }],
  [9, { type: "container", path: "/a/con", creates: 10 }],
  [10, { type: "ttl", path: "/a/ttl", data: "", creates: 11, ttlMs: 77 }],
  [
    11,
    {
      type: "multi",
      txns: [
        { type: "delete", path: "/a/b" },
        { type: "create", path: "/a/m", data: "m", creates: 12 },
      ],
    },
  ],
  [12, { type: "multi", txns: [{ type: "error" }, { type: "delete", path: "/a" }] }],
  [13, { type: "setAcl", path: "/a/x", acl: aclTable[1] ?? [] }],
  [14, { type: "closeSession", paths: ["/a/eph"] }],
  [15, { type: "delete", path: "/c" }],
];

const afterRows: readonly Row[] = [
  { path: "/", data: "", kind: "persistent", ttlMs: 0, creates: 4 },
  { path: "/a", data: "changed", kind: "persistent", ttlMs: 0, creates: 12 },
  { path: "/a/con", data: undefined, kind: "container", ttlMs: 0, creates: 0 },
  { path: "/a/m", data: "m", kind: "persistent", ttlMs: 0, creates: 0 },
  { path: "/a/ttl", data: "", kind: "ttl", ttlMs: 77, creates: 0 },
  { path: "/a/x", data: "x", kind: "persistent", ttlMs: 0, creates: 0 },
  { path: "/t", data: "", kind: "ttl", ttlMs: 5_000_000_000, creates: 0 },
];

t.test("every kind of txn after the snapshot, over two files", async (t) => {
  const directory = t.testdir();
  write(join(directory, "snapshot.3"), snapshotBytes(base));
  // The first file begins before the snapshot.
  write(join(directory, "log.2"), logBytes([[2, { type: "error" }], [3, { type: "delete", path: "/a/b" }], ...txns.slice(0, 5)]));
  write(join(directory, "log.9"), logBytes(txns.slice(5)));
  t.strictSame(await rowsOf(directory), afterRows);
  const { zxid, tree } = await readDataDirectory(directory);
  t.equal(zxid, 15);
  t.strictSame([...tree.nodesBelow("/a/x")][0]?.acl, aclTable[1]);
});

t.test("a fuzzy snapshot that shows later txns already", async (t) => {
  const directory = t.testdir();
  const fuzzy = base.map((node) => (node.path === "/a" ? { ...node, data: "changed", creates: 12, zxid: 11 } : node));
  write(join(directory, "snapshot.3"), snapshotBytes([...fuzzy, { path: "/a/x", data: "x", acl: 2, zxid: 5 }]));
  write(join(directory, "log.4"), logBytes(txns));
  t.strictSame(await rowsOf(directory), afterRows);
  write(join(directory, "log.4"), logBytes(txns.slice(0, 5)));
  await t.rejects(readDataDirectory(directory), /up to 0xb, but the log files end at 0x8/);
});

t.test("logs in another directory; the next epoch", async (t) => {
  const directory = t.testdir({ data: {}, logs: {} });
  write(join(directory, "data", "snapshot.3"), snapshotBytes(base));
  write(join(directory, "logs", "log.4"), logBytes([[4, { type: "error" }]]));
  write(join(directory, "logs", "log.100000001"), logBytes([[2 ** 32 + 1, { type: "setData", path: "/a", data: "epoch" }]]));
  const { zxid } = await readDataDirectory(join(directory, "data"), join(directory, "logs"));
  t.equal(zxid, 2 ** 32 + 1);
});

t.test("the log of a server that died: a record that was not written to its end is none", async (t) => {
  const directory = t.testdir();
  write(join(directory, "snapshot.3"), snapshotBytes(base));
  const whole = logBytes(txns, 0);
  const last = whole.length;
  const before = logBytes(txns.slice(0, -1), 0).length;
  for (const cut of [before, before + 1, before + 11, before + 12, before + 30, last - 1]) {
    write(join(directory, "log.4"), whole.subarray(0, cut));
    t.equal((await readDataDirectory(directory)).zxid, 14, `cut at ${cut}`);
    const zeros = new Uint8Array(last + 500);
    zeros.set(whole.subarray(0, cut));
    write(join(directory, "log.4"), zeros);
    t.equal((await readDataDirectory(directory)).zxid, 14, `zeros from ${cut}`);
  }
  write(join(directory, "log.4"), new Uint8Array(0));
  t.equal((await readDataDirectory(directory)).zxid, 3, "an empty file");
});

t.test("damage is named, with its file and place", async (t) => {
  const directory = t.testdir();
  const snapshot = join(directory, "snapshot.3");
  const log = join(directory, "log.4");
  const good = snapshotBytes(base);
  await t.rejects(readDataDirectory(directory), /no file snapshot/);
  await t.rejects(readDataDirectory(join(directory, "none")), /cannot be read/);
  for (const cut of [0, 10, 40, 200, good.length - 10, good.length - 1]) {
    write(snapshot, good.subarray(0, cut));
    await t.rejects(readDataDirectory(directory), /snapshot\.3, byte \d+: the file ends in the middle/, `cut at ${cut}`);
  }
  const flipped = good.slice();
  flipped[good.length - 60] = (flipped[good.length - 60] ?? 0) ^ 1;
  write(snapshot, flipped);
  await t.rejects(readDataDirectory(directory), /fails its checksum/);
  write(snapshot, Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8));
  await t.rejects(readDataDirectory(directory), /no ZooKeeper snapshot/);
  write(snapshot, good);
  const bytes = logBytes(txns);
  bytes[60] = (bytes[60] ?? 0) ^ 1;
  write(log, bytes);
  await t.rejects(readDataDirectory(directory), /log\.4, byte \d+: a record fails its checksum/);
  write(
    log,
    Uint8Array.from({ length: 32 }, () => 1),
  );
  await t.rejects(readDataDirectory(directory), /no ZooKeeper log/);
  write(log, logBytes([[5, { type: "error" }]]));
  await t.rejects(readDataDirectory(directory), /the txn 0x5 follows 0x3: those in between are missing/);
});

t.test("lengths that claim too much, unknown ACLs and txns", async (t) => {
  const directory = t.testdir();
  const snapshot = join(directory, "snapshot.3");
  const bytes = snapshotBytes([{ path: "", zxid: 0 }]);
  const at = 16 + 4 + 12;
  new DataView(bytes.buffer, bytes.byteOffset).setInt32(at + 4 + 8 + 4 + 4, 0x7fff_ffff);
  write(snapshot, bytes);
  await t.rejects(readDataDirectory(directory), /has the length 2147483647; the file is corrupt/);
  write(snapshot, snapshotBytes([{ path: "", zxid: 0, acl: 9 }]));
  await t.rejects(readDataDirectory(directory), /has an ACL that is not in the file/);
  write(snapshot, snapshotBytes([{ path: "/a" }]));
  await t.rejects(readDataDirectory(directory), /no root node/);
});

t.test("a damaged snapshot is passed over for an older one, if the logs go back so far", async (t) => {
  const directory = t.testdir();
  write(join(directory, "snapshot.3"), snapshotBytes(base));
  write(join(directory, "snapshot.8"), snapshotBytes(base));
  truncateSync(join(directory, "snapshot.8"), 100);
  write(join(directory, "log.4"), logBytes(txns));
  const { passedOver, zxid, snapshot } = await readDataDirectory(directory);
  t.equal(passedOver.length, 1);
  t.match(snapshot, /snapshot\.3$/);
  t.equal(zxid, 15);
});

t.test("snappy: copies, overlapping ones too; corrupt blocks", async (t) => {
  const literal = (text: string): number[] => [(text.length - 1) << 2, ...new TextEncoder().encode(text)];
  const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);
  // A copy of 7 bytes from 3 before, in each of its three forms.
  const copies = [
    [((7 - 4) << 2) | 1, 3],
    [((7 - 1) << 2) | 2, 3, 0],
    [((7 - 1) << 2) | 3, 3, 0, 0, 0],
  ];
  for (const copy of copies) t.equal(text(unsnappyBlock(Uint8Array.of(10, ...literal("abc"), ...copy))), "abcabcabca");
  const long = "x".repeat(300);
  const data = new TextEncoder().encode(long);
  t.equal(text(unsnappyBlock(Uint8Array.of(0xac, 2, 61 << 2, 299 & 255, 299 >> 8, ...data))), long);
  for (const bad of [
    [10, ...literal("abc")],
    [3, ...literal("abc"), 13, 3],
    [10, ...literal("abc"), ((7 - 4) << 2) | 1, 4],
    [10, ...literal("abc"), ((7 - 4) << 2) | 1, 0],
    [5, 16, 1, 2],
    [0xff, 0xff, 0xff, 0xff, 0xff, 1],
  ])
    t.throws(() => unsnappyBlock(Uint8Array.from(bad)), /corrupt/);
  const directory = t.testdir();
  const packed = snappyBytes(snapshotBytes(base));
  write(join(directory, "snapshot.3.snappy"), packed.subarray(0, packed.length - 20));
  await t.rejects(readDataDirectory(directory), /ends in the middle of a block/);
  write(join(directory, "snapshot.3.snappy"), snapshotBytes(base));
  await t.rejects(readDataDirectory(directory), /not a snappy stream/);
});

t.test("a txn of an unknown type", async (t) => {
  const directory = t.testdir();
  const path = join(directory, "log.1");
  const bytes = logBytes([[1, { type: "error" }]], 0);
  // The type lies behind the file's head, checksum, length, session, cxid, zxid and time.
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  view.setInt32(16 + 12 + 28, 99);
  const record = bytes.subarray(28, bytes.length - 1);
  let [a, b] = [1, 0];
  for (const byte of record) {
    a = (a + byte) % 65_521;
    b = (b + a) % 65_521;
  }
  view.setUint32(16 + 4, b * 65_536 + a);
  write(path, bytes);
  await t.rejects(readLog(path).next(), /unknown type 99/);
});

/** In pieces, so that fields lie across them. */
async function* pieces(bytes: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

t.test("every flipped bit of a snapshot is found, and none is worse than an error", async (t) => {
  const good = snapshotBytes(base);
  for (const size of [1, 7, good.length]) t.ok((await parseSnapshot(ByteStream.over("s", pieces(good, size)))).tree.has("/a/b"));
  let found = 0;
  for (let at = 0; at < good.length; at += 1) {
    const bad = good.slice();
    bad[at] = (bad[at] ?? 0) ^ (1 << (at % 8));
    try {
      await parseSnapshot(ByteStream.over("s", pieces(bad, 64)));
    } catch (error) {
      if (!(error instanceof ImportError)) throw error;
      found += 1;
    }
  }
  t.equal(found, good.length);
});

t.test("a flipped bit of a log gives an error, or the txns before it", async (t) => {
  const good = logBytes(txns, 40);
  const zxids = txns.map(([zxid]) => zxid);
  let errors = 0;
  for (let at = 0; at < good.length - 40; at += 1) {
    const bad = good.slice();
    bad[at] = (bad[at] ?? 0) ^ (1 << (at % 8));
    const read: number[] = [];
    try {
      for await (const record of parseLog(ByteStream.over("l", pieces(bad, 50)))) read.push(record.zxid);
    } catch (error) {
      if (!(error instanceof ImportError)) throw error;
      errors += 1;
    }
    if (read.join() !== zxids.slice(0, read.length).join()) t.fail(`bit of byte ${at}: ${read}`);
  }
  t.ok(errors > good.length / 2, `${errors} errors`);
});
