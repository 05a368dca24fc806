/**
 * Small-scope exploration of the shipping replica: three servers, three txns, and up to two crashes and one partition at
 * every place where they can matter. A place is a change of what the servers are (roles, epochs, logs, commits, what their
 * disks have under way); a run is played again from its beginning up to each place that it reached, and a fault of each
 * kind at each server is put there. Places are known by a hash: one that was reached before with as many faults to come is
 * not gone on from. All checks of the simulator judge each run, and its end.
 */
import { hashText } from "../sim/random.ts";
import { Stage } from "../sim/scenario/stage.ts";

export type FaultKind = "crash" | "kill" | "partition";

export interface Fault {
  /** Counted from the first write. */
  readonly place: number;
  readonly kind: FaultKind;
  readonly server: number;
}

export interface Bounds {
  readonly crashes: number;
  readonly partitions: number;
  /** Of each run, from its last fault on; further places are left out, and `cut` says so. */
  readonly places: number;
  readonly runs: number;
}

export interface Exploration {
  readonly runs: number;
  readonly states: number;
  /** True when a bound ended it before all was explored. */
  readonly cut: boolean;
  /** Undefined when nothing was wrong. */
  readonly violation: string | undefined;
}

const seed = 1;
const downMs = 20;
const partedMs = 300;
const servers = [1, 2, 3];

/** Depth last: all runs with one fault come before those with two. */
export function explore(bounds: Bounds): Exploration {
  const seen = new Set<number>();
  const plans: (readonly Fault[])[] = [[]];
  let runs = 0;
  let cut = false;
  for (let next = plans.shift(); next !== undefined; next = plans.shift()) {
    if (runs >= bounds.runs) return { runs, states: seen.size, cut: true, violation: undefined };
    runs += 1;
    const { hashes, violation } = play(next);
    if (violation !== undefined)
      return { runs, states: seen.size, cut: false, violation: `${JSON.stringify(next)}: ${violation}` };
    const kinds = kindsLeft(next, bounds);
    const from = (next.at(-1)?.place ?? -1) + 1;
    cut ||= hashes.length > from + bounds.places;
    for (let place = from; place < Math.min(hashes.length, from + bounds.places); place += 1) {
      const hash = hashText(kinds.join(), hashes[place]);
      if (seen.has(hash)) continue;
      seen.add(hash);
      for (const kind of kinds) for (const server of servers) plans.push([...next, { place, kind, server }]);
    }
  }
  return { runs, states: seen.size, cut, violation: undefined };
}

function kindsLeft(plan: readonly Fault[], bounds: Bounds): readonly FaultKind[] {
  const partitions = plan.filter((fault) => fault.kind === "partition").length;
  const crashes = plan.length - partitions;
  return [
    ...(crashes < bounds.crashes ? (["crash", "kill"] as const) : []),
    ...(partitions < bounds.partitions ? (["partition"] as const) : []),
  ];
}

interface Played {
  /** Of each place in turn. */
  readonly hashes: readonly number[];
  readonly violation: string | undefined;
}

/** Three creates, one alone and two at once, under these faults; then all is healed and judged. */
export function play(plan: readonly Fault[]): Played {
  const stage = new Stage(seed, { clients: 1 });
  const { cluster } = stage;
  cluster.checks.durability.every = 1;
  const hashes: number[] = [];
  try {
    stage.start(1);
    let before = hashOf(stage);
    cluster.scheduler.onEvent = () => {
      const hash = hashOf(stage);
      if (hash === before) return;
      before = hash;
      hashes.push(hash);
      for (const fault of plan) if (fault.place === hashes.length - 1) strike(stage, fault);
    };
    stage.create(0, "/a");
    cluster.run(8);
    if (cluster.client(0).session !== undefined) {
      stage.create(0, "/b");
      stage.create(0, "/c");
    }
    cluster.run(plan.length === 0 ? 20 : 500);
    cluster.scheduler.onEvent = undefined;
    stage.finish();
    return { hashes, violation: undefined };
  } catch (error) {
    return { hashes, violation: error instanceof Error ? error.message : String(error) };
  }
}

function strike(stage: Stage, { kind, server: id }: Fault): void {
  const { cluster } = stage;
  const server = cluster.server(id);
  if (kind === "partition") {
    cluster.isolate(id);
    cluster.scheduler.after(partedMs, () => cluster.rejoin(id));
    return;
  }
  // The driver's own event is over before the process is.
  cluster.scheduler.after(0, () => {
    if (kind === "crash") server.crash(false);
    else server.kill();
    cluster.scheduler.after(downMs, () => server.start());
  });
}

/** Of what decides how servers go on, but for messages under way and clocks. */
function hashOf(stage: Stage): number {
  let text = "";
  for (const server of stage.cluster.servers) {
    const s = server.status();
    text +=
      s === undefined ? "down;" : `${s.role} ${s.serving} ${s.epoch} ${s.leader} ${s.lastLoggedZxid} ${s.lastCommittedZxid} `;
    text += `${s?.lastAppliedZxid} ${server.disk.pendingOperations};`;
  }
  return hashText(text);
}
