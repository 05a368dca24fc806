/**
 * The nemesis: real servers under every load at once, and round after round of faults, drawn from a seed and combined. A round strikes one to
 * three of them, holds them, ends them in another order, and waits until all servers serve and every writer gets on. A stint is some rounds
 * and the loads over them, judged at its end, each by its own account. A fault that did not bite is a failure too.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { connect } from "../../client/index.ts";
import { LinkProxy } from "../support/link-proxy.ts";
import { Random } from "../support/random.ts";
import { type Fault, type Stage, type Struck, shuffled } from "./fault/fault.ts";
import { loads } from "./load/all.ts";
import type { Load, LoadWorld } from "./load/load.ts";
import { Sets } from "./load/sets.ts";
import { NamespacedEnsemble } from "./namespaced-ensemble.ts";
import type { Network } from "./network.ts";
import { PartitionedEnsemble } from "./partitioned-ensemble.ts";
import type { ProcessEnsemble } from "./process-ensemble.ts";
import { DiskShim } from "./shim/disk-shim.ts";
import { FakeClocks } from "./shim/fake-clocks.ts";
import { SmallDisks } from "./shim/small-disks.ts";

export interface NemesisOptions {
  readonly servers: number;
  /** Each server is a host of its own, in a network namespace. */
  readonly hosts?: boolean;
  readonly seed: number;
  readonly faults: readonly Fault[];
  /** Names of `loads`; `sets` is always there. */
  readonly loads: readonly string[];
  /** Faults of a round, at most. */
  readonly atOnce: number;
  /** How long a round's faults last, ms. */
  readonly holdMs: readonly [min: number, max: number];
  readonly sessionTimeoutMs: number;
  readonly roundsOfStint: number;
  /** Every fault in its turn, instead of a draw. */
  readonly inTurn?: boolean;
  /** The names of each round's faults, instead of a draw; after the last it begins again. */
  readonly script?: readonly (readonly string[])[];
  readonly slowness?: number;
  /** Whether another round is to be played. */
  goesOn(rounds: number): boolean;
  onRound?(report: RoundReport): void;
  onSkip?(fault: string, why: string): void;
}

export interface RoundReport {
  readonly round: number;
  readonly faults: readonly string[];
  readonly heldMs: number;
  /** Until each had bitten and was undone. */
  readonly endMs: number;
  /** From the end of the faults until every writer got on. */
  readonly backMs: number;
  readonly calls: number;
  readonly problems: readonly string[];
}

export interface NemesisReport {
  readonly rounds: number;
  readonly seconds: number;
  /** Strikes by kind and by name; kills and pauses count processes. */
  readonly kinds: Readonly<Record<string, number>>;
  readonly faults: Readonly<Record<string, number>>;
  readonly calls: Readonly<Record<string, number>>;
  /** How much of all acknowledged writes came while a fault was at work or the ensemble was on its way back from it, percent. */
  readonly underFault: number;
  readonly leaderChanges: number;
  readonly problems: readonly string[];
}

/** Of a server that found something wrong with itself. */
const haltedExit = 70;

export class Nemesis {
  readonly #options: NemesisOptions;
  readonly #network: Network;
  readonly #doors: readonly LinkProxy[];
  readonly #disks: DiskShim | string;
  readonly #clocks: FakeClocks | string;
  readonly #smallDisks: SmallDisks | string;
  readonly #directory: string;
  readonly #random: Random;
  readonly #taken = new Set<number>();
  readonly #kinds = new Map<string, number>();
  readonly #faults = new Map<string, number>();
  readonly #calls = new Map<string, number>();
  readonly #problems: string[] = [];
  #underFault = 0;
  #rounds = 0;
  #firstEpoch = 0;

  private constructor(options: NemesisOptions, parts: NemesisParts) {
    this.#options = options;
    this.#network = parts.network;
    this.#doors = parts.doors;
    this.#disks = parts.disks;
    this.#clocks = parts.clocks;
    this.#smallDisks = parts.smallDisks;
    this.#directory = parts.directory;
    this.#random = new Random(options.seed);
  }

  static async start(options: NemesisOptions): Promise<Nemesis> {
    const directory = mkdtempSync(join(tmpdir(), "zabra-nemesis-"));
    const wants = (kind: Fault["kind"]): boolean => options.faults.some((fault) => fault.kind === kind);
    const data = join(directory, "data");
    const disks = wants("disk") ? DiskShim.make(join(directory, "shim"), data) : "not wanted";
    const clocks = wants("clock") ? FakeClocks.make(join(directory, "clocks")) : "not wanted";
    const ids = Array.from({ length: options.servers }, (_, i) => i + 1);
    const wantsSmall = options.faults.some(({ name }) => name === "full-disk");
    const smallDisks = wantsSmall ? SmallDisks.make(ids, (id) => join(data, String(id))) : "not wanted";
    const envs = new Map<number, Readonly<Record<string, string>>>();
    const envOf = (id: number): Readonly<Record<string, string>> => {
      let env = envs.get(id);
      if (env === undefined) {
        const all = [disks, clocks].map((shim) => (typeof shim === "string" ? {} : shim.env(id)));
        const preloaded = all.map((one) => one["LD_PRELOAD"]).filter((one) => one !== undefined);
        env = { ...all[0], ...all[1], ...(preloaded.length > 0 && { LD_PRELOAD: preloaded.join(":") }) };
        envs.set(id, env);
      }
      return env;
    };
    const config = join(directory, "zabra.json");
    writeFileSync(
      config,
      JSON.stringify({ limits: wantsSmall ? { ...smallLog, free_space_reserve_bytes: 16 << 20 } : smallLog }),
    );
    const ensemble = options.hosts === true ? NamespacedEnsemble : PartitionedEnsemble;
    const network: Network = await ensemble.start({
      servers: options.servers,
      directory: data,
      args: ["--log-level", "warn", "--config", config],
      envOf,
    });
    if (options.faults.some(({ longHistory }) => longHistory === true)) await fillHistory(network.servers.urls);
    const doors = await Promise.all(
      network.servers.members.map((member) => LinkProxy.start(member.http, network.servers.host(member.id))),
    );
    return new Nemesis(options, { network, doors, disks, clocks, smallDisks, directory });
  }

  get servers(): ProcessEnsemble {
    return this.#network.servers;
  }

  async run(): Promise<NemesisReport> {
    const beganMs = performance.now();
    const faults = this.#available();
    this.#firstEpoch = await this.#epoch();
    while (this.#options.goesOn(this.#rounds)) await this.#stint(faults);
    const leaderChanges = (await this.#epoch()) - this.#firstEpoch;
    const acks = this.#calls.get("sets") ?? 0;
    const underFault = acks === 0 ? 0 : Math.round((100 * this.#underFault) / acks);
    if (underFault < 20) this.#problems.push(`only ${underFault} % of the writes were acknowledged around faults`);
    return {
      rounds: this.#rounds,
      seconds: Math.round((performance.now() - beganMs) / 1_000),
      kinds: Object.fromEntries(this.#kinds),
      faults: Object.fromEntries([...this.#faults].sort(([a], [b]) => (a < b ? -1 : 1))),
      calls: Object.fromEntries(this.#calls),
      underFault,
      leaderChanges,
      problems: this.#problems,
    };
  }

  async close(): Promise<void> {
    await this.#network.close();
    await Promise.all(this.#doors.map((door) => door.close()));
    if (typeof this.#smallDisks !== "string") this.#smallDisks.close();
    const halted = this.servers.members.filter(({ exit }) => exit === haltedExit);
    if (halted.length === 0) rmSync(this.#directory, { recursive: true, force: true });
    else console.log(`kept, for server ${halted.map(({ id }) => id).join(", ")} halted: ${this.#directory}`);
  }

  // ---- stints

  async #stint(faults: readonly Fault[]): Promise<void> {
    const sets = await Sets.begin(this.#world("sets"));
    const others = new Map<string, Load>();
    for (const name of this.#options.loads) {
      const begin = loads[name];
      if (begin === undefined) throw new Error(`no load ${name}: ${Object.keys(loads).join(", ")}`);
      others.set(name, await begin(this.#world(name)));
    }
    const all = new Map<string, Load>([["sets", sets], ...others]);
    await getOn(all);
    for (let i = 0; i < this.#options.roundsOfStint && (i === 0 || this.#options.goesOn(this.#rounds)); i += 1)
      await this.#round(faults, sets, all);
    await this.#judge(all);
  }

  #world(name: string): LoadWorld {
    return {
      urls: this.#doors.map((door) => `ws://127.0.0.1:${door.port}`),
      directUrls: this.servers.urls,
      directory: `/${name}-${this.#rounds}`,
      sessionTimeoutMs: this.#options.sessionTimeoutMs,
      slowness: this.#options.slowness ?? 1,
    };
  }

  async #judge(all: ReadonlyMap<string, Load>): Promise<void> {
    await Promise.all([...all.values()].map((load) => load.end()));
    for (const [name, load] of all) {
      this.#calls.set(name, (this.#calls.get(name) ?? 0) + load.calls);
      if (load.calls === 0) this.#problems.push(`${name}: nothing was answered`);
      for (const problem of await load.problems()) this.#problems.push(`${name}, before round ${this.#rounds + 1}: ${problem}`);
    }
  }

  // ---- rounds

  async #round(faults: readonly Fault[], sets: Sets, all: ReadonlyMap<string, Load>): Promise<void> {
    this.#rounds += 1;
    const problems: string[] = [];
    const callsBefore = sets.calls;
    const chosen = this.#draw(faults);
    const struck = await this.#strike(chosen);
    const [min, max] = this.#options.holdMs;
    const heldMs = min + this.#random.below(Math.max(1, max - min));
    await delay(heldMs);
    const overMs = performance.now();
    problems.push(...(await this.#end(struck)));
    const endedMs = performance.now();
    this.#network.heal();
    for (const door of this.#doors) door.heal();
    await this.servers.waitServing(undefined, 60_000);
    await getOn(all);
    const backMs = Math.round(performance.now() - endedMs);
    const calls = sets.calls - callsBefore;
    this.#underFault += calls;
    this.#problems.push(...problems.map((problem) => `round ${this.#rounds}: ${problem}`));
    const told = struck.map(([fault, { what }]) => `${fault.name} (${what})`);
    this.#options.onRound?.({
      round: this.#rounds,
      faults: told,
      heldMs,
      endMs: Math.round(endedMs - overMs),
      backMs,
      calls,
      problems,
    });
  }

  #draw(faults: readonly Fault[]): readonly Fault[] {
    const { script } = this.#options;
    if (script !== undefined) {
      const names = script[(this.#rounds - 1) % script.length] ?? [];
      return names.flatMap((name) => faults.filter((fault) => fault.name === name));
    }
    if (this.#options.inTurn === true) return faults.slice((this.#rounds - 1) % faults.length).slice(0, 1);
    // Kinds first: there are many more partitions than kills.
    const kinds = shuffled(this.#random, [...new Set(faults.map(({ kind }) => kind))]);
    const number = 1 + this.#random.below(this.#options.atOnce);
    const turns = Array.from({ length: number }, (_, i) => kinds[i % kinds.length]);
    const order = shuffled(this.#random, faults);
    const chosen = turns.map(
      (kind) =>
        order.splice(
          order.findIndex((fault) => fault.kind === kind),
          1,
        )[0],
    );
    return chosen.filter((fault) => fault !== undefined);
  }

  async #strike(chosen: readonly Fault[]): Promise<readonly (readonly [Fault, Struck])[]> {
    const stage = this.#stage(chosen.length === 1);
    const struck: (readonly [Fault, Struck])[] = [];
    for (const fault of chosen) {
      if (struck.length > 0) await delay(this.#random.below(300));
      const one = await fault.strike(stage);
      if (one === undefined) continue;
      struck.push([fault, one]);
      count(this.#kinds, fault.kind, fault.kind === "kill" || fault.kind === "pause" ? (one.victims ?? 1) : 1);
      count(this.#faults, fault.name, 1);
    }
    return struck;
  }

  /** In any order; those last that need the ensemble to work before they bite. */
  async #end(struck: readonly (readonly [Fault, Struck])[]): Promise<readonly string[]> {
    const problems: string[] = [];
    const order = shuffled(this.#random, struck);
    const patient = (fault: Fault): boolean => !["kill", "pause", "partition"].includes(fault.kind);
    order.sort(([a], [b]) => Number(patient(a)) - Number(patient(b)));
    for (const [fault, one] of order) {
      const problem = await one.end();
      if (problem !== undefined) problems.push(`${fault.name} (${one.what}) did not bite: ${problem}`);
      await delay(this.#random.below(200));
    }
    return problems;
  }

  #stage(alone: boolean): Stage {
    return {
      servers: this.servers,
      network: this.#network,
      doors: this.#doors,
      disks: this.#disks,
      clocks: this.#clocks,
      smallDisks: this.#smallDisks,
      random: this.#random,
      taken: this.#taken,
      alone,
    };
  }

  #available(): readonly Fault[] {
    const stage = this.#stage(false);
    const available = this.#options.faults.filter((fault) => {
      const why = fault.missing?.(stage);
      if (why !== undefined) this.#options.onSkip?.(fault.name, why);
      return why === undefined;
    });
    if (available.length === 0) throw new Error("none of the faults can be had here");
    return available;
  }

  async #epoch(): Promise<number> {
    return (await this.servers.status(await this.servers.leader()))?.epoch ?? 0;
  }
}

/** Segments come and go, the store is flushed often, and who comes back empty is too far behind for the log. */
const smallLog = {
  log_segment_bytes: 256 * 1024,
  history_txns_min: 10_000,
  history_bytes_min: 1 << 20,
  history_bytes_max: 8 << 20,
  snapshot_chunk_bytes: 32 * 1024,
  flush_interval_ms: 500,
};

/** More than the log keeps. */
async function fillHistory(urls: readonly string[]): Promise<void> {
  const client = await connect(urls, { callTimeoutMs: 60_000 });
  await client.ensurePath("/filler");
  const filler = new Uint8Array(100);
  for (let left = smallLog.history_txns_min * 1.5; left > 0; left -= 500)
    await Promise.all(Array.from({ length: 500 }, () => client.set("/filler", filler)));
  await client.close();
}

async function getOn(all: ReadonlyMap<string, Load>): Promise<void> {
  await Promise.all([...all.values()].map((load) => load.getsOn()));
}

interface NemesisParts {
  readonly network: Network;
  readonly doors: readonly LinkProxy[];
  readonly disks: DiskShim | string;
  readonly clocks: FakeClocks | string;
  readonly smallDisks: SmallDisks | string;
  readonly directory: string;
}

function count(counts: Map<string, number>, name: string, by: number): void {
  counts.set(name, (counts.get(name) ?? 0) + by);
}
