/**
 * Swarm faults: each run draws which kinds are on at all, how often they come and how long they last
 * (log-uniform), and a nemesis that plays them. Whatever it breaks it heals by itself or at `healAll`.
 * A minority of wiped servers at most; the durable copies of a quorum are never destroyed.
 */
import type { Cluster } from "./cluster.ts";
import type { Random } from "./random.ts";
import type { PauseKind, PausePoint, SimServer } from "./server.ts";

export const faultKinds = [
  "crash",
  "crash all",
  "partition",
  "one way",
  "isolate leader",
  "clog",
  "pause",
  "suspend",
  "wall jump",
  "break link",
  "slow disk",
  "wipe",
  "client cut",
  "client disconnect",
  "lag and crash",
] as const;
export type FaultKind = (typeof faultKinds)[number];

export interface FaultPlan {
  readonly kinds: readonly FaultKind[];
  readonly meanGapMs: number;
  readonly durationMs: number;
}

export function drawPlan(random: Random, few: boolean): FaultPlan {
  const kinds = faultKinds.filter((kind) => random.chance(kind === "wipe" || kind === "crash all" ? 0.2 : 0.4));
  return {
    kinds: few ? kinds.slice(0, 2) : kinds,
    meanGapMs: random.logBetween(80, 2_000),
    durationMs: random.logBetween(10, 2_500),
  };
}

export class Faults {
  readonly #cluster: Cluster;
  readonly #random: Random;
  readonly #plan: FaultPlan;
  /** Undoes what is broken now. */
  readonly #heals = new Set<() => void>();
  readonly #wiped = new Map<SimServer, boolean>();
  #stopped = false;
  readonly played = new Map<FaultKind, number>();

  constructor(cluster: Cluster, plan: FaultPlan) {
    this.#cluster = cluster;
    this.#plan = plan;
    this.#random = cluster.random.fork("faults");
  }

  start(): void {
    if (this.#plan.kinds.length > 0) this.#next();
  }

  healAll(): void {
    this.#stopped = true;
    for (const heal of [...this.#heals]) heal();
    this.#cluster.network.unblockAll();
    for (const server of this.#cluster.servers) if (!server.running) this.#restart(server);
  }

  #next(): void {
    this.#cluster.scheduler.after(this.#random.exponential(this.#plan.meanGapMs), () => {
      if (this.#stopped) return;
      const count = this.#random.chance(0.2) ? 2 : 1;
      for (let i = 0; i < count; i += 1) this.play(this.#random.pick(this.#plan.kinds));
      this.#next();
    });
  }

  #duration(): number {
    return this.#random.exponential(this.#plan.durationMs) + 0.1;
  }

  #for(ms: number, heal: () => void): void {
    const once = (): void => {
      if (this.#heals.delete(once)) heal();
    };
    this.#heals.add(once);
    this.#cluster.scheduler.after(ms, once);
  }

  play(kind: FaultKind): void {
    const cluster = this.#cluster;
    const r = this.#random;
    const server = r.pick(cluster.servers);
    const other = r.pick(cluster.servers);
    this.played.set(kind, (this.played.get(kind) ?? 0) + 1);
    if (cluster.trace.on) cluster.trace.line("", "FAULT", `${kind} s${server.id}`);
    switch (kind) {
      case "crash":
        return this.#crash(server, r.chance(0.2));
      case "crash all":
        for (const one of cluster.servers) this.#crash(one, false);
        return;
      case "partition":
        return this.#partition();
      case "one way":
        return this.#block(server.id, other.id);
      case "isolate leader":
        return this.#isolate(cluster.leader ?? server);
      case "clog":
        return this.#clog(server.id, other.id);
      case "pause":
        return this.#pause(r.chance(0.5) ? (cluster.leader ?? server) : server, "pause");
      case "suspend":
        return this.#pause(r.chance(0.5) ? (cluster.leader ?? server) : server, "suspend");
      case "wall jump":
        return server.clock.jumpWall(r.between(-3_600_000, 3_600_000));
      case "break link":
        return server === other ? undefined : cluster.peers.break(server.id, other.id);
      case "slow disk":
        return this.#slowDisk(server);
      case "wipe":
        return this.#wipe(server);
      case "client cut": {
        const client = r.pick(cluster.clients);
        for (const one of cluster.servers) this.#block(client.id, one.id);
        return;
      }
      case "lag and crash":
        return this.#lagAndCrash(server);
      case "client disconnect":
        return r.pick(cluster.clients).disconnect();
    }
  }

  #crash(server: SimServer, silent: boolean): void {
    if (!server.running) return;
    if (!silent && this.#random.chance(0.4)) server.kill();
    else server.crash(silent);
    this.#for(this.#duration(), () => this.#restart(server));
  }

  #restart(server: SimServer): void {
    if (server.running) return;
    server.start(this.#wiped.get(server) ?? false);
  }

  #block(a: number, b: number): void {
    if (a === b) return;
    this.#cluster.network.block(a, b);
    this.#for(this.#duration(), () => this.#cluster.network.unblock(a, b));
  }

  #clog(a: number, b: number): void {
    if (a === b) return;
    this.#cluster.network.block(a, b);
    this.#for(Math.min(this.#duration(), 400), () => this.#cluster.network.unblock(a, b));
  }

  #partition(): void {
    const shuffled = this.#random.shuffle(this.#cluster.servers);
    const size = 1 + this.#random.below(shuffled.length - 1);
    const ms = this.#duration();
    const oneWay = this.#random.chance(0.25);
    for (const left of shuffled.slice(0, size)) {
      for (const right of shuffled.slice(size)) this.#cutFor(left.id, right.id, ms, oneWay);
    }
  }

  #isolate(server: SimServer): void {
    const ms = this.#duration();
    for (const other of this.#cluster.servers) if (other !== server) this.#cutFor(server.id, other.id, ms, false);
  }

  /** One server misses what the others do; then these crash, and it is there when they come back. */
  #lagAndCrash(server: SimServer): void {
    const ms = this.#random.between(30, 600);
    for (const other of this.#cluster.servers) if (other !== server) this.#cutFor(server.id, other.id, ms, false);
    this.#cluster.scheduler.after(ms * this.#random.between(0.6, 1), () => {
      if (this.#stopped) return;
      for (const other of this.#cluster.servers) if (other !== server) this.#crash(other, false);
    });
  }

  #cutFor(a: number, b: number, ms: number, oneWay: boolean): void {
    const { network } = this.#cluster;
    network.block(a, b);
    if (!oneWay) network.block(b, a);
    this.#for(ms, () => {
      network.unblock(a, b);
      if (!oneWay) network.unblock(b, a);
    });
  }

  #pause(server: SimServer, kind: PauseKind): void {
    const points: readonly PausePoint[] = ["between turns", "before the clock", "before the effects"];
    const r = this.#random;
    // Long enough, now and then, that another leader is elected and commits meanwhile.
    const ms = r.chance(0.4) ? r.between(20, 400) : r.chance(0.5) ? r.between(1_200, 2_500) : this.#duration();
    server.pause(ms, kind, r.pick(points));
  }

  #slowDisk(server: SimServer): void {
    server.slowDiskMs = this.#random.logBetween(2, 400);
    this.#for(this.#duration(), () => {
      server.slowDiskMs = 0;
    });
  }

  /** One wiped server at a time, and the next only when that one is a voter again. */
  #wipe(server: SimServer): void {
    if (this.#cluster.ensemble.filter((member) => !member.observer).length < 3) return;
    for (const one of this.#wiped.keys()) {
      const status = one.status();
      if (status === undefined || !status.serving) return;
    }
    if (!this.#everybodyServes()) return;
    this.#wiped.clear();
    this.#wiped.set(server, true);
    server.wipe();
    this.#cluster.checks.wiped(server);
    this.#for(this.#duration(), () => this.#restart(server));
  }

  #everybodyServes(): boolean {
    return this.#cluster.servers.every((server) => server.status()?.serving === true);
  }
}
