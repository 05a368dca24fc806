/**
 * A whole ensemble in one process and in virtual time, for tests of code that uses Zabra: the shipping
 * servers over a virtual network, disks and clocks, and the shipping client on top. A test runs its own
 * code in `run` and plays faults from there. Same seed, same run; a minute of virtual time takes a
 * fraction of a second.
 *
 * Between two simulated events every promise that can run does. Code in `run` must wait by promises of
 * the client, of recipes and of the ensemble (`sleep`, `until`) alone: real timers and real input and
 * output are not in virtual time.
 */
import { setImmediate } from "node:timers";
import { type Client, type ClientOptions, connect } from "../../../client/index.ts";
import { type Limits, productionLimits } from "../../../src/model/limits.ts";
import { decodePeer, encodePeer } from "../../../src/wire/peer-codec.ts";
import { SimClock } from "../clock.ts";
import { calmNetwork, Network, type NetworkOptions, type NodeId } from "../network.ts";
import { PeerLinks } from "../peers.ts";
import { Random } from "../random.ts";
import { Scheduler } from "../scheduler.ts";
import { type ServerWatcher, SimServer } from "../server.ts";
import { Trace } from "../trace.ts";
import { VirtualMachine } from "./machine.ts";

export interface VirtualEnsembleOptions {
  /** All randomness comes from it: latencies, elections, back-off. Default 1. */
  readonly seed?: number;
  /** Servers with a vote, 1 to 9. Default 3. They are named 1, 2, 3 … */
  readonly servers?: number;
  /** Servers without a vote, 0 to 9; their names come after those with one. Default 0. */
  readonly observers?: number;
  /** Of the servers. Default: those of production, with small files and sessions from 200 ms. */
  readonly limits?: Partial<Limits>;
  readonly network?: Partial<NetworkOptions>;
  /** Clock rates are drawn from 1 ± this, 0 to 0.0099. Default 0. */
  readonly drift?: number;
  /** Virtual ms after which `run` gives up. Default 10 min. */
  readonly limitMs?: number;
  /** Virtual ms without anything that could settle a promise of `run` before it is called a deadlock. Default 60 s. */
  readonly deadlockMs?: number;
  /** Gets a line for every event. */
  readonly trace?: (line: string) => void;
}

/** As of `connect`; network, clock, timers and randomness are the ensemble's. */
export interface VirtualClientOptions extends Omit<ClientOptions, "dial" | "clock" | "timers" | "random"> {
  /** In traces and messages. Default `client 1`, `client 2` … */
  readonly name?: string;
  /** Servers to connect to. Default: all. */
  readonly servers?: readonly number[];
}

/** A server by its number, or a client. */
export type VirtualNode = number | Client;

/** Small files: a virtual disk is memory. */
const virtualLimits: Limits = {
  ...productionLimits,
  session_timeout_ms_min: 200,
  replies_per_session_max: 1_100,
  log_segment_bytes: 1 << 16,
  history_bytes_min: 1 << 20,
  history_bytes_max: 8 << 20,
  history_memory_bytes: 1 << 20,
  history_txns_min: 10_000,
  free_space_reserve_bytes: 0,
  flush_bytes: 1 << 18,
};
const firstClient = 101;
const serversMax = 9;
const sliceMs = 1_000;
const turnMs = 1;

/** Makes an ensemble in virtual time; see `VirtualEnsemble.run`. */
export function virtualEnsemble(options: VirtualEnsembleOptions = {}): VirtualEnsemble {
  return new VirtualEnsemble(options);
}

/** The shipping servers and client over a virtual network, disks and clocks, with faults to be played. */
export class VirtualEnsemble {
  readonly seed: number;
  readonly #options: VirtualEnsembleOptions;
  readonly #random: Random;
  readonly #scheduler = new Scheduler();
  readonly #trace: Trace;
  readonly #network: Network;
  readonly #peers: PeerLinks;
  readonly #servers: SimServer[] = [];
  readonly #machines = new Map<Client, VirtualMachine>();
  readonly #all: VirtualMachine[] = [];
  readonly #limits: Limits;
  /** What is blocked now, to be unblocked. */
  readonly #heals = new Set<() => void>();
  #sleeping = 0;
  #touched = false;
  #movedMs = 0;
  #halted: Error | undefined;
  #running = false;
  #callMs = 0;

  /** Use `virtualEnsemble`. The servers start at once, and their time passes in `run`. */
  constructor(options: VirtualEnsembleOptions) {
    checkOptions(options);
    this.#options = options;
    this.seed = options.seed ?? 1;
    this.#limits = { ...virtualLimits, ...options.limits };
    this.#random = new Random(this.seed);
    this.#trace = new Trace(this.#scheduler, options.trace);
    this.#network = new Network(this.#scheduler, this.#random.fork("net"), { ...calmNetwork, ...options.network });
    const codec = { encode: encodePeer, decode: decodePeer };
    this.#peers = new PeerLinks(this.#network, this.#scheduler, this.#random.fork("dial"), codec);
    this.#makeServers((options.servers ?? 3) + (options.observers ?? 0), options.servers ?? 3);
    for (const server of this.#servers) server.start();
  }

  #makeServers(count: number, voters: number): void {
    const ensemble = Array.from({ length: count }, (_, i) => ({ id: i + 1, observer: i >= voters }));
    const watcher: ServerWatcher = {
      started: () => {},
      stopped: () => {},
      noticed: () => {},
      turned: (_server, status) => this.#mix(status.lastAppliedZxid),
      halted: (server, exitCode, reason, cause) => {
        this.#halted = new Error(`server ${server.id} stopped by itself, exit code ${exitCode}: ${reason}`, { cause });
      },
    };
    for (const { id } of ensemble)
      this.#servers.push(
        new SimServer({
          id,
          ensemble,
          limits: this.#limits,
          leaseReads: true,
          scheduler: this.#scheduler,
          network: this.#network,
          peers: this.#peers,
          clock: this.#makeClock(`clock ${id}`),
          random: this.#random.fork(`server ${id}`),
          trace: this.#trace,
          watcher,
          keepsPlatter: false,
          everyTick: true,
        }),
      );
  }

  #makeClock(name: string): SimClock {
    const random = this.#random.fork(name);
    const drift = this.#options.drift ?? 0;
    return new SimClock(
      this.#scheduler.now,
      1 + random.between(-drift, drift),
      1_000 + random.below(1_000_000),
      1_700_000_000_000 + random.below(100_000),
    );
  }

  #mix(zxid: number): void {
    this.#trace.mix(zxid % 0x1_0000_0000, this.#scheduler.events, 0);
  }

  // ---- time

  /** Virtual time, ms since the servers started. True time: no server or client knows it. */
  get nowMs(): number {
    return this.#scheduler.now;
  }

  /** Tells runs apart: the same for the same seed and script. */
  get fingerprint(): number {
    return this.#trace.hash;
  }

  /**
   * Runs `script` in virtual time. Resolves or rejects as it does. Rejects, too, when nothing is left that could settle
   * it (a deadlock), when it takes longer than `limitMs`, or when a server stops by itself. One at a time.
   */
  async run<T>(script: () => Promise<T>): Promise<T> {
    if (this.#running) throw new Error("the ensemble is in `run` already");
    this.#running = true;
    try {
      const state = { settled: false };
      const settle = (): void => {
        state.settled = true;
      };
      const result = script();
      result.then(settle, settle);
      const endMs = this.nowMs + (this.#options.limitMs ?? 600_000);
      this.#movedMs = this.nowMs;
      for (await drained(); !state.settled; await this.#slice()) this.#judge(endMs);
      return await result;
    } finally {
      this.#running = false;
    }
  }

  /** Events up to one that touches the user's code, and then that code. */
  async #slice(): Promise<void> {
    this.#scheduler.runUntil(this.nowMs + sliceMs, () => this.#touched || this.#halted !== undefined);
    if (!this.#touched) return;
    this.#touched = false;
    await drained();
  }

  #judge(endMs: number): void {
    if (this.#halted !== undefined) throw this.#halted;
    if (this.nowMs >= endMs) throw new Error(`still running after limitMs, at ${this.describe()}`);
    const quietMs = Math.max(this.#options.deadlockMs ?? 60_000, 2 * this.#callMs);
    const waits = this.#sleeping > 0 || this.#all.some((machine) => machine.userTimers > 0 || machine.paused);
    if (waits) this.#movedMs = this.nowMs;
    else if (this.nowMs - this.#movedMs > quietMs)
      throw new Error(`deadlock: nothing is left to wait for, at ${this.describe()}`);
  }

  #touch(moved: boolean): void {
    this.#touched = true;
    if (moved) this.#movedMs = this.nowMs;
  }

  /** Resolves after `ms` of virtual time; no fault delays it. For a wait that is paused with a client: `client.sleep`. */
  sleep(ms: number): Promise<void> {
    this.#sleeping += 1;
    return new Promise((resolve) => {
      this.#scheduler.after(ms, () => {
        this.#sleeping -= 1;
        this.#touch(true);
        resolve();
      });
    });
  }

  /** Resolves as soon as `condition` holds; it is looked at every ms. Rejects when it does not within `ms`. */
  async until(condition: () => boolean | Promise<boolean>, ms = 60_000): Promise<void> {
    const endMs = this.nowMs + ms;
    while (!(await condition())) {
      if (this.nowMs >= endMs) throw new Error(`not within ${ms} ms: ${condition.toString().slice(0, 200)}`);
      await this.sleep(turnMs);
    }
  }

  // ---- who there is

  /** A client, connected. Rejects as `connect`. */
  async client(options: VirtualClientOptions = {}): Promise<Client> {
    const { name = `client ${this.#all.length + 1}`, servers = this.#servers.map(({ id }) => id), ...rest } = options;
    for (const id of servers) this.#server(id);
    const random = this.#random.fork(`client ${this.#all.length + 1}`);
    const machine = new VirtualMachine({
      id: firstClient + this.#all.length,
      name,
      scheduler: this.#scheduler,
      network: this.#network,
      servers: this.#servers,
      clock: this.#makeClock(`clock of client ${this.#all.length + 1}`),
      random,
      trace: this.#trace,
      touched: (moved) => this.#touch(moved),
    });
    this.#all.push(machine);
    const { dial, timers, monotonic: clock } = machine;
    const options2: ClientOptions = {
      outstandingMax: this.#outstandingMax(),
      ...rest,
      dial,
      timers,
      clock,
      random: () => random.float(),
    };
    this.#callMs = Math.max(this.#callMs, rest.callTimeoutMs ?? 0, rest.sessionTimeoutMs ?? 0);
    const client = await connect(
      servers.map((id) => `ws://server-${id}:2180`),
      options2,
    );
    this.#machines.set(client, machine);
    return client;
  }

  /** What the library asks of its own beside calls needs room as well. */
  #outstandingMax(): number {
    return Math.min(500, Math.max(1, this.#limits.outstanding_per_connection_max - 4));
  }

  /** Resolves to the number of the server that leads and serves, as soon as there is one. */
  async leader(): Promise<number> {
    await this.until(() => this.#leading() !== undefined);
    return this.#leading() ?? 0;
  }

  #leading(): number | undefined {
    const leading = this.#servers.filter((server) => server.status()?.role === "leading" && server.status()?.serving === true);
    return leading.sort((a, b) => (b.status()?.epoch ?? 0) - (a.status()?.epoch ?? 0))[0]?.id;
  }

  /** The server that a client is connected to; undefined: none. */
  serverOf(client: Client): number | undefined {
    return this.#machine(client).server;
  }

  /** Whether its machine sleeps now. To look at its clock then would be to wake it. */
  isSuspended(client: Client): boolean {
    return this.#machine(client).parts.clock.suspended;
  }

  // ---- faults of servers

  /** Ends a server's process as SIGKILL does; with `powerCut`, what its disk had not synced is gone as well. Its clients' connections break. */
  crash(server: number, options: { readonly powerCut?: boolean } = {}): void {
    if (options.powerCut === true) this.#server(server).crash(false);
    else this.#server(server).kill();
  }

  /** Starts it again, on the disk that it left. */
  restart(server: number): void {
    this.#server(server).start();
  }

  // ---- faults of the network

  /**
   * Nothing passes between any of `left` and any of `right` (default: all other servers) until the returned function, or
   * `heal`, is called; `oneWay`: nothing from `left` to `right`. Connections look open until somebody gives them up.
   */
  partition(
    left: readonly VirtualNode[],
    right?: readonly VirtualNode[],
    options: { readonly oneWay?: boolean } = {},
  ): () => void {
    const from = left.map((node) => this.#id(node));
    const to = right?.map((node) => this.#id(node)) ?? this.#servers.map(({ id }) => id).filter((id) => !from.includes(id));
    const paths = from.flatMap((a) =>
      to.flatMap((b) => (options.oneWay === true ? [[a, b] as const] : [[a, b] as const, [b, a] as const])),
    );
    for (const [a, b] of paths) this.#network.block(a, b);
    const heal = (): void => {
      if (this.#heals.delete(heal)) for (const [a, b] of paths) this.#network.unblock(a, b);
    };
    this.#heals.add(heal);
    return heal;
  }

  /** Ends all partitions. */
  heal(): void {
    for (const heal of [...this.#heals]) heal();
  }

  // ---- faults of clients

  /** Breaks a client's connection; it may connect again at once. */
  disconnect(client: Client): void {
    this.#machine(client).disconnect();
  }

  /**
   * A process stands still for `ms`; its clock goes on. Of a client: what it is told and what it waits for meanwhile comes
   * when it goes on. `suspend`: its monotonic clock stands still as well, as that of a sleeping laptop does.
   */
  pause(node: VirtualNode, ms: number, options: { readonly suspend?: boolean } = {}): void {
    const suspend = options.suspend ?? false;
    if (typeof node === "number") this.#server(node).pause(ms, suspend ? "suspend" : "pause", "between turns");
    else this.#machine(node).pause(ms, suspend);
  }

  /** Ends a client's process without a goodbye. Its promises settle no more. */
  kill(client: Client): void {
    this.#machine(client).kill();
  }

  /** The next write of this client that succeeds (of type `request`, such as `create`) is committed, but its reply is lost with the connection. Resolves when that has happened. */
  loseReply(client: Client, request?: string): Promise<void> {
    return new Promise((resolve) => this.#machine(client).loseReply(request, resolve));
  }

  /** From now on this clock runs at `rate` times true time. Guarantees hold for 0.9901 to 1.0099, the rest shows why. */
  drift(node: VirtualNode, rate: number): void {
    const clock = typeof node === "number" ? this.#server(node).clock : this.#machine(node).parts.clock;
    clock.setRate(this.nowMs, rate);
  }

  // ---- inside

  #server(id: number): SimServer {
    const server = this.#servers[id - 1];
    if (server === undefined) throw new RangeError(`there is no server ${id}, only 1 to ${this.#servers.length}`);
    return server;
  }

  #machine(client: Client): VirtualMachine {
    const machine = this.#machines.get(client);
    if (machine === undefined) throw new TypeError("not a client of this ensemble (pass the one that `client` resolved to)");
    return machine;
  }

  #id(node: VirtualNode): NodeId {
    return typeof node === "number" ? this.#server(node).id : this.#machine(node).id;
  }

  /** Where everybody is, in a few lines. */
  describe(): string {
    const servers = this.#servers.map((server) => {
      const status = server.status();
      if (status === undefined) return `  server ${server.id}: down`;
      return `  server ${server.id}: ${status.role}${status.serving ? "" : ", not serving"}${server.paused ? ", paused" : ""}`;
    });
    const clients = [...this.#machines].map(([client, machine]) => {
      const where = machine.dead ? "killed" : `${client.state.type}${machine.paused ? ", paused" : ""}`;
      return `  ${machine.parts.name}: ${where}, server ${machine.server ?? "none"}`;
    });
    return [`${this.nowMs.toFixed(0)} ms, seed ${this.seed}`, ...servers, ...clients].join("\n");
  }
}

/** Resolves after all promises that can run have run. */
function drained(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

function checkOptions({ servers = 3, observers = 0, drift = 0, seed = 1 }: VirtualEnsembleOptions): void {
  if (!Number.isInteger(servers) || servers < 1 || servers > serversMax)
    throw new RangeError(`servers must be 1 to ${serversMax}, not ${servers}`);
  if (!Number.isInteger(observers) || observers < 0 || observers > serversMax)
    throw new RangeError(`observers must be 0 to ${serversMax}, not ${observers}`);
  if (!(drift >= 0 && drift < 0.01)) throw new RangeError(`drift must be 0 to 0.0099, not ${drift}`);
  if (!Number.isSafeInteger(seed) || seed < 0) throw new RangeError(`seed must be a safe integer from 0 on, not ${seed}`);
}
