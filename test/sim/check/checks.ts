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
import { BoundChecks } from "./bounds.ts";
import { DamageChecks } from "./damage.ts";
import { DurabilityChecks } from "./durability.ts";
import { EpochChecks } from "./epochs.ts";
import { ExpiryChecks } from "./expiry.ts";
import { GhostLog } from "./ghost-log.ts";
import { LivenessChecks } from "./liveness.ts";
import { Marks } from "./marks.ts";
import { Model } from "./model.ts";
import { NewLeaderChecks } from "./newleader.ts";
import { ownLog } from "./own-log.ts";
import { PrimaryOrderChecks } from "./primary-order.ts";
import { PromiseChecks } from "./promises.ts";
import { ReapChecks } from "./reaping.ts";
import { ReplyChecks } from "./replies.ts";
import { Check, Violation } from "./violation.ts";
import { WatchChecks } from "./watches.ts";
import { RegisterChecks } from "./wgl.ts";

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
  readonly epochs = new EpochChecks(this.ghost);
  readonly txns = new Map<Zxid, Txn>();
  readonly replies = new ReplyChecks(this.ghost, this.model, this.txns);
  readonly watches = new WatchChecks(this.ghost, this.model);
  readonly expiry = new ExpiryChecks();
  readonly newLeader: NewLeaderChecks;
  readonly primaryOrder: PrimaryOrderChecks;
  readonly bounds: BoundChecks;
  readonly reaping: ReapChecks;
  readonly damage = new DamageChecks();
  readonly liveness = new LivenessChecks();
  readonly registers = new RegisterChecks();
  readonly promises: PromiseChecks;
  readonly durability: DurabilityChecks;
  readonly statusOrder = new Check("applied ≤ committed, and both only rise in a process");
  readonly learned = new Check("learners know of commits from their leader");
  readonly healthy = new Check("no server stops by itself");
  /** Coverage marks: how often each named thing was seen. */
  readonly marks = new Marks();
  readonly #p: ChecksParts;
  readonly #lastApplied = new Map<number, Zxid>();
  readonly #snapped = new Set<number>();
  /** Streams whose connection was lost since their last delivery. */
  readonly #streamsLost = new Set<ClientStream>();
  #epoch = 0;
  readonly #open = new Map<SessionId, Operation[]>();

  constructor(parts: ChecksParts) {
    this.#p = parts;
    if (parts.voters === 1) this.ghost.readLog = (server) => ownLog(parts.servers[server - 1]);
    this.promises = new PromiseChecks(parts.limits, parts.voters);
    this.durability = new DurabilityChecks(this.ghost, parts.servers, parts.voters);
    this.newLeader = new NewLeaderChecks(this.ghost, parts.servers, parts.voters);
    this.primaryOrder = new PrimaryOrderChecks((epoch) => this.epochs.leaderOf(epoch), parts.limits.counter_max);
    this.bounds = new BoundChecks(parts.limits);
    this.reaping = new ReapChecks(this.ghost, this.model, this.txns, parts.limits.clock_drift_max, parts.voters > 1);
    this.ghost.broadcast.push((entry) => {
      const txn = decodeTxn(entry.payload);
      this.txns.set(entry.zxid, txn);
      if (parts.leaseReads && parts.voters > 1)
        this.expiry.onProposed(txn, entry.at, this.promises.leaseUntil(epochOf(entry.zxid), entry.by));
    });
    this.ghost.listeners.push((entry) => {
      this.primaryOrder.onCommitted(entry);
      const txn = this.txns.get(entry.zxid) ?? decodeTxn(entry.payload);
      this.reaping.onCommitted(txn, entry.at);
      this.model.apply(txn);
      this.replies.onCommitted(txn);
      this.expiry.onCommitted(txn, entry.at);
      this.marks.onCommitted(txn, this.#epoch);
    });
  }

  /** Every check, for reports and for the vacuity gate. */
  all(): Check[] {
    const found: Check[] = [];
    for (const part of [
      this,
      this.ghost,
      this.model,
      this.epochs,
      this.replies,
      this.watches,
      this.expiry,
      this.promises,
      this.durability,
      this.newLeader,
      this.primaryOrder,
      this.bounds,
      this.reaping,
      this.damage,
      this.liveness,
      this.registers,
    ]) {
      for (const value of Object.values(part)) if (value instanceof Check) found.push(value);
    }
    return found;
  }

  // ---- links

  onSend(from: number, to: number, message: PeerMessage): void {
    const at = this.#p.scheduler.now;
    if (message.type === "proposal") this.ghost.onProposal(message, from, at);
    this.epochs.onSend(from, message, at);
    this.newLeader.onSend(from, to, message);
    this.marks.onSend(from, to, message);
    this.promises.onSend(from, to, message, at, at);
    if (message.type === "commit") this.ghost.onCommitted(message.zxid, from, at);
    if (message.type === "upToDate") this.ghost.onCommitted(message.committed, from, at);
  }

  onDeliver(from: number, to: number, message: PeerMessage): void {
    this.promises.onDeliver(from, to, message, this.#p.scheduler.now);
  }

  // ---- servers

  started(server: SimServer): void {
    this.newLeader.onStart(server.id);
    this.promises.onStart(server.id, this.#p.scheduler.now, server.startedFresh);
    this.#lastApplied.delete(server.id);
  }

  stopped(server: SimServer): void {
    this.marks.onSyncLost(server.id);
    this.#lastApplied.delete(server.id);
  }

  noticed(server: SimServer, reason: string): void {
    this.marks.onHalt(reason);
    this.damage.noticed(server.id);
  }

  wiped(server: SimServer): void {
    this.damage.noticed(server.id);
    this.epochs.onWipe(server.id);
    this.newLeader.onWipe(server.id);
  }

  turned(server: SimServer, status: Status, effects: Effects): void {
    this.#epoch = Math.max(this.#epoch, status.epoch);
    this.marks.onTurn(server.id, status, effects, this.#p.scheduler.now);
    for (const line of effects.logLines) {
      if (line.fields["mark"] !== true) continue;
      if (line.message === "snap") this.#snapped.add(server.id);
    }
    if (status.role !== "leading" && status.lastCommittedZxid !== 0)
      this.learned.hold(
        status.lastCommittedZxid <= this.ghost.tip,
        () =>
          `server ${server.id} follows and calls ${status.lastCommittedZxid} committed, its leader has said ${this.ghost.tip}`,
      );
    if (status.lastCommittedZxid !== 0) this.ghost.onCommitted(status.lastCommittedZxid, server.id, this.#p.scheduler.now);
    if (status.role === "leading") this.newLeader.onLeads(server.id, status.epoch, this.epochs.historyOf(status.epoch));
    if (status.serving) this.damage.takesPart(server.id);
    this.bounds.onTurn(status);
    const applied = status.lastAppliedZxid;
    const before = this.#lastApplied.get(server.id);
    // A snapshot replaces the tree, and may be older; the log behind it is applied before anything is served.
    const replaced = before !== undefined && applied < before && !status.serving && this.#snapped.delete(server.id);
    if (before !== undefined && applied !== before && !replaced)
      this.statusOrder.hold(applied >= before, () => `the tree of server ${server.id} went back from ${before} to ${applied}`);
    this.#lastApplied.set(server.id, applied);
    if (applied > this.ghost.tip)
      this.statusOrder.fail(`server ${server.id} has applied ${applied}, committed is ${this.ghost.tip}`);
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
    this.replies.committed.hold(
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
