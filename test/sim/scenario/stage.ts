/**
 * The handles of a scripted scenario: a small ensemble that has been brought to a known state, calls by
 * named clients, triggers on messages, and an end that heals everything and judges all. The same script
 * runs for several seeds, which move its timings a little.
 */
import { openAcl } from "../../../src/model/acl.ts";
import { type Limits, tinyLimits } from "../../../src/model/limits.ts";
import type { ReadLevel, Request } from "../../../src/model/request.ts";
import type { PeerMessage } from "../../../src/zab/message.ts";
import { replicaDifference } from "../check/replica-identity.ts";
import { Violation } from "../check/violation.ts";
import { Cluster } from "../cluster.ts";
import type { Operation } from "../history.ts";
import type { NetworkOptions } from "../network.ts";
import type { Random } from "../random.ts";

export interface StageOptions {
  readonly voters?: number;
  readonly clients?: number;
  readonly limits?: Partial<Limits>;
  readonly sessionTimeoutMs?: number;
  readonly callMs?: number;
  readonly leaseReads?: boolean;
  readonly drift?: number;
  readonly sdkShare?: number;
  readonly network?: NetworkOptions;
  readonly trace?: (line: string) => void;
}

/** Linearizability, sessions and the log are judged by the checks; a script only asserts that what it is about happened. */
export class Stage {
  readonly cluster: Cluster;
  readonly random: Random;
  /** True while a reader or a writer started by `keep…` goes on. */
  #keeping = true;

  constructor(seed: number, options: StageOptions = {}) {
    this.cluster = new Cluster({
      seed,
      voters: options.voters ?? 3,
      observers: 0,
      clients: options.clients ?? 2,
      limits: { ...tinyLimits, ...options.limits },
      sessionTimeoutMs: options.sessionTimeoutMs ?? 6_000,
      ...(options.drift === undefined ? {} : { drift: options.drift }),
      ...(options.leaseReads === undefined ? {} : { leaseReads: options.leaseReads }),
      ...(options.callMs === undefined ? {} : { callMs: options.callMs }),
      ...(options.network === undefined ? {} : { network: options.network }),
      ...(options.sdkShare === undefined ? {} : { sdkShare: options.sdkShare }),
      ...(options.trace === undefined ? {} : { trace: options.trace }),
    });
    this.cluster.checks.durability.every = 5;
    this.random = this.cluster.random.fork("script");
  }

  /** All servers up, the highest id leads, each client at its server (the i-th of `at`). */
  start(...at: number[]): void {
    this.cluster.startServers();
    this.cluster.until(
      "the first leader",
      () => this.cluster.leader?.status()?.serving === true && this.cluster.servers.every((s) => s.status()?.serving),
    );
    for (const [i, server] of at.entries()) this.cluster.client(i).pinned = server;
    this.cluster.startClients();
    this.cluster.until("clients are connected", () => this.cluster.clients.every((client) => client.connected));
  }

  get leaderId(): number {
    const leader = this.cluster.leader;
    if (leader === undefined) throw new Violation("scenario", "there is no leader");
    return leader.id;
  }

  /** The other voters, in order. */
  others(...ids: number[]): number[] {
    return this.cluster.servers.map((server) => server.id).filter((id) => !ids.includes(id));
  }

  call(client: number, request: Request, isWrite: boolean, level: ReadLevel = { type: "linearizable" }): Operation {
    const operation = this.cluster.client(client).call(request, isWrite, level);
    if (operation === undefined) throw new Violation("scenario", `client ${client} has no session`);
    this.cluster.checks.invoked(operation);
    return operation;
  }

  create(
    client: number,
    path: string,
    parts: Partial<{ kind: "persistent" | "ephemeral" | "ttl"; sequential: boolean; ttlMs: number }> = {},
  ): Operation {
    return this.call(
      client,
      {
        type: "create",
        path,
        data: Buffer.from("v"),
        kind: parts.kind ?? "persistent",
        sequential: parts.sequential ?? false,
        ttlMs: parts.ttlMs ?? 0,
        acl: openAcl,
      },
      true,
    );
  }

  read(client: number, path: string, level?: ReadLevel): Operation {
    return this.call(client, { type: "exists", path, watch: false }, false, level);
  }

  done(operation: Operation, ms = 10_000): Operation {
    this.cluster.until(`${operation.request.type} of client ${operation.client} ends`, () => operation.state === "done", ms);
    return operation;
  }

  /** The client makes nodes, one after the other, each as soon as the one before is answered. */
  keepWriting(client: number, prefix: string, gapMs = 1): void {
    let n = 0;
    let last: Operation | undefined;
    this.#every(gapMs, () => {
      if (last?.state === "open" || this.cluster.client(client).session === undefined) return;
      n += 1;
      last = this.cluster.client(client).call(
        {
          type: "create",
          path: `${prefix}${n}`,
          data: undefined,
          kind: "persistent",
          sequential: false,
          ttlMs: 0,
          acl: openAcl,
        },
        true,
      );
      if (last !== undefined) this.cluster.checks.invoked(last);
    });
  }

  keepReading(client: number, path: string, gapMs = 1, level: ReadLevel = { type: "linearizable" }): void {
    this.#every(gapMs, () => {
      const who = this.cluster.client(client);
      if (who.session === undefined || who.outstanding >= 14) return;
      const operation = who.call({ type: "exists", path, watch: false }, false, level);
      if (operation !== undefined) this.cluster.checks.invoked(operation);
    });
  }

  #every(gapMs: number, run: () => void): void {
    this.cluster.scheduler.after(gapMs, () => {
      if (!this.#keeping) return;
      run();
      this.#every(gapMs, run);
    });
  }

  /** Once, when such a message leaves (after it has left): `then`. */
  when(
    from: number | undefined,
    to: number | undefined,
    matches: (message: PeerMessage) => boolean,
    then: (from: number, to: number) => void,
  ): { readonly happened: boolean } {
    const state = { happened: false };
    this.cluster.peers.sendHooks.push((sender, receiver, message) => {
      if (state.happened || (from !== undefined && sender !== from) || (to !== undefined && receiver !== to) || !matches(message))
        return;
      state.happened = true;
      this.cluster.scheduler.after(0, () => then(sender, receiver));
    });
    return state;
  }

  stopLoad(): void {
    this.#keeping = false;
  }

  /** Heals all; one leader, all serve, all calls end, trees alike, every acked write there. */
  finish(): void {
    const { cluster } = this;
    this.stopLoad();
    cluster.network.unblockAll();
    for (const server of cluster.servers) {
      server.slowDiskMs = 0;
      server.start();
    }
    for (const client of cluster.clients) client.pinned = undefined;
    cluster.until(
      "one leader, all serve",
      () =>
        cluster.servers.every((s) => s.status()?.serving === true) &&
        cluster.servers.filter((s) => s.status()?.role === "leading").length === 1,
      15_000,
    );
    cluster.until("every call ends", () => cluster.clients.every((client) => client.outstanding === 0), 20_000);
    cluster.until("all trees are flushed at one zxid", () => this.#flushed(), 10_000);
    cluster.checks.liveness.streams.await(cluster, 8_000);
    const difference = replicaDifference(cluster);
    if (difference !== undefined) throw new Violation("replicas are alike", difference);
    cluster.checks.finish();
  }

  #flushed(): boolean {
    const first = this.cluster.servers[0]?.status()?.flushedZxid;
    return this.cluster.servers.every((server) => {
      const status = server.status();
      return (
        status !== undefined &&
        status.flushedZxid === first &&
        status.lastLoggedZxid === first &&
        status.lastAppliedZxid === first
      );
    });
  }
}
