/**
 * All invariants together, and where each learns what it judges: messages as they leave and arrive,
 * status after each turn, clients' replies. The first violation throws out of the run.
 */
import type { Limits } from "../../../src/model/limits.ts";
import type { StreamDelivery, WatchEvent } from "../../../src/model/watch.ts";
import type { SessionId, Zxid } from "../../../src/model/zxid.ts";
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
import { Model } from "./model.ts";
import { NewLeaderChecks } from "./newleader.ts";
import { ownLog } from "./own-log.ts";
import { PrimaryOrderChecks } from "./primary-order.ts";
import { PromiseChecks } from "./promises.ts";
import { ReplyChecks } from "./replies.ts";
import { Check, Violation } from "./violation.ts";
import { WatchChecks } from "./watches.ts";

export interface ChecksParts {
  readonly scheduler: Scheduler;
  readonly limits: Limits;
  readonly voters: number;
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
  readonly damage = new DamageChecks();
  readonly liveness = new LivenessChecks();
  readonly promises: PromiseChecks;
  readonly durability: DurabilityChecks;
  readonly statusOrder = new Check("applied ≤ committed, and both only rise in a process");
  readonly healthy = new Check("no server stops by itself");
  /** Coverage marks: how often each named thing was seen. */
  readonly marks = new Map<string, number>();
  readonly #p: ChecksParts;
  readonly #lastApplied = new Map<number, Zxid>();
  readonly #open = new Map<SessionId, Operation[]>();

  constructor(parts: ChecksParts) {
    this.#p = parts;
    if (parts.voters === 1) this.ghost.readLog = (server) => ownLog(parts.servers[server - 1]);
    this.promises = new PromiseChecks(parts.limits, parts.voters);
    this.durability = new DurabilityChecks(this.ghost, parts.servers, parts.voters);
    this.newLeader = new NewLeaderChecks(this.ghost, parts.servers, parts.voters);
    this.primaryOrder = new PrimaryOrderChecks((epoch) => this.epochs.leaderOf(epoch), parts.limits.counter_max);
    this.bounds = new BoundChecks(parts.limits);
    this.ghost.listeners.push((entry) => {
      this.primaryOrder.onCommitted(entry);
      const txn = decodeTxn(entry.payload);
      this.txns.set(entry.zxid, txn);
      this.model.apply(txn);
      this.replies.onCommitted(txn);
      this.expiry.onCommitted(txn, entry.at);
      if (txn.body.type === "closeSession" && txn.source.type === "internal") this.mark("session expired");
    });
  }

  mark(name: string): void {
    this.marks.set(name, (this.marks.get(name) ?? 0) + 1);
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
      this.damage,
      this.liveness,
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
    this.promises.onSend(from, to, message, at, at);
    if (message.type === "commit") this.ghost.onCommitted(message.zxid, from, at);
    if (message.type === "upToDate") this.ghost.onCommitted(message.committed, from, at);
  }

  onDeliver(from: number, to: number, message: PeerMessage): void {
    this.promises.onDeliver(from, to, message, this.#p.scheduler.now);
  }

  // ---- servers

  started(server: SimServer): void {
    this.promises.onStart(server.id, this.#p.scheduler.now, server.startedFresh);
    this.#lastApplied.delete(server.id);
  }

  stopped(server: SimServer): void {
    this.#lastApplied.delete(server.id);
  }

  noticed(server: SimServer): void {
    this.damage.noticed(server.id);
  }

  wiped(server: SimServer): void {
    this.damage.noticed(server.id);
    this.epochs.onWipe(server.id);
  }

  turned(server: SimServer, status: Status, effects: Effects): void {
    for (const line of effects.logLines) if (line.fields["mark"] === true) this.mark(line.message);
    if (status.lastCommittedZxid !== 0) this.ghost.onCommitted(status.lastCommittedZxid, server.id, this.#p.scheduler.now);
    if (status.role === "leading") this.newLeader.onLeads(server.id, status.epoch, this.epochs.historyOf(status.epoch));
    if (status.serving) this.damage.takesPart(server.id);
    this.bounds.onTurn(status);
    const applied = status.lastAppliedZxid;
    const before = this.#lastApplied.get(server.id);
    if (before !== undefined && applied !== before)
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
    this.watches.onEvent(client, event);
  }

  delivered(_client: AnyClient, stream: ClientStream, delivery: StreamDelivery): void {
    this.watches.onDelivery(stream, delivery);
  }

  streamReset(stream: ClientStream): void {
    this.watches.reset(stream);
  }

  resumed(): void {
    this.mark("session resumed");
  }

  connectionEnded(client: AnyClient): void {
    this.watches.connectionEnded(client);
  }

  finish(): void {
    this.replies.finish(this.#p.history.operations);
  }
}
