/** Every write operation against every refusal, in ZooKeeper's order of checks; sequence numbers; multi; guards. */
import t from "tap";
import type { Acl } from "../../src/model/acl.ts";
import type { ErrorCode } from "../../src/model/error.ts";
import type { Condition, WriteRequest } from "../../src/model/request.ts";
import type { SessionId, Zxid } from "../../src/model/zxid.ts";
import { sequenceSuffix } from "../../src/tree/prepare-create.ts";
import {
  alice,
  aliceAcl,
  bytes,
  codes,
  create,
  createdPath,
  Harness,
  limits,
  multi,
  must,
  remove,
  set,
  txnOf,
  type WriteOptions,
  world,
} from "./harness.ts";

interface Row {
  readonly name: string;
  readonly request: WriteRequest;
  readonly code: ErrorCode;
  readonly detail?: string;
  readonly options?: WriteOptions;
}

const authAcl: Acl = [{ perms: 31, scheme: "auth", id: "" }];
const everything: Acl = [{ perms: 31, scheme: "world", id: "anyone" }];

/** /a (x), /a/b, /c (empty container), /e (ephemeral), /p (alice's), /p/q (open, below alice's). */
function prepared(): { harness: Harness; session: SessionId } {
  const harness = new Harness();
  const session = harness.session();
  for (const request of [
    create("/a"),
    create("/a/b"),
    create("/c", { kind: "container" }),
    create("/e", { kind: "ephemeral" }),
    create("/p", { acl: everything }),
    create("/p/q"),
  ]) {
    harness.write(session, request);
  }
  harness.write(session, { type: "setAcl", path: "/p", acl: aliceAcl, version: -1 });
  return { harness, session };
}

const long = `/${"x".repeat(1024)}`;
const deep = "/a".repeat(65);
const tooMuch = new Uint8Array(limits.data_bytes_max + 1);
const dataLimit = `data_bytes_max is ${limits.data_bytes_max}`;
const manyAcl: Acl = Array.from({ length: 65 }, (_, i) => ({ perms: 1, scheme: "digest", id: `u${i}:h` }));

const rows: readonly Row[] = [
  // create: arguments, then ACL, then parent, then its ACL, then syntax, existence, ephemeral parent
  { name: "create", request: create("/new"), code: "OK" },
  { name: "create with a TTL that is no TTL node's", request: create("/new", { ttlMs: 1 }), code: "BAD_ARGUMENTS" },
  { name: "create of a TTL node without TTL", request: create("/new", { kind: "ttl" }), code: "BAD_ARGUMENTS" },
  { name: "create of a TTL node with 2^40", request: create("/new", { kind: "ttl", ttlMs: 2 ** 40 }), code: "BAD_ARGUMENTS" },
  { name: "create of a TTL node with a fraction", request: create("/new", { kind: "ttl", ttlMs: 1.5 }), code: "BAD_ARGUMENTS" },
  { name: "create of a TTL node", request: create("/new", { kind: "ttl", ttlMs: 2 ** 40 - 1 }), code: "OK" },
  { name: "create of too much data", request: create("/new", { data: tooMuch }), code: "LIMIT", detail: dataLimit },
  { name: "create of null data", request: create("/new", { data: undefined }), code: "OK" },
  { name: "create without a slash", request: create("new"), code: "BAD_ARGUMENTS" },
  { name: "create with NUL", request: create("/a\0"), code: "BAD_ARGUMENTS" },
  { name: "create of nothing", request: create(""), code: "BAD_ARGUMENTS" },
  { name: "create without ACL", request: create("/none/x", { acl: [] }), code: "INVALID_ACL" },
  { name: "create with auth and nobody authenticated", request: create("/new", { acl: authAcl }), code: "INVALID_ACL" },
  { name: "create with auth", request: create("/new", { acl: authAcl }), code: "OK", options: { identities: [world, alice] } },
  {
    name: "create with too many ACL entries",
    request: create("/new", { acl: manyAcl }),
    code: "LIMIT",
    detail: "acl_entries_max is 64",
  },
  { name: "create below nothing", request: create("/none/x"), code: "NO_NODE" },
  { name: "create below nonsense", request: create("/a//x"), code: "NO_NODE" },
  { name: "create where CREATE is missing", request: create("/p/new"), code: "NO_AUTH" },
  { name: "create where CREATE is missing, with bad syntax", request: create("/p/."), code: "NO_AUTH" },
  { name: "create as the owner", request: create("/p/new"), code: "OK", options: { identities: [world, alice] } },
  {
    name: "create as super",
    request: create("/p/new"),
    code: "OK",
    options: { identities: [world, { scheme: "super", id: "" }] },
  },
  { name: "create with a trailing slash", request: create("/a/"), code: "BAD_ARGUMENTS" },
  { name: "create with a dot", request: create("/a/.."), code: "BAD_ARGUMENTS" },
  { name: "create with a private-use character", request: create("/a/\ue000"), code: "BAD_ARGUMENTS" },
  { name: "create of a long path", request: create(long), code: "LIMIT", detail: "path_bytes_max is 1024" },
  { name: "create of a path below nonexistent depths", request: create(deep), code: "NO_NODE" },
  { name: "create of what exists", request: create("/a"), code: "NODE_EXISTS" },
  { name: "create of the root", request: create("/"), code: "NODE_EXISTS" },
  { name: "create below an ephemeral", request: create("/e/x"), code: "NO_CHILDREN_FOR_EPHEMERALS" },
  { name: "create below a container", request: create("/c/x"), code: "OK" },
  // delete: special paths, parent, DELETE on the parent, node, version, children
  { name: "delete", request: remove("/a/b", 0), code: "OK" },
  { name: "delete of the root", request: remove("/"), code: "BAD_ARGUMENTS" },
  { name: "delete of /zookeeper", request: remove("/zookeeper"), code: "BAD_ARGUMENTS" },
  { name: "delete of /zookeeper/quota", request: remove("/zookeeper/quota"), code: "BAD_ARGUMENTS" },
  { name: "delete of /zookeeper/config", request: remove("/zookeeper/config"), code: "BAD_ARGUMENTS" },
  { name: "delete without a slash", request: remove("a"), code: "BAD_ARGUMENTS" },
  { name: "delete below nothing", request: remove("/none/x"), code: "NO_NODE" },
  { name: "delete where DELETE is missing", request: remove("/p/none"), code: "NO_AUTH" },
  { name: "delete of a node that nobody else may change", request: remove("/p/q"), code: "NO_AUTH" },
  { name: "delete of nothing", request: remove("/none"), code: "NO_NODE" },
  { name: "delete of another version", request: remove("/a", 1), code: "BAD_VERSION" },
  { name: "delete with children", request: remove("/a", 0), code: "NOT_EMPTY" },
  // setData: syntax, node, WRITE, version
  { name: "setData", request: set("/a", "y", 0), code: "OK" },
  {
    name: "setData of too much data",
    request: { type: "setData", path: "/none", data: tooMuch, version: -1 },
    code: "LIMIT",
    detail: dataLimit,
  },
  { name: "setData with bad syntax", request: set("/a/", "y"), code: "BAD_ARGUMENTS" },
  { name: "setData of nothing", request: set("/none", "y"), code: "NO_NODE" },
  { name: "setData without WRITE", request: set("/p", "y", 9), code: "NO_AUTH" },
  { name: "setData of another version", request: set("/a", "y", 1), code: "BAD_VERSION" },
  { name: "setData of the root", request: set("/", "y"), code: "OK" },
  // setAcl: syntax, ACL, node, ADMIN, aversion
  { name: "setAcl", request: { type: "setAcl", path: "/a", acl: aliceAcl, version: 0 }, code: "OK" },
  { name: "setAcl with bad syntax", request: { type: "setAcl", path: "a", acl: aliceAcl, version: 0 }, code: "BAD_ARGUMENTS" },
  {
    name: "setAcl of an unknown scheme",
    request: { type: "setAcl", path: "/none", acl: [{ perms: 1, scheme: "x509", id: "a" }], version: 0 },
    code: "INVALID_ACL",
  },
  { name: "setAcl of nothing", request: { type: "setAcl", path: "/none", acl: aliceAcl, version: 0 }, code: "NO_NODE" },
  { name: "setAcl without ADMIN", request: { type: "setAcl", path: "/p", acl: aliceAcl, version: 9 }, code: "NO_AUTH" },
  {
    name: "setAcl of another aversion",
    request: { type: "setAcl", path: "/p", acl: aliceAcl, version: 0 },
    code: "BAD_VERSION",
    options: { identities: [alice] },
  },
  {
    name: "setAcl of the aversion",
    request: { type: "setAcl", path: "/p", acl: aliceAcl, version: 1 },
    code: "OK",
    options: { identities: [alice] },
  },
  // deleteRecursive
  { name: "deleteRecursive", request: { type: "deleteRecursive", path: "/a" }, code: "OK" },
  { name: "deleteRecursive of the root", request: { type: "deleteRecursive", path: "/" }, code: "BAD_ARGUMENTS" },
  { name: "deleteRecursive with bad syntax", request: { type: "deleteRecursive", path: "/a//b" }, code: "BAD_ARGUMENTS" },
  { name: "deleteRecursive of nothing", request: { type: "deleteRecursive", path: "/none" }, code: "NO_NODE" },
  { name: "deleteRecursive below nothing", request: { type: "deleteRecursive", path: "/none/x" }, code: "NO_NODE" },
  { name: "deleteRecursive of a subtree with another's node", request: { type: "deleteRecursive", path: "/p" }, code: "NO_AUTH" },
  { name: "deleteRecursive below another's node", request: { type: "deleteRecursive", path: "/p/q" }, code: "NO_AUTH" },
  // sessions
  {
    name: "createSession inside a session",
    request: { type: "createSession", timeoutMs: 1, passwordHash: new Uint8Array(32) },
    code: "BAD_ARGUMENTS",
  },
  { name: "renewSession", request: { type: "renewSession", timeoutMs: 4_000, generation: 0 }, code: "OK" },
  { name: "skip", request: { type: "skip" }, code: "OK", options: { guards: [{ path: "/none", czxid: 1 as Zxid }] } },
  // guards
  {
    name: "a guard on nothing",
    request: set("/a", "y"),
    code: "FENCED",
    options: { guards: [{ path: "/none", czxid: 1 as Zxid }] },
  },
  {
    name: "a guard on another node",
    request: set("/a", "y"),
    code: "FENCED",
    options: { guards: [{ path: "/a", czxid: 1 as Zxid }] },
  },
  { name: "a guard on nonsense", request: set("/a", "y"), code: "FENCED", options: { guards: [{ path: "", czxid: 1 as Zxid }] } },
  {
    name: "a guard before all else",
    request: create(""),
    code: "FENCED",
    options: { guards: [{ path: "/none", czxid: 1 as Zxid }] },
  },
  {
    name: "a guard on a close",
    request: { type: "closeSession" },
    code: "FENCED",
    options: { guards: [{ path: "/none", czxid: 1 as Zxid }] },
  },
  {
    name: "too many guards",
    request: set("/a", "y"),
    code: "LIMIT",
    detail: "guards_max is 4",
    options: { guards: Array.from({ length: 5 }, () => ({ path: "/none", czxid: 1 as Zxid })) },
  },
];

for (const row of rows) {
  t.test(`${row.name}: ${row.code}`, async (t) => {
    const { harness, session } = prepared();
    const before = harness.machine.counts().znodes;
    const prepared1 = harness.pipeline(session, row.request, row.options);
    const txn = txnOf(prepared1);
    const outcome = must(harness.apply()[0]);
    t.equal(outcome.code, row.code);
    if (row.detail !== undefined) t.equal(outcome.detail, row.detail);
    t.equal(txn.body.type === "error", row.code !== "OK", "a refusal is an error txn and consumes a zxid");
    if (row.code !== "OK") t.equal(harness.machine.counts().znodes, before, "a refusal changes nothing");
    t.equal(harness.machine.appliedZxid, txn.zxid);
    t.same(harness.machine.storedReply(session, 8)?.outcome, outcome, "refusals are kept too");
    t.equal(harness.digest(), harness.recomputed());
  });
}

t.test("a full depth and a full number of ephemerals are limits", async (t) => {
  const harness = new Harness({ limits: { ...limits, path_depth_max: 2 } });
  const session = harness.session();
  harness.write(session, create("/a"));
  harness.write(session, create("/a/b"));
  t.match(harness.write(session, create("/a/b/c")), { code: "LIMIT", detail: "path_depth_max is 2" });
  for (const path of ["/e1", "/e2", "/e3"])
    t.equal(txnOf(harness.pipeline(session, create(path, { kind: "ephemeral" }))).body.type, "create");
  harness.pipeline(session, create("/e4", { kind: "ephemeral" }));
  t.match(harness.apply().at(-1), { code: "LIMIT", detail: "ephemerals_per_session_max is 3" }, "counted through the overlay");
  harness.pipeline(session, remove("/e1"));
  harness.pipeline(session, create("/e4", { kind: "ephemeral" }));
  t.equal(harness.apply().at(-1)?.code, "OK");
});

t.test("the paths of a session's ephemerals are bounded together, since one txn names them all", async (t) => {
  const harness = new Harness({ limits: { ...limits, ephemeral_path_bytes_per_session_max: 10 } });
  const session = harness.session();
  harness.write(session, create("/four", { kind: "ephemeral" }));
  t.equal(txnOf(harness.pipeline(session, create("/five", { kind: "ephemeral" }))).body.type, "create");
  harness.pipeline(session, create("/s", { kind: "ephemeral" }));
  const told = { code: "LIMIT", detail: "ephemeral_path_bytes_per_session_max is 10" };
  t.match(harness.apply().at(-1), told, "counted through the overlay");
  t.match(harness.write(session, create("/s", { kind: "ephemeral" })), told, "and in the tree");
  t.equal(harness.write(harness.session(), create("/s", { kind: "ephemeral" })).code, "OK", "for each session");
  t.equal(harness.write(session, create("/other")).code, "OK");
  harness.pipeline(session, remove("/four"));
  harness.pipeline(session, create("/n", { kind: "ephemeral" }));
  t.equal(harness.apply().at(-1)?.code, "OK", "what is removed makes room");
});

t.test("an ephemeral needs a session", async (t) => {
  const harness = new Harness();
  harness.internal(0, create("/e", { kind: "ephemeral" }));
  t.equal(harness.apply()[0]?.code, "BAD_ARGUMENTS");
});

t.test("a result that the reply table could not keep is refused", async (t) => {
  const harness = new Harness({ limits: { ...limits, reply_bytes_max: 50, reply_bytes_per_operation: 80 } });
  const session = harness.session();
  t.match(harness.write(session, create(`/${"n".repeat(40)}`)), { code: "LIMIT", detail: "reply_bytes_max is 50" });
  t.equal(harness.machine.node(`/${"n".repeat(40)}`), undefined);
  t.equal(harness.write(session, create("/n")).code, "OK", "the overlay forgot the refused node");
  t.equal(harness.machine.node("/")?.childCreates, 1);
});

t.test("the table of ACLs is bounded, and ids survive a roll-back", async (t) => {
  const harness = new Harness({ limits: { ...limits, acls_max: 3 } });
  const session = harness.session();
  const acl = (id: string): Acl => [{ perms: 1, scheme: "digest", id }];
  t.equal(harness.write(session, multi([create("/a", { acl: acl("a:1") }), remove("/none")])).code, "NO_NODE");
  t.equal(harness.write(session, create("/b", { acl: acl("b:1") })).code, "OK");
  t.equal(harness.machine.aclIdOf("/b"), 3, "the refused multi's id is given again");
  t.match(harness.write(session, create("/c", { acl: acl("c:1") })), { code: "LIMIT", detail: "acls_max is 3" });
  t.equal(harness.write(session, create("/c", { acl: acl("b:1") })).code, "OK");
  t.equal(harness.machine.aclIdOf("/c"), 3);
});

// ---- sequence numbers

t.test("sequence numbers come from the parent's creates, outstanding ones too", async (t) => {
  const harness = new Harness();
  const session = harness.session();
  harness.write(session, create("/q"));
  harness.write(session, create("/q/plain"));
  for (let i = 0; i < 3; i += 1) harness.pipeline(session, create("/q/n-", { sequential: true }));
  harness.pipeline(session, create("/q/", { sequential: true }));
  t.same(harness.apply().map(createdPath), ["/q/n-0000000001", "/q/n-0000000002", "/q/n-0000000003", "/q/0000000004"]);
  harness.write(session, remove("/q/0000000004"));
  t.equal(
    createdPath(harness.write(session, create("/q/n-", { sequential: true }))),
    "/q/n-0000000005",
    "a number is never used twice",
  );
  const node = must(harness.machine.node("/q"));
  t.equal(node.childCreates, 6);
  t.equal(harness.machine.statOf(node).cversion, 7, "creates plus deletes on the wire");
});

t.test("the suffix is %010d of an int32", async (t) => {
  t.equal(sequenceSuffix(0), "0000000000");
  t.equal(sequenceSuffix(2_147_483_647), "2147483647");
  t.equal(sequenceSuffix(-2_147_483_648), "-2147483648");
  t.equal(sequenceSuffix(-5), "-000000005");
});

t.test("create counters and versions wrap as int32", async (t) => {
  const harness = new Harness();
  const session = harness.session();
  harness.write(session, create("/q"));
  const node = must(harness.machine.node("/q"));
  harness.store.put("/q", { ...node, childCreates: 2_147_483_647, version: 2_147_483_647 });
  harness.write(session, set("/q", "y", 2_147_483_647));
  t.equal(harness.machine.node("/q")?.version, -2_147_483_648);
  harness.pipeline(session, create("/q/n", { sequential: true }));
  harness.pipeline(session, create("/q/n", { sequential: true }));
  t.same(harness.apply().map(createdPath), ["/q/n2147483647", "/q/n-2147483648"]);
});

// ---- stat

t.test("stat of a setData and a setAcl include the outstanding changes", async (t) => {
  const harness = new Harness();
  const session = harness.session();
  const zxid = (): number => harness.counter + 2 ** 32;
  harness.pipeline(session, create("/a"));
  const czxid = zxid();
  harness.pipeline(session, create("/a/b"));
  harness.pipeline(session, remove("/a/b"));
  const pzxid = zxid();
  harness.pipeline(session, set("/a", "yyy"));
  const mzxid = zxid();
  const body = txnOf(harness.pipeline(session, { type: "setAcl", path: "/a", acl: aliceAcl, version: 0 })).body;
  const stat = { czxid, mzxid, pzxid, version: 1, cversion: 2, aversion: 1, dataLength: 3, numChildren: 0, ephemeralOwner: 0 };
  t.match(body, { type: "setAcl", stat });
  t.match(harness.apply().at(-1), { code: "OK", result: { type: "stat", stat } });
  const node = must(harness.machine.node("/a"));
  t.match(harness.machine.statOf(node), stat);
  t.ok(node.mtimeMs > node.ctimeMs);
});

t.test("only plain ephemerals show an owner", async (t) => {
  const harness = new Harness();
  const session = harness.session();
  const owner = (path: string): number => harness.machine.statOf(must(harness.machine.node(path))).ephemeralOwner;
  harness.write(session, create("/e", { kind: "ephemeral" }));
  harness.write(session, create("/t", { kind: "ttl", ttlMs: 5 }));
  harness.write(session, create("/c", { kind: "container" }));
  t.same([owner("/e"), owner("/t"), owner("/c")], [session, 0, 0]);
});

// ---- multi

t.test("a multi sees its own earlier operations and shares one zxid", async (t) => {
  const harness = new Harness();
  const session = harness.session();
  const outcome = harness.write(
    session,
    multi([
      create("/m"),
      create("/m/s", { sequential: true }),
      set("/m", "zz", 0),
      { type: "check", path: "/m", version: 1 },
      remove("/m/s0000000000"),
    ]),
  );
  t.equal(outcome.code, "OK");
  t.same(codes(outcome), ["OK", "OK", "OK", "OK", "OK"]);
  const zxid = harness.machine.appliedZxid;
  t.match(harness.machine.statOf(must(harness.machine.node("/m"))), {
    czxid: zxid,
    mzxid: zxid,
    pzxid: zxid,
    version: 1,
    cversion: 2,
    numChildren: 0,
  });
});

t.test("a failed multi changes nothing, the parent's counter too (ZOOKEEPER-1624)", async (t) => {
  const harness = new Harness();
  const session = harness.session();
  harness.write(session, create("/q"));
  harness.pipeline(
    session,
    multi([create("/q/n", { sequential: true }), create("/q/n", { sequential: true }), remove("/none", 3), set("/q", "y")]),
  );
  harness.pipeline(session, create("/q/n", { sequential: true }));
  const [failed, next] = harness.apply();
  t.match(failed, { code: "NO_NODE", result: { type: "multi", branch: "then" } });
  t.same(codes(must(failed)), ["OK", "OK", "NO_NODE", "RUNTIME_INCONSISTENCY"]);
  t.equal(createdPath(must(next)), "/q/n0000000000");
  t.equal(harness.machine.node("/q")?.version, 0);
  t.equal(harness.digest(), harness.recomputed());
});

t.test("a roll-back leaves what was outstanding before, and counts no ephemerals", async (t) => {
  const harness = new Harness();
  const session = harness.session();
  const ephemeral = (path: string) => create(path, { kind: "ephemeral" });
  harness.pipeline(session, create("/a"));
  harness.pipeline(session, set("/a", "1"));
  harness.pipeline(session, multi([set("/a", "2"), create("/a/b"), ephemeral("/e1"), ephemeral("/e2"), remove("/none")]));
  harness.pipeline(session, set("/a", "3", 1));
  harness.pipeline(session, multi([ephemeral("/e1"), ephemeral("/e2"), ephemeral("/e3")]));
  harness.pipeline(session, { type: "deleteRecursive", path: "/a" });
  t.same(
    harness.apply().map((outcome) => outcome.code),
    ["OK", "OK", "NO_NODE", "OK", "OK", "OK"],
  );
  t.equal(harness.machine.counts().ephemerals, 3);
});

t.test("the failing operation of a multi carries the detail, the others none", async (t) => {
  const harness = new Harness();
  const session = harness.session();
  const outcome = harness.write(session, multi([create("/a"), create("/a/"), create("/c")]));
  t.match(outcome, { code: "BAD_ARGUMENTS", detail: "a path must not end with /" });
  t.same(outcome.result.type === "multi" && outcome.result.outcomes.map((each) => each.detail), [
    "",
    "a path must not end with /",
    "",
  ]);
});

t.test("an empty multi is legal, a long one is not", async (t) => {
  const harness = new Harness();
  const session = harness.session();
  t.same(harness.write(session, multi([])), { code: "OK", detail: "", result: { type: "multi", branch: "then", outcomes: [] } });
  const check = { type: "check", path: "/", version: -1 } as const;
  t.match(harness.write(session, multi(Array.from({ length: 9 }, () => check))), {
    code: "LIMIT",
    detail: "multi_operations_max is 8",
  });
  t.equal(harness.write(session, multi(Array.from({ length: 8 }, () => check))).code, "OK");
});

t.test("check: syntax, node, READ, version", async (t) => {
  const { harness, session } = prepared();
  const check = (path: string, version: number): string => harness.write(session, multi([{ type: "check", path, version }])).code;
  t.equal(check("/a", 0), "OK");
  t.equal(check("a", 0), "BAD_ARGUMENTS");
  t.equal(check("/none", 0), "NO_NODE");
  t.equal(check("/p", 9), "NO_AUTH");
  t.equal(check("/a", 1), "BAD_VERSION");
});

t.test("conditions choose the branch", async (t) => {
  const { harness, session } = prepared();
  const czxid = must(harness.machine.node("/a")).czxid;
  const holds = (condition: Condition): string => {
    const outcome = harness.write(session, multi([], { conditions: [condition], otherwise: [] }));
    return outcome.result.type === "multi" ? outcome.result.branch : outcome.code;
  };
  t.equal(holds({ type: "present", path: "/a" }), "then");
  t.equal(holds({ type: "present", path: "/none" }), "otherwise");
  t.equal(holds({ type: "absent", path: "/none" }), "then");
  t.equal(holds({ type: "absent", path: "/a" }), "otherwise");
  t.equal(holds({ type: "version", path: "/a", version: 0 }), "then");
  t.equal(holds({ type: "version", path: "/a", version: 1 }), "otherwise");
  t.equal(holds({ type: "version", path: "/none", version: -1 }), "otherwise");
  t.equal(holds({ type: "czxid", path: "/a", czxid }), "then");
  t.equal(holds({ type: "czxid", path: "/none", czxid }), "otherwise");
  t.equal(holds({ type: "value", path: "/a", data: bytes("x") }), "then");
  t.equal(holds({ type: "value", path: "/a", data: bytes("xy") }), "otherwise");
  t.equal(holds({ type: "value", path: "/p", data: bytes("x") }), "NO_AUTH", "a condition reads");
  const refused = harness.write(
    session,
    multi([create("/z")], {
      conditions: [
        { type: "present", path: "/a" },
        { type: "absent", path: "/a" },
      ],
    }),
  );
  t.match(refused, { code: "CONDITION_FAILED", detail: "condition 1", result: { type: "none" } });
  for (const branch of ["then", "otherwise"] as const) {
    const outcome = harness.write(
      session,
      multi(branch === "then" ? [create("/a")] : [], {
        conditions: [{ type: branch === "then" ? "present" : "absent", path: "/a" }],
        otherwise: [create("/a")],
      }),
    );
    t.match(outcome, { code: "NODE_EXISTS", result: { type: "multi", branch } }, `an error says which branch: ${branch}`);
  }
  t.equal(harness.machine.node("/z"), undefined);
});

// ---- overlay

t.test("writes are decided on what is outstanding", async (t) => {
  const harness = new Harness();
  const session = harness.session();
  harness.pipeline(session, create("/a"));
  harness.pipeline(session, create("/a"));
  harness.pipeline(session, create("/a/b"));
  harness.pipeline(session, remove("/a"));
  harness.pipeline(session, set("/a", "1", 0));
  harness.pipeline(session, set("/a", "2", 0));
  harness.pipeline(session, remove("/a/b"));
  harness.pipeline(session, remove("/a"));
  harness.pipeline(session, set("/a", "3"));
  harness.pipeline(session, create("/a"));
  t.equal(harness.machine.node("/a"), undefined, "nothing is applied");
  t.same(
    harness.apply().map((outcome) => outcome.code),
    ["OK", "NODE_EXISTS", "OK", "NOT_EMPTY", "OK", "BAD_VERSION", "OK", "OK", "NO_NODE", "OK"],
  );
  t.equal(harness.machine.node("/a")?.version, 0);
  t.equal(harness.digest(), harness.recomputed());
});

t.test("an overlay that is applied in part agrees with the rest", async (t) => {
  const harness = new Harness();
  const session = harness.session();
  harness.write(session, create("/a"));
  harness.pipeline(session, set("/a", "1"));
  harness.pipeline(session, set("/a", "2"));
  harness.apply(1);
  t.equal(txnOf(harness.pipeline(session, set("/a", "3", 2))).body.type, "setData");
  harness.apply();
  t.equal(harness.data("/a"), "3");
});

t.test("a new ACL that is outstanding permits and refuses at once", async (t) => {
  const harness = new Harness();
  const session = harness.session();
  harness.pipeline(session, create("/p", { acl: aliceAcl }));
  harness.pipeline(session, set("/p", "no"));
  harness.pipeline(session, set("/p", "yes"), { identities: [alice] });
  t.same(
    harness.apply().map((outcome) => outcome.code),
    ["OK", "NO_AUTH", "OK"],
  );
});

t.test("resetOutstanding forgets what was proposed, and its zxids are used again", async (t) => {
  const harness = new Harness();
  const session = harness.session();
  harness.write(session, create("/q"));
  harness.pipeline(session, create("/q/a", { kind: "ephemeral", acl: aliceAcl }));
  harness.pipeline(session, remove("/q/a"));
  harness.queue.length = 0;
  harness.counter -= 2;
  harness.machine.resetOutstanding();
  t.equal(harness.machine.replyPosition(session).lastSeq, 1);
  const txn = txnOf(harness.pipeline(session, create("/q/n", { sequential: true, acl: aliceAcl }), { seq: 2 }));
  t.match(txn.body, { type: "create", path: "/q/n0000000000", acl: { id: 3, added: aliceAcl } });
  t.equal(harness.apply()[0]?.code, "OK");
});

t.test("adopted txns lie under what is prepared", async (t) => {
  const leader = new Harness();
  const session = leader.session();
  const follower = new Harness();
  follower.machine.apply(must(leader.log[0]));
  const requests = [
    create("/a", { acl: aliceAcl }),
    create("/a/e", { kind: "ephemeral" }),
    multi([create("/b"), set("/b", "1")]),
    remove("/a/e"),
    { type: "setAcl", path: "/b", acl: aliceAcl, version: 0 } as const,
    { type: "renewSession", timeoutMs: 3_000, generation: 0 } as const,
  ];
  for (const request of requests) leader.pipeline(session, request, { identities: [alice] });
  const next = txnOf(leader.pipeline(session, create("/b/", { sequential: true }), { identities: [alice] }));
  for (const txn of leader.queue.slice(0, -1)) follower.machine.adopt(txn);
  follower.counter = leader.counter - 1;
  const again = txnOf(follower.pipeline(session, create("/b/", { sequential: true }), { identities: [alice], seq: 7 }));
  t.same(again.body, next.body);
  t.equal(follower.machine.sessionTimeoutMs(session), 3_000);
  leader.queue.pop();
  for (const txn of leader.queue) follower.machine.apply(txn);
  leader.apply();
  t.equal(follower.digest(), leader.digest());
});

// ---- deleteRecursive

t.test("deleteRecursive sees outstanding creates and deletes, children first, and its bound", async (t) => {
  const harness = new Harness();
  const session = harness.session();
  for (const path of ["/r", "/r/a", "/r/a/x", "/r/b"]) harness.write(session, create(path));
  harness.pipeline(session, create("/r/c"));
  harness.pipeline(session, remove("/r/b"));
  const body = txnOf(harness.pipeline(session, { type: "deleteRecursive", path: "/r" })).body;
  t.same(body.type === "deleteRecursive" && body.removed.map((node) => node.path), ["/r/a/x", "/r/a", "/r/c", "/r"]);
  harness.apply();
  t.same(harness.children("/"), ["zookeeper"]);
  t.equal(harness.digest(), harness.recomputed());
  harness.write(session, create("/r"));
  for (let i = 0; i < 7; i += 1) harness.write(session, create(`/r/${i}`));
  harness.pipeline(session, create("/r/7"));
  harness.pipeline(session, { type: "deleteRecursive", path: "/r" });
  t.match(harness.apply().at(-1), { code: "LIMIT", detail: "delete_recursive_nodes_max is 8" });
  harness.write(session, remove("/r/7"));
  t.equal(harness.write(session, { type: "deleteRecursive", path: "/r" }).code, "OK", "exactly the bound");
});

t.test("a guard holds until its node is created anew", async (t) => {
  const harness = new Harness();
  const session = harness.session();
  harness.write(session, create("/lock"));
  harness.write(session, create("/data"));
  const czxid = must(harness.machine.node("/lock")).czxid;
  const guards = [{ path: "/lock", czxid }];
  t.equal(harness.write(session, set("/data", "1"), { guards }).code, "OK");
  harness.pipeline(session, remove("/lock"));
  harness.pipeline(session, create("/lock"));
  harness.pipeline(session, set("/data", "2"), { guards });
  t.equal(harness.apply().at(-1)?.code, "FENCED");
  t.equal(harness.data("/data"), "1");
});
