/**
 * The schedules that break weaker rules, one function each, told as they happen. A script sets the
 * stage and forces the dangerous order; the checks judge. It returns what must have happened for the
 * run to mean anything; over its seeds each of these must have been seen at least once.
 */
import { epochOf, type Zxid } from "../../../src/model/zxid.ts";
import type { PeerMessage } from "../../../src/zab/message.ts";
import { Violation } from "../check/violation.ts";
import { calmNetwork } from "../network.ts";
import { Stage } from "./stage.ts";

export interface Schedule {
  readonly name: string;
  readonly seeds: number;
  /** Names of the things that happened. */
  readonly play: (seed: number, trace?: (line: string) => void) => readonly string[];
  readonly mustSee: readonly string[];
}

type Trace = ((line: string) => void) | undefined;
const traced = (trace: Trace) => (trace === undefined ? {} : { trace });
const is = (type: PeerMessage["type"]) => (message: PeerMessage) => message.type === type;

/** 1: B has saved E′ and acked, its link clogs; C is slow; the leader dies. What was acked in E must be in the next leader's log. */
function handoverOverlaps(seed: number, trace: Trace): string[] {
  const stage = new Stage(seed, { limits: { handover_counter: 20, counter_max: 40 }, clients: 2, ...traced(trace) });
  const { cluster, random } = stage;
  stage.start(3, 1);
  const leader = stage.leaderId;
  const [c = 0, b = 0] = stage.others(leader);
  cluster.server(c).slowDiskMs = random.between(2, 30);
  stage.keepWriting(0, "/w");
  stage.keepWriting(1, "/v");
  const acked = stage.when(
    b,
    leader,
    (m) => m.type === "ack" && m.newLeader && m.epoch > 1,
    () => {
      cluster.network.block(b, leader);
      cluster.scheduler.after(random.between(0, 60), () => cluster.server(leader).crash(false));
    },
  );
  cluster.run(600);
  cluster.network.unblockAll();
  cluster.until("B and C have a leader", () => cluster.leader !== undefined, 10_000);
  stage.finish();
  return acked.happened ? ["B acked NEWLEADER(E′)"] : [];
}

/** 3: B, wiped, returns and reaches only the deposed leader A, which has not stepped down yet. A must not count it. */
function rejoinThroughDeposedLeader(seed: number, trace: Trace): string[] {
  const stage = new Stage(seed, traced(trace));
  const { cluster, random } = stage;
  stage.start(3, 1);
  const a = stage.leaderId;
  const [c = 0, b = 0] = stage.others(a);
  cluster.client(1).pinned = c;
  for (const id of [b, c]) {
    cluster.cut(a, id);
    cluster.peers.break(a, id);
  }
  stage.keepWriting(1, "/new");
  cluster.until(
    "B and C have elected another",
    () => cluster.servers.some((s) => s.id !== a && s.status()?.role === "leading"),
    900,
  );
  const old = stage.create(0, "/old");
  cluster.run(random.between(20, 150));
  cluster.server(b).wipe();
  cluster.checks.wiped(cluster.server(b));
  cluster.cut(b, c);
  cluster.heal(a, b);
  cluster.server(b).start(true);
  const stillLeads = cluster.server(a).status()?.role === "leading";
  cluster.run(1_500);
  const acked = old.state === "done";
  stage.finish();
  return [...(stillLeads ? ["the deposed leader still leads"] : []), ...(acked ? [] : ["its client is not answered"])];
}

/** 4: after a power cut all three start with --rejoin, left in their unit files: they must come up. */
function rejoinLeftInUnitFiles(seed: number, trace: Trace): string[] {
  const stage = new Stage(seed, traced(trace));
  const { cluster } = stage;
  stage.start(1, 2);
  stage.done(stage.create(0, "/a"));
  for (const server of cluster.servers) server.crash(false);
  cluster.run(50);
  for (const server of cluster.servers) server.start(true);
  cluster.until("they lead again", () => cluster.leader?.status()?.serving === true);
  stage.done(stage.create(1, "/b"));
  stage.finish();
  return ["back"];
}

/** 5: the leader's own disk is slower than its followers': it commits what it has not applied, and reads at it must wait. */
function leaderReadsBehindItsCommit(seed: number, trace: Trace): string[] {
  const stage = new Stage(seed, { clients: 2, ...traced(trace) });
  const { cluster, random } = stage;
  stage.start(1, 3);
  const leader = stage.leaderId;
  cluster.client(1).pinned = leader;
  cluster.server(leader).slowDiskMs = random.between(5, 30);
  let behind = 0;
  for (let i = 0; i < 20; i += 1) {
    stage.done(stage.create(0, `/n${i}`));
    const status = cluster.server(leader).status();
    if (status !== undefined && status.lastAppliedZxid < status.lastCommittedZxid) behind += 1;
    const read = stage.done(stage.read(1, `/n${i}`));
    if (read.outcome?.code !== "OK") throw new Error("a stale read got past the checks");
  }
  // And a new leader that still applies its initial history.
  cluster.server(leader).crash(false);
  cluster.client(1).pinned = undefined;
  stage.done(stage.read(1, "/n19"));
  stage.finish();
  return behind > 0 ? ["committed before applied"] : [];
}

/** 7: the founding is interrupted anywhere; or two servers begin it apart. It must come to one cluster. */
function foundingInterrupted(seed: number, trace: Trace): string[] {
  const stage = new Stage(seed, { clients: 1, ...traced(trace) });
  const { cluster, random } = stage;
  if (random.chance(0.5)) cluster.isolate(1 + random.below(3));
  for (const server of cluster.servers) cluster.scheduler.after(random.between(0, 20), () => server.start());
  for (let i = 0; i < 3; i += 1) {
    cluster.run(random.between(0.5, 12));
    const server = random.pick(cluster.servers);
    if (random.chance(0.5)) server.crash(random.chance(0.5));
    else server.kill();
    cluster.scheduler.after(random.between(0, 20), () => server.start());
  }
  cluster.run(50);
  cluster.network.unblockAll();
  cluster.startClients();
  cluster.until("it is founded", () => cluster.leader?.status()?.serving === true, 15_000);
  stage.finish();
  const ids = new Set(cluster.servers.map((server) => server.status()?.clusterId));
  if (ids.size !== 1) throw new Error(`${ids.size} cluster ids`);
  return ["founded"];
}

/** 8: the leader refuses #n with OVERLOADED and dies; its successor must not let #n+1 pass first. */
function gapAfterOverload(seed: number, trace: Trace): string[] {
  const stage = new Stage(seed, { limits: { outstanding_txns_max: 4 }, clients: 2, ...traced(trace) });
  const { cluster, random } = stage;
  stage.start(1, 2);
  const leader = stage.leaderId;
  const at = stage.others(leader);
  for (const [i, server] of at.entries()) cluster.client(i).pinned = server;
  cluster.run(300);
  cluster.peers.sendHooks.push((_from, _to, message) => {
    if (message.type === "refusal" && message.code === "OVERLOADED" && !/^\d+ ms/.test(message.detail))
      throw new Violation("OVERLOADED says how long to wait", message.detail);
  });
  for (let round = 0; round < 6; round += 1) {
    for (const i of [0, 1])
      for (let n = 0; n < 6; n += 1) if (cluster.client(i).session !== undefined) stage.create(i, `/r${round}-${i}-${n}`);
    cluster.run(random.between(0.5, 6));
    const now = cluster.leader;
    if (now !== undefined && random.chance(0.6)) {
      now.crash(false);
      cluster.scheduler.after(random.between(20, 300), () => now.start());
    }
    cluster.run(random.between(100, 900));
  }
  stage.finish();
  return cluster.history.operations.some((operation) => operation.refusals > 0) ? ["refused"] : [];
}

/** 9: #n is stuck on X→leader; the client resends it through Y, is answered, goes on; then X's copy arrives. */
function slowPathDeliversAckedSeq(seed: number, trace: Trace): string[] {
  const stage = new Stage(seed, { clients: 1, ...traced(trace) });
  const { cluster, random } = stage;
  stage.start(1);
  const leader = stage.leaderId;
  const [x = 0, y = 0] = stage.others(leader);
  cluster.client(0).pinned = x;
  cluster.client(0).disconnect();
  cluster.until("at X", () => cluster.client(0).connected && cluster.client(0).server === x);
  stage.done(stage.create(0, "/q"));
  cluster.network.block(x, leader);
  const stuck = stage.create(0, "/q/n-", { sequential: true });
  cluster.run(random.between(1, 40));
  cluster.client(0).pinned = y;
  cluster.client(0).disconnect();
  stage.done(stuck);
  for (let i = 0; i < 1 + random.below(4); i += 1) stage.done(stage.create(0, "/q/n-", { sequential: true }));
  cluster.network.unblock(x, leader);
  cluster.run(200);
  stage.finish();
  return stuck.sends > 1 ? ["sent twice"] : [];
}

/** 10: calls are given up while they are refused; the session must go on. */
function givenUpCalls(seed: number, trace: Trace): string[] {
  const stage = new Stage(seed, { limits: { outstanding_txns_max: 4 }, callMs: 60, clients: 1, ...traced(trace) });
  const { cluster, random } = stage;
  stage.start(1);
  const leader = stage.leaderId;
  for (let round = 0; round < 8; round += 1) {
    if (random.chance(0.5)) {
      const b = random.pick(stage.others(leader));
      cluster.network.block(leader, b);
      cluster.scheduler.after(random.between(20, 200), () => cluster.network.unblock(leader, b));
    }
    for (let n = 0; n < 8; n += 1) stage.create(0, `/r${round}-${n}`);
    cluster.run(random.between(20, 250));
  }
  cluster.run(500);
  cluster.network.unblockAll();
  const last = stage.create(0, "/last");
  cluster.until("a later call is answered", () => last.state !== "open" || cluster.client(0).outstanding === 0, 3_000);
  stage.finish();
  return cluster.history.operations.some((operation) => operation.state === "skipped") ? ["skipped"] : [];
}

/** 12: C looks already; B acks A's heartbeat, then the link A–B goes. Until B's promise ends nobody may commit without A. */
function voteInsidePromise(seed: number, trace: Trace): string[] {
  const stage = new Stage(seed, { clients: 3, ...traced(trace) });
  const { cluster, random } = stage;
  stage.start(3, 2, 1);
  const a = stage.leaderId;
  const [c = 0, b = 0] = stage.others(a);
  cluster.client(0).pinned = a;
  cluster.client(1).pinned = b;
  cluster.isolate(c);
  cluster.until("C looks", () => cluster.server(c).status()?.role === "looking", 6_000);
  stage.keepReading(0, "/x");
  stage.keepWriting(1, "/x", 0.5);
  cluster.heal(b, c);
  cluster.run(random.between(20, 60));
  const acked = stage.when(b, a, is("heartbeatAck"), () => cluster.cut(a, b));
  const restart = random.chance(0.4);
  if (restart) {
    cluster.run(random.between(5, 40));
    // The promise is not on disk: after the restart it must be kept all the same.
    cluster.server(b).kill();
    cluster.server(b).start();
  }
  cluster.run(900);
  const elected = cluster.servers.some((s) => s.id !== a && s.status()?.role === "leading");
  stage.finish();
  return [
    ...(acked.happened ? ["acked, then cut"] : []),
    ...(elected ? ["another leader"] : []),
    ...(restart ? ["B restarted inside its promise"] : []),
  ];
}

/** 13: of five only A holds its last entry; A is elected again and syncs B, then both die: nobody may have seen the entry. */
function commitInsideSyncStream(seed: number, trace: Trace): string[] {
  const stage = new Stage(seed, { voters: 5, clients: 2, ...traced(trace) });
  const { cluster, random } = stage;
  stage.start(5, 4);
  const a = stage.leaderId;
  const [e = 0, d = 0, c = 0, b = 0] = stage.others(a);
  cluster.client(0).pinned = a;
  cluster.client(1).pinned = b;
  stage.done(stage.create(0, "/base"));
  for (const id of [b, c, d, e]) cluster.network.block(a, id);
  stage.create(0, "/alone");
  cluster.run(20);
  for (const server of cluster.servers) server.crash(false);
  cluster.network.unblockAll();
  for (const id of [a, b, c]) cluster.server(id).start();
  stage.keepReading(1, "/alone", 0.5, { type: "session" });
  const synced = stage.when(a, b, is("newLeader"), () => {
    cluster.scheduler.after(random.between(0, 12), () => {
      cluster.server(a).crash(false);
      cluster.server(b).crash(false);
    });
  });
  cluster.run(1_500);
  for (const id of [d, e]) cluster.server(id).start();
  cluster.run(2_500);
  stage.finish();
  return synced.happened ? ["A synced B"] : [];
}

/** 14: B's fdatasync is in flight when it loses the leader; what it says of its log must be what a restart finds. */
function droppedCompletion(seed: number, trace: Trace): string[] {
  const stage = new Stage(seed, { clients: 2, ...traced(trace) });
  const { cluster, random } = stage;
  stage.start(3, 1);
  for (let round = 0; round < 3; round += 1) {
    cluster.until("a leader", () => cluster.leader?.status()?.serving === true);
    const leader = stage.leaderId;
    const b = random.pick(stage.others(leader));
    stage.keepWriting(0, `/r${round}-`);
    cluster.server(b).slowDiskMs = random.between(10, 120);
    cluster.run(random.between(20, 80));
    cluster.isolate(leader);
    cluster.run(random.between(100, 700));
    cluster.server(b).slowDiskMs = 0;
    cluster.run(random.between(0, 300));
    cluster.rejoin(leader);
    cluster.server(b).crash(false);
    cluster.run(20);
    cluster.server(b).start();
    cluster.run(300);
  }
  stage.finish();
  return ["played"];
}

/** 15: a list right after a create in the same session must show it, whatever image it is served from. */
function listOlderThanSession(seed: number, trace: Trace): string[] {
  const stage = new Stage(seed, { clients: 2, limits: { flush_interval_ms: 1_000 }, ...traced(trace) });
  stage.start(1, 2);
  stage.done(stage.create(0, "/q"));
  for (let i = 0; i < 12; i += 1) {
    stage.create(0, `/q/${i}`);
    const list = stage.done(
      stage.call(
        0,
        { type: "list", path: "/q", recursive: false, prefix: `${i}`, withData: false, limit: 4, cursor: undefined },
        false,
        { type: "session" },
      ),
    );
    const result = list.outcome?.result;
    if (result?.type !== "list" || !result.entries.some((entry) => entry.path === `/q/${i}`))
      throw new Error(`the list lacks /q/${i}`);
  }
  stage.finish();
  return ["listed"];
}

/** 16 and 22: a client goes on talking to a server that is cut from the leader, or to a deposed leader; it must stop believing before its session is expired. */
function twoHolders(seed: number, trace: Trace): string[] {
  const stage = new Stage(seed, { clients: 2, sessionTimeoutMs: 500, ...traced(trace) });
  const { cluster, random } = stage;
  stage.start(1, 2);
  const leader = stage.leaderId;
  const cutOff = random.chance(0.5) ? leader : random.pick(stage.others(leader));
  cluster.client(0).pinned = cutOff;
  cluster.client(1).pinned = undefined;
  cluster.client(0).disconnect();
  cluster.until("at the server that will be cut off", () => cluster.client(0).connected && cluster.client(0).server === cutOff);
  stage.done(stage.create(0, "/lock", { kind: "ephemeral" }));
  stage.keepReading(0, "/lock", 100, { type: "session" });
  cluster.run(random.between(0, 200));
  for (const other of stage.others(cutOff)) {
    cluster.network.block(cutOff, other);
    if (random.chance(0.7)) cluster.network.block(other, cutOff);
  }
  cluster.run(4_000);
  const expired = cluster.checks.expiry.expired > 0;
  stage.finish();
  return expired ? ["expired"] : [];
}

/** 17: a cut leaves valid bytes behind the end of the log, the next batch is torn by a crash: not damage. */
function staleBytesBehindCut(seed: number, trace: Trace): string[] {
  const stage = new Stage(seed, { clients: 2, limits: { log_segment_bytes: 4_096 }, ...traced(trace) });
  const { cluster, random } = stage;
  stage.start(3, 1);
  const a = stage.leaderId;
  cluster.client(0).pinned = a;
  for (const id of stage.others(a)) cluster.network.block(a, id);
  for (let i = 0; i < 6; i += 1) stage.create(0, `/tail${i}`);
  cluster.run(random.between(10, 60));
  cluster.server(a).crash(false);
  cluster.network.unblockAll();
  cluster.client(1).pinned = stage.others(a)[0];
  cluster.until("another leader", () => cluster.leader !== undefined);
  stage.keepWriting(1, "/after", 2);
  cluster.run(random.between(50, 200));
  cluster.client(0).pinned = undefined;
  for (let i = 0; i < 4; i += 1) {
    cluster.server(a).start();
    cluster.run(random.between(20, 260));
    cluster.server(a).crash(false);
    cluster.run(5);
  }
  stage.finish();
  return cluster.checks.marks.has("trunc") ? ["TRUNC"] : [];
}

/** 19: no writes, and the leader dies again and again: cluster time must go on, and the TTL node go. */
function idleTtl(seed: number, trace: Trace): string[] {
  const stage = new Stage(seed, { clients: 1, ...traced(trace) });
  const { cluster } = stage;
  stage.start(1);
  stage.done(stage.create(0, "/t", { kind: "ttl", ttlMs: 6_000 }));
  for (let i = 0; i < 5; i += 1) {
    cluster.run(2_500);
    const leader = cluster.leader;
    leader?.crash(false);
    cluster.run(30);
    leader?.start();
    cluster.until("a leader", () => cluster.leader?.status()?.serving === true);
  }
  const read = stage.done(stage.read(0, "/t"));
  if (read.outcome?.code !== "NO_NODE") throw new Error("the TTL node is still there");
  stage.finish();
  return ["reaped"];
}

/** 20 and 21: the leader's machine sleeps, or its process stands still inside a turn, while another leads; then it meets reads that came meanwhile. */
function pausedLeader(kind: "pause" | "suspend", point: "between turns" | "before the clock" | "before the effects") {
  return (seed: number, trace: Trace): string[] => {
    // Links that live long: the paused leader is not told by its kernel that the others are gone.
    const network = { ...calmNetwork, deadMinMs: 6_000, deadMaxMs: 9_000 };
    const stage = new Stage(seed, { clients: 2, sessionTimeoutMs: 20_000, network, ...traced(trace) });
    const { cluster, random } = stage;
    stage.start(3, 1);
    const leader = stage.leaderId;
    cluster.client(0).pinned = leader;
    cluster.client(1).pinned = stage.others(leader)[0];
    cluster.client(1).disconnect();
    cluster.until("at the servers", () => cluster.clients.every((client) => client.connected && client.server === client.pinned));
    // Slow enough that some are asked late in the pause, after another leader's commits.
    stage.keepReading(0, "/x1", 160);
    stage.keepWriting(1, "/x", 5);
    cluster.run(random.between(20, 50));
    const before = cluster.checks.ghost.tip;
    cluster.server(leader).pause(random.between(1_800, 2_600), kind, point);
    cluster.isolate(leader);
    cluster.run(4_000);
    cluster.rejoin(leader);
    const moved = epochOf(cluster.checks.ghost.tip) > epochOf(before as Zxid);
    stage.finish();
    return moved ? ["another epoch meanwhile"] : [];
  };
}

/** 23: the leader dies with an expiry on its way; whoever leads next applies it, or decides anew; ephemerals go with their session, once. */
function expiryOverEpochs(seed: number, trace: Trace): string[] {
  const stage = new Stage(seed, { clients: 2, sessionTimeoutMs: 300, ...traced(trace) });
  const { cluster, random } = stage;
  stage.start(1, 2);
  stage.done(stage.create(0, "/e", { kind: "ephemeral" }));
  for (const server of cluster.servers) cluster.cut(cluster.client(0).id, server.id);
  const leader = stage.leaderId;
  cluster.until("the expiry is proposed", () => cluster.checks.marks.has("session expired"), 5_000);
  cluster.scheduler.after(random.between(0, 4), () => cluster.server(leader).crash(false));
  cluster.run(2_000);
  stage.finish();
  return ["expired"];
}

/** 24: a refusal's reply is lost, the world changes, the write is sent again: the first answer stands. */
function refusalIsLogged(seed: number, trace: Trace): string[] {
  const stage = new Stage(seed, { clients: 2, ...traced(trace) });
  const { cluster, random } = stage;
  stage.start(1, 2);
  stage.done(stage.create(1, "/a"));
  const refused = stage.create(0, "/a");
  const server = cluster.client(0).server;
  cluster.network.block(server, cluster.client(0).id);
  cluster.run(random.between(5, 20));
  stage.done(stage.call(1, { type: "delete", path: "/a", version: -1 }, true));
  cluster.client(0).disconnect();
  cluster.network.unblock(server, cluster.client(0).id);
  stage.done(refused);
  if (refused.outcome?.code !== "NODE_EXISTS") throw new Error(`the resent write was decided anew: ${refused.outcome?.code}`);
  stage.finish();
  return refused.sends > 1 ? ["sent twice"] : [];
}

/** 26: a follower with streams on it falls so far behind that it gets a snapshot: its streams must not skip. */
function snapPastStreams(seed: number, trace: Trace): string[] {
  const stage = new Stage(seed, {
    clients: 2,
    sessionTimeoutMs: 20_000,
    limits: { history_txns_min: 8, history_bytes_min: 512, history_bytes_max: 2_048, log_segment_bytes: 4_096 },
    ...traced(trace),
  });
  const { cluster, random } = stage;
  stage.start(1, 3);
  const leader = stage.leaderId;
  const [c = 0] = stage.others(leader);
  cluster.client(0).pinned = c;
  cluster.client(1).pinned = leader;
  cluster.client(0).disconnect();
  cluster.until("at C", () => cluster.client(0).connected && cluster.client(0).server === c);
  cluster.client(0).subscribe({ path: "/", recursive: true, withData: true });
  stage.keepWriting(1, "/n", 2);
  cluster.run(random.between(50, 100));
  cluster.isolate(c);
  cluster.run(random.between(2_000, 2_500));
  cluster.rejoin(c);
  cluster.run(2_000);
  stage.finish();
  return cluster.checks.marks.has("snap") ? ["SNAP"] : [];
}

/** 6: power cuts on all three, again and again, while little history is kept: no hole between log and store. */
function logCutBelowStore(seed: number, trace: Trace): string[] {
  const stage = new Stage(seed, {
    clients: 2,
    limits: {
      history_txns_min: 4,
      history_bytes_min: 128,
      history_bytes_max: 1_024,
      log_segment_bytes: 4_096,
      flush_interval_ms: 30,
    },
    ...traced(trace),
  });
  const { cluster, random } = stage;
  stage.start(1, 2);
  stage.keepWriting(0, "/a", 1);
  stage.keepWriting(1, "/b", 1);
  for (let i = 0; i < 5; i += 1) {
    cluster.run(random.between(100, 500));
    for (const server of cluster.servers) server.crash(false);
    cluster.run(10);
    for (const server of cluster.servers) server.start();
    cluster.until("a leader", () => cluster.leader?.status()?.serving === true);
  }
  stage.finish();
  return ["played"];
}

/** The lowest id is wiped and comes back with --rejoin; it hears both peers in one turn, and its log is idle by then: it must not found anew. */
function wipedFounder(seed: number, trace: Trace): string[] {
  const stage = new Stage(seed, traced(trace));
  const { cluster, random } = stage;
  stage.start(2, 3);
  stage.done(stage.create(0, "/a"));
  const founder = cluster.server(1);
  founder.wipe();
  cluster.checks.wiped(founder);
  cluster.run(50);
  const found = stage.when(1, undefined, is("found"), () => undefined);
  founder.start(true);
  // Links come up and the disk is done while the process stands still.
  cluster.scheduler.after(0.2 + random.below(12), () => founder.pause(50 + random.below(50), "pause", "between turns"));
  cluster.run(1_000);
  if (found.happened) throw new Error("a wiped server founded the ensemble again");
  stage.finish();
  return ["came back"];
}

/** A write is prepared and not committed; the client reconnects and sends it again while the leader is full: whatever it is told, `failed` must be true. */
function refusedAlthoughPrepared(seed: number, trace: Trace): string[] {
  const stage = new Stage(seed, { limits: { outstanding_txns_max: 4 }, clients: 1, callMs: 250, sdkShare: 1, ...traced(trace) });
  const { cluster, random } = stage;
  stage.start(1);
  const leader = stage.leaderId;
  const client = cluster.client(0);
  client.pinned = leader;
  client.disconnect();
  cluster.until("at the leader", () => client.connected && client.server === leader);
  for (const id of stage.others(leader)) cluster.network.block(leader, id);
  for (let i = 0; i < 5 + random.below(4); i += 1) stage.create(0, `/n${i}`);
  cluster.run(random.between(5, 40));
  client.disconnect();
  cluster.run(400);
  cluster.network.unblockAll();
  cluster.run(500);
  client.pinned = undefined;
  stage.finish();
  return cluster.history.operations.some((operation) => operation.state === "failed" && operation.seq > 0)
    ? ["called failed"]
    : [];
}

export const schedules: readonly Schedule[] = [
  { name: "1 the hand-over overlaps the old epoch", seeds: 10, play: handoverOverlaps, mustSee: ["B acked NEWLEADER(E′)"] },
  {
    name: "3 rejoin through a leader that is already deposed",
    seeds: 8,
    play: rejoinThroughDeposedLeader,
    mustSee: ["the deposed leader still leads", "its client is not answered"],
  },
  { name: "4 rejoin left in the unit files", seeds: 3, play: rejoinLeftInUnitFiles, mustSee: ["back"] },
  {
    name: "5 the leader reads behind its own commit",
    seeds: 4,
    play: leaderReadsBehindItsCommit,
    mustSee: ["committed before applied"],
  },
  { name: "6 the log is cut below what the store has synced", seeds: 4, play: logCutBelowStore, mustSee: ["played"] },
  { name: "7 founding interrupted", seeds: 40, play: foundingInterrupted, mustSee: ["founded"] },
  { name: "8 a gap after an OVERLOADED refusal over a failover", seeds: 8, play: gapAfterOverload, mustSee: ["refused"] },
  { name: "9 a slow path delivers an acknowledged seq", seeds: 8, play: slowPathDeliversAckedSeq, mustSee: ["sent twice"] },
  { name: "10 given-up calls do not wedge the session", seeds: 6, play: givenUpCalls, mustSee: ["skipped"] },
  {
    name: "12 a vote inside a promise",
    seeds: 10,
    play: voteInsidePromise,
    mustSee: ["acked, then cut", "another leader", "B restarted inside its promise"],
  },
  { name: "13 a COMMIT inside a sync stream", seeds: 10, play: commitInsideSyncStream, mustSee: ["A synced B"] },
  { name: "14 a dropped completion", seeds: 6, play: droppedCompletion, mustSee: ["played"] },
  { name: "15 a list older than the session", seeds: 3, play: listOlderThanSession, mustSee: ["listed"] },
  { name: "16 and 22 two holders; a ping confirmed by a deposed leader", seeds: 10, play: twoHolders, mustSee: ["expired"] },
  { name: "17 stale bytes behind a cut", seeds: 8, play: staleBytesBehindCut, mustSee: ["TRUNC"] },
  { name: "19 idle TTL", seeds: 2, play: idleTtl, mustSee: ["reaped"] },
  { name: "20 suspend", seeds: 3, play: pausedLeader("suspend", "between turns"), mustSee: ["another epoch meanwhile"] },
  {
    name: "21 the inbox after the clock",
    seeds: 4,
    play: pausedLeader("pause", "before the clock"),
    mustSee: ["another epoch meanwhile"],
  },
  {
    name: "21b a pause before the effects",
    seeds: 3,
    play: pausedLeader("pause", "before the effects"),
    mustSee: ["another epoch meanwhile"],
  },
  { name: "23 an expiry over epochs", seeds: 6, play: expiryOverEpochs, mustSee: ["expired"] },
  { name: "24 a refusal is logged", seeds: 4, play: refusalIsLogged, mustSee: ["sent twice"] },
  { name: "27 refused although prepared", seeds: 6, play: refusedAlthoughPrepared, mustSee: [] },
  { name: "28 the wiped founder meets both peers at once", seeds: 10, play: wipedFounder, mustSee: ["came back"] },
  { name: "26 SNAP past live streams", seeds: 3, play: snapPastStreams, mustSee: ["SNAP"] },
];
