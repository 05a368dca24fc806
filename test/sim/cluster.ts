/**
 * A whole world: scheduler, network, servers, clients, checks, all from one seed. Scenarios script it,
 * the swarm shakes it. Nothing here decides what happens; it gives the handles.
 */
import type { Limits } from "../../src/model/limits.ts";
import { tinyLimits } from "../../src/model/limits.ts";
import type { EnsembleMember } from "../../src/replica/options.ts";
import { decodePeer, encodePeer } from "../../src/wire/peer-codec.ts";
import { Checks } from "./check/checks.ts";
import { Violation } from "./check/violation.ts";
import { type AnyClient, SimClient } from "./client.ts";
import { SimClock } from "./clock.ts";
import { History } from "./history.ts";
import { calmNetwork, Network, type NetworkOptions } from "./network.ts";
import { PeerLinks } from "./peers.ts";
import { Random } from "./random.ts";
import { Scheduler } from "./scheduler.ts";
import { SdkClient } from "./sdk-client.ts";
import { SimServer } from "./server.ts";
import { Trace } from "./trace.ts";

export interface ClusterOptions {
  readonly seed: number;
  readonly voters: number;
  readonly observers: number;
  readonly clients: number;
  readonly limits?: Limits;
  readonly leaseReads?: boolean;
  readonly network?: NetworkOptions;
  /** Clock rates lie within 1 ± this. */
  readonly drift?: number;
  readonly sessionTimeoutMs?: number;
  readonly callMs?: number;
  /** The part of the clients that are the real client library. */
  readonly sdkShare?: number;
  /** How many times the usual the protocol's times are (the limits have it already). */
  readonly slow?: number;
  readonly trace?: (line: string) => void;
  readonly haltExpected?: (server: number, exitCode: number, reason: string) => boolean;
}

const firstClient = 101;

export class Cluster {
  readonly seed: number;
  readonly random: Random;
  readonly scheduler = new Scheduler();
  readonly limits: Limits;
  readonly drift: number;
  readonly sessionTimeoutMs: number;
  readonly slow: number;
  readonly network: Network;
  readonly peers: PeerLinks;
  readonly servers: SimServer[] = [];
  readonly clients: AnyClient[] = [];
  /** Clients that are gone for good. */
  readonly gone = new Set<AnyClient>();
  /** Clients that the workload leaves alone: reads of a session wait for its own writes, which would hide what a fault is about. */
  readonly resting = new Set<AnyClient>();
  readonly history = new History();
  readonly checks: Checks;
  readonly trace: Trace;
  readonly ensemble: readonly EnsembleMember[];

  constructor(options: ClusterOptions) {
    this.seed = options.seed;
    this.random = new Random(options.seed);
    this.limits = options.limits ?? tinyLimits;
    this.drift = options.drift ?? 0;
    this.sessionTimeoutMs = options.sessionTimeoutMs ?? this.limits.session_timeout_ms_default;
    this.slow = options.slow ?? 1;
    this.trace = new Trace(this.scheduler, options.trace);
    this.network = new Network(this.scheduler, this.random.fork("net"), options.network ?? calmNetwork);
    this.network.patience = this.slow;
    this.peers = new PeerLinks(this.network, this.scheduler, this.random.fork("dial"), {
      encode: encodePeer,
      decode: decodePeer,
    });
    const count = options.voters + options.observers;
    this.ensemble = Array.from({ length: count }, (_, i) => ({ id: i + 1, observer: i >= options.voters }));
    this.checks = new Checks({
      scheduler: this.scheduler,
      limits: this.limits,
      voters: options.voters,
      leaseReads: options.leaseReads ?? true,
      history: this.history,
      servers: this.servers,
      haltExpected: options.haltExpected ?? (() => false),
    });
    this.#makeServers(options);
    this.#makeClients(options);
    this.peers.sendHooks.push((from, to, message) => this.checks.onSend(from, to, message));
    this.peers.deliverHooks.push((from, to, message) => this.checks.onDeliver(from, to, message));
  }

  #makeServers(options: ClusterOptions): void {
    const random = this.random.fork("clock");
    const drift = options.drift ?? 0;
    for (const { id } of this.ensemble) {
      const clock = new SimClock(
        0,
        1 + random.between(-drift, drift),
        1_000 + random.below(1_000_000),
        1_700_000_000_000 + random.below(100_000),
      );
      this.servers.push(
        new SimServer({
          id,
          ensemble: this.ensemble,
          limits: this.limits,
          leaseReads: options.leaseReads ?? true,
          scheduler: this.scheduler,
          network: this.network,
          peers: this.peers,
          clock,
          random: this.random.fork(`server ${id}`),
          trace: this.trace,
          watcher: this.checks,
          slow: this.slow,
          keepsPlatter: true,
          everyTick: false,
        }),
      );
      this.checks.promises.add(id, clock);
    }
  }

  #makeClients(options: ClusterOptions): void {
    const random = this.random.fork("clients");
    const drift = options.drift ?? 0;
    for (let i = 0; i < options.clients; i += 1) {
      const id = firstClient + i;
      const Client = random.chance(options.sdkShare ?? 0) ? SdkClient : SimClient;
      this.clients.push(
        new Client({
          id,
          scheduler: this.scheduler,
          network: this.network,
          servers: this.servers,
          clock: new SimClock(0, 1 + random.between(-drift, drift), random.below(10_000), 0),
          random: this.random.fork(`client ${id}`),
          trace: this.trace,
          history: this.history,
          watcher: this.checks,
          timeoutMs: options.sessionTimeoutMs ?? this.limits.session_timeout_ms_default,
          callMs: options.callMs ?? 8_000,
        }),
      );
    }
  }

  server(id: number): SimServer {
    const server = this.servers[id - 1];
    if (server === undefined) throw new Error(`there is no server ${id}`);
    return server;
  }

  client(index: number): AnyClient {
    const client = this.clients[index];
    if (client === undefined) throw new Error(`there is no client ${index}`);
    return client;
  }

  startServers(): void {
    for (const server of this.servers) server.start();
  }

  startClients(): void {
    for (const client of this.clients) client.start();
  }

  get leader(): SimServer | undefined {
    let found: SimServer | undefined;
    let epoch = -1;
    for (const server of this.servers) {
      const status = server.status();
      if (status?.role === "leading" && status.epoch > epoch) {
        found = server;
        epoch = status.epoch;
      }
    }
    return found;
  }

  run(ms: number): void {
    this.scheduler.runUntil(this.scheduler.now + ms);
  }

  /** Runs until `condition` holds; a violation of liveness when it does not within `ms`. */
  until(what: string, condition: () => boolean, ms = 10_000): void {
    const end = this.scheduler.now + ms;
    while (this.scheduler.now < end) {
      if (condition()) return;
      this.run(this.slow);
    }
    if (!condition()) throw new Violation("liveness", `${what}: not within ${ms} ms\n${this.describe()}`);
  }

  cut(a: number, b: number): void {
    this.network.block(a, b);
    this.network.block(b, a);
  }

  heal(a: number, b: number): void {
    this.network.unblock(a, b);
    this.network.unblock(b, a);
  }

  isolate(id: number): void {
    for (const server of this.servers) if (server.id !== id) this.cut(id, server.id);
  }

  rejoin(id: number): void {
    for (const server of this.servers) if (server.id !== id) this.heal(id, server.id);
  }

  describe(): string {
    const lines = this.servers.map((server) => {
      const s = server.status();
      if (s === undefined) return `  s${server.id} down`;
      return `  s${s.id} ${s.role} serving=${s.serving} epoch=${s.epoch} leader=${s.leader ?? "-"} logged=${s.lastLoggedZxid} committed=${s.lastCommittedZxid} applied=${s.lastAppliedZxid} peers=${s.peers.join(",")} ${s.waitingFor}`;
    });
    const clients = this.clients.map(
      (client) =>
        `  c${client.id % 100} connected=${client.connected} session=${client.session ?? "-"} server=${client.server} open=${client.outstanding}`,
    );
    return [...lines, ...clients].join("\n");
  }
}
