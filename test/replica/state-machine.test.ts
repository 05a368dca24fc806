import t from "tap";
import { makeEpoch, makeZxid, type SessionId, type Zxid } from "../../src/model/zxid.ts";
import { StateMachine } from "../../src/replica/state-machine.ts";
import type { Txn } from "../../src/tree/txn.ts";
import { alice, aliceAcl, bytes, create, Harness, limits, multi, must, remove, set, txnOf, world } from "../tree/harness.ts";

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
  for (const seq of [4, Number.NaN, 2.5, Number.POSITIVE_INFINITY])
    t.same(harness.pipeline(session, skip, { seq }), { type: "refuse", code: "OUT_OF_ORDER", detail: "3" });
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
  t.same(
    harness.pipeline(session, set("/a", "again"), { seq: 1 }),
    { type: "drop" },
    "a new process that starts at 1 writes nothing",
  );
});

t.test("schedule 24: a refusal is logged, so a resent write is not evaluated again", async (t) => {
  const harness = new Harness();
  const session = harness.session();
  const refused = harness.write(session, set("/a", "1"), { seq: 1, ackedSeq: 0 });
  t.equal(refused.code, "NO_NODE");
  const zxid = harness.machine.appliedZxid;
  harness.write(session, create("/a"), { seq: 2, ackedSeq: 0 });
  t.same(harness.pipeline(session, set("/a", "1"), { seq: 1, ackedSeq: 0 }), { type: "drop" });
  t.same(harness.machine.storedReply(session, 1), {
    zxid,
    outcome: refused,
    totalBytes: must(harness.machine.storedReply(session, 1) as { totalBytes?: number } | undefined).totalBytes,
  });
  t.equal(harness.data("/a"), "x");
});

t.test("schedule 25: results go by acknowledgement alone, never by size; a full table refuses and is not evicted", async (t) => {
  const small = { ...limits, replies_per_session_max: 3 };
  const harness = new Harness({ limits: small });
  const session = harness.session();
  for (let seq = 1; seq <= 3; seq += 1) harness.write(session, { type: "skip" }, { seq, ackedSeq: 0 });
  t.same(harness.pipeline(session, { type: "skip" }, { seq: 4, ackedSeq: 0 }), {
    type: "refuse",
    code: "OVERLOADED",
    detail: "replies_per_session_max is 3",
  });
  for (let seq = 1; seq <= 3; seq += 1) t.ok(harness.machine.storedReply(session, seq));
  t.equal(harness.write(session, { type: "skip" }, { seq: 4, ackedSeq: 1 }).code, "OK");
  t.equal(harness.machine.storedReply(session, 1), undefined);
  t.ok(harness.machine.storedReply(session, 2));
});

t.test("the bytes of a table are bounded, through the overlay, and one result always fits", async (t) => {
  // A single operation is reserved 100 + 300 bytes; the created result of /nnnnnnnnnnnn… takes 16 + 96 + 41.
  const harness = new Harness({
    limits: { ...limits, reply_bytes_max: 100, reply_bytes_per_operation: 300, reply_bytes_per_session_max: 600 },
  });
  const session = harness.session();
  const name = (i: number): string => `/${"n".repeat(38)}${i}${i}`.slice(0, 41);
  t.equal(harness.pipeline(session, create(name(1)), { seq: 1, ackedSeq: 0 }).type, "txn");
  t.equal(harness.pipeline(session, create(name(2)), { seq: 2, ackedSeq: 0 }).type, "txn");
  t.match(harness.pipeline(session, create(name(3)), { seq: 3, ackedSeq: 0 }), {
    type: "refuse",
    code: "OVERLOADED",
    detail: "reply_bytes_per_session_max is 600",
  });
  harness.apply();
  t.match(
    harness.pipeline(session, create(name(3)), { seq: 3, ackedSeq: 0 }),
    { type: "refuse", code: "OVERLOADED" },
    "committed counts alike",
  );
  t.equal(harness.pipeline(session, create(name(3)), { seq: 3, ackedSeq: 1 }).type, "txn");
  t.equal(
    harness.pipeline(session, multi(Array.from({ length: 8 }, () => ({ type: "check", path: "/", version: -1 }) as const)), {
      seq: 4,
      ackedSeq: 3,
    }).type,
    "txn",
    "however large, alone it fits",
  );
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
  t.equal(
    harness.pipeline(session, { type: "skip" }, { ackedSeq: 0 }).type,
    "refuse",
    "#6 acknowledged up to #5, so #26 would be one too many",
  );
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
  t.same(
    harness.apply().map((outcome) => outcome.code),
    ["NO_NODE", "SESSION_EXPIRED", "SESSION_EXPIRED"],
  );
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
  t.same(
    harness.apply().map((outcome) => outcome.result.type),
    ["session", "created"],
  );
  t.same(harness.pipeline(session, { type: "skip" }, { seq: 1 }), { type: "drop" });
  t.same(
    [...harness.machine.sessions()].map(({ id, timeoutMs }) => [id, timeoutMs]),
    [[session, 2_000]],
  );
});

t.test("schedule 11: a logged generation is replicated, seen through the overlay, and never falls", async (t) => {
  const harness = new Harness();
  const { machine } = harness;
  const session = harness.session();
  t.equal(machine.sessionGeneration(session), session);
  const renew = (generation: number) => harness.internal(session, { type: "renewSession", timeoutMs: 4_000, generation });
  renew(session + 70);
  t.equal(machine.sessionGeneration(session), session + 70, "prepared");
  machine.resetOutstanding();
  t.equal(machine.sessionGeneration(session), session, "forgotten with its leader");
  harness.apply();
  t.equal(machine.sessionGeneration(session), session + 70, "applied");
  for (const generation of [0, session + 69, Number.NaN, Number.POSITIVE_INFINITY, session + 70.5]) renew(generation);
  harness.apply();
  t.equal(machine.sessionGeneration(session), session + 70);
});

t.test("timeouts are clamped, renewals seen through the overlay", async (t) => {
  const harness = new Harness();
  const machine = harness.machine;
  const session = harness.session(1);
  t.equal(machine.sessionTimeoutMs(session), limits.session_timeout_ms_min);
  harness.internal(session, { type: "renewSession", timeoutMs: 9_000, generation: 0 });
  harness.internal(session, { type: "renewSession", timeoutMs: 1e12, generation: 0 });
  t.equal(machine.sessionTimeoutMs(session), limits.session_timeout_ms_max);
  harness.apply(1);
  t.equal(machine.sessionTimeoutMs(session), limits.session_timeout_ms_max, "a later renewal is outstanding");
  machine.resetOutstanding();
  t.equal(machine.sessionTimeoutMs(session), 9_000);
  harness.apply();
  t.equal(machine.sessionTimeoutMs(session), limits.session_timeout_ms_max, "a follower's goes along");
  t.equal(harness.session(Number.NaN), harness.machine.appliedZxid);
  t.equal(machine.sessionTimeoutMs(machine.appliedZxid as number as SessionId), limits.session_timeout_ms_default);
  t.match(txnOf(harness.origin(0, { type: "createSession", timeoutMs: 1, passwordHash: new Uint8Array(3) })).body, {
    type: "error",
    code: "BAD_ARGUMENTS",
  });
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
  t.match(txnOf(harness.origin(session, create("/d/late", { kind: "ephemeral" }))).body, {
    type: "error",
    code: "SESSION_EXPIRED",
  });
  t.same(harness.internal(session, { type: "closeSession" }), { type: "drop" });
  t.same(harness.internal(session, { type: "renewSession", timeoutMs: 5_000, generation: 0 }), { type: "drop" });
  t.equal(txnOf(harness.pipeline(other, create("/d/a"))).body.type, "create", "the name is free at once");
  harness.apply();
  t.same(harness.children("/d"), ["a", "other"]);
  t.equal(harness.machine.node("/d")?.pzxid, harness.machine.appliedZxid);
  t.equal(harness.machine.sessionExists(session), false);
  t.same(harness.machine.counts(), { znodes: 7, ephemerals: 1, dataBytes: 3, sessions: 1 });
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
    (txn) => ({
      ...txn,
      body: {
        type: "create",
        path: "/a",
        data: undefined,
        acl: { id: 1, added: undefined },
        kind: "persistent",
        owner: 0,
        ttlMs: 0,
      },
    }),
    (txn) => ({
      ...txn,
      body: {
        type: "create",
        path: "/none/x",
        data: undefined,
        acl: { id: 1, added: undefined },
        kind: "persistent",
        owner: 0,
        ttlMs: 0,
      },
    }),
    (txn) => ({
      ...txn,
      body: {
        type: "create",
        path: "/b",
        data: undefined,
        acl: { id: 9, added: undefined },
        kind: "persistent",
        owner: 0,
        ttlMs: 0,
      },
    }),
    (txn) => ({
      ...txn,
      body: {
        type: "create",
        path: "/b",
        data: undefined,
        acl: { id: 1, added: undefined },
        kind: "ephemeral",
        owner: 5 as SessionId,
        ttlMs: 0,
      },
    }),
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
  for (let seq = 1; seq <= 4; seq += 1)
    t.same(loaded.machine.storedReply(session, seq)?.outcome, harness.machine.storedReply(session, seq)?.outcome);
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
  for (const change of [
    { data: bytes("y") },
    { version: 1 },
    { aversion: 1 },
    { acl: 2 },
    { stampMs: 1 },
    { ttlMs: 1 },
    { kind: "ttl" },
    { childCreates: 1 },
    { numChildren: 1 },
    { descendants: 1 },
    { bytesBelow: 1 },
    { owner: session },
    { ctimeMs: node.ctimeMs + 1 },
    { pzxid: (node.pzxid + 2 ** 32) as Zxid },
    { data: undefined },
  ] as const) {
    harness.store.put("/a", { ...node, ...change });
    t.equal(harness.recomputed(), "wrong: /a", JSON.stringify(change));
  }
  harness.store.put("/a", node);
  t.equal(harness.recomputed(), harness.digest());
});
