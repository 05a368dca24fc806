/** Reads of the committed tree, paged lists at one zxid, images. */
import t from "tap";
import type { Acl, AuthId } from "../../src/model/acl.ts";
import type { ListCursor, ListEntry, ListRequest, Outcome, ReadRequest } from "../../src/model/request.ts";
import type { SessionId } from "../../src/model/zxid.ts";
import { alice, aliceAcl, bytes, create, Harness, limits, must, remove, set, world } from "./harness.ts";

function read(
  harness: Harness,
  request: ReadRequest,
  options: { identities?: readonly AuthId[]; nowMs?: number; session?: SessionId } = {},
): Outcome {
  return harness.machine.read(request, {
    session: options.session ?? 0,
    identities: options.identities ?? [world],
    nowMs: options.nowMs ?? 0,
  });
}

function list(path: string, rest: Partial<ListRequest> = {}): ListRequest {
  return { type: "list", path, recursive: true, prefix: "", withData: false, limit: 4, cursor: undefined, ...rest };
}

interface Page {
  readonly entries: readonly ListEntry[];
  readonly zxid: number;
  readonly cursor: ListCursor | undefined;
}

function pageOf(outcome: Outcome): Page {
  if (outcome.result.type !== "list") throw new Error(JSON.stringify(outcome));
  return outcome.result;
}

/** All pages of a list; `between` runs after each. */
function listAll(
  harness: Harness,
  request: ListRequest,
  between: () => void = () => {},
): { paths: string[]; zxids: Set<number>; pages: number } {
  const paths: string[] = [];
  const zxids = new Set<number>();
  let pages = 0;
  for (let cursor: ListCursor | undefined; ; ) {
    const page = pageOf(read(harness, { ...request, cursor }));
    pages += 1;
    zxids.add(page.zxid);
    for (const entry of page.entries) paths.push(entry.path);
    if (page.cursor === undefined) return { paths, zxids, pages };
    cursor = page.cursor;
    between();
  }
}

function withTree(paths: readonly string[]): { harness: Harness; session: SessionId } {
  const harness = new Harness();
  const session = harness.session();
  for (const path of paths) harness.write(session, create(path, { data: bytes(path) }));
  return { harness, session };
}

t.test("the config node shows the members that the server was started with", async (t) => {
  const harness = new Harness();
  const config = { type: "getData", path: "/zookeeper/config", watch: false } as const;
  t.match(read(harness, config).result, { type: "data", data: undefined, stat: { dataLength: 0 } });
  harness.machine.showConfig("server.1=a:1:1:participant\nversion=0");
  const { result } = read(harness, config);
  t.equal(result.type === "data" && String.fromCharCode(...(result.data ?? [])), "server.1=a:1:1:participant\nversion=0");
  t.match(result, { stat: { dataLength: 36, version: 0 } });
  t.equal(harness.recomputed(), harness.digest());
});

t.test("exists, getData, getChildren, countSubtree: the node, then READ", async (t) => {
  const { harness, session } = withTree(["/a", "/a/c", "/a/b", "/a/b/d"]);
  harness.write(session, create("/p", { acl: aliceAcl }));
  harness.write(session, create("/p/q"), { identities: [alice] });
  const requests = (path: string): ReadRequest[] => [
    { type: "exists", path, watch: true },
    { type: "getData", path, watch: false },
    { type: "getChildren", path, watch: false },
    { type: "countSubtree", path },
    { type: "getAcl", path },
    list(path),
  ];
  for (const path of ["/none", "/none/x", "", "a", "/a/", "//", "/p/none/x"]) {
    t.same(
      requests(path).map((request) => read(harness, request).code),
      Array(6).fill("NO_NODE"),
      path,
    );
  }
  t.same(
    requests("/p").map((request) => read(harness, request).code),
    Array(6).fill("NO_AUTH"),
  );
  t.same(
    requests("/p").map((request) => read(harness, request, { identities: [alice] }).code),
    Array(6).fill("OK"),
  );
  t.equal(read(harness, { type: "exists", path: "/p/q", watch: false }).code, "OK", "ACLs are not inherited");
  t.equal(read(harness, { type: "exists", path: "/\0", watch: true }).code, "BAD_ARGUMENTS");
  t.match(read(harness, { type: "getData", path: "/a", watch: false }), {
    code: "OK",
    result: { type: "data", data: bytes("/a"), stat: { numChildren: 2, cversion: 2, dataLength: 2 } },
  });
  t.match(read(harness, { type: "getChildren", path: "/a", watch: false }), {
    result: { names: ["b", "c"], stat: { numChildren: 2 } },
  });
  t.match(read(harness, { type: "countSubtree", path: "/a" }), { result: { count: 3 } });
  t.match(read(harness, { type: "countSubtree", path: "/" }), { result: { count: 9 } });
  t.match(read(harness, { type: "sync", path: "anything" }), { code: "OK" });
});

t.test("a fresh store has ZooKeeper's nodes with all-zero stats", async (t) => {
  const harness = new Harness();
  const zero = {
    czxid: 0,
    mzxid: 0,
    pzxid: 0,
    ctimeMs: 0,
    mtimeMs: 0,
    version: 0,
    aversion: 0,
    ephemeralOwner: 0,
    dataLength: 0,
  };
  for (const path of ["/", "/zookeeper", "/zookeeper/quota", "/zookeeper/config"])
    t.match(read(harness, { type: "exists", path, watch: false }), { result: { stat: zero } }, path);
  t.equal(harness.machine.counts().znodes, 4);
  t.match(read(harness, { type: "getAcl", path: "/zookeeper/config" }), {
    result: { acl: [{ perms: 1, scheme: "world", id: "anyone" }] },
  });
  t.match(read(harness, { type: "countSubtree", path: "/" }), { result: { count: 3 } });
  const session = harness.session();
  t.equal(harness.write(session, set("/zookeeper/config", "x")).code, "NO_AUTH");
  t.equal(harness.digest(), harness.recomputed());
  t.equal(new Harness().digest(), new Harness().digest());
});

t.test("getAcl needs READ or ADMIN, and hides hashes without ADMIN", async (t) => {
  const harness = new Harness();
  const session = harness.session();
  const acl: Acl = [...aliceAcl, { perms: 1, scheme: "world", id: "anyone" }];
  harness.write(session, create("/a", { acl }));
  harness.write(session, create("/admin", { acl: [{ perms: 16, scheme: "world", id: "anyone" }, ...aliceAcl] }));
  harness.write(session, create("/write", { acl: [{ perms: 2, scheme: "world", id: "anyone" }] }));
  t.match(read(harness, { type: "getAcl", path: "/a" }), { result: { acl: [{ id: "alice:x" }, {}] } });
  t.match(read(harness, { type: "getAcl", path: "/a" }, { identities: [alice] }), { result: { acl } });
  t.match(read(harness, { type: "getAcl", path: "/admin" }), { result: { acl: [{}, { id: "alice:hash" }] } });
  t.equal(read(harness, { type: "getAcl", path: "/write" }).code, "NO_AUTH");
});

t.test("getEphemerals is of the own session, by plain prefix", async (t) => {
  const harness = new Harness();
  const mine = harness.session();
  const other = harness.session();
  harness.write(mine, create("/d"));
  for (const path of ["/d/b", "/d/a", "/da"]) harness.write(mine, create(path, { kind: "ephemeral" }));
  harness.write(other, create("/d/o", { kind: "ephemeral" }));
  const paths = (prefix: string, session: SessionId): unknown => {
    const { result } = read(harness, { type: "getEphemerals", prefix }, { session });
    return result.type === "paths" ? result.paths : result;
  };
  t.same(paths("", mine), ["/d/a", "/d/b", "/da"]);
  t.same(paths("/", mine), ["/d/a", "/d/b", "/da"]);
  t.same(paths("/d", mine), ["/d/a", "/d/b", "/da"]);
  t.same(paths("/d/", mine), ["/d/a", "/d/b"]);
  t.same(paths("", other), ["/d/o"]);
  harness.write(mine, remove("/d/b"));
  t.same(paths("", mine), ["/d/a", "/da"]);
});

t.test("whoAmI leaves out what everybody is", async (t) => {
  t.same(read(new Harness(), { type: "whoAmI" }, { identities: [world, { scheme: "ip", id: "1.2.3.4" }, alice] }).result, {
    type: "identities",
    identities: [{ scheme: "ip", id: "1.2.3.4" }, alice],
  });
});

t.test("multiRead gives every read its own outcome, at one zxid, within bounds", async (t) => {
  const { harness } = withTree(["/a"]);
  const get = (path: string) => ({ type: "getData", path, watch: false }) as const;
  const outcome = read(harness, {
    type: "multiRead",
    reads: [get("/a"), get("/none"), { type: "getChildren", path: "/", watch: false }],
  });
  t.match(outcome, {
    code: "OK",
    result: {
      type: "multiRead",
      zxid: harness.machine.appliedZxid,
      outcomes: [{ code: "OK" }, { code: "NO_NODE" }, { code: "OK", result: { names: ["a", "zookeeper"] } }],
    },
  });
  t.match(read(harness, { type: "multiRead", reads: Array.from({ length: 13 }, () => get("/a")) }), {
    code: "LIMIT",
    detail: "zookeeper_multi_operations_max is 12",
  });
});

t.test("answers that do not fit a frame are refused", async (t) => {
  const harness = new Harness({ limits: { ...limits, frame_bytes_max: 100, data_bytes_max: 60 } });
  const session = harness.session();
  harness.write(session, create("/d", { data: new Uint8Array(60) }));
  for (let i = 0; i < 12; i += 1) harness.write(session, create(`/d/n${i}`));
  const children = { type: "getChildren", path: "/d", watch: false } as const;
  t.equal(read(harness, children).code, "OK");
  harness.write(session, create(`/d/${"n".repeat(40)}`));
  t.match(read(harness, children), { code: "LIMIT", detail: "frame_bytes_max is 100" });
  t.equal(read(harness, { type: "getData", path: "/d", watch: false }).code, "OK");
  const get = { type: "getData", path: "/d", watch: false } as const;
  t.equal(read(harness, { type: "multiRead", reads: [get, get] }).code, "LIMIT");
});

// ---- list

const names = ["/l", "/l/a", "/l/a/x", "/l/a/x/1", "/l/a/y", "/l/a-b", "/l/b", "/l/ba", "/l/ba/x", "/l/c"];
const treeOrder = ["/l/a", "/l/a/x", "/l/a/x/1", "/l/a/y", "/l/a-b", "/l/b", "/l/ba", "/l/ba/x", "/l/c"];

t.test("a list comes in tree order, whatever the size of its pages", async (t) => {
  const { harness } = withTree(names);
  for (const limit of [1, 2, 3, 4]) {
    const all = listAll(harness, list("/l", { limit }));
    t.same(all.paths, treeOrder, `pages of ${limit}`);
    t.equal(all.pages, Math.ceil(treeOrder.length / limit));
    const flat = listAll(harness, list("/l", { limit, recursive: false }));
    t.same(flat.paths, ["/l/a", "/l/a-b", "/l/b", "/l/ba", "/l/c"], `flat, pages of ${limit}`);
  }
  t.same(listAll(harness, list("/", { recursive: false })).paths, ["/l", "/zookeeper"]);
  t.same(listAll(harness, list("/l/c")).paths, []);
  t.same(listAll(harness, list("/", { limit: 2 })).paths, [
    "/l",
    ...treeOrder,
    "/zookeeper",
    "/zookeeper/config",
    "/zookeeper/quota",
  ]);
});

t.test("a prefix is of names, and when recursive of the paths below", async (t) => {
  const { harness } = withTree(names);
  const under = (prefix: string, recursive: boolean): string[] => {
    const paged = listAll(harness, list("/l", { prefix, recursive, limit: 1 })).paths;
    t.same(paged, listAll(harness, list("/l", { prefix, recursive, limit: 4 })).paths, "alike in pages of one and of four");
    return paged;
  };
  const expected = (prefix: string): string[] => treeOrder.filter((path) => path.slice(3).startsWith(prefix));
  for (const prefix of ["a", "a/", "a/x", "a/x/", "a/y", "b", "ba", "ba/", "c", "d", "a-", "/", "a//", ".", "..", "\0"])
    t.same(under(prefix, true), expected(prefix), JSON.stringify(prefix));
  t.same(under("b", false), ["/l/b", "/l/ba"]);
  t.same(under("a", false), ["/l/a", "/l/a-b"]);
  t.same(under("a/", false), []);
});

t.test("all pages are of one zxid while writes go on", async (t) => {
  const { harness, session } = withTree(names);
  let turn = 0;
  const all = listAll(harness, list("/l", { limit: 2, withData: true }), () => {
    turn += 1;
    harness.write(session, create(`/l/a/z${turn}`));
    harness.write(session, create(`/l/bb${turn}`));
    if (turn === 1) harness.write(session, { type: "deleteRecursive", path: "/l/ba" });
    if (turn === 2) harness.write(session, remove("/l/c"));
  });
  t.same(all.paths, treeOrder);
  t.equal(all.zxids.size, 1);
  t.ok(turn >= 3);
});

t.test("entries carry stat and, when wanted, data", async (t) => {
  const { harness } = withTree(["/l", "/l/a"]);
  t.match(pageOf(read(harness, list("/l", { withData: true }))).entries, [
    { path: "/l/a", data: bytes("/l/a"), stat: { dataLength: 4 } },
  ]);
  t.equal(pageOf(read(harness, list("/l"))).entries[0]?.data, undefined);
});

t.test("nodes without READ are left out with all below, and a page may be empty", async (t) => {
  const { harness, session } = withTree(["/l"]);
  for (let i = 10; i < 30; i += 1) harness.write(session, create(`/l/${i}`, { acl: aliceAcl }));
  harness.write(session, create("/l/99"));
  harness.write(session, create("/l/15/open"), { identities: [alice] });
  const all = listAll(harness, list("/l"));
  t.same(all.paths, ["/l/99"]);
  t.ok(all.pages > 1, "looking at many nodes ends a page");
  t.equal(pageOf(read(harness, list("/l"), { identities: [alice] })).entries.length, 4);
});

t.test("a page ends at half a frame of bytes", async (t) => {
  const harness = new Harness({ limits: { ...limits, frame_bytes_max: 1_000, data_bytes_max: 400 } });
  const session = harness.session();
  harness.write(session, create("/l"));
  for (let i = 0; i < 4; i += 1) harness.write(session, create(`/l/${i}`, { data: new Uint8Array(400) }));
  t.equal(pageOf(read(harness, list("/l", { withData: true }))).entries.length, 1);
  t.equal(pageOf(read(harness, list("/l"))).entries.length, 4);
});

t.test("arguments and cursors of a list are checked", async (t) => {
  const { harness } = withTree(names);
  t.equal(read(harness, list("/l", { limit: 0 })).code, "BAD_ARGUMENTS");
  t.equal(read(harness, list("/l", { limit: Number.NaN })).code, "BAD_ARGUMENTS");
  const cut = read(harness, list("/l", { limit: 1_000 }));
  t.match(cut, { code: "OK", result: { entries: { length: 4 }, cursor: { image: Number } } }, "cut to list_page_max");
  t.equal(read(harness, list("/l", { cursor: { image: 99, after: "/l/a" } })).code, "COMPACTED");
  const cursor = must(pageOf(read(harness, list("/l"))).cursor);
  t.equal(read(harness, list("/l", { cursor: { ...cursor, after: "/l//" } })).code, "BAD_ARGUMENTS");
  t.equal(read(harness, list("l", { cursor })).code, "BAD_ARGUMENTS");
  t.equal(read(harness, list("/none", { cursor })).code, "NO_NODE");
  t.equal(
    pageOf(read(harness, list("/l", { cursor: { ...cursor, after: "/zookeeper" } }))).entries[0]?.path,
    "/l/a",
    "a cursor of another place starts anew",
  );
  t.equal(pageOf(read(harness, list("/l", { cursor: { ...cursor, after: "/l/gone/deep" } }))).entries.length, 0);
});

t.test("images are bounded in age and number, and shared at one zxid", async (t) => {
  const { harness, session } = withTree(names);
  const first = must(pageOf(read(harness, list("/l", { limit: 1 }), { nowMs: 0 })).cursor);
  const shared = must(pageOf(read(harness, list("/l", { limit: 1 }), { nowMs: 1 })).cursor);
  t.equal(shared.image, first.image);
  t.equal(read(harness, list("/l", { cursor: first }), { nowMs: limits.image_pin_ms - 1 }).code, "OK");
  t.equal(read(harness, list("/l", { cursor: first }), { nowMs: limits.image_pin_ms }).code, "COMPACTED");
  harness.write(session, set("/l/c", "shared"));
  const twin = [0, 1].map(() => must(pageOf(read(harness, list("/l"), { nowMs: 3_000 })).cursor));
  for (let cursor = twin[0]; cursor !== undefined; )
    cursor = pageOf(read(harness, list("/l", { cursor }), { nowMs: 3_000 })).cursor;
  t.equal(
    read(harness, list("/l", { cursor: must(twin[1]) }), { nowMs: 3_000 }).code,
    "OK",
    "the end of one list does not end another",
  );
  const cursors: ListCursor[] = [];
  for (let i = 0; i < limits.image_pins_max; i += 1) {
    harness.write(session, set("/l/c", String(i)));
    cursors.push(must(pageOf(read(harness, list("/l", { limit: 1 }), { nowMs: 5_000 })).cursor));
  }
  harness.write(session, set("/l/c", "more"));
  t.match(read(harness, list("/l", { limit: 1 }), { nowMs: 5_000 }), { code: "OVERLOADED", detail: "image_pins_max is 4" });
  t.equal(
    read(harness, list("/l", { limit: 1, recursive: false, prefix: "c" }), { nowMs: 5_000 }).code,
    "OK",
    "one page needs no image",
  );
  for (let cursor = cursors[0]; cursor !== undefined; )
    cursor = pageOf(read(harness, list("/l", { cursor }), { nowMs: 5_000 })).cursor;
  t.equal(read(harness, list("/l", { limit: 1 }), { nowMs: 5_000 }).code, "OK", "the end of a list frees its image");
  harness.machine.expireImages(5_000 + limits.image_pin_ms);
  t.equal(read(harness, list("/l", { cursor: must(cursors[1]) }), { nowMs: 5_000 }).code, "COMPACTED");
});

t.test("details of a list: kind, TTL, create counter, and ACLs as getAcl shows them", async (t) => {
  const { harness, session } = withTree(["/k", "/k/a", "/k/a/x", "/k/a/y"]);
  harness.write(session, remove("/k/a/x"));
  harness.write(session, create("/k/c", { kind: "container" }));
  harness.write(session, create("/k/t", { kind: "ttl", ttlMs: 5_000 }));
  const shared: Acl = [...aliceAcl, { perms: 1, scheme: "world", id: "anyone" }];
  harness.write(session, create("/k/z", { acl: shared }));
  const request = list("/k", { recursive: false, withDetails: true });
  const detailsOf = (identities: readonly AuthId[]) =>
    new Map(pageOf(read(harness, request, { identities })).entries.map((entry) => [entry.path, entry.details]));
  const seen = detailsOf([world]);
  t.match(seen.get("/k/a"), { kind: "persistent", ttlMs: 0, childCreates: 2 });
  t.match(seen.get("/k/c"), { kind: "container", ttlMs: 0, childCreates: 0 });
  t.match(seen.get("/k/t"), { kind: "ttl", ttlMs: 5_000 });
  t.match(seen.get("/k/z")?.acl[0]?.id, /^alice:x$/);
  t.strictSame(detailsOf([world, alice]).get("/k/z")?.acl, shared);
  t.notOk("details" in must(pageOf(read(harness, list("/k"))).entries[0]), "only where they are asked for");
});
