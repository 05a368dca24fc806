/**
 * One run from one seed: what the world is like is drawn, then three phases. (A) faults and load, safety
 * judged at every event; (B) everything is healed: one leader, all calls end, within bounds; (C) all
 * quiet: trees byte for byte alike on all servers, every acked write in the log.
 */
import { armBuggify } from "../../src/model/buggify.ts";
import { type Limits, tinyLimits } from "../../src/model/limits.ts";
import { withBuggify } from "./buggify.ts";
import { Violation } from "./check/violation.ts";
import { Cluster } from "./cluster.ts";
import { drawLeasePlan, drawLongPlan, drawPlan, type FaultPlan, type FaultRecord, type FaultReplay, Faults } from "./faults.ts";
import { calmNetwork, type NetworkOptions } from "./network.ts";
import { drawPace, type Pace, type PaceName, slowLimits } from "./pace.ts";
import { Random } from "./random.ts";
import { Workload } from "./workload.ts";

export type Mode = "calm" | "swarm";

export interface RunOptions {
  readonly seed: number;
  readonly mode: Mode;
  readonly quick: boolean;
  /** Drawn unless told, in mode swarm. */
  readonly pace?: PaceName;
  readonly trace?: ((line: string) => void) | undefined;
  /** Faults of an earlier run of the same seed, some left out. */
  readonly replay?: FaultReplay;
  /** False: no rare choice is made that only the simulator makes (buggify.ts). Default: as drawn. */
  readonly buggify?: boolean;
}

/** A violation as a plain value. */
export interface Broken {
  readonly check: string;
  readonly message: string;
  readonly stack: string;
}

export interface RunReport {
  readonly seed: number;
  readonly longHaul: boolean;
  readonly hash: number;
  readonly simulatedMs: number;
  readonly events: number;
  readonly turns: number;
  readonly operations: number;
  readonly committed: number;
  readonly evaluations: ReadonlyMap<string, number>;
  readonly marks: ReadonlyMap<string, number>;
  /** Faults that bit, by kind. */
  readonly faults: ReadonlyMap<string, number>;
  /** Rare choices that were made, by site. */
  readonly sites: ReadonlyMap<string, number>;
  readonly records: readonly FaultRecord[];
  readonly violation: Broken | undefined;
  readonly state: string;
}

export function drawCluster(random: Random, options: RunOptions, aboutLeases: boolean, pace?: Pace): Cluster {
  const calm = options.mode === "calm";
  const slow = pace?.slow ?? 1;
  const drawn = drawLimits(random, aboutLeases);
  const limits = pace === undefined ? drawn : slowLimits(drawn, slow);
  const voters = aboutLeases ? 3 : random.pick([3, 3, 3, 3, 3, 3, 5, 5, 1, 3]);
  const usual = {
    seed: options.seed,
    voters,
    observers: voters > 1 && random.chance(0.2) ? 1 : 0,
    clients: (aboutLeases ? 2 : 1) + random.below(aboutLeases ? 2 : 5),
    sdkShare: random.pick([0, 0.5, 1]),
    callMs: random.pick([8_000, 8_000, 300]) * slow,
    limits,
    leaseReads: aboutLeases || random.chance(0.85),
    drift: calm || (!aboutLeases && random.chance(0.4)) ? 0 : limits.clock_drift_max * 0.99,
    network: calm || aboutLeases ? calmNetwork : drawNetwork(random, slow),
    sessionTimeoutMs: Math.floor(random.logBetween(aboutLeases ? 1_500 : 400, 8_000)),
    slow,
    ...(options.trace === undefined ? {} : { trace: options.trace }),
  };
  if (pace === undefined) return new Cluster(usual);
  // Drift is what adds up over time.
  return new Cluster({ ...usual, drift: limits.clock_drift_max * 0.99, sessionTimeoutMs: pace.sessionTimeoutMs });
}

function drawNetwork(random: Random, slow: number): NetworkOptions {
  return {
    latencyMs: random.logBetween(0.05, 5),
    jitterMs: random.logBetween(0.05, 10),
    tailChance: random.chance(0.5) ? 0.005 : 0,
    tailMs: random.between(5, 120),
    deadMinMs: random.between(100, 800) * slow,
    deadMaxMs: random.between(900, 4_000) * slow,
  };
}

function drawLimits(random: Random, aboutLeases: boolean): Limits {
  const handover = random.chance(0.4) ? 30 + random.below(60) : tinyLimits.handover_counter;
  return {
    ...tinyLimits,
    handover_counter: handover,
    counter_max: handover * 2,
    history_txns_min: random.chance(0.4) ? 8 : tinyLimits.history_txns_min,
    history_bytes_min: random.chance(0.4) ? 1_024 : tinyLimits.history_bytes_min,
    log_segment_bytes: random.chance(0.5) ? 4_096 : tinyLimits.log_segment_bytes,
    // A large ρ makes what is wrong about a lease, or a session's end, last long enough to be seen.
    clock_drift_max: aboutLeases || random.chance(0.25) ? 0.2 : tinyLimits.clock_drift_max,
    free_space_reserve_bytes: 1,
  };
}

const calmPlan: FaultPlan = { kinds: [], meanGapMs: 1_000, durationMs: 1 };

/** One seed in fifty is run twice, to the same end. */
const twiceEvery = 50;

export function run(options: RunOptions): RunReport {
  const first = play(options);
  if (options.seed % twiceEvery !== 0 || first.longHaul || first.violation !== undefined) return report(options, first);
  const second = play({ ...options, trace: undefined });
  const violation = violationOf(() => first.cluster.checks.sameRun.judge(first.cluster, second.cluster));
  return report(options, { ...first, violation });
}

interface Played {
  readonly cluster: Cluster;
  readonly faults: Faults;
  readonly longHaul: boolean;
  readonly violation: Violation | undefined;
  readonly sites: ReadonlyMap<string, number>;
}

function play(options: RunOptions): Played {
  if (options.mode === "calm" || options.buggify === false) return { ...playOnce(options), sites: new Map() };
  const { result, sites } = withBuggify(options.seed, () => playOnce(options));
  return { ...result, sites };
}

function playOnce(options: RunOptions): Omit<Played, "sites"> {
  const random = new Random(options.seed).fork("config");
  const about = options.mode === "swarm" && random.chance(0.12);
  const pace = options.mode === "swarm" ? drawPace(options.seed, options.pace ?? "drawn") : undefined;
  const aboutLeases = about && pace === undefined;
  const cluster = drawCluster(random, options, aboutLeases, pace);
  const workload = new Workload(cluster, pace);
  const faults = new Faults(cluster, planOf(random, options.mode, aboutLeases, pace), options.replay);
  const violation = violationOf(() => phases(cluster, workload, faults, random, options, pace));
  return { cluster, faults, longHaul: pace !== undefined, violation };
}

function violationOf(body: () => void): Violation | undefined {
  try {
    body();
    return undefined;
  } catch (error) {
    if (error instanceof Violation) return error;
    return new Violation("simulator", error instanceof Error ? (error.stack ?? error.message) : String(error));
  }
}

function planOf(random: Random, mode: Mode, aboutLeases: boolean, pace: Pace | undefined): FaultPlan {
  if (mode === "calm") return calmPlan;
  if (pace !== undefined) return drawLongPlan(random, pace.minutes);
  return aboutLeases ? drawLeasePlan(random) : drawPlan(random, random.chance(0.3));
}

function phases(
  cluster: Cluster,
  workload: Workload,
  faults: Faults,
  random: Random,
  options: RunOptions,
  pace: Pace | undefined,
): void {
  cluster.startServers();
  if (random.chance(0.7)) cluster.until("the first leader", () => cluster.leader !== undefined, 20_000 * cluster.slow);
  cluster.startClients();
  workload.start();
  faults.start();
  if (pace !== undefined) cluster.run(pace.minutes * 60_000);
  else cluster.run(options.quick ? 5_000 : 15_000);
  faults.healAll();
  armBuggify(undefined);
  heal(cluster, workload, faults.disputed);
  if (pace !== undefined) afterLong(cluster, pace);
}

/** Phase B and C: bounded recovery, then everything alike. */
export function heal(cluster: Cluster, workload: Workload, disputed = false): void {
  const { liveness } = cluster.checks;
  const { slow } = cluster;
  const random = cluster.random.fork("heal");
  liveness.leader.await(cluster, 15_000 * slow);
  if (disputed) {
    // A leader whose tree was changed finds out by the first heartbeats, and goes.
    cluster.run(300 * slow);
    liveness.leader.await(cluster, 15_000 * slow);
  }
  liveness.calm.staysCalm(cluster, 700 * slow);
  workload.stop();
  const lost = random.chance(0.2) ? leave(cluster) : undefined;
  liveness.calls.await(cluster, 20_000 * slow);
  liveness.queues.await(cluster, 2_000 * slow);
  if (random.chance(0.25)) liveness.rejoins.comesBackIdle(cluster, random.pick(cluster.servers).id);
  if (lost !== undefined) liveness.calm.sessionEnds(cluster, lost, 30_000 * slow);
  liveness.leader.await(cluster, 15_000 * slow);
  liveness.replicas.await(cluster, 10_000 * slow);
  cluster.checks.identity.judge(cluster);
  liveness.streams.await(cluster, 8_000 * slow);
  cluster.checks.finish();
}

/** Minutes in which nobody asks anything and nothing breaks, and then the long outcome of it. */
function afterLong(cluster: Cluster, pace: Pace): void {
  const { liveness } = cluster.checks;
  const random = cluster.random.fork("after long");
  const ms = random.between(60_000, 600_000);
  liveness.calm.staysAsItIs(cluster, ms, 25_000 + 1_000 * pace.slow);
  liveness.calm.logsAreTrimmed(cluster);
  const [client] = random.shuffle(cluster.clients.filter((one) => one.session !== undefined && !cluster.gone.has(one)));
  if (client?.session === undefined) return;
  const { session } = client;
  cluster.gone.add(client);
  for (const server of cluster.servers) cluster.cut(client.id, server.id);
  // Nobody else leads meanwhile: its timeout, as it was last renewed, by a slow clock, and a tick.
  const timeoutMs = cluster.checks.model.sessions.get(session)?.timeoutMs ?? pace.sessionTimeoutMs;
  liveness.calm.sessionEnds(cluster, session, timeoutMs * 1.3 + 1_000 * pace.slow);
}

/** A client with a short session goes for good, without a word; its session, if there was one. */
function leave(cluster: Cluster): number | undefined {
  const client = cluster.clients.at(-1);
  const session = client?.session;
  if (client === undefined || session === undefined || cluster.sessionTimeoutMs > 2_500) return undefined;
  cluster.gone.add(client);
  for (const server of cluster.servers) cluster.cut(client.id, server.id);
  return session;
}

function report(options: RunOptions, played: Played): RunReport {
  const { cluster, faults, longHaul, violation, sites } = played;
  const evaluations = new Map<string, number>();
  for (const check of cluster.checks.all()) evaluations.set(check.name, (evaluations.get(check.name) ?? 0) + check.evaluations);
  return {
    seed: options.seed,
    longHaul,
    hash: cluster.trace.hash,
    simulatedMs: cluster.scheduler.now,
    events: cluster.scheduler.events,
    turns: cluster.servers.reduce((sum, server) => sum + server.turns, 0),
    operations: cluster.history.operations.length,
    committed: cluster.checks.ghost.committed.length,
    evaluations,
    marks: cluster.checks.marks.counts,
    faults: faults.played,
    sites,
    records: violation === undefined ? [] : faults.records,
    violation:
      violation === undefined ? undefined : { check: violation.check, message: violation.message, stack: violation.stack ?? "" },
    state: cluster.describe(),
  };
}
