/** The checkers' own tests: histories that break a promise must be refused, and their honest twins accepted. */
import t from "tap";
import { tinyLimits } from "../../../src/model/limits.ts";
import { type Outcome, success } from "../../../src/model/request.ts";
import { type Epoch, makeEpoch, makeZxid, type SessionId, type Zxid } from "../../../src/model/zxid.ts";
import type { Txn, TxnBody } from "../../../src/tree/txn.ts";
import { encodeTxn } from "../../../src/wire/txn-codec.ts";
import type { ProposalMessage } from "../../../src/zab/message.ts";
import { SimClock } from "../clock.ts";
import { History } from "../history.ts";
import { EpochChecks } from "./epochs.ts";
import { ExpiryChecks } from "./expiry.ts";
import { GhostLog } from "./ghost-log.ts";
import { Model } from "./model.ts";
import { PromiseChecks } from "./promises.ts";
import { ReplyChecks } from "./replies.ts";

const z = (epoch: number, counter: number): Zxid => makeZxid(makeEpoch(epoch), counter);
const session = z(1, 1) as number as SessionId;

function proposal(prev: Zxid, ...zxids: Zxid[]): ProposalMessage {
  return {
    type: "proposal",
    epoch: 1 as Epoch,
    prev,
    entries: zxids.map((zxid) => ({ zxid, payload: Uint8Array.of(zxid % 251) })),
  };
}

function txn(zxid: Zxid, body: TxnBody, seq = 0): Txn {
  return {
    zxid,
    wallMs: 1,
    stampMs: 1,
    body,
    source: seq === 0 ? { type: "internal", session: 0 } : { type: "session", session, seq, ackedSeq: 0 },
  };
}

const create = (path: string, owner: SessionId | 0 = 0): TxnBody => ({
  type: "create",
  path,
  data: undefined,
  acl: { id: 1, added: undefined },
  kind: owner === 0 ? "persistent" : "ephemeral",
  owner,
  ttlMs: 0,
});

t.test("ghost log", (t) => {
  const ghost = new GhostLog();
  ghost.onProposal(proposal(z(0, 0), z(1, 1), z(1, 2), z(1, 3)), 1, 0);
  ghost.onProposal(proposal(z(1, 1), z(1, 2)), 2, 0);
  ghost.onCommitted(z(1, 2), 1, 0);
  t.throws(
    () => ghost.onProposal({ ...proposal(z(1, 1)), entries: [{ zxid: z(1, 2), payload: Uint8Array.of(9) }] }, 1, 0),
    /two payloads/,
  );
  t.throws(() => ghost.onProposal(proposal(z(1, 2), z(1, 5)), 1, 0), /log density/);
  ghost.onProposal(proposal(z(1, 1), z(2, 1)), 2, 0);
  t.throws(() => ghost.onCommitted(z(2, 1), 2, 0), /committed log/, "it passes by the committed 1:2");
  t.throws(() => ghost.onCommitted(z(3, 1), 2, 0), /never broadcast/);
  t.equal(ghost.contains(z(1, 3)), true);
  t.equal(ghost.contains(z(2, 1)), false);
  t.end();
});

t.test("epochs", (t) => {
  const ghost = new GhostLog();
  const epochs = new EpochChecks(ghost);
  const newLeader = (epoch: number, zxid: Zxid) => ({ type: "newLeader", epoch: makeEpoch(epoch), zxid, member: true }) as const;
  const upToDate = (epoch: number, committed: Zxid) => ({ type: "upToDate", epoch: makeEpoch(epoch), committed }) as const;
  ghost.onProposal(proposal(z(0, 0), z(1, 1), z(1, 2)), 1, 0);
  epochs.onSend(1, newLeader(1, z(0, 0)), 0);
  epochs.onSend(1, upToDate(1, z(0, 0)), 0);
  t.throws(() => epochs.onSend(2, newLeader(1, z(0, 0)), 0), /one leader an epoch/);
  ghost.onCommitted(z(1, 2), 1, 0);
  epochs.onSend(2, newLeader(2, z(1, 1)), 0);
  t.throws(() => epochs.onSend(2, upToDate(2, z(1, 1)), 0), /committed is never lost/);
  const info = (acceptedEpoch: number) =>
    ({ type: "followerInfo", acceptedEpoch: makeEpoch(acceptedEpoch), observer: false, rejoining: false }) as const;
  epochs.onSend(3, info(5), 0);
  t.throws(() => epochs.onSend(3, info(4), 0), /epochs never fall/);
  epochs.onWipe(3);
  epochs.onSend(3, info(0), 0);
  t.end();
});

t.test("promises", (t) => {
  const checks = new PromiseChecks(tinyLimits, 3);
  for (const id of [1, 2, 3]) checks.add(id, new SimClock(0, 1, 0, 0));
  const vote = { type: "vote", state: "looking", round: 1, leader: 2, epoch: makeEpoch(1), zxid: z(1, 1), counts: true } as const;
  checks.onSend(1, 2, { type: "heartbeat", epoch: makeEpoch(1), id: 1 }, 1_000, 1_000);
  checks.onDeliver(1, 2, { type: "heartbeat", epoch: makeEpoch(1), id: 1 }, 1_010);
  checks.onSend(
    2,
    1,
    { type: "heartbeatAck", epoch: makeEpoch(1), id: 1, applied: z(1, 1), digestHigh: 0, digestLow: 0 },
    1_011,
    1_011,
  );
  checks.onDeliver(
    2,
    1,
    { type: "heartbeatAck", epoch: makeEpoch(1), id: 1, applied: z(1, 1), digestHigh: 0, digestLow: 0 },
    1_012,
  );
  t.throws(() => checks.onSend(2, 3, vote, 1_159, 1_159), /no vote inside a promise/);
  checks.onSend(2, 3, vote, 1_161, 1_161);
  t.throws(
    () => checks.onSend(3, 2, { type: "upToDate", epoch: makeEpoch(2), committed: z(1, 1) }, 1_050, 1_050),
    /one lease holder/,
  );
  checks.onSend(3, 2, { type: "upToDate", epoch: makeEpoch(3), committed: z(1, 1) }, 1_161, 1_161);
  checks.onStart(3, 2_000, false);
  t.throws(() => checks.onSend(3, 2, vote, 2_100, 2_100), /within P after boot/);
  t.end();
});

t.test("model", (t) => {
  const model = new Model();
  model.apply(txn(z(1, 1), { type: "createSession", timeoutMs: 1_000, passwordHash: new Uint8Array(32) }));
  model.apply(txn(z(1, 2), create("/a")));
  model.apply(txn(z(1, 3), create("/a/e", session)));
  t.throws(() => model.apply(txn(z(1, 4), create("/a"))), /which exists/);
  t.throws(() => model.apply(txn(z(1, 4), create("/b/c"))), /without a parent/);
  t.throws(() => model.apply(txn(z(1, 4), { type: "delete", path: "/a", acl: 1 })), /has children/);
  t.throws(() => model.apply(txn(z(1, 4), { type: "closeSession", session, removed: [] })), /owns \[\/a\/e\]/);
  t.throws(() => model.apply(txn(z(1, 4), create("/a/f", z(1, 9) as number as SessionId))), /not live/);
  model.apply(txn(z(1, 5), { type: "closeSession", session, removed: [{ path: "/a/e", acl: 1 }] }));
  t.throws(() => model.apply(txn(z(1, 6), { type: "closeSession", session, removed: [] })), /not live/);
  t.equal(model.at("/a/e", z(1, 4))?.owner, session);
  t.equal(model.at("/a/e", z(1, 5)), undefined);
  t.same(model.childrenAt("/a", z(1, 3)), ["e"]);
  t.end();
});

t.test("replies", (t) => {
  const ghost = new GhostLog();
  const model = new Model();
  const txns = new Map<Zxid, Txn>();
  const checks = new ReplyChecks(ghost, model, txns);
  ghost.listeners.push((entry) => {
    const committed = bodies.get(entry.zxid) as Txn;
    txns.set(entry.zxid, committed);
    model.apply(committed);
    checks.onCommitted(committed);
  });
  const bodies = new Map(
    [
      txn(z(1, 1), { type: "createSession", timeoutMs: 1_000, passwordHash: new Uint8Array(32) }),
      txn(z(1, 2), create("/a"), 1),
      txn(z(1, 3), create("/b"), 2),
      txn(z(1, 4), create("/c"), 2),
    ].map((x) => [x.zxid, x]),
  );
  ghost.onProposal(
    {
      type: "proposal",
      epoch: makeEpoch(1),
      prev: z(0, 0),
      entries: [...bodies.values()].map((x) => ({ zxid: x.zxid, payload: encodeTxn(x) })),
    },
    1,
    0,
  );
  ghost.onCommitted(z(1, 3), 1, 0);
  const history = new History();
  const read = (zxid: Zxid, outcome: Outcome, sessionFloor = z(0, 0)) => {
    const operation = history.begin({
      client: 1,
      session,
      request: { type: "exists", path: "/a", watch: false },
      isWrite: false,
      level: { type: "linearizable" },
      seq: 0,
      guards: [],
      invokedAt: 0,
      sessionFloor,
    });
    history.end(operation, 1, zxid, outcome);
    return operation;
  };
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
  checks.onReply(read(z(1, 2), success({ type: "stat", stat })), []);
  t.throws(() => checks.onReply(read(z(1, 4), success({ type: "stat", stat })), []), /no reply before commit/);
  history.shown = z(1, 3);
  t.throws(() => checks.onReply(read(z(1, 2), success({ type: "stat", stat })), []), /linearizable/);
  t.throws(
    () => checks.onReply(read(z(1, 3), success({ type: "stat", stat: { ...stat, version: 1 } })), []),
    /version is 1, should be 0/,
  );
  t.throws(() => checks.onReply(read(z(1, 3), { code: "NO_NODE", detail: "", result: { type: "none" } }), []), /the node exists/);
  t.throws(() => ghost.onCommitted(z(1, 4), 1, 0), /exactly once/, "seq 2 twice");
  t.end();
});

t.test("expiry", (t) => {
  const checks = new ExpiryChecks();
  checks.believes(session, 1_000);
  const close = txn(z(1, 9), { type: "closeSession", session, removed: [] });
  t.throws(() => checks.onCommitted(close, 999), /expiry is not early/);
  const late = new ExpiryChecks();
  late.believes(session, 1_000);
  late.onCommitted(close, 1_001);
  t.throws(() => late.believes(session, 1_500), /expiry is not early/, "a confirmation after the end");
  t.end();
});
