/**
 * Tree stores that are lost while logs are not. A tree comes back from its own server's log where that is whole, else from a leader; meanwhile the
 * server logs and votes, and never leads. While no server with a tree has all that a quorum's logs hold, nobody serves.
 */
import { Violation } from "../check/violation.ts";
import type { SimServer } from "../server.ts";
import type { Schedule } from "./schedules.ts";
import { Stage } from "./stage.ts";

type Trace = ((line: string) => void) | undefined;

/** Logs soon begin after the ensemble's beginning. */
const shortHistory = { history_txns_min: 8, history_bytes_min: 256, history_bytes_max: 2_048, log_segment_bytes: 4_096 };

/** Nothing is ever trimmed. */
const wholeHistory = { history_txns_min: 100_000, history_bytes_min: 2 ** 30, history_bytes_max: 2 ** 31 };

function staged(seed: number, trace: Trace, limits = {}): Stage {
  const stage = new Stage(seed, { clients: 1, sessionTimeoutMs: 20_000, limits, ...(trace === undefined ? {} : { trace }) });
  stage.start(3);
  stage.cluster.client(0).pinned = undefined;
  return stage;
}

function write(stage: Stage, prefix: string, count: number): void {
  for (let i = 0; i < count; i += 1) stage.done(stage.create(0, `/${prefix}${i}`));
}

function loseTree(server: SimServer): void {
  server.kill();
  for (const store of server.stores.values()) store.condemn("the tree store is damaged: told by the test");
}

/** One server's tree, any, with more written while it is away or not. */
function oneTree(limits: object) {
  return (seed: number, trace: Trace): readonly string[] => {
    const stage = staged(seed, trace, limits);
    const { cluster, random } = stage;
    write(stage, "a", 120);
    cluster.run(1_000);
    const lost = random.pick(cluster.servers);
    loseTree(lost);
    if (random.chance(0.5)) write(stage, "b", 40);
    lost.start();
    write(stage, "c", 10);
    stage.finish();
    return [cluster.checks.marks.has("snap") ? "SNAP" : "log"];
  };
}

/** A value that fails its checksum stops the server when it is read, and costs it no more than its tree: nobody starts it with --rejoin. */
function flippedValue(seed: number, trace: Trace): readonly string[] {
  const stage = staged(seed, trace, shortHistory);
  const { cluster, random } = stage;
  write(stage, "a", 120);
  cluster.run(1_000);
  const victim = random.pick(cluster.servers);
  victim.kill();
  for (const store of victim.stores.values()) store.corruptAll();
  victim.expectHalt = /damaged/;
  victim.start();
  cluster.run(200);
  const halted = victim.expectHalt === undefined;
  cluster.until("it is back", () => {
    victim.start();
    return victim.status()?.serving === true;
  });
  stage.finish();
  return halted ? ["stopped, and came back by itself"] : [];
}

/** The two of a quorum that had acked the last write lose their trees: the third must not begin without that write, with either of them. */
function twoTrees(seed: number, trace: Trace): readonly string[] {
  const stage = staged(seed, trace, shortHistory);
  const { cluster, random } = stage;
  write(stage, "a", 120);
  cluster.run(1_000);
  const leader = stage.leaderId;
  const behind = random.pick(stage.others(leader));
  const apart = random.chance(0.5);
  if (apart) {
    cluster.isolate(behind);
    stage.done(stage.create(0, "/acked"));
  }
  for (const id of stage.others(behind)) loseTree(cluster.server(id));
  cluster.rejoin(behind);
  for (const id of stage.others(behind)) cluster.server(id).start();
  cluster.run(3_000);
  if (!apart) {
    stage.finish();
    return ["one tree was enough"];
  }
  if (cluster.leader !== undefined) throw new Violation("an acknowledged write is in the next leader's log", cluster.describe());
  return ["nobody led without the acked write"];
}

/** All trees: every server has its log, and none may begin with an empty tree. */
function allTrees(seed: number, trace: Trace): readonly string[] {
  const stage = staged(seed, trace, shortHistory);
  const { cluster } = stage;
  write(stage, "a", 120);
  cluster.run(1_000);
  const last = cluster.servers.map((server) => server.status()?.lastLoggedZxid ?? 0);
  for (const server of cluster.servers) loseTree(server);
  for (const server of cluster.servers) server.start();
  cluster.run(5_000);
  for (const [index, server] of cluster.servers.entries()) {
    const status = server.status();
    if (status?.serving !== false || status.lastLoggedZxid < (last[index] ?? 0))
      throw new Violation("nobody serves without a tree", cluster.describe());
  }
  return ["nobody served"];
}

/** An uncommitted tail makes the server without a tree the longest: the others must elect one of themselves. */
function longestWithoutTree(seed: number, trace: Trace): readonly string[] {
  const stage = staged(seed, trace, shortHistory);
  const { cluster } = stage;
  write(stage, "a", 120);
  cluster.run(1_000);
  const leader = cluster.server(stage.leaderId);
  const before = leader.status()?.lastLoggedZxid ?? 0;
  cluster.client(0).pinned = leader.id;
  cluster.client(0).disconnect();
  cluster.until("at the leader", () => cluster.client(0).connected && cluster.client(0).server === leader.id);
  cluster.isolate(leader.id);
  stage.create(0, "/unacked");
  cluster.until("it is in the leader's log alone", () => (leader.status()?.lastLoggedZxid ?? 0) > before, 1_000);
  cluster.run(200);
  cluster.client(0).pinned = undefined;
  for (const server of cluster.servers) server.kill();
  for (const store of leader.stores.values()) store.condemn("the tree store is damaged: told by the test");
  cluster.rejoin(leader.id);
  for (const server of cluster.servers) server.start();
  cluster.until("the other two lead and serve", () => cluster.leader !== undefined, 10_000);
  stage.finish();
  return ["elected without it"];
}

export const lostTreeSchedules: readonly Schedule[] = [
  { name: "a lost tree comes back from the log", seeds: 2, play: oneTree(wholeHistory), mustSee: ["log"] },
  { name: "a lost tree comes back from a leader", seeds: 5, play: oneTree(shortHistory), mustSee: ["SNAP"] },
  {
    name: "a value that fails its checksum costs the tree",
    seeds: 4,
    play: flippedValue,
    mustSee: ["stopped, and came back by itself"],
  },
  {
    name: "two trees are lost",
    seeds: 8,
    play: twoTrees,
    mustSee: ["one tree was enough", "nobody led without the acked write"],
  },
  { name: "all trees are lost", seeds: 2, play: allTrees, mustSee: ["nobody served"] },
  { name: "the longest log has lost its tree", seeds: 6, play: longestWithoutTree, mustSee: ["elected without it"] },
];
