/**
 * The checkers' own tests: what breaks a promise must be refused, by the check that is about it, and its honest twin
 * accepted. No check is left out.
 */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import t, { type Test } from "tap";
import { tinyLimits } from "../../../src/model/limits.ts";
import { failure, type Outcome, okOutcome, type Request, success } from "../../../src/model/request.ts";
import { type Epoch, makeEpoch, makeZxid, type SessionId, type Zxid } from "../../../src/model/zxid.ts";
import type { Status } from "../../../src/replica/status.ts";
import type { Txn, TxnBody } from "../../../src/tree/txn.ts";
import { encodeTxn } from "../../../src/wire/txn-codec.ts";
import type { PeerMessage, ProposalMessage } from "../../../src/zab/message.ts";
import { top } from "../../tidy/source.ts";
import type { AnyClient, ClientStream } from "../client.ts";
import { SimClock } from "../clock.ts";
import { Cluster } from "../cluster.ts";
import { createRequest } from "../create-request.ts";
import { History, type Operation } from "../history.ts";
import type { SimServer } from "../server.ts";
import { type GhostEntry, GhostLog } from "./ghost-log.ts";
import * as invariants from "./index.ts";
import { Model } from "./model.ts";
import { type OnPlatter, Platters } from "./platters.ts";
import { Replies } from "./replies.ts";
import { Violation } from "./violation.ts";

const z = (epoch: number, counter: number): Zxid => makeZxid(makeEpoch(epoch), counter);
const session = z(1, 1) as number as SessionId;
const shown = new Set<string>();

/** It is the check of this name that refuses. */
function fails(t: Test, check: string, play: () => unknown, pattern = /./): void {
  try {
    play();
    t.fail(`${check} accepts it`);
  } catch (error) {
    if (!(error instanceof Violation)) throw error;
    t.equal(error.check, check);
    t.match(error.message, pattern);
    shown.add(check);
  }
}

function proposal(prev: Zxid, ...zxids: Zxid[]): ProposalMessage {
  return {
    type: "proposal",
    epoch: 1 as Epoch,
    prev,
    entries: zxids.map((zxid) => ({ zxid, payload: Uint8Array.of(zxid % 251) })),
  };
}

function entryOf(zxid: Zxid, by: number, at = 0): GhostEntry {
  return { zxid, prev: z(0, 0), payload: new Uint8Array(0), at, by, index: 0, committedAt: at };
}

function txn(zxid: Zxid, body: TxnBody, seq = 0, stampMs = 1): Txn {
  return {
    zxid,
    wallMs: 1,
    stampMs,
    body,
    source: seq === 0 ? { type: "internal", session: 0 } : { type: "session", session, seq, ackedSeq: 0 },
  };
}

const createSession: TxnBody = { type: "createSession", timeoutMs: 1_000, passwordHash: new Uint8Array(32) };

const create = (path: string, owner: SessionId | 0 = 0, ttlMs = 0): TxnBody => ({
  type: "create",
  path,
  data: undefined,
  acl: { id: 1, added: undefined },
  kind: ttlMs > 0 ? "ttl" : owner === 0 ? "persistent" : "ephemeral",
  owner,
  ttlMs,
});

/** Platters that say what they are told to. */
class ToldPlatters extends Platters {
  readonly found = new Map<number, OnPlatter>();

  override read(id: number): OnPlatter | undefined {
    return this.found.get(id);
  }

  tell(id: number, current: number, last: Zxid, accepted = current): void {
    this.found.set(id, { accepted: makeEpoch(accepted), current: makeEpoch(current), last, member: true, sound: true });
  }
}

/** Three voters with logs of which nothing, or something, is on its way to the disk. */
function platters(writing = false, logged = z(0, 0)): ToldPlatters {
  const server = (id: number) => ({
    id,
    voter: true,
    logDirectory: "log-1",
    submittedBefore: 0,
    disk: { writing: () => writing },
    status: () => ({ lastLoggedZxid: logged }),
  });
  return new ToldPlatters([1, 2, 3].map(server) as unknown as readonly SimServer[], 3);
}

const vote = (leader: number, zxid: Zxid): PeerMessage => ({
  type: "vote",
  state: "looking",
  round: 1,
  leader,
  epoch: makeEpoch(1),
  zxid,
  counts: true,
});
const newLeader = (epoch: number, zxid: Zxid): PeerMessage => ({
  type: "newLeader",
  epoch: makeEpoch(epoch),
  zxid,
  member: true,
});
const upToDate = (epoch: number, committed: Zxid): PeerMessage => ({ type: "upToDate", epoch: makeEpoch(epoch), committed });
const followerInfo = (accepted: number): PeerMessage => ({
  type: "followerInfo",
  acceptedEpoch: makeEpoch(accepted),
  observer: false,
  rejoining: false,
});

t.test("I-1, I-2, I-12: the ghost log", (t) => {
  const ghost = new GhostLog();
  ghost.onProposal(proposal(z(0, 0), z(1, 1), z(1, 2), z(1, 3)), 1, 0);
  ghost.onProposal(proposal(z(1, 1), z(1, 2)), 2, 0);
  ghost.onCommitted(z(1, 2), 1, 0);
  const other = { ...proposal(z(1, 1)), entries: [{ zxid: z(1, 2), payload: Uint8Array.of(9) }] };
  fails(t, "one payload and one predecessor a zxid", () => ghost.onProposal(other, 1, 0), /two payloads/);
  fails(t, "log density", () => ghost.onProposal(proposal(z(1, 2), z(1, 5)), 1, 0));
  ghost.onProposal(proposal(z(1, 1), z(2, 1)), 2, 0);
  fails(t, "committed logs are one chain", () => ghost.onCommitted(z(2, 1), 2, 0), /the committed log 1:2/);
  fails(t, "committed logs are one chain", () => ghost.onCommitted(z(3, 1), 2, 0), /never broadcast/);
  t.equal(ghost.contains(z(1, 3)), true);
  t.equal(ghost.contains(z(2, 1)), false);
  const leaderOf = (epoch: number): number | undefined => (epoch === 1 ? 1 : undefined);
  ghost.integrity.onCommitted(entryOf(z(1, 1), 1), leaderOf);
  ghost.integrity.onCommitted(entryOf(z(2, 1), 3), leaderOf);
  fails(t, "committed entries come from the primary of their epoch", () =>
    ghost.integrity.onCommitted(entryOf(z(1, 2), 2), leaderOf),
  );
  t.end();
});

t.test("I-3: one order", (t) => {
  const order = new invariants.TotalOrder();
  const turn = (applied: Zxid, serving: boolean, tip: Zxid, snap = false): void =>
    order.onTurn(
      1,
      { lastAppliedZxid: applied, serving } as Status,
      { logLines: snap ? [{ level: "debug", message: "snap", fields: { mark: true } }] : [] } as never,
      tip,
    );
  turn(z(1, 2), true, z(1, 3));
  fails(t, "applied ≤ committed, and both only rise in a process", () => turn(z(1, 1), true, z(1, 3)), /went back/);
  order.forget(1);
  turn(z(1, 2), false, z(1, 3));
  turn(z(1, 1), false, z(1, 3), true);
  fails(t, "applied ≤ committed, and both only rise in a process", () => turn(z(1, 4), true, z(1, 3)), /committed is/);
  t.end();
});

t.test("I-4, I-5: the order of primaries", (t) => {
  const primary = new invariants.PrimaryOrder(10);
  primary.onCommitted(z(1, 2));
  fails(t, "counters rise along an epoch's committed entries", () => primary.onCommitted(z(1, 2)));
  fails(t, "the counter stays below its bound", () => primary.onCommitted(z(1, 11)));
  const global = new invariants.GlobalPrimaryOrder();
  global.onCommitted(z(2, 1));
  global.onCommitted(z(2, 2));
  fails(t, "epochs rise along the committed log", () => global.onCommitted(z(1, 9)));
  t.end();
});

t.test("I-6, I-7, I-8: leaders, epochs, NEWLEADER", (t) => {
  const found = platters();
  found.tell(1, 1, z(1, 5));
  found.tell(2, 0, z(1, 5), 1);
  found.tell(3, 0, z(1, 5));
  new invariants.PrimaryIntegrity(found).onLeads(1, makeEpoch(1), undefined);
  fails(t, "a leader serves when a quorum holds its history", () =>
    new invariants.PrimaryIntegrity(found).onLeads(1, makeEpoch(1), z(1, 5)),
  );
  const epochs = new invariants.Epochs(found);
  epochs.onSend(1, newLeader(1, z(0, 0)));
  fails(t, "one leader an epoch", () => epochs.onSend(2, newLeader(1, z(0, 0))));
  epochs.onSend(3, followerInfo(5));
  fails(t, "epochs never fall", () => epochs.onSend(3, followerInfo(4)));
  epochs.onWipe(3);
  epochs.onSend(3, followerInfo(0));
  const ackEpoch = (epoch: number) =>
    ({ type: "ackEpoch", epoch: makeEpoch(epoch), currentEpoch: makeEpoch(0), counts: true }) as unknown as PeerMessage;
  epochs.onSend(2, ackEpoch(1));
  fails(t, "a server counts once an epoch", () => epochs.onSend(2, ackEpoch(1)));
  fails(t, "ACKEPOCH is on the platter", () => epochs.onSend(2, ackEpoch(2)));
  const ghost = new GhostLog();
  ghost.onProposal(proposal(z(0, 0), z(1, 1), z(1, 2)), 1, 0);
  const atom = new invariants.NewLeaderAtom(ghost, found);
  const ack = { type: "ack", epoch: makeEpoch(2), zxid: z(1, 2), newLeader: true } as unknown as PeerMessage;
  atom.onSend(1, 2, newLeader(2, z(1, 2)));
  fails(t, "NEWLEADER is one step on the platter", () => atom.onSend(2, 1, ack), /currentEpoch 0/);
  found.tell(2, 2, z(1, 1));
  fails(t, "NEWLEADER is one step on the platter", () => atom.onSend(2, 1, ack), /ends at 1:1/);
  fails(t, "after a restart currentEpoch still implies its history", () => atom.onStart(2));
  found.tell(2, 2, z(1, 2));
  atom.onSend(2, 1, ack);
  atom.onStart(2);
  t.end();
});

t.test("I-9, I-10: damage, and what is committed", (t) => {
  const damage = new invariants.Damage();
  damage.damaged(2);
  damage.takesPart(1);
  fails(t, "damage is found before it is used", () => damage.takesPart(2));
  damage.noticed(2);
  damage.takesPart(2);
  const ghost = new GhostLog();
  ghost.onProposal(proposal(z(0, 0), z(1, 1), z(1, 2)), 1, 0);
  ghost.onCommitted(z(1, 2), 1, 0);
  const found = platters(true, z(1, 2));
  found.tell(1, 1, z(1, 2));
  found.tell(3, 1, z(1, 1));
  const kept = new invariants.CommittedNeverLost(ghost, found);
  kept.onSend(1, upToDate(2, z(1, 2)), z(1, 2));
  fails(t, "committed is never lost", () => kept.onSend(2, upToDate(3, z(1, 1)), z(1, 1)));
  kept.onSend(1, { type: "ack", epoch: makeEpoch(1), zxid: z(1, 2), newLeader: false } as unknown as PeerMessage, undefined);
  fails(t, "a server votes with all that it has acked", () => kept.onSend(1, vote(1, z(1, 1)), undefined));
  fails(t, "nothing of a voter's log is on its way to the disk", () => kept.onSend(3, followerInfo(1), undefined));
  t.end();
});

t.test("I-13, I-14: leases", (t) => {
  const leases = new invariants.OneLeaseHolder(tinyLimits, 3, new invariants.MembersCount(3));
  for (const id of [1, 2, 3]) leases.add(id, new SimClock(0, 1, 0, 0));
  const beat = { type: "heartbeat", epoch: makeEpoch(1), id: 1 } as const;
  const ack = { ...beat, type: "heartbeatAck", applied: z(1, 1), digestHigh: 0, digestLow: 0 } as const;
  leases.onSend(1, 2, beat, 1_000);
  leases.onDeliver(1, 2, beat, 1_010);
  leases.onSend(2, 1, ack, 1_011);
  leases.onDeliver(2, 1, ack, 1_012);
  fails(t, "no vote inside a promise", () => leases.onSend(2, 3, vote(2, z(1, 1)), 1_159));
  leases.onSend(2, 3, vote(2, z(1, 1)), 1_161);
  fails(t, "one lease holder in true time", () => leases.onSend(3, 2, upToDate(2, z(1, 1)), 1_050));
  const latest = new invariants.LeaseHolderIsLatest(leases);
  latest.onCommitted(entryOf(z(1, 1), 1, 1_050));
  fails(t, "a lease holder has the latest epoch that commits", () => latest.onCommitted(entryOf(z(2, 1), 3, 1_050)));
  new invariants.LeaseHolderIsLatest(leases).onCommitted(entryOf(z(2, 1), 3, 1_161));
  leases.onSend(3, 2, upToDate(3, z(1, 1)), 1_161);
  leases.onStart(3, 2_000, false);
  fails(t, "no vote inside a promise", () => leases.onSend(3, 2, vote(2, z(1, 1)), 2_100), /within P after boot/);
  t.end();
});

t.test("I-19, I-21: sessions, ephemerals, stats", (t) => {
  const model = new Model();
  model.apply(txn(z(1, 1), createSession));
  model.apply(txn(z(1, 2), create("/a")));
  model.apply(txn(z(1, 3), create("/a/e", session)));
  const effects = "txns apply to the committed tree";
  fails(t, effects, () => model.apply(txn(z(1, 4), create("/a"))), /which exists/);
  fails(t, effects, () => model.apply(txn(z(1, 4), create("/b/c"))), /without a parent/);
  fails(t, effects, () => model.apply(txn(z(1, 4), { type: "delete", path: "/a", acl: 1 })), /has children/);
  const close: TxnBody = { type: "closeSession", session, removed: [] };
  fails(t, "ephemerals have live owners", () => model.apply(txn(z(1, 4), close)), /owns \[\/a\/e\]/);
  fails(t, "ephemerals have live owners", () => model.apply(txn(z(1, 4), create("/a/f", z(1, 9) as number as SessionId))));
  model.apply(txn(z(1, 5), { ...close, removed: [{ path: "/a/e", acl: 1 }] }));
  fails(t, "txns belong to live sessions", () => model.apply(txn(z(1, 6), close)), /not live/);
  t.equal(model.at("/a/e", z(1, 4))?.owner, session);
  t.equal(model.at("/a/e", z(1, 5)), undefined);
  t.same(model.childrenAt("/a", z(1, 3)), ["e"]);
  const set: TxnBody = { type: "setData", path: "/a", data: undefined, stat: { version: 7 } } as never;
  fails(t, "Stat algebra", () => model.apply(txn(z(1, 7), set)));
  t.end();
});

t.test("I-19: TTLs", (t) => {
  const ghost = new GhostLog();
  const model = new Model();
  const txns = new Map<Zxid, Txn>();
  const history = new History();
  const ttl = new invariants.TtlNodes(ghost, model, txns, history, 0.01, true);
  const made = txn(z(1, 1), create("/t", 0, 1_000), 1, 5);
  txns.set(made.zxid, made);
  ghost.onProposal(proposal(z(0, 0), made.zxid), 1, 100);
  model.apply(made);
  const reap = (stampMs: number): Txn => txn(z(1, 2), { type: "reap", removed: [{ path: "/t", acl: 1 }] }, 0, stampMs);
  fails(t, "a TTL node outlives its TTL", () => ttl.onCommitted(reap(1_004), 5_000), /cluster time/);
  fails(t, "a TTL node outlives its TTL", () => ttl.onCommitted(reap(1_005), 1_050), /after it was written/);
  ttl.onCommitted(reap(1_005), 1_100);
  const asked = {
    client: 1,
    session,
    request: createRequest("/t"),
    isWrite: true,
    seq: 1,
    guards: [],
    sessionFloor: z(0, 0),
  } as const;
  history.begin({ ...asked, level: { type: "linearizable" }, invokedAt: 50 });
  ttl.onCommitted(reap(1_005), 1_050);
  t.same(ttl.overdue(900), []);
  t.same(ttl.overdue(1_100), ["/t"]);
  t.end();
});

interface Judged {
  readonly ghost: GhostLog;
  readonly replies: Replies;
  readonly history: History;
  readonly model: Model;
  readonly commit: (zxid: Zxid) => void;
  readonly call: (request: Request, zxid: Zxid, outcome: Outcome, more?: Partial<Operation>) => Operation;
}

const exists: Request = { type: "exists", path: "/a", watch: false };
const stat = {
  czxid: z(1, 2),
  mzxid: z(1, 2),
  pzxid: z(1, 2),
  ctimeMs: 1,
  mtimeMs: 1,
  version: 0,
  cversion: 0,
  aversion: 0,
  ephemeralOwner: 0 as SessionId,
  dataLength: 0,
  numChildren: 0,
};
const itsStat = success({ type: "stat", stat });

/** A session that made /a and /b; what comes after has been broadcast and is committed on demand. */
function judged(): Judged {
  const ghost = new GhostLog();
  const model = new Model();
  const txns = new Map<Zxid, Txn>();
  const bodies = new Map(
    [
      txn(z(1, 1), createSession),
      txn(z(1, 2), create("/a"), 1),
      txn(z(1, 3), create("/b"), 2),
      txn(z(1, 4), create("/c"), 2),
    ].map((one) => [one.zxid, one]),
  );
  const replies = new Replies(new invariants.DurableQuorum(ghost, platters()), model, txns);
  ghost.listeners.push((entry) => {
    const committed = bodies.get(entry.zxid) as Txn;
    txns.set(entry.zxid, committed);
    model.apply(committed);
    replies.onCommitted(committed);
  });
  const entries = [...bodies.values()].map((one) => ({ zxid: one.zxid, payload: encodeTxn(one) }));
  ghost.onProposal({ type: "proposal", epoch: makeEpoch(1), prev: z(0, 0), entries }, 1, 0);
  ghost.onCommitted(z(1, 3), 1, 0);
  const history = new History();
  const call = (request: Request, zxid: Zxid, outcome: Outcome, more: Partial<Operation> = {}): Operation => {
    const isWrite = more.isWrite ?? false;
    const level = more.level ?? ({ type: "linearizable" } as const);
    const sessionFloor = more.sessionFloor ?? z(0, 0);
    const asked = { client: 1, session, request, isWrite, level, seq: more.seq ?? 0, guards: [], invokedAt: 0, sessionFloor };
    const operation = history.begin(asked);
    history.end(operation, 1, zxid, outcome);
    return Object.assign(operation, more);
  };
  return { ghost, replies, history, model, commit: (zxid) => ghost.onCommitted(zxid, 1, 0), call };
}

t.test("I-11, I-15, I-23: what reads show", (t) => {
  const { replies, history, call } = judged();
  replies.onReply(call(exists, z(1, 2), itsStat), []);
  fails(t, "no reply before commit", () => replies.onReply(call(exists, z(1, 4), itsStat), []));
  history.shown = z(1, 3);
  fails(t, "linearizable", () => replies.onReply(call(exists, z(1, 2), itsStat), []));
  const reads = "reads are the tree at their zxid";
  const other = success({ type: "stat", stat: { ...stat, version: 1 } });
  fails(t, reads, () => replies.onReply(call(exists, z(1, 3), other), []), /version is 1, should be 0/);
  fails(t, reads, () => replies.onReply(call(exists, z(1, 3), failure("NO_NODE")), []), /the node exists/);
  const learned = (role: string, lastCommittedZxid: Zxid): void =>
    replies.linearizable.onTurn(2, { role, lastCommittedZxid } as Status, z(1, 3));
  learned("following", z(1, 3));
  learned("leading", z(1, 4));
  fails(t, "learners know of commits from their leader", () => learned("following", z(1, 4)));
  const found = platters();
  const durable = new invariants.DurableQuorum(judged().ghost, found);
  durable.every = 1;
  found.tell(1, 1, z(1, 3));
  found.tell(2, 1, z(1, 2));
  // The third was wiped: nobody is elected without the first.
  durable.onShown(z(1, 1));
  found.tell(3, 1, z(1, 1));
  fails(t, "no reply before a durable quorum", () => durable.onShown(z(1, 3)), /1 of 3/);
  t.end();
});

t.test("I-16, I-17, I-23, I-27: what writes were answered", (t) => {
  const { replies, model, commit, call } = judged();
  const write = (zxid: Zxid, outcome: Outcome, seq: number, more: Partial<Operation> = {}): Operation =>
    call(createRequest("/a"), zxid, outcome, { isWrite: true, seq, ...more });
  fails(t, "exactly once", () => replies.onReply(write(z(1, 2), okOutcome, 2), []), /another's/);
  fails(t, "outcomes are the log's", () => replies.onReply(write(z(1, 2), failure("NODE_EXISTS"), 1, { floor: z(0, 0) }), []));
  fails(t, "exactly once", () => commit(z(1, 4)), /seq 2/);
  const order = new invariants.SessionOrder();
  order.onCommitted(txn(z(1, 2), create("/a"), 1));
  fails(t, "session writes in order", () => order.onCommitted(txn(z(1, 5), create("/d"), 3)));
  order.onRead(call(exists, z(1, 3), itsStat));
  fails(t, "session order", () => order.onRead(call(exists, z(1, 2), itsStat)));
  const first = call(createRequest("/x"), z(1, 2), okOutcome, { isWrite: true, state: "open", sends: 1 });
  fails(t, "replies in order", () => order.onReply(call(exists, z(1, 2), itsStat, { sends: 1 }), [first]));
  fails(t, "what failed is in no log", () => replies.finish([write(z(1, 2), okOutcome, 1, { state: "failed" })]));
  fails(t, "exactly once", () => replies.finish([write(z(1, 9), okOutcome, 9)]), /not in the log/);
  const origin = (counter: number): Txn => ({
    ...txn(z(1, 8), create("/o")),
    source: { type: "origin", server: 1, boot: 1, counter } as never,
  });
  const once = new invariants.ExactlyOnce();
  once.onCommitted(origin(2));
  fails(t, "origins' writes are applied once, in order", () => once.onCommitted(origin(2)));
  const made = call(createRequest("/s-", true), z(1, 2), okOutcome, { isWrite: true });
  const stats = new invariants.Stats();
  stats.onSequential(made, model, "/s-0000000000", z(1, 3));
  fails(t, "sequence suffixes unique", () => stats.onSequential(made, model, "/s-0000000000", z(1, 3)));
  t.end();
});

t.test("I-18: expiry", (t) => {
  const checks = new invariants.NoEarlyExpiry();
  checks.believes(session, 1_000);
  const close = txn(z(1, 9), { type: "closeSession", session, removed: [] });
  fails(t, "expiry is not early", () => checks.onCommitted(close, 999));
  const late = new invariants.NoEarlyExpiry();
  late.believes(session, 1_000);
  late.onCommitted(close, 1_001);
  fails(t, "expiry is not early", () => late.believes(session, 1_500));
  late.onProposed(close, 1_000, 1_000);
  fails(t, "an expiry is proposed inside the lease", () => late.onProposed(close, 1_001, 1_000));
  t.end();
});

t.test("I-20: streams and watches", (t) => {
  const { ghost, model, call } = judged();
  const watches = new invariants.ExactWatches(ghost, model);
  const spec = { path: "/", recursive: true, withData: false };
  const stream: ClientStream = { spec, id: 1, position: z(1, 1), subscribed: true };
  const changes = (zxid: Zxid): void => watches.onDelivery(stream, { type: "changes", stream: 1, zxid, changes: [] });
  changes(z(1, 1));
  fails(t, "streams are the log's exact filter", () => changes(z(1, 3)), /gives 0 changes/);
  const snapshot = { type: "snapshot", stream: 1, zxid: z(1, 3), entries: [], done: true } as const;
  fails(t, "stream snapshots are the tree at their zxid", () => watches.onDelivery(stream, snapshot), /lacks/);
  const client = {} as AnyClient;
  const armed = call({ type: "exists", path: "/b", watch: true }, z(1, 2), failure("NO_NODE"), { connection: 1, sends: 1 });
  watches.onReply(client, armed);
  fails(t, "watch events come before replies that show the change", () =>
    watches.onReply(client, call(exists, z(1, 3), itsStat, { connection: 1 })),
  );
  const event = { type: "nodeCreated", path: "/b", zxid: z(1, 2) } as never;
  fails(t, "watches fire for the first change", () => watches.onEvent(client, event));
  t.end();
});

t.test("I-24: members", (t) => {
  const membership = new invariants.MembersCount(3);
  const only = "only members count";
  const ackNewLeader = { type: "ack", epoch: makeEpoch(4), zxid: z(1, 2), newLeader: true } as unknown as PeerMessage;
  membership.onSend(4, 1, { ...vote(1, z(1, 2)), counts: false } as PeerMessage);
  fails(t, only, () => membership.onSend(4, 1, vote(1, z(1, 2))), /server 4 votes/);
  fails(t, only, () => membership.onSend(2, 1, vote(5, z(1, 2))), /server 5 is a candidate/);
  membership.onSend(2, 1, { ...followerInfo(0), rejoining: true } as PeerMessage);
  fails(t, only, () => membership.onSend(2, 1, upToDate(3, z(1, 2))), /server 2 leads/);
  const ackEpoch = { type: "ackEpoch", epoch: makeEpoch(4), counts: true } as unknown as PeerMessage;
  fails(t, only, () => membership.onSend(2, 1, ackEpoch), /server 2 confirms/);
  membership.onSend(2, 1, ackNewLeader);
  t.notOk(membership.isMember(2), "an ACK of another NEWLEADER");
  membership.onSend(1, 2, newLeader(4, z(1, 2)));
  membership.onSend(2, 1, ackNewLeader);
  t.ok(membership.isMember(2));
  membership.onSend(2, 1, ackEpoch);
  membership.onSend(2, 1, { ...followerInfo(0), rejoining: true } as PeerMessage);
  membership.onSend(2, 1, { ...followerInfo(0), rejoining: false } as PeerMessage);
  fails(t, only, () => membership.onSend(2, 1, ackEpoch), /server 2 confirms/);
  membership.onSend(1, 2, newLeader(4, z(1, 2)));
  membership.onSend(2, 1, { ...followerInfo(0), rejoining: false } as PeerMessage);
  t.ok(membership.isMember(2), "it has saved what it was offered");
  t.end();
});

t.test("I-28: two runs of a seed", (t) => {
  const same = new invariants.SameRun();
  const ran = (hash: number, events: number) => ({ seed: 1, trace: { hash }, scheduler: { events } }) as Cluster;
  same.judge(ran(1, 2), ran(1, 2));
  fails(t, "the same seed gives the same run", () => same.judge(ran(1, 2), ran(2, 2)));
  fails(t, "the same seed gives the same run", () => same.judge(ran(1, 2), ran(1, 3)));
  t.end();
});

t.test("I-26: bounds", (t) => {
  const bounds = new invariants.Bounds(tinyLimits);
  const status = { id: 1, outstanding: 0, watches: 0, streams: 0, connections: 1 } as Status;
  bounds.onTurn(status);
  fails(t, "outstanding txns stay within their bound", () =>
    bounds.onTurn({ ...status, outstanding: tinyLimits.outstanding_txns_max + 1 }),
  );
  fails(t, "watches stay within their bound", () => bounds.onTurn({ ...status, watches: 1, connections: 0 }));
  fails(t, "streams stay within their bound", () => bounds.onTurn({ ...status, streams: 1, connections: 0 }));
  t.end();
});

t.test("I-15: the register, by search", (t) => {
  const { call } = judged();
  const get = (value: Outcome): Operation => call({ type: "getData", path: "/register", watch: false }, z(1, 2), value);
  const made = call(createRequest("/register"), z(1, 2), okOutcome, { isWrite: true, invokedAt: 0, returnedAt: 1 });
  const gone = [2, 4, 6].map((at) => Object.assign(get(failure("NO_NODE")), { invokedAt: at, returnedAt: at + 1 }));
  fails(t, "a register is linearizable by search", () => new invariants.RegisterSearch().finish([made, ...gone]));
  t.end();
});

/** Three servers that serve, and two clients at the leader. */
function world(): Cluster {
  const cluster = new Cluster({ seed: 5, voters: 3, observers: 0, clients: 2, sessionTimeoutMs: 8_000 });
  cluster.startServers();
  cluster.checks.liveness.leader.await(cluster, 5_000);
  for (const client of cluster.clients) client.pinned = cluster.leader?.id;
  cluster.startClients();
  cluster.until("clients are connected", () => cluster.clients.every((client) => client.connected));
  return cluster;
}

t.test("L-1 … L-4 and I-22: a world in which nothing runs, and one replica that is another", (t) => {
  const still = new Cluster({ seed: 5, voters: 3, observers: 0, clients: 1 });
  const { liveness } = still.checks;
  fails(t, "L-1 one leader, all serve", () => liveness.leader.await(still, 10));
  fails(t, "L-2 every call ends", () => liveness.calls.await(still, 10));
  fails(t, "L-3 replicas come to the same zxid", () => liveness.replicas.await(still, 10));
  fails(t, "L-4 a server that comes back while all is idle catches up", () => liveness.rejoins.comesBackIdle(still, 1));
  const cluster = world();
  cluster.checks.liveness.replicas.await(cluster, 5_000);
  cluster.checks.identity.judge(cluster);
  t.ok(cluster.server(1).tamperTree());
  fails(t, "replicas hold the same bytes", () => cluster.checks.identity.judge(cluster));
  t.end();
});

t.test("L-5, L-6: queues and streams that do not move", (t) => {
  const cluster = world();
  const { liveness } = cluster.checks;
  cluster.client(0).subscribe({ path: "/", recursive: true, withData: false });
  fails(t, "L-6 streams catch up", () => liveness.streams.await(cluster, 0));
  liveness.streams.await(cluster, 2_000);
  cluster.isolate(cluster.leader?.id ?? 0);
  cluster.client(0).call(createRequest("/n"), true);
  cluster.run(5);
  fails(t, "L-5 queues drain", () => liveness.queues.await(cluster, 1));
  t.end();
});

t.test("L-7: calm that is none", (t) => {
  const cluster = world();
  const { calm } = cluster.checks.liveness;
  const client = cluster.client(0);
  calm.staysAsItIs(cluster, 1_000, 0);
  cluster.scheduler.after(999, () => client.disconnect());
  fails(t, "a session that is connected lives on in calm", () => calm.staysAsItIs(cluster, 1_000, 0));
  fails(t, "the session of a client that is gone ends", () => calm.sessionEnds(cluster, client.session as number, 10));
  const { model, ghost } = cluster.checks;
  model.apply(txn((ghost.tip + 1) as Zxid, create("/t", 0, 5), 0, Number.MAX_SAFE_INTEGER));
  cluster.until("it is back", () => client.connected);
  fails(t, "what is due is reaped", () => calm.staysAsItIs(cluster, 1_000, 0));
  cluster.scheduler.after(10, () => cluster.leader?.crash(false));
  fails(t, "L-7 no other leader while all is calm", () => calm.staysCalm(cluster, 2_000));
  const long = { limits: tinyLimits, checks: { ghost: { committed: [] } }, servers: [{ id: 1, logBytes: 1e9 }] };
  fails(t, "logs are trimmed to their history", () => calm.logsAreTrimmed(long as never));
  t.end();
});

t.test("every check has been shown to fail", (t) => {
  const names = new Cluster({ seed: 1, voters: 3, observers: 0, clients: 1 }).checks.all().map((check) => check.name);
  t.equal(new Set(names).size, names.length);
  // These count what others judge; the last is shown by every planted bug that ends a server.
  const counts = ["linearizable after another client's write", "messages of old links do nothing", "no server stops by itself"];
  t.same(
    names.filter((name) => !shown.has(name) && !counts.includes(name)),
    [],
  );
  t.end();
});

t.test("every invariant is a file that says which it is, and is judged in every world", (t) => {
  const folder = join(top, "test/sim/check");
  const source = (file: string): string => readFileSync(join(folder, file), "utf8");
  for (const [id, file] of invariants.inOrder) t.match(source(file).split("*/")[0], new RegExp(`${id}\\b`), `${id}: ${file}`);
  const ids = new Set(invariants.inOrder.map(([id]) => id));
  const wanted = [...Array.from({ length: 28 }, (_, i) => `I-${i + 1}`), ...Array.from({ length: 7 }, (_, i) => `L-${i + 1}`)];
  t.same([...ids].sort(), wanted.sort());
  const files = readdirSync(folder).filter((file) => !file.endsWith(".test.ts") && source(file).includes("extends Invariant"));
  t.same(
    files.sort(),
    [...new Set(invariants.inOrder.map(([, file]) => file))].sort(),
    "every file of an invariant has a number",
  );
  const judged = new Cluster({ seed: 1, voters: 3, observers: 0, clients: 1 }).checks.invariants().map((one) => one.constructor);
  const all = Object.values(invariants).filter((value) => typeof value === "function");
  t.same(
    all.filter((one) => !judged.includes(one)).map((one) => one.name),
    [],
  );
  t.equal(all.length, files.length, "one invariant a file");
  t.end();
});
