/**
 * ZooKeeper's historic bugs in election, synchronisation and broadcast, by their numbers: the situation of
 * each, forced by a script. What must not happen is what the checks hold always; a script adds what the
 * bug was about.
 */
import type { Request } from "../../../src/model/request.ts";
import { counterOf, epochOf } from "../../../src/model/zxid.ts";
import type { PeerMessage } from "../../../src/zab/message.ts";
import { Violation } from "../check/violation.ts";
import { createRequest } from "../create-request.ts";
import type { Schedule } from "./schedules.ts";
import { Stage, type StageOptions } from "./stage.ts";

type Trace = ((line: string) => void) | undefined;
const is = (type: PeerMessage["type"]) => (message: PeerMessage) => message.type === type;
const littleHistory = { history_txns_min: 8, history_bytes_min: 256, history_bytes_max: 2_048, log_segment_bytes: 4_096 };

interface Cast {
  readonly stage: Stage;
  readonly leader: number;
  readonly b: number;
  readonly c: number;
}

/** Three servers; client 0 at the leader, client 1 at B, unless told otherwise. */
function cast(seed: number, trace: Trace, options: StageOptions = {}): Cast {
  const stage = new Stage(seed, { clients: 2, sessionTimeoutMs: 20_000, ...options, ...(trace === undefined ? {} : { trace }) });
  stage.start(3, 1);
  const leader = stage.leaderId;
  const [b = 0, c = 0] = stage.others(leader);
  const { cluster } = stage;
  for (const [i, server] of [leader, b].entries()) {
    if (cluster.clients[i] === undefined) continue;
    cluster.client(i).pinned = server;
    if (cluster.client(i).server !== server) cluster.client(i).disconnect();
  }
  cluster.until("clients are at their servers", () =>
    cluster.clients.every((one) => one.connected && (one.pinned ?? one.server) === one.server),
  );
  return { stage, leader, b, c };
}

/** Cut off from the others, and both sides know it. */
function away(stage: Stage, id: number): void {
  stage.cluster.isolate(id);
  for (const other of stage.others(id)) stage.cluster.peers.break(id, other);
  stage.cluster.run(60);
}

/** So many nodes that the history of `littleHistory` does not go back to what was before. */
function fill(stage: Stage, prefix: string): void {
  for (let i = 0; i < 160; i += 1) stage.done(stage.create(0, `${prefix}${i}`));
  stage.cluster.run(500);
}

function must(condition: boolean, text: string): void {
  if (!condition) throw new Violation("scenario", text);
}

function serving(stage: Stage, id: number): boolean {
  return stage.cluster.server(id).status()?.serving === true;
}

/** 335, 790, 1154: a candidate whose NEWLEADER nobody has acked shows nothing of its epoch. */
function newEpochBeforeQuorum(seed: number, trace: Trace): string[] {
  const { stage, leader, b, c } = cast(seed, trace);
  const { cluster } = stage;
  stage.done(stage.create(0, "/a"));
  const sent = stage.when(
    undefined,
    undefined,
    (m) => m.type === "newLeader" && m.epoch > 1,
    (from, to) => cluster.network.block(to, from),
  );
  cluster.server(leader).crash(false);
  cluster.until("NEWLEADER is sent", () => sent.happened, 5_000);
  const until = cluster.scheduler.now + 600;
  while (cluster.scheduler.now < until) {
    cluster.run(5);
    for (const id of [b, c]) {
      const status = cluster.server(id).status();
      must(
        status === undefined || status.role !== "leading" || !cluster.network.isBlocked(b, c),
        "a candidate leads without a quorum",
      );
      if (cluster.network.isBlocked(b, c) && cluster.network.isBlocked(c, b)) break;
    }
  }
  stage.finish();
  return ["NEWLEADER unanswered"];
}

/** 1277, 2789, 4882, 4883: the counter ends again and again; nobody is elected for it, and writes go on. */
function counterEnds(seed: number, trace: Trace): string[] {
  const { stage } = cast(seed, trace, { limits: { handover_counter: 15, counter_max: 40 } });
  const { cluster } = stage;
  stage.keepWriting(0, "/a", 1);
  stage.keepWriting(1, "/b", 1);
  cluster.run(1_500);
  const marks = cluster.checks.marks;
  must((marks.get("established") ?? 0) === 1, "a new counter took an election");
  stage.finish();
  return (marks.get("handover") ?? 0) >= 5 ? ["five hand-overs"] : [];
}

/** Nobody writes once the counter has ended: one hand-over, and no other before there is something in the new epoch. */
function idleAfterHandover(seed: number, trace: Trace): string[] {
  const { stage } = cast(seed, trace, { limits: { handover_counter: 30, counter_max: 60 } });
  const { cluster } = stage;
  const handovers = (): number => cluster.checks.marks.get("handover") ?? 0;
  for (let i = 0; counterOf(cluster.checks.ghost.tip) < 30 && i < 60; i += 1) stage.done(stage.create(0, `/n${i}`));
  cluster.run(3_000);
  must(handovers() <= 1, `${handovers()} hand-overs, though nobody wrote after the first`);
  const idle = handovers() === 1;
  for (let i = 0; i < 40; i += 1) stage.done(stage.create(0, `/m${i}`));
  cluster.run(500);
  must(handovers() === 2, `${handovers()} hand-overs after two full counters`);
  stage.finish();
  return idle ? ["idle after a hand-over"] : [];
}

/** 1324: a learner gets one NEWLEADER an epoch over one link. */
function oneNewLeader(seed: number, trace: Trace): string[] {
  const { stage, leader, b } = cast(seed, trace, { limits: { handover_counter: 25, counter_max: 60 } });
  const { cluster, random } = stage;
  const seen = new Map<string, number>();
  let links = 0;
  cluster.peers.sendHooks.push((from, to, message) => {
    if (message.type === "followerInfo") links += 1;
    if (message.type !== "newLeader") return;
    const key = `${from} ${to} ${message.epoch}`;
    must(seen.get(key) !== links, `server ${to} got NEWLEADER(${message.epoch}) twice from server ${from}`);
    seen.set(key, links);
  });
  stage.keepWriting(0, "/a", 1);
  for (let i = 0; i < 4; i += 1) {
    cluster.run(random.between(60, 200));
    cluster.peers.break(leader, b);
  }
  cluster.run(300);
  stage.finish();
  return seen.size >= 3 ? ["NEWLEADERs"] : [];
}

/** 1514, 1732, 2164, 3922: a server that comes back late finds the established leader, whatever rounds it has been through. */
function joinerFindsLeader(seed: number, trace: Trace): string[] {
  const { stage, leader, c } = cast(seed, trace);
  const { cluster, random } = stage;
  cluster.isolate(c);
  cluster.run(random.between(1_500, 3_500));
  cluster.rejoin(c);
  cluster.until("the late one follows", () => serving(stage, c), 2_000);
  must(cluster.leader?.id === leader && cluster.leader.status()?.epoch === 1, "the leader was disturbed");
  stage.finish();
  return ["joined"];
}

/** 1549, 1653, 2307, 4269: a crash between any two steps of a synchronisation; the server starts again, always. */
function crashInsideSync(seed: number, trace: Trace): string[] {
  const { stage, c } = cast(seed, trace, { limits: littleHistory });
  const { cluster, random } = stage;
  stage.keepWriting(0, "/a", 2);
  let crashes = 0;
  for (let i = 0; i < 5; i += 1) {
    cluster.server(c).crash(false);
    cluster.run(random.between(50, 400));
    const began = stage.when(
      undefined,
      c,
      (m) => m.type === "snap" || m.type === "diff" || m.type === "trunc",
      () => {
        cluster.scheduler.after(random.between(0, 25), () => {
          if (!cluster.server(c).running) return;
          crashes += 1;
          cluster.server(c).crash(false);
        });
      },
    );
    cluster.server(c).start();
    cluster.run(700);
    must(began.happened, "no synchronisation began");
    cluster.server(c).start();
  }
  stage.finish();
  return crashes > 0 ? ["crashed inside"] : [];
}

/** 1621, 2332, 4813: the disk is full in the middle of an append, the tail is torn; the server starts again by itself. */
function tornByFullDisk(seed: number, trace: Trace): string[] {
  const { stage, leader, b } = cast(seed, trace);
  const { cluster, random } = stage;
  stage.keepWriting(1, "/a", 1);
  let halts = 0;
  for (const id of [b, leader]) {
    const server = cluster.server(id);
    cluster.run(random.between(20, 120));
    server.disk.nextCrash({ lostProbability: 0.2, tornProbability: 0.5, garbageProbability: 0.3 });
    server.failNext("disk", "ENOSPC");
    cluster.until("it has stopped", () => !server.running, 3_000);
    halts += 1;
    cluster.run(50);
    server.start();
    cluster.until("it serves again", () => serving(stage, id), 5_000);
  }
  stage.finish();
  return halts === 2 ? ["stopped twice"] : [];
}

/** 1624: a multi that fails half way takes its sequence numbers back; what is pipelined behind it gets them. */
function failedMultiRollsBack(seed: number, trace: Trace): string[] {
  const { stage } = cast(seed, trace);
  stage.done(stage.create(0, "/q"));
  const failing: Request = {
    type: "multi",
    conditions: [],
    then: [createRequest("/q/n-", true), { type: "delete", path: "/none", version: -1 }] as Extract<
      Request,
      { type: "multi" }
    >["then"],
    otherwise: undefined,
  };
  for (let i = 0; i < 3; i += 1) {
    stage.call(0, failing, true);
    const made = stage.done(stage.call(0, createRequest("/q/n-", true), true));
    const result = made.outcome?.result;
    must(result?.type === "created" && result.path === `/q/n-000000000${i}`, "a failed multi used up a sequence number");
  }
  stage.finish();
  return ["failed and went on"];
}

/** 1697: a snapshot that takes longer than any fixed time for it comes through, because it makes progress. */
function longSnapshot(seed: number, trace: Trace): string[] {
  const { stage, c } = cast(seed, trace, { limits: { ...littleHistory, snapshot_chunk_bytes: 128, establish_ms: 1_000 } });
  const { cluster } = stage;
  away(stage, c);
  fill(stage, "/n");
  cluster.network.options = { ...cluster.network.options, latencyMs: 60, jitterMs: 20 };
  const began = stage.when(undefined, c, is("snap"), () => undefined);
  const start = cluster.scheduler.now;
  cluster.rejoin(c);
  cluster.until("the snapshot has come through", () => serving(stage, c), 30_000);
  const took = cluster.scheduler.now - start;
  stage.finish();
  return began.happened && took > 1_000 ? ["longer than establish_ms"] : [];
}

/** 2355, 4837: the expiry that a cut-off leader has logged is truncated; its ephemerals live or die with the session. */
function truncatedExpiry(seed: number, trace: Trace): string[] {
  const { stage, leader } = cast(seed, trace, { sessionTimeoutMs: 400, clients: 2 });
  const { cluster, random } = stage;
  stage.done(stage.create(1, "/e", { kind: "ephemeral" }));
  for (const server of cluster.servers) cluster.cut(cluster.client(1).id, server.id);
  const proposed = stage.when(
    leader,
    undefined,
    (m) => m.type === "proposal",
    () => cluster.isolate(leader),
  );
  cluster.client(0).disconnect();
  cluster.run(random.between(500, 900));
  cluster.isolate(leader);
  cluster.run(2_500);
  cluster.rejoin(leader);
  cluster.run(1_500);
  stage.finish();
  return proposed.happened ? ["proposed, then cut off"] : [];
}

/** 2418: a learner that is behind all that the leader keeps gets a snapshot, not a stream with a hole. */
function behindTheHistory(seed: number, trace: Trace): string[] {
  const { stage, c } = cast(seed, trace, { limits: littleHistory });
  const { cluster, random } = stage;
  stage.done(stage.create(0, "/a"));
  away(stage, c);
  stage.keepWriting(0, "/n", 2);
  cluster.run(random.between(1_200, 1_800));
  cluster.rejoin(c);
  cluster.until("it has caught up", () => serving(stage, c), 6_000);
  stage.finish();
  return cluster.checks.marks.has("snap") ? ["SNAP"] : [];
}

/** 2678, 3023, 3911, 4646: power goes everywhere right after a learner has acked NEWLEADER; what it acked is there. */
function powerCutAfterNewLeader(seed: number, trace: Trace): string[] {
  const { stage, c } = cast(seed, trace);
  const { cluster, random } = stage;
  away(stage, c);
  for (let i = 0; i < 10; i += 1) stage.done(stage.create(0, `/n${i}`));
  const acked = stage.when(
    c,
    undefined,
    (m) => m.type === "ack" && m.newLeader,
    () => {
      cluster.scheduler.after(random.between(0, 1), () => {
        for (const server of cluster.servers) server.crash(false);
      });
    },
  );
  cluster.rejoin(c);
  cluster.until("acked", () => acked.happened, 6_000);
  cluster.run(20);
  for (const server of cluster.servers) server.start();
  stage.finish();
  return ["acked, then dark"];
}

/** 2845: a leader comes back as a follower; what it had proposed and not committed is not in its tree. */
function uncommittedTail(seed: number, trace: Trace): string[] {
  const { stage, leader, b } = cast(seed, trace);
  const { cluster } = stage;
  for (const id of stage.others(leader)) cluster.network.block(leader, id);
  const lost = stage.create(0, "/tail");
  cluster.run(1_400);
  cluster.network.unblockAll();
  cluster.until("another leads, all serve", () => cluster.servers.every((server) => serving(stage, server.id)), 6_000);
  const read = stage.done(stage.read(1, "/tail", { type: "session" }));
  cluster.run(200);
  stage.finish();
  must(read.outcome?.code === "NO_NODE" || lost.state === "done", "a txn that nobody committed is in a tree");
  return cluster.checks.marks.has("trunc") && b !== leader ? ["TRUNC"] : [];
}

/** 3056, 3781: the store is gone, the log is there: an old log alone never makes an empty tree; a leader sends one. */
function lostStore(seed: number, trace: Trace): string[] {
  const { stage, c } = cast(seed, trace, { limits: { ...littleHistory, flush_interval_ms: 50 } });
  const { cluster } = stage;
  for (let i = 0; i < 60; i += 1) stage.done(stage.create(0, `/n${i}`));
  cluster.run(800);
  const server = cluster.server(c);
  server.crash(false);
  server.stores.clear();
  server.start();
  const before = cluster.servers.map((each) => each.status()?.lastLoggedZxid ?? 0);
  cluster.until("it has fetched everything", () => serving(stage, c), 8_000);
  must((server.status()?.lastAppliedZxid ?? 0) >= Math.max(...before), "it served without what was there");
  stage.finish();
  return cluster.checks.marks.has("snap") ? ["SNAP"] : [];
}

/** 3104, 3127, 3144, 3306, 4846: snapshots are taken while multis, sessions and ACLs change; the copy is one moment. */
function snapshotUnderLoad(seed: number, trace: Trace): string[] {
  const { stage, c } = cast(seed, trace, { limits: littleHistory });
  const { cluster, random } = stage;
  stage.done(stage.create(0, "/m"));
  let n = 0;
  const more = (): void => {
    if (n >= 400) return;
    n += 1;
    const multi: Request = {
      type: "multi",
      conditions: [],
      then: [createRequest(`/m/a${n}`), createRequest(`/m/b${n}`)] as Extract<Request, { type: "multi" }>["then"],
      otherwise: undefined,
    };
    if (cluster.client(0).outstanding < 10 && cluster.client(0).session !== undefined) stage.call(0, multi, true);
    if (n % 3 === 0) stage.create(1, `/e${n}`, { kind: "ephemeral" });
    cluster.scheduler.after(4, more);
  };
  more();
  for (let i = 0; i < 2; i += 1) {
    away(stage, c);
    cluster.run(random.between(700, 1_000));
    cluster.rejoin(c);
    cluster.run(700);
  }
  n = 400;
  stage.finish();
  return cluster.checks.marks.has("snap") ? ["SNAP"] : [];
}

/** 3526, 4352: leaders that have just started and kept little must not TRUNC a learner that is right. */
function freshLeader(seed: number, trace: Trace): string[] {
  const { stage } = cast(seed, trace, { limits: littleHistory });
  const { cluster, random } = stage;
  stage.keepWriting(0, "/a", 2);
  for (let i = 0; i < 3; i += 1) {
    cluster.run(random.between(150, 400));
    const leader = cluster.leader;
    for (const server of cluster.servers) if (server !== leader) server.crash(false);
    leader?.crash(false);
    for (const server of random.shuffle(cluster.servers)) cluster.scheduler.after(random.between(0, 300), () => server.start());
    cluster.client(0).pinned = undefined;
    cluster.until("a leader", () => cluster.leader !== undefined, 8_000);
  }
  stage.finish();
  return ["three fresh leaders"];
}

/** 3642: a snapshot is interrupted; the learner must not take a DIFF on top of half of it. */
function interruptedSnapshot(seed: number, trace: Trace): string[] {
  const { stage, leader, c } = cast(seed, trace, { limits: { ...littleHistory, snapshot_chunk_bytes: 128 } });
  const { cluster, random } = stage;
  away(stage, c);
  fill(stage, "/n");
  let cuts = 0;
  cluster.peers.sendHooks.push((_from, to, message) => {
    if (to !== c || message.type !== "snapChunk" || message.index !== 2 || cuts >= 3) return;
    cuts += 1;
    cluster.scheduler.after(random.between(0, 5), () => cluster.peers.break(leader, c));
  });
  stage.keepWriting(0, "/after", 5);
  cluster.rejoin(c);
  cluster.run(3_000);
  stage.finish();
  return cuts > 0 ? ["interrupted"] : [];
}

/** 3220, 3575: a link on which nothing moves holds up no election among the others. */
function cloggedElection(seed: number, trace: Trace): string[] {
  const stage = new Stage(seed, { voters: 5, clients: 1, ...(trace === undefined ? {} : { trace }) });
  const { cluster } = stage;
  stage.start(1);
  const leader = stage.leaderId;
  const [d = 0] = stage.others(leader);
  for (const id of stage.others(leader, d)) cluster.network.block(id, d);
  cluster.server(leader).crash(false);
  cluster.until("another leads", () => cluster.leader !== undefined && cluster.leader.id !== leader, 2_500);
  stage.finish();
  return ["elected"];
}

/** 4203, 4409, 4541, 4712: roles change faster than the disk completes what older ones began. */
function rolesChangeQuickly(seed: number, trace: Trace): string[] {
  const { stage } = cast(seed, trace);
  const { cluster, random } = stage;
  stage.keepWriting(0, "/a", 1);
  stage.keepWriting(1, "/b", 1);
  for (const server of cluster.servers) server.slowDiskMs = random.between(2, 30);
  for (let i = 0; i < 10; i += 1) {
    cluster.run(random.between(20, 250));
    const [x, y] = random.shuffle(cluster.servers);
    if (x !== undefined && y !== undefined) cluster.peers.break(x.id, y.id);
  }
  for (const server of cluster.servers) server.slowDiskMs = 0;
  stage.finish();
  return ["ten broken links"];
}

/** 4394, 4685, 4785 and the paper's open questions: proposals, acks and commits come in between NEWLEADER and UPTODATE. */
function joinUnderLoad(seed: number, trace: Trace): string[] {
  const { stage, leader, c } = cast(seed, trace);
  const { cluster, random } = stage;
  stage.keepWriting(0, "/a", 0.5);
  stage.keepWriting(1, "/b", 0.5);
  let between = 0;
  let open = false;
  cluster.peers.sendHooks.push((from, to, message) => {
    if (from !== leader || to !== c) return;
    if (message.type === "newLeader") open = true;
    else if (message.type === "upToDate") open = false;
    else if (open && message.type === "proposal") between += 1;
  });
  for (let i = 0; i < 3; i += 1) {
    cluster.server(c).crash(false);
    cluster.run(random.between(50, 150));
    cluster.server(c).slowDiskMs = random.between(1, 15);
    cluster.server(c).start();
    cluster.until("it has joined", () => serving(stage, c), 5_000);
    cluster.server(c).slowDiskMs = 0;
  }
  must(cluster.leader?.id === leader, "the leader stepped down");
  stage.finish();
  return between > 0 ? ["proposals in between"] : [];
}

/** 4643: the learner dies between its epoch record and its log; it must not look more recent than it is. */
function epochBeforeLog(seed: number, trace: Trace): string[] {
  const { stage, leader, c } = cast(seed, trace);
  const { cluster, random } = stage;
  away(stage, c);
  for (let i = 0; i < 12; i += 1) stage.done(stage.create(0, `/n${i}`));
  const told = stage.when(undefined, c, is("newLeader"), () => {
    cluster.scheduler.after(random.between(0.3, 4), () => {
      cluster.server(c).crash(false);
      cluster.server(leader).crash(false);
    });
  });
  cluster.rejoin(c);
  cluster.until("NEWLEADER was sent", () => told.happened, 6_000);
  cluster.run(20);
  cluster.server(c).start();
  cluster.client(0).pinned = undefined;
  cluster.until("the two others have a leader", () => cluster.leader !== undefined, 8_000);
  stage.finish();
  return ["died in between"];
}

/** 4925: a learner that came by DIFF leads later, and synchronises another from what it has. */
function diffThenLead(seed: number, trace: Trace): string[] {
  const { stage, leader, b, c } = cast(seed, trace);
  const { cluster, random } = stage;
  stage.keepWriting(0, "/a", 1);
  cluster.isolate(c);
  cluster.run(random.between(50, 150));
  cluster.rejoin(c);
  cluster.until("C is back by DIFF", () => serving(stage, c), 3_000);
  cluster.isolate(b);
  cluster.run(random.between(50, 200));
  stage.stopLoad();
  cluster.server(leader).crash(false);
  cluster.client(0).pinned = undefined;
  cluster.rejoin(b);
  cluster.cut(b, leader);
  cluster.until("C leads", () => cluster.leader !== undefined && cluster.leader.id !== leader, 6_000);
  const leads = cluster.leader?.id;
  stage.finish();
  return leads === c ? ["C leads"] : [];
}

/** 4787: names in every script pass between servers as they are. */
function namesInEveryScript(seed: number, trace: Trace): string[] {
  const { stage } = cast(seed, trace);
  for (const path of ["/ключ", "/鍵", "/clé"]) stage.done(stage.create(0, path));
  for (const path of ["/ключ", "/鍵", "/clé"])
    must(stage.done(stage.read(1, path)).outcome?.code === "OK", `${path} is not there`);
  stage.finish();
  return ["read"];
}

/** 4858: while a snapshot crawls to a learner, commits go on. */
function commitsDuringSnapshot(seed: number, trace: Trace): string[] {
  const { stage, leader, c } = cast(seed, trace, { limits: { ...littleHistory, snapshot_chunk_bytes: 128 } });
  const { cluster } = stage;
  away(stage, c);
  fill(stage, "/n");
  let during = 0;
  const began = stage.when(leader, c, is("snapChunk"), () => cluster.network.block(c, leader));
  cluster.rejoin(c);
  cluster.until("the snapshot has begun", () => began.happened, 4_000);
  for (let i = 0; i < 10; i += 1) {
    const at = cluster.scheduler.now;
    stage.done(stage.create(0, `/during${i}`), 500);
    during = Math.max(during, cluster.scheduler.now - at);
  }
  must(during < 200, `a write took ${during.toFixed(0)} ms`);
  stage.finish();
  return ["wrote meanwhile"];
}

/** 5094: the server dies inside a TRUNC; log and epochs must agree when it comes back. */
function crashInsideTrunc(seed: number, trace: Trace): string[] {
  const { stage, leader } = cast(seed, trace);
  const { cluster, random } = stage;
  for (const id of stage.others(leader)) cluster.network.block(leader, id);
  for (let i = 0; i < 5; i += 1) stage.create(0, `/tail${i}`);
  cluster.run(1_500);
  let crashes = 0;
  cluster.peers.deliverHooks.push((_from, to, message) => {
    if (to !== leader || message.type !== "trunc") return;
    cluster.scheduler.after(random.between(0, 6), () => {
      crashes += 1;
      cluster.server(leader).crash(false);
      cluster.scheduler.after(10, () => cluster.server(leader).start());
    });
  });
  cluster.client(1).pinned = undefined;
  cluster.network.unblockAll();
  cluster.run(2_000);
  cluster.peers.deliverHooks.pop();
  stage.finish();
  return crashes > 0 ? ["died inside"] : [];
}

/** Candidates are told apart by epoch first: a long log of an old epoch loses against a short one of a new epoch. */
function epochBeforeCounter(seed: number, trace: Trace): string[] {
  const { stage, leader, b, c } = cast(seed, trace, { limits: { handover_counter: 30, counter_max: 60 } });
  const { cluster } = stage;
  for (let i = 0; epochOf(cluster.checks.ghost.tip) < 2 && i < 60; i += 1) {
    if (cluster.checks.ghost.tip % 0x1_0000_0000 === 26) cluster.isolate(c);
    stage.done(stage.create(0, `/n${i}`));
  }
  const apart = !serving(stage, c) || cluster.network.isBlocked(c, leader);
  stage.done(stage.create(0, "/last"));
  cluster.server(leader).crash(false);
  cluster.rejoin(c);
  cluster.client(0).pinned = undefined;
  cluster.until("B leads", () => cluster.leader !== undefined && cluster.leader.id !== leader, 3_000);
  must(cluster.leader?.id === b, "the server with the older epoch leads");
  stage.finish();
  return apart ? ["counters the other way round"] : [];
}

/** M11: C takes proposals of the next epoch while its epoch record is slow to say so; its acks of them count for nothing yet. */
function ackOfPastEpoch(seed: number, trace: Trace): string[] {
  const { stage, leader, b, c } = cast(seed, trace, { limits: { handover_counter: 20, counter_max: 60 } });
  const { cluster } = stage;
  cluster.checks.durability.every = 1;
  cluster.server(c).disk.slowReplace = { prefix: "epoch-record", ms: 120 };
  const acked = stage.when(
    b,
    leader,
    (m) => m.type === "ack" && m.newLeader && m.epoch > 1,
    () => cluster.scheduler.after(2, () => cluster.network.block(b, leader)),
  );
  stage.keepWriting(0, "/a", 1);
  stage.keepReading(0, "/a1", 2);
  cluster.run(900);
  cluster.server(c).disk.slowReplace = undefined;
  stage.finish();
  return acked.happened && (cluster.checks.marks.get("handover") ?? 0) > 0 ? ["B in the next epoch, C not yet"] : [];
}

/** M17: B was wiped; what it had acked over its old link arrives again, after NEWLEADER over the new one has made it a member again. */
function oldLinkSpeaks(seed: number, trace: Trace): string[] {
  const { stage, leader, b, c } = cast(seed, trace);
  const { cluster, random } = stage;
  cluster.checks.durability.every = 1;
  for (let i = 0; i < 10; i += 1) stage.done(stage.create(0, `/n${i}`));
  const tip = cluster.checks.ghost.tip;
  cluster.client(1).pinned = leader;
  cluster.server(b).wipe();
  cluster.checks.wiped(cluster.server(b));
  cluster.run(20);
  const say = (zxid: number, newLeader: boolean): void => {
    const message = { type: "ack", epoch: 1, zxid, newLeader } as PeerMessage;
    cluster.server(leader).deliver({ type: "peerMessage", peer: b, link: 0, message });
  };
  const speak = (): void => {
    cluster.network.block(leader, b);
    cluster.network.block(leader, c);
    say(tip, true);
    stage.create(0, "/after");
    cluster.scheduler.after(random.between(5, 10), () => say(tip + 1, false));
  };
  const told = stage.when(leader, b, is("newLeader"), () => {
    cluster.network.block(b, leader);
    cluster.scheduler.after(random.between(20, 40), speak);
  });
  cluster.server(b).start(true);
  cluster.until("NEWLEADER is sent", () => told.happened, 6_000);
  cluster.run(100);
  stage.finish();
  return ["spoke"];
}

/** Features 1 and 24: a consumer that does not read for a while misses nothing when it reads again. */
function slowConsumer(seed: number, trace: Trace): string[] {
  const { stage, leader } = cast(seed, trace, { limits: { output_bytes_per_connection_max: 300 } });
  const { cluster, random } = stage;
  cluster.client(1).subscribe({ path: "/", recursive: true, withData: true });
  let slow = 0;
  for (let i = 0; i < 6; i += 1) {
    cluster.run(random.between(20, 80));
    // More at once than may be buffered for it.
    for (let n = 0; n < 10; n += 1) stage.create(0, `/n${i}-${n}`);
    if (i % 2 === 0) for (const server of cluster.servers) if (server.slowConsumer(true)) slow += 1;
    cluster.run(random.between(20, 150));
    for (const server of cluster.servers) server.slowConsumer(false);
  }
  cluster.run(200);
  stage.finish();
  return slow > 0 && leader > 0 ? ["paused"] : [];
}

/** 4785 and its kin: a server that joins while nothing is written learns what is committed from UPTODATE alone. */
function joinsWhileIdle(seed: number, trace: Trace): string[] {
  const { stage, c } = cast(seed, trace);
  const { cluster } = stage;
  cluster.server(c).crash(false);
  for (let i = 0; i < 5; i += 1) stage.done(stage.create(0, `/n${i}`));
  cluster.run(500);
  cluster.server(c).start();
  const tip = cluster.checks.ghost.tip;
  cluster.until("it has applied all", () => cluster.server(c).status()?.lastAppliedZxid === tip, 4_000);
  stage.finish();
  return ["applied"];
}

/** Servers whose clocks are not trusted (`--lease-reads off`) expire sessions by rounds. */
function expiryWithoutLeases(seed: number, trace: Trace): string[] {
  const { stage } = cast(seed, trace, { sessionTimeoutMs: 400, leaseReads: false });
  const { cluster } = stage;
  stage.done(stage.create(1, "/e", { kind: "ephemeral" }));
  const gone = cluster.client(1);
  for (const server of cluster.servers) cluster.cut(gone.id, server.id);
  cluster.until("its session has ended", () => cluster.checks.expiry.expired > 0, 3_000);
  must(stage.done(stage.read(0, "/e")).outcome?.code === "NO_NODE", "the ephemeral outlives its session");
  stage.finish();
  return ["expired"];
}

/** Clients' clocks are slow, the leader's is fast, as far apart as is allowed: each stops believing before it is expired. */
function clocksFarApart(seed: number, trace: Trace): string[] {
  const { stage } = cast(seed, trace, { sessionTimeoutMs: 800, clients: 5, drift: 0.198, limits: { clock_drift_max: 0.2 } });
  const { cluster } = stage;
  for (const server of cluster.servers) server.clock.setRate(cluster.scheduler.now, 1.198);
  cluster.run(900);
  for (const client of cluster.clients) for (const server of cluster.servers) cluster.cut(client.id, server.id);
  cluster.run(3_000);
  const { expired } = cluster.checks.expiry;
  stage.finish();
  return expired >= 3 ? ["expired"] : [];
}

/** A leader stands still for twice the session timeout: whoever leads then, nobody's session ends early. */
function longPause(seed: number, trace: Trace): string[] {
  const { stage, leader } = cast(seed, trace, { sessionTimeoutMs: 1_000, clients: 4 });
  const { cluster } = stage;
  for (const client of cluster.clients) client.pinned = undefined;
  cluster.server(leader).pause(2_000, "pause", "between turns");
  cluster.run(4_500);
  stage.finish();
  return cluster.clients.every((client) => client.session !== undefined) ? ["all sessions live"] : [];
}

/** A leader that stalls now and then, for longer than the lease guard and shorter than a promise: the session of a client that is gone ends, and nobody else's. */
function stallsNowAndThen(seed: number, trace: Trace): string[] {
  const { stage, leader } = cast(seed, trace, { sessionTimeoutMs: 1_000 });
  const { cluster } = stage;
  stage.done(stage.create(1, "/e", { kind: "ephemeral" }));
  const gone = cluster.client(1);
  for (const server of cluster.servers) cluster.cut(gone.id, server.id);
  const { lease_guard_ms, promise_ms } = cluster.limits;
  for (let i = 0; i < 16; i += 1) {
    cluster.server(leader).pause((lease_guard_ms + promise_ms) / 2, "pause", "between turns");
    cluster.run(250);
  }
  must(stage.leaderId === leader, "the stalls ended the leadership");
  must(stage.done(stage.read(0, "/e")).outcome?.code === "NO_NODE", "the ephemeral outlives its session");
  stage.finish();
  return cluster.checks.expiry.expired === 1 ? ["expired"] : [];
}

/** A bit of a record that was durable turns over while the server is down: found, refused, fetched again from the others. */
function damagedLog(seed: number, trace: Trace): string[] {
  const { stage, c } = cast(seed, trace);
  const { cluster } = stage;
  for (let i = 0; i < 20; i += 1) stage.done(stage.create(0, `/n${i}`));
  cluster.run(300);
  const server = cluster.server(c);
  server.kill();
  server.disk.flipBit(`${server.logDirectory}/segment-00000001`, 60 + (seed % 8), seed % 8);
  server.platter.settle(server.disk.snapshotFiles());
  cluster.checks.damage.damaged(c);
  server.expectHalt = /damaged/;
  server.start();
  cluster.until("it has refused", () => !server.running, 2_000);
  server.start(true);
  cluster.until("it has fetched everything", () => serving(stage, c), 8_000);
  stage.finish();
  return ["refused, repaired"];
}

export const bugScenarios: readonly Schedule[] = [
  {
    name: "ZOOKEEPER-335 a new epoch's zxid before its quorum",
    seeds: 3,
    play: newEpochBeforeQuorum,
    mustSee: ["NEWLEADER unanswered"],
  },
  { name: "ZOOKEEPER-1277 the counter ends", seeds: 2, play: counterEnds, mustSee: ["five hand-overs"] },
  { name: "idle after a hand-over", seeds: 3, play: idleAfterHandover, mustSee: ["idle after a hand-over"] },
  { name: "ZOOKEEPER-1324 one NEWLEADER", seeds: 2, play: oneNewLeader, mustSee: ["NEWLEADERs"] },
  { name: "ZOOKEEPER-1514 a joiner finds the leader", seeds: 2, play: joinerFindsLeader, mustSee: ["joined"] },
  { name: "ZOOKEEPER-1549 a crash inside synchronisation", seeds: 3, play: crashInsideSync, mustSee: ["crashed inside"] },
  { name: "ZOOKEEPER-1621 a tail torn by a full disk", seeds: 3, play: tornByFullDisk, mustSee: ["stopped twice"] },
  { name: "ZOOKEEPER-1624 a failed multi rolls back", seeds: 1, play: failedMultiRollsBack, mustSee: ["failed and went on"] },
  { name: "ZOOKEEPER-1697 a long snapshot", seeds: 1, play: longSnapshot, mustSee: ["longer than establish_ms"] },
  { name: "ZOOKEEPER-2355 a truncated expiry", seeds: 3, play: truncatedExpiry, mustSee: ["proposed, then cut off"] },
  { name: "ZOOKEEPER-2418 behind the history", seeds: 2, play: behindTheHistory, mustSee: ["SNAP"] },
  { name: "ZOOKEEPER-3911 a power cut after NEWLEADER", seeds: 3, play: powerCutAfterNewLeader, mustSee: ["acked, then dark"] },
  { name: "ZOOKEEPER-2845 an uncommitted tail", seeds: 2, play: uncommittedTail, mustSee: ["TRUNC"] },
  { name: "ZOOKEEPER-3056 a lost store", seeds: 2, play: lostStore, mustSee: ["SNAP"] },
  { name: "ZOOKEEPER-3104 a snapshot under load", seeds: 2, play: snapshotUnderLoad, mustSee: ["SNAP"] },
  { name: "ZOOKEEPER-3526 a fresh leader", seeds: 2, play: freshLeader, mustSee: ["three fresh leaders"] },
  { name: "ZOOKEEPER-3642 an interrupted snapshot", seeds: 2, play: interruptedSnapshot, mustSee: ["interrupted"] },
  { name: "ZOOKEEPER-3575 a clogged election", seeds: 2, play: cloggedElection, mustSee: ["elected"] },
  { name: "ZOOKEEPER-4712 roles change quickly", seeds: 2, play: rolesChangeQuickly, mustSee: ["ten broken links"] },
  { name: "ZOOKEEPER-4394 joining under load", seeds: 2, play: joinUnderLoad, mustSee: ["proposals in between"] },
  { name: "ZOOKEEPER-4643 the epoch before the log", seeds: 4, play: epochBeforeLog, mustSee: ["died in between"] },
  { name: "ZOOKEEPER-4925 DIFF, then lead", seeds: 4, play: diffThenLead, mustSee: ["C leads"] },
  { name: "ZOOKEEPER-4787 names in every script", seeds: 1, play: namesInEveryScript, mustSee: ["read"] },
  { name: "ZOOKEEPER-4858 commits during a snapshot", seeds: 2, play: commitsDuringSnapshot, mustSee: ["wrote meanwhile"] },
  { name: "ZOOKEEPER-5094 a crash inside TRUNC", seeds: 4, play: crashInsideTrunc, mustSee: ["died inside"] },
  { name: "M10 the epoch before the counter", seeds: 1, play: epochBeforeCounter, mustSee: ["counters the other way round"] },
  { name: "M11 acks of a past epoch", seeds: 4, play: ackOfPastEpoch, mustSee: ["B in the next epoch, C not yet"] },
  { name: "M17 an old link speaks", seeds: 2, play: oldLinkSpeaks, mustSee: ["spoke"] },
  { name: "ZOOKEEPER-4785 joining while idle", seeds: 2, play: joinsWhileIdle, mustSee: ["applied"] },
  { name: "a slow consumer misses nothing", seeds: 2, play: slowConsumer, mustSee: ["paused"] },
  { name: "expiry where leases are off", seeds: 2, play: expiryWithoutLeases, mustSee: ["expired"] },
  { name: "clocks as far apart as is allowed", seeds: 3, play: clocksFarApart, mustSee: ["expired"] },
  { name: "a leader that stalls now and then", seeds: 3, play: stallsNowAndThen, mustSee: ["expired"] },
  { name: "a leader paused for twice the session timeout", seeds: 2, play: longPause, mustSee: ["all sessions live"] },
  { name: "damage is repaired from the others", seeds: 3, play: damagedLog, mustSee: ["refused, repaired"] },
];
