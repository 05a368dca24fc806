/**
 * The replicated state machine as a whole: exactly-once (schedules 8, 9, 10, 11, 24, 25), the ends of
 * sessions, persistence, and random histories that every replica must apply alike.
 */
import fc from "fast-check";
import t from "tap";
import { openAcl, type Acl, type AuthId } from "../../src/model/acl.ts";
import { tinyLimits } from "../../src/model/limits.ts";
import type { Condition, MultiOperation, Outcome, TxnSource, WriteRequest } from "../../src/model/request.ts";
import { makeEpoch, makeZxid, zeroZxid, type SessionId, type Zxid } from "../../src/model/zxid.ts";
import { StateMachine } from "../../src/replica/state-machine.ts";
import { MemoryStore, walkPaths } from "../../src/tree/memory-store.ts";
import type { Txn } from "../../src/tree/txn.ts";
import { alice, aliceAcl, bytes, create, createdPath, Harness, limits, multi, must, remove, set, txnOf, world } from "../tree/harness.ts";

// ---- reply table

t.test("only the next seq is prepared; what was prepared is dropped, what lies ahead is refused", async (t) => {
  const harness = new Harness();
  const session = harness.session();
  const skip = { type: "skip" } as const;
  t.same(harness.pipeline(session, skip, { seq: 2 }), { type: "refuse", code: "OUT_OF_ORDER", detail: "1" });
  t.equal(harness.pipeline(session, skip, { seq: 1 }).type, "txn");
  t.same(harness.pipeline(session, skip, { seq: 1 }), { type: "drop" }, "prepared and uncommitted");
  t.equal(harness.pipeline(session, skip, { seq: 2 }).type, "txn");
  t.equal(harness.machine.replyPosition(session).lastSeq, 0, "replyPosition is committed");
  harness.apply();
  t.same(harness.pipeline(session, skip, { seq: 2, ackedSeq: 0 }), { type: "drop" }, "committed");
  t.same(harness.pipeline(session, skip, { seq: 0 }), { type: "drop" });
  for (const seq of [4, Number.NaN, 2.5, Number.POSITIVE_INFINITY]) t.same(harness.pipeline(session, skip, { seq }), { type: "refuse", code: "OUT_OF_ORDER", detail: "3" });
  t.same(harness.pipeline(99 as SessionId, skip), { type: "refuse", code: "SESSION_EXPIRED", detail: "" });
});

t.test("schedule 8: after a refusal that was not logged, a new leader takes no later seq first", async (t) => {
  const old = new Harness();
  const session = old.session();
  old.write(session, create("/a"));
  old.pipeline(session, set("/a", "7"), { seq: 2 });
  const next = new Harness();
  for (const txn of old.log) next.machine.apply(txn);
  next.counter = old.counter - 1;
  // #2 was refused at the old leader (OVERLOADED) or lost with it; the pending #3 is forwarded again to the new one.
  t.same(next.pipeline(session, set("/a", "8"), { seq: 3 }), { type: "refuse", code: "OUT_OF_ORDER", detail: "2" });
  t.equal(next.write(session, set("/a", "7"), { seq: 2 }).code, "OK");
  t.equal(next.write(session, set("/a", "8"), { seq: 3 }).code, "OK");
  t.equal(next.data("/a"), "8");
});

t.test("schedule 9: a slow path delivers a seq that was answered and acknowledged", async (t) => {
  const harness = new Harness();
  const session = harness.session();
  harness.write(session, create("/q"));
  harness.write(session, create("/q/", { sequential: true }), { seq: 2, ackedSeq: 1 });
  harness.write(session, { type: "skip" }, { seq: 3, ackedSeq: 2 });
  t.equal(harness.machine.storedReply(session, 2), undefined, "its result is gone");
  t.same(harness.pipeline(session, create("/q/", { sequential: true }), { seq: 2, ackedSeq: 1 }), { type: "drop" });
  t.same(harness.children("/q"), ["0000000000"]);
});

t.test("schedule 10: a skip keeps a given-up call from wedging the session, and a resume tells where to go on", async (t) => {
  const harness = new Harness();
  const session = harness.session();
  harness.write(session, create("/a"));
  t.equal(harness.pipeline(session, set("/a", "3"), { seq: 3 }).type, "refuse");
  t.equal(harness.write(session, { type: "skip" }, { seq: 2 }).code, "OK");
  t.equal(harness.write(session, set("/a", "3"), { seq: 3 }).code, "OK");
  t.same(harness.machine.replyPosition(session), { lastSeq: 3, ackedSeq: 2 });
  t.same(harness.pipeline(session, set("/a", "again"), { seq: 1 }), { type: "drop" }, "a new process that starts at 1 writes nothing");
});

t.test("schedule 24: a refusal is logged, so a resent write is not evaluated again", async (t) => {
  const harness = new Harness();
  const session = harness.session();
  const refused = harness.write(session, set("/a", "1"), { seq: 1, ackedSeq: 0 });
  t.equal(refused.code, "NO_NODE");
  const zxid = harness.machine.appliedZxid;
  harness.write(session, create("/a"), { seq: 2, ackedSeq: 0 });
  t.same(harness.pipeline(session, set("/a", "1"), { seq: 1, ackedSeq: 0 }), { type: "drop" });
  t.same(harness.machine.storedReply(session, 1), { zxid, outcome: refused, totalBytes: must(harness.machine.storedReply(session, 1) as { totalBytes?: number } | undefined).totalBytes });
  t.equal(harness.data("/a"), "x");
});

t.test("schedule 25: results go by acknowledgement alone, never by size; a full table refuses and is not evicted", async (t) => {
  const small = { ...limits, replies_per_session_max: 3 };
  const harness = new Harness({ limits: small });
  const session = harness.session();
  for (let seq = 1; seq <= 3; seq += 1) harness.write(session, { type: "skip" }, { seq, ackedSeq: 0 });
  t.same(harness.pipeline(session, { type: "skip" }, { seq: 4, ackedSeq: 0 }), { type: "refuse", code: "OVERLOADED", detail: "replies_per_session_max is 3" });
  for (let seq = 1; seq <= 3; seq += 1) t.ok(harness.machine.storedReply(session, seq));
  t.equal(harness.write(session, { type: "skip" }, { seq: 4, ackedSeq: 1 }).code, "OK");
  t.equal(harness.machine.storedReply(session, 1), undefined);
  t.ok(harness.machine.storedReply(session, 2));
});

t.test("the bytes of a table are bounded, through the overlay, and one result always fits", async (t) => {
  // A single operation is reserved 100 + 300 bytes; the created result of /nnnnnnnnnnnn… takes 16 + 96 + 41.
  const harness = new Harness({ limits: { ...limits, reply_bytes_max: 100, reply_bytes_per_operation: 300, reply_bytes_per_session_max: 600 } });
  const session = harness.session();
  const name = (i: number): string => `/${"n".repeat(38)}${i}${i}`.slice(0, 41);
  t.equal(harness.pipeline(session, create(name(1)), { seq: 1, ackedSeq: 0 }).type, "txn");
  t.equal(harness.pipeline(session, create(name(2)), { seq: 2, ackedSeq: 0 }).type, "txn");
  t.match(harness.pipeline(session, create(name(3)), { seq: 3, ackedSeq: 0 }), { type: "refuse", code: "OVERLOADED", detail: "reply_bytes_per_session_max is 600" });
  harness.apply();
  t.match(harness.pipeline(session, create(name(3)), { seq: 3, ackedSeq: 0 }), { type: "refuse", code: "OVERLOADED" }, "committed counts alike");
  t.equal(harness.pipeline(session, create(name(3)), { seq: 3, ackedSeq: 1 }).type, "txn");
  t.equal(harness.pipeline(session, multi(Array.from({ length: 8 }, () => ({ type: "check", path: "/", version: -1 }) as const)), { seq: 4, ackedSeq: 3 }).type, "txn", "however large, alone it fits");
});

t.test("an acknowledgement cannot run ahead, nor back", async (t) => {
  const harness = new Harness();
  const session = harness.session();
  harness.write(session, { type: "skip" }, { seq: 1, ackedSeq: 1_000 });
  t.same(harness.machine.replyPosition(session), { lastSeq: 1, ackedSeq: 0 });
  harness.write(session, { type: "skip" }, { seq: 2, ackedSeq: Number.POSITIVE_INFINITY });
  t.same(harness.machine.replyPosition(session), { lastSeq: 2, ackedSeq: 1 });
  for (const ackedSeq of [-5, Number.NaN, 0]) harness.write(session, { type: "skip" }, { ackedSeq });
  t.same(harness.machine.replyPosition(session), { lastSeq: 5, ackedSeq: 1 });
  for (let seq = 6; seq <= 21; seq += 1) harness.pipeline(session, { type: "skip" }, { ackedSeq: seq === 6 ? 1_000 : 0 });
  for (let seq = 22; seq <= 25; seq += 1) t.equal(harness.pipeline(session, { type: "skip" }, { ackedSeq: 0 }).type, "txn");
  t.equal(harness.pipeline(session, { type: "skip" }, { ackedSeq: 0 }).type, "refuse", "#6 acknowledged up to #5, so #26 would be one too many");
  harness.apply();
  t.equal(harness.digest(), harness.recomputed());
});

// ---- origins

t.test("schedule 11: a write that is forwarded again is applied once", async (t) => {
  const old = new Harness();
  const session = old.session();
  old.origin(session, create("/q"), { counter: 2 });
  old.origin(session, create("/q/", { sequential: true }), { counter: 3 });
  t.same(old.origin(session, create("/q/", { sequential: true }), { counter: 3 }), { type: "drop" }, "prepared and uncommitted");
  old.apply();
  const next = new Harness();
  for (const txn of old.log) next.machine.apply(txn);
  next.counter = old.counter;
  t.equal(next.machine.originCounter(1, 77), 3);
  t.same(next.origin(session, create("/q/", { sequential: true }), { counter: 3 }), { type: "drop" });
  t.same(next.origin(session, remove("/q"), { counter: 2 }), { type: "drop" });
  t.equal(next.origin(session, create("/q/", { sequential: true }), { counter: 5 }).type, "txn", "counters may have gaps");
  t.equal(next.origin(session, create("/q/", { sequential: true }), { counter: 5, server: 2 }).type, "txn", "another server");
  next.apply();
  t.same(next.children("/q"), ["0000000000", "0000000001", "0000000002"]);
});

t.test("another boot of a server replaces the one before", async (t) => {
  const harness = new Harness();
  const session = harness.session();
  t.equal(harness.origin(session, create("/a"), { counter: 9 }).type, "txn");
  t.equal(harness.origin(session, create("/b"), { counter: 1, boot: 78 }).type, "txn");
  t.same(harness.origin(session, create("/c"), { counter: 1, boot: 78 }), { type: "drop" });
  harness.apply();
  t.equal(harness.machine.originCounter(1, 77), 0);
  t.equal(harness.machine.originCounter(1, 78), 1);
  harness.origin(session, create("/c"), { counter: 2, boot: 78 });
  harness.queue.length = 0;
  harness.machine.resetOutstanding();
  harness.counter -= 1;
  t.equal(harness.origin(session, create("/c"), { counter: 2, boot: 78 }).type, "txn", "what was only proposed is forgotten");
});

t.test("a failed origin write is an error txn, and a dead session's too", async (t) => {
  const harness = new Harness();
  const session = harness.session();
  t.match(txnOf(harness.origin(session, remove("/none"))).body, { type: "error", code: "NO_NODE" });
  t.match(txnOf(harness.origin(5 as SessionId, create("/a"))).body, { type: "error", code: "SESSION_EXPIRED" });
  t.match(txnOf(harness.origin(0, create("/a"))).body, { type: "error", code: "SESSION_EXPIRED" });
  t.same(harness.apply().map((outcome) => outcome.code), ["NO_NODE", "SESSION_EXPIRED", "SESSION_EXPIRED"]);
  t.match(harness.origin(session, create("/a"), { counter: Number.NaN }), { type: "refuse", code: "BAD_ARGUMENTS" });
  t.match(harness.origin(session, create("/a"), { server: 0, counter: 50 }), { type: "refuse", code: "BAD_ARGUMENTS" });
});

// ---- sessions

t.test("a session is the zxid that made it; the leader knows it before it is committed", async (t) => {
  const harness = new Harness();
  const passwordHash = new Uint8Array(32).fill(9);
  const txn = txnOf(harness.origin(0, { type: "createSession", timeoutMs: 2_000, passwordHash }));
  const session = txn.zxid as number as SessionId;
  t.same([harness.machine.sessionExists(session), harness.machine.sessionLive(session)], [false, true]);
  t.ok(harness.machine.passwordMatches(session, passwordHash));
  t.notOk(harness.machine.passwordMatches(session, new Uint8Array(32)));
  t.notOk(harness.machine.passwordMatches(session, new Uint8Array(0)));
  t.notOk(harness.machine.passwordMatches(7 as SessionId, passwordHash));
  t.equal(harness.pipeline(session, create("/e", { kind: "ephemeral" })).type, "txn", "a follower may be ahead of the leader");
  t.same(harness.apply().map((outcome) => outcome.result.type), ["session", "created"]);
  t.same(harness.pipeline(session, { type: "skip" }, { seq: 1 }), { type: "drop" });
  t.same([...harness.machine.sessions()].map(({ id, timeoutMs }) => [id, timeoutMs]), [[session, 2_000]]);
});

t.test("timeouts are clamped, renewals seen through the overlay", async (t) => {
  const harness = new Harness();
  const machine = harness.machine;
  const session = harness.session(1);
  t.equal(machine.sessionTimeoutMs(session), limits.session_timeout_ms_min);
  harness.internal(session, { type: "renewSession", timeoutMs: 9_000 });
  harness.internal(session, { type: "renewSession", timeoutMs: 1e12 });
  t.equal(machine.sessionTimeoutMs(session), limits.session_timeout_ms_max);
  harness.apply(1);
  t.equal(machine.sessionTimeoutMs(session), limits.session_timeout_ms_max, "a later renewal is outstanding");
  machine.resetOutstanding();
  t.equal(machine.sessionTimeoutMs(session), 9_000);
  harness.apply();
  t.equal(machine.sessionTimeoutMs(session), limits.session_timeout_ms_max, "a follower's goes along");
  t.equal(harness.session(Number.NaN), harness.machine.appliedZxid);
  t.equal(machine.sessionTimeoutMs(machine.appliedZxid as number as SessionId), limits.session_timeout_ms_default);
  t.match(txnOf(harness.origin(0, { type: "createSession", timeoutMs: 1, passwordHash: new Uint8Array(3) })).body, { type: "error", code: "BAD_ARGUMENTS" });
});

t.test("a closing session takes its ephemerals along, those in flight too, and creates none after", async (t) => {
  const harness = new Harness();
  const session = harness.session();
  const other = harness.session();
  harness.write(session, create("/d"));
  harness.write(session, create("/d/a", { kind: "ephemeral" }));
  harness.write(session, create("/d/gone", { kind: "ephemeral" }));
  harness.write(other, create("/d/other", { kind: "ephemeral" }));
  harness.pipeline(session, remove("/d/gone"));
  harness.pipeline(session, create("/d/flight", { kind: "ephemeral" }));
  const body = txnOf(harness.internal(session, { type: "closeSession" })).body;
  t.same(body.type === "closeSession" && body.removed.map((node) => node.path), ["/d/a", "/d/flight"]);
  t.same([harness.machine.sessionLive(session), harness.machine.sessionExists(session)], [false, true]);
  t.equal(harness.machine.sessionTimeoutMs(session), undefined);
  t.match(harness.pipeline(session, create("/d/late", { kind: "ephemeral" })), { type: "refuse", code: "SESSION_EXPIRED" });
  t.match(txnOf(harness.origin(session, create("/d/late", { kind: "ephemeral" }))).body, { type: "error", code: "SESSION_EXPIRED" });
  t.same(harness.internal(session, { type: "closeSession" }), { type: "drop" });
  t.same(harness.internal(session, { type: "renewSession", timeoutMs: 5_000 }), { type: "drop" });
  t.equal(txnOf(harness.pipeline(other, create("/d/a"))).body.type, "create", "the name is free at once");
  harness.apply();
  t.same(harness.children("/d"), ["a", "other"]);
  t.equal(harness.machine.node("/d")?.pzxid, harness.machine.appliedZxid);
  t.equal(harness.machine.sessionExists(session), false);
  t.same(harness.machine.counts(), { znodes: 7, ephemerals: 1, sessions: 1 });
  t.equal(harness.digest(), harness.recomputed());
});

t.test("a deleted and re-created ephemeral belongs to its new owner", async (t) => {
  const harness = new Harness();
  const first = harness.session();
  const second = harness.session();
  harness.write(first, create("/e", { kind: "ephemeral" }));
  harness.pipeline(second, remove("/e"));
  harness.pipeline(second, create("/e", { kind: "ephemeral" }));
  const body = txnOf(harness.internal(first, { type: "closeSession" })).body;
  t.same(body.type === "closeSession" && body.removed, []);
  harness.apply();
  t.equal(harness.machine.node("/e")?.owner, second);
});

t.test("a client's own close is answered, and its session has no table any more", async (t) => {
  const harness = new Harness();
  const session = harness.session();
  t.equal(harness.write(session, { type: "closeSession" }).code, "OK");
  t.match(harness.pipeline(session, { type: "closeSession" }, { seq: 1 }), { type: "refuse", code: "SESSION_EXPIRED" });
  t.same(harness.machine.replyPosition(session), { lastSeq: 0, ackedSeq: 0 });
  t.equal(harness.machine.storedReply(session, 1), undefined);
  harness.machine.writeRecords();
  t.same([...harness.store.records("session/")], []);
});

// ---- invariants of apply

t.test("apply stops the server on what cannot be", async (t) => {
  const build = (): { harness: Harness; txn: Txn } => {
    const harness = new Harness();
    const session = harness.session();
    harness.write(session, create("/a"));
    return { harness, txn: txnOf(harness.pipeline(session, set("/a", "1"))) };
  };
  const wrong: ((txn: Txn) => Txn)[] = [
    (txn) => ({ ...txn, zxid: (txn.zxid + 1) as Zxid }),
    (txn) => ({ ...txn, zxid: (txn.zxid - 1) as Zxid }),
    (txn) => ({ ...txn, stampMs: 1 }),
    (txn) => ({ ...txn, body: { type: "delete", path: "/none", acl: 1 } }),
    (txn) => ({ ...txn, body: { type: "delete", path: "/zookeeper", acl: 1 } }),
    (txn) => ({ ...txn, body: { type: "delete", path: "/a", acl: 2 } }),
    (txn) => ({ ...txn, body: { type: "create", path: "/a", data: undefined, acl: { id: 1, added: undefined }, kind: "persistent", owner: 0, ttlMs: 0 } }),
    (txn) => ({ ...txn, body: { type: "create", path: "/none/x", data: undefined, acl: { id: 1, added: undefined }, kind: "persistent", owner: 0, ttlMs: 0 } }),
    (txn) => ({ ...txn, body: { type: "create", path: "/b", data: undefined, acl: { id: 9, added: undefined }, kind: "persistent", owner: 0, ttlMs: 0 } }),
    (txn) => ({ ...txn, body: { type: "create", path: "/b", data: undefined, acl: { id: 1, added: undefined }, kind: "ephemeral", owner: 5 as SessionId, ttlMs: 0 } }),
    (txn) => (txn.body.type === "setData" ? { ...txn, body: { ...txn.body, stat: { ...txn.body.stat, version: 2 } } } : txn),
    (txn) => (txn.source.type === "session" ? { ...txn, source: { ...txn.source, seq: 5 } } : txn),
  ];
  for (const [index, change] of wrong.entries()) {
    const { harness, txn } = build();
    t.throws(() => harness.machine.apply(change(txn)), { name: "InvariantError" }, `number ${index}`);
  }
  const { harness, txn } = build();
  t.equal(harness.machine.apply(txn).code, "OK");
});

t.test("a new epoch's first zxid follows", async (t) => {
  const harness = new Harness();
  const session = harness.session();
  harness.epoch = 3;
  harness.counter = 0;
  t.equal(harness.write(session, create("/a")).code, "OK");
  t.equal(harness.machine.node("/a")?.czxid, makeZxid(makeEpoch(3), 1));
});

// ---- persistence

t.test("a machine that loads from the store's records is the same machine", async (t) => {
  const harness = new Harness();
  const session = harness.session();
  const other = harness.session();
  harness.write(session, create("/d", { acl: aliceAcl }), { ackedSeq: 0 });
  harness.write(session, create("/e", { kind: "ephemeral" }), { ackedSeq: 0 });
  harness.write(session, create("/c", { kind: "container" }), { ackedSeq: 0 });
  harness.write(session, set("/none", "1"), { ackedSeq: 0 });
  harness.origin(other, create("/o"), { counter: 40 });
  harness.apply();
  harness.machine.writeRecords();
  const loaded = new Harness({ store: harness.store });
  t.equal(loaded.digest(), harness.digest());
  t.equal(loaded.recomputed(), harness.digest());
  t.same(loaded.machine.counts(), harness.machine.counts());
  t.equal(loaded.machine.lastStampMs, harness.machine.lastStampMs);
  t.same(loaded.machine.replyPosition(session), { lastSeq: 4, ackedSeq: 0 });
  for (let seq = 1; seq <= 4; seq += 1) t.same(loaded.machine.storedReply(session, seq)?.outcome, harness.machine.storedReply(session, seq)?.outcome);
  t.ok(loaded.machine.passwordMatches(other, new Uint8Array(32).fill(5)));
  t.same(loaded.origin(other, create("/o2"), { counter: 40 }), { type: "drop" });
  t.ok(loaded.machine.permits(must(loaded.machine.aclIdOf("/d")), 1, [alice]));
  t.notOk(loaded.machine.permits(must(loaded.machine.aclIdOf("/d")), 1, [world]));
  const close = txnOf(loaded.internal(session, { type: "closeSession" }));
  t.match(close.body, { removed: [{ path: "/e" }] });
  t.equal(loaded.apply()[0]?.code, "OK");
  t.equal(loaded.digest(), loaded.recomputed());
});

t.test("a store that was flushed without its records is not loaded", async (t) => {
  const harness = new Harness();
  harness.session();
  t.throws(() => new StateMachine(harness.store, limits), { name: "InvariantError", message: /another zxid/ });
});

t.test("recomputing finds a node that was changed behind our back", async (t) => {
  const harness = new Harness();
  const session = harness.session();
  harness.write(session, create("/a"));
  const node = must(harness.machine.node("/a"));
  for (const change of [{ data: bytes("y") }, { version: 1 }, { aversion: 1 }, { acl: 2 }, { stampMs: 1 }, { ttlMs: 1 }, { kind: "ttl" }, { childCreates: 1 }, { numChildren: 1 }, { descendants: 1 }, { owner: session }, { ctimeMs: node.ctimeMs + 1 }, { pzxid: (node.pzxid + 2 ** 32) as Zxid }, { data: undefined }] as const) {
    harness.store.put("/a", { ...node, ...change });
    t.equal(harness.recomputed(), "wrong: /a", JSON.stringify(change));
  }
  harness.store.put("/a", node);
  t.equal(harness.recomputed(), harness.digest());
});

// ---- random histories

const somePaths = ["/a", "/b", "/a/x", "/a/y", "/a/x/1", "/c", "/c/1", "/zookeeper/z", "/", "/zookeeper", "nonsense", "/a//b", "", "/a/"];
const path = fc.oneof({ weight: 12, arbitrary: fc.constantFrom(...somePaths) }, { weight: 1, arbitrary: fc.string({ maxLength: 8 }).map((text) => `/${text}`) });
const version = fc.oneof({ weight: 4, arbitrary: fc.constant(-1) }, { weight: 2, arbitrary: fc.integer({ min: 0, max: 2 }) }, { weight: 1, arbitrary: fc.double() });
const data = fc.option(fc.uint8Array({ maxLength: 40 }), { nil: undefined });
const someAcls: readonly Acl[] = [[{ perms: 31, scheme: "world", id: "anyone" }], aliceAcl, [{ perms: 31, scheme: "auth", id: "" }], [{ perms: 1, scheme: "world", id: "anyone" }, ...aliceAcl], [{ perms: 1, scheme: "ip", id: "10.0.0.0/8" }], []];
const acl = fc.oneof({ weight: 8, arbitrary: fc.constantFrom(...someAcls) }, { weight: 1, arbitrary: fc.array(fc.record({ perms: fc.double(), scheme: fc.string(), id: fc.string() }), { maxLength: 3 }) });
const createArbitrary = fc.record({
  type: fc.constant("create" as const), path, data, acl, sequential: fc.boolean(),
  kind: fc.constantFrom("persistent" as const, "persistent" as const, "persistent" as const, "ephemeral" as const, "container" as const, "ttl" as const),
  ttlMs: fc.constantFrom(0, 5, 100, Number.NaN, -1),
  mend: fc.integer({ min: 0, max: 9 }),
}).map(({ mend, ...request }) => {
  // Mostly what can succeed, so that trees grow.
  if (mend === 0) return request;
  const ttlMs = request.kind === "ttl" ? Math.max(1, request.ttlMs || 1) : 0;
  return { ...request, ttlMs, sequential: request.sequential && mend < 4, acl: request.acl.length > 0 && mend < 3 ? request.acl : openAcl };
});
const operation: fc.Arbitrary<MultiOperation> = fc.oneof(
  createArbitrary,
  fc.record({ type: fc.constant("delete" as const), path, version }),
  fc.record({ type: fc.constant("setData" as const), path, data, version }),
  fc.record({ type: fc.constant("check" as const), path, version }),
);
const condition: fc.Arbitrary<Condition> = fc.oneof(
  fc.record({ type: fc.constantFrom("absent" as const, "present" as const), path }),
  fc.record({ type: fc.constant("version" as const), path, version }),
  fc.record({ type: fc.constant("value" as const), path, data: fc.uint8Array({ maxLength: 3 }) }),
  fc.record({ type: fc.constant("czxid" as const), path, czxid: fc.constant(zeroZxid) }),
);
const request: fc.Arbitrary<WriteRequest> = fc.oneof(
  { weight: 8, arbitrary: createArbitrary },
  { weight: 4, arbitrary: fc.record({ type: fc.constant("delete" as const), path, version }) },
  { weight: 4, arbitrary: fc.record({ type: fc.constant("setData" as const), path, data, version }) },
  { weight: 2, arbitrary: fc.record({ type: fc.constant("setAcl" as const), path, acl, version }) },
  { weight: 2, arbitrary: fc.record({ type: fc.constant("deleteRecursive" as const), path }) },
  { weight: 6, arbitrary: fc.record({ type: fc.constant("multi" as const), conditions: fc.array(condition, { maxLength: 2 }), then: fc.array(operation, { maxLength: 5 }), otherwise: fc.option(fc.array(operation, { maxLength: 3 }), { nil: undefined }) }) },
  { weight: 2, arbitrary: fc.record({ type: fc.constant("createSession" as const), timeoutMs: fc.double(), passwordHash: fc.constantFrom(new Uint8Array(32), new Uint8Array(1)) }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant("renewSession" as const), timeoutMs: fc.double() }) },
  { weight: 1, arbitrary: fc.constantFrom<WriteRequest>({ type: "closeSession" }, { type: "skip" }) },
);

interface Step {
  readonly kind: "native" | "nativeGap" | "origin" | "internal" | "garbage" | "reap" | "apply" | "applyAll" | "reset" | "restart";
  readonly who: number;
  readonly number: number;
  readonly request: WriteRequest;
  readonly guards: readonly { readonly path: string; readonly czxid: Zxid }[];
  readonly identified: boolean;
}
const step: fc.Arbitrary<Step> = fc.record({
  kind: fc.constantFrom<Step["kind"]>(...Array<Step["kind"]>(12).fill("native"), ...Array<Step["kind"]>(6).fill("origin"), ...Array<Step["kind"]>(5).fill("apply"), "nativeGap", "internal", "internal", "garbage", "reap", "applyAll", "applyAll", "reset", "restart"),
  who: fc.nat({ max: 3 }),
  number: fc.oneof(fc.nat({ max: 8 }), fc.double()),
  request,
  guards: fc.oneof({ weight: 9, arbitrary: fc.constant([]) }, { weight: 1, arbitrary: fc.array(fc.record({ path, czxid: fc.constant(zeroZxid) }), { maxLength: 5 }) }),
  identified: fc.boolean(),
});

/** A leader under random writes, and two replicas: one applies every txn, the other restarts from its store now and then. */
class Ensemble {
  readonly leader = new Harness({ limits: tinyLimits });
  readonly follower = new Harness({ limits: tinyLimits });
  restarting = new StateMachine(new MemoryStore(), tinyLimits);
  #store = new MemoryStore();
  #counter = 0;

  constructor() {
    this.restarting = new StateMachine(this.#store, tinyLimits);
    for (let i = 0; i < 2; i += 1) {
      this.leader.session();
      this.#replicate(must(this.leader.log.at(-1)), undefined);
    }
  }

  take(step: Step): void {
    const { leader } = this;
    leader.stampMs += 3;
    const sessions = [...leader.machine.sessions()].map((session) => session.id);
    const session = sessions[step.who % Math.max(1, sessions.length)] ?? (1 as SessionId);
    if (step.kind === "apply") this.#apply(1);
    else if (step.kind === "applyAll") this.#apply(1_000);
    else if (step.kind === "reset") this.#lead();
    else if (step.kind === "restart") this.#restart();
    else if (step.kind === "reap") this.#reap();
    else leader.prepare({ source: this.#source(step, session), request: step.request, guards: step.guards, identities: step.identified ? [world, alice] : [world] as AuthId[] });
  }

  #source(step: Step, session: SessionId): TxnSource {
    const position = this.leader.machine.replyPosition(session);
    const outstanding = this.leader.queue.filter((txn) => txn.source.type === "session" && txn.source.session === session).length;
    const seq = position.lastSeq + outstanding + 1;
    if (step.kind === "native" && step.request.type !== "createSession") return { type: "session", session, seq, ackedSeq: Math.max(0, seq - 4) };
    if (step.kind === "nativeGap") return { type: "session", session, seq: seq - 2 + (step.who % 4), ackedSeq: step.number };
    if (step.kind === "internal") return { type: "internal", session: step.who === 0 ? 0 : session };
    if (step.kind === "garbage") return { type: "origin", session: step.number as SessionId, server: step.number, boot: step.number, counter: step.number };
    return { type: "origin", session: step.request.type === "createSession" ? 0 : session, server: 1 + (step.who % 2), boot: 5, counter: (this.#counter += 1) };
  }

  #reap(): void {
    const { machine } = this.leader;
    const context = this.leader.context();
    const txn = machine.prepareReap([...machine.dueForReaping(context.stampMs, 5), "/a", "/c", ""], context);
    if (txn !== undefined) this.leader.enqueue(txn);
  }

  /** A new leader, in a new epoch, whose initial history is all that is in flight. */
  #lead(): void {
    this.leader.machine.resetOutstanding();
    if (this.leader.queue.length % 2 === 0) for (const txn of this.leader.queue) this.leader.machine.adopt(txn);
    else this.#apply(1_000);
    this.leader.epoch += 1;
    this.leader.counter = 0;
  }

  #apply(count: number): void {
    for (let i = 0; i < count; i += 1) {
      const [outcome] = this.leader.apply(1);
      if (outcome === undefined) return;
      this.#replicate(must(this.leader.log.at(-1)), outcome);
    }
  }

  #replicate(txn: Txn, outcome: Outcome | undefined): void {
    for (const machine of [this.follower.machine, this.restarting]) {
      const same = machine.apply(txn);
      if (outcome !== undefined && JSON.stringify(same) !== JSON.stringify(outcome)) throw new Error(`outcomes differ: ${JSON.stringify(txn)}`);
      if (machine.digestHigh !== this.leader.machine.digestHigh || machine.digestLow !== this.leader.machine.digestLow) throw new Error(`digests differ: ${JSON.stringify(txn)}`);
    }
  }

  #restart(): void {
    this.restarting.writeRecords();
    this.restarting = new StateMachine(this.#store, tinyLimits);
  }

  finish(): string[] {
    this.#apply(1_000_000);
    const wrong = treeErrors(this.leader);
    if (this.leader.recomputed() !== this.leader.digest()) wrong.push(`digest: ${this.leader.recomputed()}`);
    const { high, low } = this.restarting.recomputeDigest((path) => wrong.push(path));
    if (`${high}:${low}` !== this.leader.digest()) wrong.push("digest of the restarted replica");
    return wrong;
  }
}

/** Stat algebra and ephemerals, from a plain scan of the tree. */
function treeErrors(harness: Harness): string[] {
  const wrong: string[] = [];
  const live = new Set([...harness.machine.sessions()].map((session) => session.id));
  let ephemerals = 0;
  let znodes = 0;
  for (const at of walkPaths(harness.store, "/")) {
    const node = must(harness.machine.node(at));
    const below = [...walkPaths(harness.store, at)].length - 1;
    znodes += 1;
    if (node.descendants !== below) wrong.push(`${at}: descendants ${node.descendants}, not ${below}`);
    if (node.numChildren !== harness.children(at).length) wrong.push(`${at}: numChildren`);
    if (node.czxid > node.mzxid || node.czxid > node.pzxid || (node.czxid > 0 && node.childCreates < node.numChildren)) wrong.push(`${at}: zxids or counters`);
    if (node.owner !== 0 && !live.has(node.owner)) wrong.push(`${at}: owner is dead`);
    if ((node.owner !== 0) !== (node.kind === "ephemeral")) wrong.push(`${at}: owner and kind`);
    if (node.owner !== 0) ephemerals += 1;
  }
  const counts = harness.machine.counts();
  if (counts.ephemerals !== ephemerals || counts.znodes !== znodes) wrong.push(`counts: ${JSON.stringify(counts)}`);
  return wrong;
}

t.test("replicas that apply the same txns agree, prepare never throws, and the tree keeps its algebra", async (t) => {
  const seen = new Set<string>();
  fc.assert(
    fc.property(fc.array(step, { minLength: 20, maxLength: 120 }), (steps) => {
      const ensemble = new Ensemble();
      for (const each of steps) ensemble.take(each);
      const wrong = ensemble.finish();
      for (const txn of ensemble.leader.log) seen.add(txn.body.type === "error" ? txn.body.code : txn.body.type);
      if (wrong.length > 0) throw new Error(wrong.join("\n"));
    }),
    { numRuns: 400, seed: 20_260_718 },
  );
  const wanted = ["create", "delete", "setData", "setAcl", "multi", "deleteRecursive", "createSession", "renewSession", "closeSession", "reap", "skip", "NO_NODE", "NODE_EXISTS", "BAD_VERSION", "NOT_EMPTY", "NO_AUTH", "BAD_ARGUMENTS", "INVALID_ACL", "NO_CHILDREN_FOR_EPHEMERALS", "FENCED", "SESSION_EXPIRED", "CONDITION_FAILED"];
  t.same(wanted.filter((name) => !seen.has(name)), [], "every kind of txn was met");
});

t.test("a sequence number is never used twice", async (t) => {
  const harness = new Harness({ limits: tinyLimits });
  const session = harness.session();
  harness.write(session, create("/q"));
  const seen: string[] = [];
  for (let i = 0; i < 200; i += 1) {
    harness.pipeline(session, create("/q/", { sequential: true }));
    if (i % 3 === 0) harness.pipeline(session, multi([create("/q/", { sequential: true }), remove("/none")]));
    for (const outcome of harness.apply()) {
      if (outcome.result.type !== "created") continue;
      const name = createdPath(outcome);
      seen.push(name);
      if (i % 2 === 0) harness.write(session, remove(name));
    }
  }
  t.same(seen, seen.map((_, index) => `/q/${String(index).padStart(10, "0")}`));
});
