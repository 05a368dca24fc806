/**
 * All invariants together, and where each learns what it judges: messages as they leave and arrive,
 * status after each turn, clients' replies. The first violation throws out of the run.
 */
import type { Limits } from "../../../src/model/limits.ts";
import type { StreamDelivery, WatchEvent } from "../../../src/model/watch.ts";
import { epochOf, type SessionId, type Zxid } from "../../../src/model/zxid.ts";
import type { Effects } from "../../../src/replica/effects.ts";
import type { Status } from "../../../src/replica/status.ts";
import type { Txn } from "../../../src/tree/txn.ts";
import { decodeTxn } from "../../../src/wire/txn-codec.ts";
import type { PeerMessage } from "../../../src/zab/message.ts";
import type { AnyClient, ClientStream, ClientWatcher } from "../client.ts";
import type { History, Operation } from "../history.ts";
import type { Scheduler } from "../scheduler.ts";
import type { ServerWatcher, SimServer } from "../server.ts";
import { Bounds } from "./bounds.ts";
import { CommittedNeverLost } from "./committed-never-lost.ts";
import { Damage } from "./damage-is-not-absence.ts";
import { DurableQuorum } from "./durable-quorum.ts";
import { Epochs } from "./epochs.ts";
import { ExactWatches } from "./exact-watches.ts";
import { type GhostEntry, GhostLog } from "./ghost-log.ts";
import { GlobalPrimaryOrder } from "./global-primary-order.ts";
import { LeaseHolderIsLatest } from "./lease-holder-is-latest.ts";
import { Liveness } from "./liveness.ts";
import { Marks } from "./marks.ts";
import { MembersCount } from "./members-count.ts";
import { Model } from "./model.ts";
import { NewLeaderAtom } from "./newleader-atom.ts";
import { NoEarlyExpiry } from "./no-early-expiry.ts";
import { OldLinks } from "./old-links.ts";
import { OneLeaseHolder } from "./one-lease-holder.ts";
import { ownLog } from "./own-log.ts";
import { Platters } from "./platters.ts";
import { PrimaryIntegrity } from "./primary-integrity.ts";
import { PrimaryOrder } from "./primary-order.ts";
import { RegisterSearch } from "./register-search.ts";
import { ReplicaIdentity } from "./replica-identity.ts";
import { Replies } from "./replies.ts";
import { SameRun } from "./same-run.ts";
import { TotalOrder } from "./total-order.ts";
import { TtlNodes } from "./ttl.ts";
import { Check, Invariant, Violation } from "./violation.ts";

export interface ChecksParts {
  readonly scheduler: Scheduler;
  readonly limits: Limits;
  readonly voters: number;
  readonly leaseReads: boolean;
  readonly history: History;
  readonly servers: readonly SimServer[];
  /** Exit codes that a scenario expects, by server. */
  readonly haltExpected: (server: number, exitCode: number, reason: string) => boolean;
}

export class Checks implements ServerWatcher, ClientWatcher {
  readonly ghost = new GhostLog();
  readonly model = new Model();
  readonly txns = new Map<Zxid, Txn>();
  readonly totalOrder = new TotalOrder();
  readonly primaryOrder: PrimaryOrder;
  readonly globalPrimaryOrder = new GlobalPrimaryOrder();
  readonly primaryIntegrity: PrimaryIntegrity;
  readonly epochs: Epochs;
  readonly newLeader: NewLeaderAtom;
  readonly damage = new Damage();
  readonly neverLost: CommittedNeverLost;
  readonly durability: DurableQuorum;
  readonly membership: MembersCount;
  readonly promises: OneLeaseHolder;
  readonly latestLease: LeaseHolderIsLatest;
  readonly registers = new RegisterSearch();
  readonly replies: Replies;
  readonly expiry = new NoEarlyExpiry();
  readonly ttl: TtlNodes;
  readonly watches = new ExactWatches(this.ghost, this.model);
  readonly identity = new ReplicaIdentity();
  readonly oldLinks = new OldLinks();
  readonly bounds: Bounds;
  readonly sameRun = new SameRun();
  readonly liveness = new Liveness();
  readonly healthy = new Check("no server stops by itself");
  /** Coverage marks: how often each named thing was seen. */
  readonly marks = new Marks();
  readonly #p: ChecksParts;
  /** Streams whose connection was lost since their last delivery. */
  readonly #streamsLost = new Set<ClientStream>();
  #epoch = 0;
  readonly #open = new Map<SessionId, Operation[]>();

  constructor(parts: ChecksParts) {
    this.#p = parts;
    if (parts.voters === 1) this.ghost.readLog = (server) => ownLog(parts.servers[server - 1]);
    const platters = new Platters(parts.servers, parts.voters);
    this.primaryOrder = new PrimaryOrder(parts.limits.counter_max);
    this.primaryIntegrity = new PrimaryIntegrity(platters);
    this.epochs = new Epochs(platters);
    this.newLeader = new NewLeaderAtom(this.ghost, platters);
    this.neverLost = new CommittedNeverLost(this.ghost, platters);
    this.durability = new DurableQuorum(this.ghost, platters);
    this.membership = new MembersCount(parts.voters);
    this.promises = new OneLeaseHolder(parts.limits, parts.voters, this.membership);
    this.latestLease = new LeaseHolderIsLatest(this.promises);
    this.replies = new Replies(this.durability, this.model, this.txns);
    const { limits, history } = parts;
    this.ttl = new TtlNodes(this.ghost, this.model, this.txns, history, limits.clock_drift_max, parts.voters > 1);
    this.bounds = new Bounds(parts.limits);
    this.#feed(parts);
  }

  /** What is broadcast, and what is committed, goes to whoever judges it. */
  #feed(parts: ChecksParts): void {
    this.ghost.broadcast.push((entry) => {
      const txn = decodeTxn(entry.payload);
      this.txns.set(entry.zxid, txn);
      if (parts.leaseReads && parts.voters > 1)
        this.expiry.onProposed(txn, this.#decidedAt(entry), this.promises.leaseUntil(epochOf(entry.zxid), entry.by));
    });
    this.ghost.listeners.push((entry) => {
      this.ghost.integrity.onCommitted(entry, (epoch) => this.epochs.leaderOf(epoch));
      this.primaryOrder.onCommitted(entry.zxid);
      this.globalPrimaryOrder.onCommitted(entry.zxid);
      if (parts.voters > 1) this.latestLease.onCommitted(entry);
      const txn = this.txns.get(entry.zxid) ?? decodeTxn(entry.payload);
      this.ttl.onCommitted(txn, entry.at);
      this.model.apply(txn);
      this.replies.onCommitted(txn);
      this.expiry.onCommitted(txn, entry.at);
      this.marks.onCommitted(txn, this.#epoch);
    });
  }

  /** A server that stands still between its turn and what that sends has decided before. */
  #decidedAt(entry: GhostEntry): number {
    return Math.min(entry.at, this.#p.servers[entry.by - 1]?.turnedAt ?? entry.at);
  }

  /** All that are fields here, or fields of a field. */
  invariants(): Invariant[] {
    const found = new Set<Invariant>();
    for (const value of Object.values(this)) {
      const inner = value instanceof Object ? Object.values(value) : [];
      for (const one of [value, ...inner]) if (one instanceof Invariant) found.add(one);
    }
    return [...found];
  }

  /** Every check, for reports and for the vacuity gate. */
  all(): Check[] {
    return [this.healthy, ...this.invariants().flatMap((one) => Object.values(one).filter((value) => value instanceof Check))];
  }

  // ---- links

  onSend(from: number, to: number, message: PeerMessage): void {
    const at = this.#p.scheduler.now;
    const { type } = message;
    // What there is most of, and only the lease is about.
    if (type === "heartbeat" || type === "heartbeatAck") return this.promises.onSend(from, to, message, at);
    if (type === "forward" || type === "confirm" || type === "confirmed") return;
    if (type === "proposal") this.ghost.onProposal(message, from, at);
    this.epochs.onSend(from, message);
    this.newLeader.onSend(from, to, message);
    this.neverLost.onSend(from, message, "epoch" in message ? this.newLeader.historyOf(message.epoch) : undefined);
    this.membership.onSend(from, to, message);
    this.marks.onSend(from, to, message);
    this.promises.onSend(from, to, message, at);
    if (message.type === "commit") this.ghost.onCommitted(message.zxid, from, at);
    if (message.type === "upToDate") this.ghost.onCommitted(message.committed, from, at);
  }

  onDeliver(from: number, to: number, message: PeerMessage): void {
    this.promises.onDeliver(from, to, message, this.#p.scheduler.now);
  }

  // ---- servers

  started(server: SimServer): void {
    this.newLeader.onStart(server.id);
    this.neverLost.onStart(server.id);
    this.promises.onStart(server.id, this.#p.scheduler.now, server.startedFresh);
    this.totalOrder.forget(server.id);
  }

  stopped(server: SimServer): void {
    this.marks.onSyncLost(server.id);
    this.totalOrder.forget(server.id);
  }

  noticed(server: SimServer, reason: string): void {
    this.marks.onHalt(reason);
    this.damage.noticed(server.id);
  }

  wiped(server: SimServer): void {
    this.damage.noticed(server.id);
    this.epochs.onWipe(server.id);
    this.membership.onWipe(server.id);
    this.neverLost.onWipe(server.id);
  }

  turned(server: SimServer, status: Status, effects: Effects): void {
    this.#epoch = Math.max(this.#epoch, status.epoch);
    this.marks.onTurn(server.id, status, effects, this.#p.scheduler.now);
    const { tip } = this.ghost;
    this.replies.linearizable.onTurn(server.id, status, tip);
    if (status.lastCommittedZxid !== 0) this.ghost.onCommitted(status.lastCommittedZxid, server.id, this.#p.scheduler.now);
    if (status.role === "leading") this.primaryIntegrity.onLeads(server.id, status.epoch, this.newLeader.historyOf(status.epoch));
    if (status.serving) this.damage.takesPart(server.id);
    this.bounds.onTurn(status);
    this.totalOrder.onTurn(server.id, status, effects, this.ghost.tip);
  }

  halted(server: SimServer, exitCode: number, reason: string, error: unknown): void {
    this.healthy.evaluations += 1;
    if (this.#p.haltExpected(server.id, exitCode, reason)) return;
    const stack = error instanceof Error ? `\n${error.stack ?? ""}` : "";
    throw new Violation(this.healthy.name, `server ${server.id} stopped with ${exitCode}: ${reason}${stack}`);
  }

  // ---- clients

  invoked(operation: Operation): void {
    const open = this.#open.get(operation.session);
    if (open === undefined) this.#open.set(operation.session, [operation]);
    else open.push(operation);
  }

  replied(client: AnyClient, operation: Operation): void {
    const open = (this.#open.get(operation.session) ?? []).filter((other) => other.state === "open");
    this.#open.set(operation.session, open);
    this.replies.onReply(operation, open);
    this.watches.onReply(client, operation);
    this.marks.onReply(operation, this.ghost.tip, this.#p.servers[client.server - 1]?.status()?.role === "leading");
    if (operation.zxid !== 0) this.durability.onShown(operation.zxid);
  }

  believes(_client: AnyClient, session: SessionId, untilTrue: number): void {
    this.expiry.believes(session, untilTrue);
  }

  sessionBegan(_client: AnyClient, session: SessionId): void {
    const known = this.txns.get(session as number as Zxid);
    this.durability.committed.hold(
      known?.body.type === "createSession",
      () => `session ${session} was announced before it was committed`,
    );
  }

  sessionEnded(_client: AnyClient, session: SessionId): void {
    this.#open.delete(session);
  }

  watchFired(client: AnyClient, _session: SessionId, event: WatchEvent): void {
    this.marks.onWatch(event);
    this.watches.onEvent(client, event);
  }

  delivered(_client: AnyClient, stream: ClientStream, delivery: StreamDelivery): void {
    const { position } = stream;
    this.marks.onStream(delivery, position !== undefined && this.#streamsLost.delete(stream));
    this.watches.onDelivery(stream, delivery);
  }

  streamReset(stream: ClientStream): void {
    this.marks.sometimes("a stream is compacted", true);
    this.watches.reset(stream);
  }

  resumed(client: AnyClient): void {
    this.marks.onResumed(client.id, client.server);
  }

  connectionEnded(client: AnyClient): void {
    if (client.stream !== undefined) this.#streamsLost.add(client.stream);
    this.watches.connectionEnded(client);
  }

  finish(): void {
    this.marks.finish(this.#p.history.operations, this.ghost.entries.size > this.ghost.committed.length);
    this.replies.finish(this.#p.history.operations);
    this.registers.finish(this.#p.history.operations);
  }
}
