/** Schedules that break weaker rules, continued (schedules.ts): those about trees that differ, and results that are kept. */
import type { Request } from "../../../src/model/request.ts";
import { Violation } from "../check/violation.ts";
import { calmNetwork } from "../network.ts";
import type { Schedule } from "./schedules.ts";
import { Stage } from "./stage.ts";

type Trace = ((line: string) => void) | undefined;
const traced = (trace: Trace) => (trace === undefined ? {} : { trace });

const set = (path: string, text: string): Request => ({ type: "setData", path, data: Buffer.from(text), version: -1 });

/** 2: B, fenced, is sent a snapshot that is older than what it has acked; then A dies and C, which is behind, comes back. B's old log must still be there. */
function snapSwapsTooEarly(seed: number, trace: Trace): string[] {
  // Flushes are rare, so that the snapshot's zxid is old.
  const stage = new Stage(seed, {
    clients: 1,
    sessionTimeoutMs: 20_000,
    limits: {
      flush_interval_ms: 4_000,
      flush_bytes: 1 << 20,
      history_txns_min: 400,
      history_bytes_min: 1 << 19,
      sync_window_bytes: 60,
    },
    ...traced(trace),
  });
  const { cluster, random } = stage;
  stage.start(3);
  const a = stage.leaderId;
  const [b = 0, c = 0] = stage.others(a);
  stage.done(stage.create(0, "/base"));
  cluster.run(4_500);
  // B restarts with another tree, and is fenced with its next txn.
  cluster.server(b).kill();
  const tampered = cluster.server(b).tamperTree();
  cluster.server(b).start();
  cluster.until("B follows", () => cluster.server(b).status()?.serving === true, 4_000);
  // From here on only A and B log.
  cluster.network.block(a, c);
  for (let i = 0; i < 8; i += 1) stage.call(0, set("/base", `v${i}`), true);
  const snap = stage.when(
    a,
    b,
    (m) => m.type === "snapChunk" && m.done,
    () => {
      // The image has arrived whole, of the log behind it only a part.
      cluster.scheduler.after(3, () => cluster.network.block(a, b));
      cluster.scheduler.after(random.between(100, 200), () => {
        // First it dies: the heartbeats that it held back would bind B for as long as C is bound.
        cluster.server(a).crash(false);
        cluster.network.unblock(a, b);
      });
    },
  );
  cluster.run(200);
  cluster.network.unblock(a, c);
  cluster.run(2_500);
  cluster.client(0).pinned = undefined;
  stage.finish();
  return tampered && snap.happened ? ["A died after its snapshot"] : [];
}

/** 18: C is away, B's tree differs from A's: neither knows who is right. Both stop serving, neither exits; C's return decides. */
function digestTie(seed: number, trace: Trace): string[] {
  const stage = new Stage(seed, { clients: 1, sessionTimeoutMs: 20_000, ...traced(trace) });
  const { cluster } = stage;
  stage.start(3);
  const a = stage.leaderId;
  const [b = 0, c = 0] = stage.others(a);
  stage.done(stage.create(0, "/base"));
  cluster.run(400);
  cluster.server(c).crash(false);
  cluster.server(b).kill();
  const tampered = cluster.server(b).tamperTree();
  cluster.server(b).start();
  cluster.until("B follows", () => cluster.server(b).status()?.serving === true, 4_000);
  stage.call(0, set("/base", "one more"), true);
  cluster.until(
    "both have stopped serving",
    () => [a, b].every((id) => cluster.server(id).running && cluster.server(id).status()?.serving === false),
    4_000,
  );
  cluster.run(500);
  if (![a, b].every((id) => cluster.server(id).running)) throw new Violation("scenario", "a tie made a server exit");
  cluster.server(c).start();
  cluster.until("all serve again", () => cluster.servers.every((server) => server.status()?.serving === true), 12_000);
  stage.finish();
  return tampered && cluster.checks.marks.has("fenced") ? ["tied, then fenced"] : [];
}

/** 25: more results are outstanding than a cache of the latest would keep; the replies are lost, and all are sent again. */
function keptResults(seed: number, trace: Trace): string[] {
  const stage = new Stage(seed, { clients: 1, sessionTimeoutMs: 20_000, ...traced(trace) });
  const { cluster, random } = stage;
  stage.start(1);
  const client = cluster.client(0);
  const server = client.server;
  stage.done(stage.create(0, "/q"));
  cluster.network.block(server, client.id);
  const calls = Array.from({ length: 12 }, () => stage.create(0, "/q/n-", { sequential: true }));
  cluster.run(random.between(20, 60));
  client.disconnect();
  cluster.network.unblock(server, client.id);
  for (const call of calls) stage.done(call);
  const paths = calls.map((call) => (call.outcome?.result.type === "created" ? call.outcome.result.path : ""));
  if (new Set(paths).size !== calls.length)
    throw new Violation("scenario", `twelve creates made ${[...new Set(paths)].join(" ")}`);
  stage.finish();
  return calls.every((call) => call.sends > 1) ? ["all sent twice"] : [];
}

/**
 * The link to the leader breaks while the epoch record that names a received snapshot is on its way to the disk. From that
 * moment the snapshot's directories are the server's, whether it goes on with them or dies before or after the record is there.
 */
function namedSnapshot(seed: number, trace: Trace): string[] {
  const limits = { history_txns_min: 8, history_bytes_min: 256, history_bytes_max: 2_048, log_segment_bytes: 4_096 };
  const stage = new Stage(seed, { clients: 1, sessionTimeoutMs: 20_000, limits, ...traced(trace) });
  const { cluster, random } = stage;
  stage.start(3);
  const a = stage.leaderId;
  const [b = 0] = stage.others(a);
  cluster.isolate(b);
  cluster.run(60);
  for (let i = 0; i < 160; i += 1) stage.done(stage.create(0, `/n${i}`));
  cluster.run(500);
  const server = cluster.server(b);
  server.disk.slowReplace = { prefix: "epoch-record", ms: 40 };
  const newLeader = stage.when(
    a,
    b,
    (message) => message.type === "newLeader",
    () => undefined,
  );
  cluster.rejoin(b);
  cluster.until("the record is being saved", () => newLeader.happened && server.disk.replacing("epoch-record"), 4_000);
  cluster.run(random.between(0, 10));
  cluster.isolate(b);
  for (const other of stage.others(b)) cluster.peers.break(b, other);
  cluster.run(random.between(0, 120));
  if (random.chance(0.5)) cluster.rejoin(b);
  cluster.run(random.between(0, 400));
  server.disk.slowReplace = undefined;
  if (random.chance(0.5)) server.kill();
  else server.crash(false);
  cluster.rejoin(b);
  stage.finish();
  return cluster.checks.marks.has("snap") ? ["SNAP"] : [];
}

/** A candidate and a learner that it brings up to date slowly do not serve yet: they must not answer each other's votes without end. */
function quietCandidate(seed: number, trace: Trace): string[] {
  const limits = { history_txns_min: 8, history_bytes_min: 256, history_bytes_max: 2_048, log_segment_bytes: 4_096 };
  // Slow enough that votes cross each other and the election's end.
  const network = { ...calmNetwork, latencyMs: 30, jitterMs: 40 };
  const stage = new Stage(seed, { clients: 1, sessionTimeoutMs: 20_000, limits, network, ...traced(trace) });
  const { cluster } = stage;
  stage.start(3);
  const a = stage.leaderId;
  const [b = 0, c = 0] = stage.others(a);
  cluster.server(b).crash(false);
  for (let i = 0; i < 160; i += 1) stage.done(stage.create(0, `/n${i}`));
  cluster.run(500);
  cluster.server(a).crash(false);
  cluster.server(b).slowDiskMs = 60;
  let votes = 0;
  cluster.peers.sendHooks.push((_from, _to, message) => {
    if (message.type === "vote") votes += 1;
  });
  const snap = stage.when(
    c,
    b,
    (message) => message.type === "snap",
    () => {
      votes = 0;
    },
  );
  cluster.server(b).start();
  cluster.until("the snapshot has begun", () => snap.happened, 8_000);
  cluster.run(600);
  if (votes > 8) throw new Violation("votes end", `${votes} votes in 600 ms in which nobody looked for a leader`);
  stage.finish();
  return ["quiet"];
}

/** C's disk hangs while one epoch follows another: what it must save of each waits, within bounds, and when the disk goes on C is a voter again. */
function hungDiskManyEpochs(seed: number, trace: Trace): string[] {
  const stage = new Stage(seed, {
    clients: 1,
    sessionTimeoutMs: 20_000,
    limits: { handover_counter: 3, counter_max: 40 },
    ...traced(trace),
  });
  const { cluster } = stage;
  stage.start(3);
  const a = stage.leaderId;
  const [, c = 0] = stage.others(a);
  stage.done(stage.create(0, "/base"));
  const before = cluster.leader?.status()?.epoch ?? 0;
  const hung = cluster.server(c);
  hung.disk.stall(cluster.scheduler.now + 60_000);
  for (let i = 0; i < 400; i += 1) stage.done(stage.call(0, set("/base", `v${i}`), true));
  const epochs = (cluster.leader?.status()?.epoch ?? 0) - before;
  if (hung.halted || !hung.running) throw new Violation("a hung disk", "its server stopped");
  hung.endStall();
  cluster.until("C serves", () => hung.status()?.serving === true, 10_000);
  stage.finish();
  return epochs > 70 ? ["many epochs"] : [];
}

/** B has adopted the vote of C, which A never heard of, and C dies for good: A and B must elect one of themselves. */
function voteForTheDead(seed: number, trace: Trace): string[] {
  const stage = new Stage(seed, { clients: 1, sessionTimeoutMs: 20_000, ...traced(trace) });
  const { cluster, random } = stage;
  stage.start();
  stage.done(stage.create(0, "/a"));
  cluster.run(300);
  for (const server of cluster.servers) server.kill();
  cluster.cut(1, 3);
  const voted = stage.when(
    2,
    undefined,
    (message) => message.type === "vote" && message.leader === 3 && message.counts,
    () => cluster.server(3).crash(random.chance(0.5)),
  );
  for (const server of cluster.servers) server.start();
  cluster.until("B votes for C", () => voted.happened, 5_000);
  cluster.until("A and B have a leader", () => cluster.leader?.status()?.serving === true, 10_000);
  stage.finish();
  return ["elected without C"];
}

/** More in one turn than one message should carry: it is sent in parts, whose order and contiguity every check sees. */
function proposalInParts(seed: number, trace: Trace): string[] {
  const limits = { proposal_bytes_max: 600, data_bytes_max: 2_048 };
  const stage = new Stage(seed, { clients: 3, sessionTimeoutMs: 20_000, limits, ...traced(trace) });
  const { cluster } = stage;
  stage.start(3, 3, 3);
  const leader = stage.leaderId;
  let parts = 0;
  cluster.peers.sendHooks.push((from, _to, message) => {
    if (from !== leader || message.type !== "proposal") return;
    const bytes = message.entries.reduce((sum, entry) => sum + entry.payload.length, 0);
    if (message.entries.length > 1 && bytes > limits.proposal_bytes_max)
      throw new Violation("a proposal is bounded", `${bytes} bytes`);
    if (message.entries.length > 1) parts += 1;
  });
  // What came while the leader stood still is proposed in one turn.
  cluster.server(leader).pause(150, "pause", "between turns");
  for (let i = 0; i < 36; i += 1) stage.call(i % 3, set("/zookeeper", "v".repeat(10 + 5 * i)), true);
  for (let i = 0; i < 36; i += 1) if (i % 4 === 3) stage.call(i % 3, set("/zookeeper", "v".repeat(900)), true);
  cluster.run(1_000);
  stage.finish();
  return parts > 2 ? ["parts"] : [];
}

export const moreSchedules: readonly Schedule[] = [
  { name: "a hung disk outlives many epochs", seeds: 2, play: hungDiskManyEpochs, mustSee: ["many epochs"] },
  { name: "a turn's proposals go in parts", seeds: 3, play: proposalInParts, mustSee: ["parts"] },
  { name: "a vote for a server that is dead", seeds: 6, play: voteForTheDead, mustSee: ["elected without C"] },
  { name: "a quiet candidate", seeds: 3, play: quietCandidate, mustSee: ["quiet"] },
  { name: "a snapshot that is named but not yet in use", seeds: 8, play: namedSnapshot, mustSee: ["SNAP"] },
  { name: "2 SNAP swaps too early", seeds: 6, play: snapSwapsTooEarly, mustSee: ["A died after its snapshot"] },
  { name: "18 a digest tie", seeds: 3, play: digestTie, mustSee: ["tied, then fenced"] },
  { name: "25 an LRU reply table", seeds: 2, play: keptResults, mustSee: ["all sent twice"] },
];
