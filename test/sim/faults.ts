/**
 * The nemesis: each run draws which kinds of faults are on at all, how often they come and how long they
 * last (log-uniform), and plays them. Whatever it breaks it heals by itself or at `healAll`. A minority
 * of servers at most lose their data; the durable copies of a quorum are never destroyed.
 */
import type { Cluster } from "./cluster.ts";
import { clientFaults } from "./fault/clients.ts";
import { clockFaults } from "./fault/clocks.ts";
import { diskFaults } from "./fault/disks.ts";
import { linkFaults } from "./fault/links.ts";
import { longFaults } from "./fault/long.ts";
import { processFaults } from "./fault/processes.ts";
import type { CrashKind, Fault, FaultTools } from "./fault/tools.ts";
import type { Random } from "./random.ts";
import type { SimServer } from "./server.ts";

export const faults: Readonly<Record<string, Fault>> = {
  ...processFaults,
  ...linkFaults,
  ...diskFaults,
  ...clientFaults,
  ...clockFaults,
};
/** What runs at the usual pace draw from. */
export const faultKinds: readonly string[] = Object.keys(faults);
const all: Readonly<Record<string, Fault>> = { ...faults, ...longFaults };

/** Dear ones: each takes much of a run. */
const rare = new Set(["wipe", "bit flip", "other tree", "crash all", "kill all"]);

export interface FaultPlan {
  readonly kinds: readonly string[];
  readonly meanGapMs: number;
  readonly durationMs: number;
  /** Pauses may be longer than the healed world is given: they end with the faults. */
  readonly long?: boolean;
}

const leaseFaults = ["leader split off with a client", "leader frozen with a queue", "clock rate"];

/** What shows a wrong lease is made by no other fault, and takes its time: some runs are about little else. */
export function drawLeasePlan(random: Random): FaultPlan {
  const kinds = [...leaseFaults, ...leaseFaults, ...random.shuffle(faultKinds).slice(0, random.below(3))];
  return { kinds, meanGapMs: random.between(300, 900), durationMs: random.logBetween(50, 500) };
}

export function drawPlan(random: Random, few: boolean): FaultPlan {
  const kinds = random.shuffle(faultKinds.filter((kind) => random.chance(rare.has(kind) ? 0.15 : 0.25)));
  return {
    kinds: few ? kinds.slice(0, 2) : kinds,
    meanGapMs: random.logBetween(80, 2_000),
    durationMs: random.logBetween(10, 2_500),
  };
}

/** Far apart, and long; two that are about milliseconds are left out. */
export function drawLongPlan(random: Random, minutes: number): FaultPlan {
  const usual = faultKinds.filter(
    (kind) => !leaseFaults.slice(0, 2).includes(kind) && random.chance(rare.has(kind) ? 0.15 : 0.25),
  );
  return {
    kinds: [...Object.keys(longFaults), ...usual],
    meanGapMs: minutes * 60_000 * random.logBetween(0.01, 0.15),
    durationMs: random.logBetween(2_000, 120_000),
    long: true,
  };
}

/** One step of the nemesis, and where its randomness stood: played again it does the same, whatever was left out before it. */
export interface FaultRecord {
  readonly kinds: string[];
  readonly beforeGap: Uint32Array;
  readonly beforePlay: Uint32Array;
}

export interface FaultReplay {
  readonly records: readonly FaultRecord[];
  readonly skip: ReadonlySet<number>;
}

export class Faults implements FaultTools {
  readonly cluster: Cluster;
  readonly random: Random;
  readonly #plan: FaultPlan;
  /** Undoes what is broken now. */
  readonly #heals = new Set<() => void>();
  #tampered = false;
  stopped = false;
  readonly records: FaultRecord[] = [];
  readonly #replay: FaultReplay | undefined;
  /** How often each kind bit. */
  readonly played = new Map<string, number>();

  constructor(cluster: Cluster, plan: FaultPlan, replay?: FaultReplay) {
    this.cluster = cluster;
    this.#replay = replay;
    this.#plan = plan;
    this.random = cluster.random.fork("faults");
  }

  start(): void {
    this.cluster.peers.rememberFrames = this.#plan.kinds.includes("stale frames");
    if (this.#plan.kinds.length > 0) this.#next();
  }

  healAll(): void {
    this.stopped = true;
    for (const heal of [...this.#heals]) heal();
    this.cluster.network.unblockAll();
    for (const server of this.cluster.servers) {
      server.failNext("disk", undefined);
      server.failNext("store", undefined);
      if (this.#plan.long === true) server.wake();
      this.#restart(server);
    }
    for (const server of this.cluster.servers) if (server.doomed) this.#endDoomed(server);
  }

  /** What failed a moment ago ends its server in its next turn, when all is thought to be whole. */
  #endDoomed(server: SimServer): void {
    this.cluster.until("a server whose disk failed ends", () => !server.running, 5_000 * this.cluster.slow);
    this.#restart(server);
  }

  #next(): void {
    const index = this.records.length;
    const known = this.#replay?.records[index];
    if (known !== undefined) this.random.restore(known.beforeGap);
    const beforeGap = this.random.save();
    this.records.push({ kinds: [], beforeGap, beforePlay: beforeGap });
    this.cluster.scheduler.after(this.random.exponential(this.#plan.meanGapMs), () => {
      if (this.stopped) return;
      if (known !== undefined) this.random.restore(known.beforePlay);
      const record: FaultRecord = { kinds: [], beforeGap, beforePlay: this.random.save() };
      this.records[index] = record;
      for (const server of this.cluster.servers) if (server.halted) this.restartLater(server);
      const count = this.random.chance(0.2) ? 2 : 1;
      const skipped = this.#replay?.skip.has(index) ?? false;
      for (let i = 0; i < count && !skipped; i += 1) {
        const kind = this.random.pick(this.#plan.kinds);
        record.kinds.push(kind);
        this.play(kind);
      }
      this.#next();
    });
  }

  play(kind: string): void {
    const fault = all[kind];
    if (fault === undefined) throw new Error(`there is no fault ${kind}`);
    const { trace } = this.cluster;
    if (trace.on) trace.line("", "FAULT", kind);
    if (fault(this)) this.played.set(kind, (this.played.get(kind) ?? 0) + 1);
  }

  // ---- tools

  duration(): number {
    return this.random.exponential(this.#plan.durationMs) + 0.1;
  }

  during(ms: number, heal: () => void): void {
    const once = (): void => {
      if (this.#heals.delete(once)) heal();
    };
    this.#heals.add(once);
    this.cluster.scheduler.after(ms, once);
  }

  crash(server: SimServer, kind: CrashKind): boolean {
    if (!server.running) return false;
    if (kind === "kill") server.kill();
    else server.crash(kind === "silent");
    this.restartLater(server);
    return true;
  }

  restartLater(server: SimServer, ms = Math.max(1, this.duration())): void {
    this.during(ms, () => this.#restart(server));
  }

  #restart(server: SimServer): void {
    if (server.running) return;
    // It throws the damaged data away by itself, also when it died before it could say so.
    if (server.lostData) this.cluster.checks.damage.noticed(server.id);
    server.start(server.lostData);
  }

  /** Some tree was changed in this run. */
  get disputed(): boolean {
    return this.#tampered;
  }

  mayLoseData(server: SimServer): boolean {
    const { ensemble, servers } = this.cluster;
    if (this.#tampered || !server.voter || ensemble.filter((member) => !member.observer).length < 3) return false;
    if (!servers.every((one) => one.status()?.serving === true)) return false;
    for (const one of servers) one.lostData = false;
    return true;
  }

  lostData(server: SimServer): void {
    server.lostData = true;
  }

  /** Nobody can tell from outside when it is right again: in this run no other loses anything. */
  tampered(): void {
    this.#tampered = true;
  }
}
