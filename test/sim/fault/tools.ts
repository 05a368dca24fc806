/**
 * What a fault is made of: the world, its own randomness, and ways to break something for a while. A
 * fault returns false when there was nothing to bite on; only those that bit are counted.
 */
import type { Cluster } from "../cluster.ts";
import type { Random } from "../random.ts";
import type { SimServer } from "../server.ts";

export type CrashKind = "crash" | "kill" | "silent";

export interface FaultTools {
  readonly cluster: Cluster;
  readonly random: Random;
  /** How long a fault of this run lasts, drawn anew each time. */
  duration(): number;
  /** Heals after `ms`, or when all is healed, whichever comes first. */
  during(ms: number, heal: () => void): void;
  /** False when it does not run. It is started again later. */
  crash(server: SimServer, kind: CrashKind): boolean;
  /** Starts it again after a while, or `ms`, with `--rejoin` when its data was lost. */
  restartLater(server: SimServer, ms?: number): void;
  /** True when one more server may lose its data: all serve, so the last one that did is a voter again. */
  mayLoseData(server: SimServer): boolean;
  /** Its data is lost or damaged: from here on it starts with `--rejoin`. */
  lostData(server: SimServer): void;
  /** A server's tree was changed: no other may lose its data before it is right again. */
  tampered(): void;
  readonly stopped: boolean;
}

export type Fault = (tools: FaultTools) => boolean;

/** Blocks one direction, or both, for `ms`. */
export function cutFor(tools: FaultTools, a: number, b: number, ms: number, oneWay = false): void {
  const { network } = tools.cluster;
  network.block(a, b);
  if (!oneWay) network.block(b, a);
  tools.during(ms, () => {
    network.unblock(a, b);
    if (!oneWay) network.unblock(b, a);
  });
}

/** Mostly the leader, where faults hurt most. */
export function victim(tools: FaultTools): SimServer {
  const { cluster, random } = tools;
  return random.chance(0.5) ? (cluster.leader ?? random.pick(cluster.servers)) : random.pick(cluster.servers);
}

/** Two different servers; undefined in an ensemble of one. */
export function twoServers(tools: FaultTools): readonly [SimServer, SimServer] | undefined {
  const [a, b] = tools.random.shuffle(tools.cluster.servers);
  return a === undefined || b === undefined ? undefined : [a, b];
}
