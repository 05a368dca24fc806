/**
 * The server's side of its clients: handshakes, requests into slots, forwards to the leader, answers
 * in slot order. Holds no replicated state: what it knows of a session comes from the state machine.
 */

import type { AuthId } from "../model/acl.ts";
import { assert } from "../model/assert.ts";
import type { ClientMessage } from "../model/client-message.ts";
import type { ErrorCode } from "../model/error.ts";
import { type Limits, sessionValidForMs } from "../model/limits.ts";
import { mutant } from "../model/mutant.ts";
import { operations } from "../model/operation.ts";
import {
  failure,
  type LocalRequest,
  type Outcome,
  type ReadRequest,
  type TxnSource,
  type WriteRequest,
} from "../model/request.ts";
import type { ConnectionId, ServerId, SessionId, Zxid } from "../model/zxid.ts";
import type { ForwardedWrite, RequestMessage, ResumedMessage } from "../zab/message.ts";
import {
  Connection,
  connectedMessage,
  type PendingConnect,
  pendingConnect,
  type ReadSlot,
  type WriteSlot,
} from "./connection.ts";
import type { EffectsBuilder } from "./effects-builder.ts";
import type { Protocol } from "./event.ts";
import type { ConfirmBatch, LeaderAccess } from "./leader-access.ts";
import type { LocalRequests } from "./local-requests.ts";
import { OriginCounters } from "./origin-counters.ts";
import { answeredReadOnly, ReadOnlyMode } from "./read-only-mode.ts";
import type { StateMachine } from "./state-machine.ts";

type RequestIn = Extract<ClientMessage, { type: "request" }>;
type ConnectIn = Extract<ClientMessage, { type: "connect" }>;

export interface ClientsParts {
  readonly id: ServerId;
  readonly boot: number;
  readonly limits: Limits;
  readonly effects: EffectsBuilder;
  readonly access: LeaderAccess;
  readonly locals: LocalRequests;
  readonly machine: () => StateMachine;
  /** The local leader's committed zxid while its lease is valid: a linearizable read needs no round trip. */
  readonly leaseZxid: () => Zxid | undefined;
  readonly readOnlyMode: () => boolean;
  readonly mark: (name: string) => void;
}

export class Clients {
  readonly #parts: ClientsParts;
  readonly #connections = new Map<ConnectionId, Connection>();
  readonly #bySession = new Map<SessionId, Connection>();
  /** Connections with something to answer at the end of the turn. */
  readonly #ready = new Set<Connection>();
  /** Connections whose head waits for an apply, or whose handshake does. */
  #waitingApply = new Set<Connection>();
  readonly #counters: OriginCounters;
  readonly #readOnly: ReadOnlyMode;
  #nowMs = 0;
  #checkedMs = 0;

  constructor(parts: ClientsParts) {
    this.#parts = parts;
    this.#counters = new OriginCounters(parts.id, parts.boot);
    this.#readOnly = new ReadOnlyMode(parts.readOnlyMode, parts.limits.read_only_after_ms);
  }

  get count(): number {
    return this.#connections.size;
  }

  /** Read-only sessions are served. */
  get readOnly(): boolean {
    return this.#readOnly.active(this.#nowMs);
  }

  beginTurn(nowMs: number): void {
    this.#nowMs = nowMs;
  }

  identitiesOf(connection: ConnectionId): readonly AuthId[] {
    return this.#connections.get(connection)?.identities ?? [];
  }

  onConnected(id: ConnectionId, protocol: Protocol, identities: readonly AuthId[]): void {
    assert(!this.#connections.has(id), "connection ids are never reused");
    this.#connections.set(id, new Connection(id, protocol, identities));
  }

  onClosed(id: ConnectionId): void {
    const connection = this.#connections.get(id);
    if (connection === undefined) return;
    this.#connections.delete(id);
    this.#ready.delete(connection);
    this.#waitingApply.delete(connection);
    if (connection.session !== 0 && this.#bySession.get(connection.session) === connection)
      this.#bySession.delete(connection.session);
    this.#counters.forget(connection);
    this.#parts.locals.dropConnection(id);
  }

  onMessage(id: ConnectionId, message: ClientMessage): void {
    const connection = this.#connections.get(id);
    if (connection === undefined || connection.closing) return;
    if (message.type === "connect") this.#onConnect(connection, message);
    else if (!connection.open) this.close(connection, "a request came before the session was open");
    else if (message.type === "heartbeat") this.#onHeartbeat(connection, message.id);
    else this.#onRequest(connection, message);
  }

  // ---- handshake

  #onConnect(connection: Connection, message: ConnectIn): void {
    if (connection.connecting !== undefined || connection.session !== 0) return this.close(connection, "a second handshake");
    const counter = message.session === 0 ? this.#counters.next(connection) : 0;
    connection.connecting = pendingConnect(message, counter, this.#nowMs, this.#parts.limits);
    this.#sendConnect(connection, connection.connecting);
  }

  #sendConnect(connection: Connection, connecting: PendingConnect): void {
    const { session, passwordHash, timeoutMs } = connecting;
    if (session !== 0)
      return this.#parts.access.send({
        type: "resume",
        connection: connection.id,
        session,
        passwordHash,
        timeoutMs,
        logged: connection.protocol === "zookeeper",
        lastZxid: connecting.lastZxid,
      });
    this.#parts.access.forward(this.#createSession(connection, connecting));
  }

  #createSession(connection: Connection, connecting: PendingConnect): ForwardedWrite {
    const source = this.#counters.source(0, connecting.counter);
    const request: WriteRequest = {
      type: "createSession",
      timeoutMs: connecting.timeoutMs,
      passwordHash: connecting.passwordHash,
    };
    return { connection: connection.id, generation: 0, write: { source, request, guards: [], identities: [] } };
  }

  #onResumed(message: ResumedMessage): void {
    const connection = this.#connections.get(message.connection);
    const connecting = connection?.connecting;
    if (connection === undefined || connecting === undefined || connecting.session === 0) return;
    if (message.code !== "OK") return this.#refuse(connection, message.code, "");
    connection.generation = message.generation;
    connecting.readyZxid = message.zxid;
    this.#waitingApply.add(connection);
  }

  #refuse(connection: Connection, code: ErrorCode, detail: string): void {
    this.#parts.effects.reply(connection.id, { type: "refused", code, detail });
    this.close(connection, "the session was refused");
  }

  /** The createSession of this server's connection was applied. */
  #onSessionCreated(connection: Connection, session: SessionId): void {
    const connecting = connection.connecting;
    if (connecting === undefined) return;
    connection.generation = session;
    this.#open(connection, connecting, session);
  }

  #open(connection: Connection, connecting: PendingConnect, session: SessionId): void {
    const machine = this.#parts.machine();
    if (!machine.sessionExists(session)) return this.#refuse(connection, "SESSION_EXPIRED", "");
    const before = this.#bySession.get(session);
    if (before !== undefined && before !== connection) this.close(before, "the session was resumed on another connection");
    connection.session = session;
    connection.timeoutMs = connecting.timeoutMs;
    connection.connecting = undefined;
    connection.confirmedMs = this.#nowMs;
    this.#bySession.set(session, connection);
    this.#replyConnected(connection, connecting.session !== 0);
  }

  #replyConnected(connection: Connection, resumed: boolean): void {
    const machine = this.#parts.machine();
    const validForMs = sessionValidForMs(connection.timeoutMs, this.#parts.limits);
    const position = machine.replyPosition(connection.session as SessionId);
    this.#parts.effects.reply(connection.id, connectedMessage(connection, resumed, validForMs, position, machine.appliedZxid));
  }

  /** Whether a session has ended is for a quorum to say, so one that is not known here is sent elsewhere. */
  #openReadOnly(connection: Connection, connecting: PendingConnect): void {
    const machine = this.#parts.machine();
    const { session, passwordHash, timeoutMs, lastZxid } = connecting;
    const known = session === 0 || machine.passwordMatches(session, passwordHash);
    if (!known || lastZxid > machine.appliedZxid) return this.#refuse(connection, "NO_QUORUM", "");
    this.#counters.answered(connecting.counter);
    connection.readOnly = true;
    connection.session = session === 0 ? this.#readOnly.nextSession() : session;
    connection.timeoutMs = timeoutMs;
    connection.connecting = undefined;
    this.#replyConnected(connection, session !== 0);
  }

  // ---- requests

  #onHeartbeat(connection: Connection, id: number): void {
    if (connection.readOnly) return this.#answerHeartbeat(connection.id, id);
    if (mutant("a follower confirms heartbeats")) return this.#answerHeartbeat(connection.id, id);
    this.#touch(connection).heartbeats.push({ connection: connection.id, id });
  }

  #touch(connection: Connection): ConfirmBatch {
    const batch = this.#parts.access.gather(this.#nowMs);
    if (connection.session !== 0) batch.touched.add(connection.session);
    return batch;
  }

  #onRequest(connection: Connection, message: RequestIn): void {
    const { request } = message;
    const kind = operations[request.type].class;
    if (connection.readOnly && (kind === "write" || request.type === "sync")) {
      connection.push(answeredReadOnly(connection.id, message.xid, request.type, this.#parts.machine().appliedZxid));
      this.#ready.add(connection);
      return;
    }
    if (connection.protocol === "zookeeper" && !connection.readOnly) this.#maybeTouch(connection);
    if (kind === "write") this.#onWrite(connection, message, request as WriteRequest);
    else this.#onRead(connection, message, request as ReadRequest | LocalRequest);
  }

  /** Every ZooKeeper request keeps its session alive; one report each eighth of the timeout is enough. */
  #maybeTouch(connection: Connection): void {
    if (this.#nowMs - connection.confirmedMs >= connection.timeoutMs / 8) this.#touch(connection);
  }

  #onWrite(connection: Connection, message: RequestIn, request: WriteRequest): void {
    if (request.type === "createSession" || request.type === "renewSession")
      return this.close(connection, "not a client's operation");
    const source = this.#source(connection, message);
    const number = source.type === "session" ? source.seq : source.type === "origin" ? source.counter : 0;
    const forward = {
      connection: connection.id,
      generation: connection.generation,
      write: { source, request, guards: message.guards, identities: connection.identities },
    };
    const slot: WriteSlot = {
      type: "write",
      xid: message.xid,
      requestType: request.type,
      number,
      forward,
      outcome: undefined,
      zxid: 0 as Zxid,
    };
    connection.push(slot);
    if (source.type === "session" && this.#answeredBefore(connection, slot, source.session, source.seq)) return;
    this.#parts.access.forward(forward);
  }

  #source(connection: Connection, message: RequestIn): TxnSource {
    const session = connection.session;
    if (connection.protocol === "native" && session !== 0)
      return { type: "session", session, seq: message.seq, ackedSeq: message.ackedSeq };
    return this.#counters.source(session, this.#counters.next(connection));
  }

  /** A resent write that was decided before: the first outcome, from the replicated reply table. */
  #answeredBefore(connection: Connection, slot: WriteSlot, session: SessionId, seq: number): boolean {
    const machine = this.#parts.machine();
    if (seq > machine.replyPosition(session).lastSeq) return false;
    const stored = machine.storedReply(session, seq);
    slot.outcome = stored?.outcome ?? failure("OUT_OF_ORDER", String(machine.replyPosition(session).lastSeq + 1));
    slot.zxid = stored?.zxid ?? machine.appliedZxid;
    this.#parts.mark("dedupe hit");
    this.#ready.add(connection);
    return true;
  }

  #onRead(connection: Connection, message: RequestIn, request: ReadRequest | LocalRequest): void {
    const local = operations[request.type].class === "local";
    const level = request.type === "sync" ? "linearizable" : local ? "session" : message.level.type;
    const waitMs =
      message.deadlineMs > 0
        ? Math.min(message.deadlineMs, this.#parts.limits.request_wait_ms)
        : this.#parts.limits.request_wait_ms;
    const slot: ReadSlot = {
      type: "read",
      xid: message.xid,
      request,
      level,
      deadlineMs: this.#nowMs + waitMs,
      readZxid: 0 as Zxid,
      batch: 0,
    };
    if (level === "linearizable") slot.readZxid = this.#parts.leaseZxid();
    else if (message.level.type === "atLeast" && !local) slot.readZxid = message.level.zxid;
    connection.push(slot);
    if (slot.readZxid === undefined) this.#awaitIndex(connection, slot);
    this.#ready.add(connection);
  }

  #awaitIndex(connection: Connection, slot: ReadSlot): void {
    const batch = this.#parts.access.gather(this.#nowMs);
    batch.read = true;
    slot.batch = batch.id;
    batch.readers.add(connection.id);
  }

  // ---- the leader's answers

  onLeaderMessage(message: RequestMessage): void {
    if (message.type === "confirmed") this.#onConfirmed(message.id, message.zxid, message.ended);
    else if (message.type === "resumed") this.#onResumed(message);
    else if (message.type === "refusal") this.#onRefusal(message.connection, message.number, message.code, message.detail);
    else if (message.type === "moved") this.#onMoved(message.connection, message.session);
  }

  #onConfirmed(id: number, zxid: Zxid, ended: readonly SessionId[]): void {
    const batch = this.#parts.access.take(id);
    if (batch === undefined) return;
    for (const reader of batch.readers) this.#giveIndex(reader, id, zxid);
    const gone = new Set(ended);
    for (const session of batch.touched) this.#onTouched(session, batch.sentMs, gone.has(session));
    for (const heartbeat of batch.heartbeats) this.#answerHeartbeat(heartbeat.connection, heartbeat.id);
  }

  /** Reads that waited when the batch left; a later read has its own batch. */
  #giveIndex(id: ConnectionId, batch: number, zxid: Zxid): void {
    const connection = this.#connections.get(id);
    if (connection === undefined) return;
    for (const slot of connection.waitingReads()) {
      if (slot.batch > batch) break;
      slot.readZxid = zxid;
    }
    this.#ready.add(connection);
  }

  #onTouched(session: SessionId, sentMs: number, ended: boolean): void {
    const connection = this.#bySession.get(session);
    if (connection === undefined) return;
    if (ended) this.close(connection, "the session has ended");
    else connection.confirmedMs = Math.max(connection.confirmedMs, sentMs);
  }

  #answerHeartbeat(id: ConnectionId, heartbeat: number): void {
    const connection = this.#connections.get(id);
    if (connection === undefined || !connection.open) return;
    const validForMs = sessionValidForMs(connection.timeoutMs, this.#parts.limits);
    this.#parts.effects.reply(id, { type: "heartbeat", id: heartbeat, validForMs, zxid: this.#parts.machine().appliedZxid });
  }

  #onRefusal(id: ConnectionId, number: number, code: ErrorCode, detail: string): void {
    const connection = this.#connections.get(id);
    if (connection === undefined) return;
    if (connection.connecting?.counter === number && connection.connecting.session === 0)
      return this.#refuse(connection, code, detail);
    const slot = connection.write(number);
    if (slot !== undefined) this.#complete(connection, slot, failure(code, detail), this.#parts.machine().appliedZxid);
  }

  #onMoved(id: ConnectionId, session: SessionId): void {
    const connection = this.#connections.get(id) ?? this.#bySession.get(session);
    if (connection === undefined || connection.session !== session || (id !== 0 && connection.id !== id)) return;
    this.close(connection, "the session has moved to another connection");
  }

  // ---- the leader changed

  /** Sessions and pending writes are told to the new leader again, in order; so is what waited for a confirmation. */
  onNewLeader(left: readonly ConfirmBatch[]): void {
    const { access } = this.#parts;
    const sessions = [];
    for (const connection of this.#bySession.values())
      sessions.push({ session: connection.session as SessionId, connection: connection.id, generation: connection.generation });
    if (sessions.length > 0) access.send({ type: "register", sessions });
    for (const connection of this.#connections.values()) {
      if (connection.readOnly) this.close(connection, "there is a leader again");
      else this.#sendAgain(connection);
    }
    for (const batch of left) this.#gatherAgain(batch);
  }

  #sendAgain(connection: Connection): void {
    const { connecting } = connection;
    if (connecting !== undefined) {
      // What the last leader answered may have died with it.
      connecting.readyZxid = undefined;
      this.#sendConnect(connection, connecting);
    }
    for (const slot of connection.undecided()) this.#parts.access.forward(slot.forward);
    for (const slot of connection.waitingReads()) this.#awaitIndex(connection, slot);
  }

  #gatherAgain(batch: ConfirmBatch): void {
    const gathering = this.#parts.access.gather(this.#nowMs);
    for (const session of batch.touched) gathering.touched.add(session);
    for (const heartbeat of batch.heartbeats) gathering.heartbeats.push(heartbeat);
  }

  // ---- applied

  /**
   * A txn was applied: answers the slot it came from, on the server that holds the connection, and the reads
   * behind it, before the next txn: a read shows no later write of its own client, and its watch misses none.
   */
  onApplied(source: TxnSource, zxid: Zxid, outcome: Outcome): void {
    if (source.type === "session") {
      const connection = this.#bySession.get(source.session);
      if (connection === undefined) return;
      this.#completeAll(connection, source.seq, outcome, zxid);
      this.#answer(connection);
    } else if (source.type === "origin" && this.#counters.isOurs(source)) {
      this.#onOwnApplied(source.counter, zxid, outcome);
    }
  }

  #onOwnApplied(counter: number, zxid: Zxid, outcome: Outcome): void {
    const connection = this.#counters.connection(counter);
    if (connection === undefined) return;
    if (connection.connecting?.counter === counter) {
      this.#counters.answered(counter);
      if (outcome.code === "OK") this.#onSessionCreated(connection, zxid as number as SessionId);
      else this.#refuse(connection, outcome.code, outcome.detail);
      return;
    }
    this.#completeAll(connection, counter, outcome, zxid);
    this.#answer(connection);
  }

  /** A client may have sent the same number twice on one connection: both get the one outcome. */
  #completeAll(connection: Connection, number: number, outcome: Outcome, zxid: Zxid): void {
    for (let slot = connection.write(number); slot !== undefined; slot = connection.write(number))
      this.#complete(connection, slot, outcome, zxid);
  }

  #complete(connection: Connection, slot: WriteSlot, outcome: Outcome, zxid: Zxid): void {
    slot.outcome = outcome;
    slot.zxid = zxid;
    if (slot.forward.write.source.type === "origin") this.#counters.answered(slot.number);
    this.#ready.add(connection);
  }

  /** The session was closed by an applied txn: whoever still has its connection here loses it, after its last answers. */
  onSessionClosed(session: SessionId): void {
    const connection = this.#bySession.get(session);
    if (connection === undefined) return;
    this.#answer(connection);
    if (!connection.closing) this.close(connection, "the session has ended");
  }

  // ---- answers

  /** End of turn: answers everything that can be answered. */
  endTurn(): void {
    const waiting = this.#waitingApply;
    if (waiting.size > 0) this.#waitingApply = new Set();
    for (const connection of waiting) {
      this.#maybeOpen(connection);
      this.#ready.add(connection);
    }
    for (const connection of this.#ready) this.#answer(connection);
    this.#ready.clear();
    this.#parts.locals.endTurn();
    this.#checkTimes();
  }

  #maybeOpen(connection: Connection): void {
    const connecting = connection.connecting;
    if (connecting?.readyZxid === undefined || connecting.session === 0) return;
    if (this.#parts.machine().appliedZxid < connecting.readyZxid) this.#waitingApply.add(connection);
    else this.#open(connection, connecting, connecting.session);
  }

  #answer(connection: Connection): void {
    for (let slot = connection.head; slot !== undefined && !connection.closing; slot = connection.head) {
      if (mutant("replies overtake each other")) this.#answerBehind(connection);
      const answered = slot.type === "write" ? this.#answerWrite(connection, slot) : this.#answerRead(connection, slot);
      if (!answered) return;
      connection.shift();
    }
  }

  /** Planted bug: session reads do not wait for the session's writes. */
  #answerBehind(connection: Connection): void {
    const at = connection.slots.findIndex((slot) => slot.type === "read" && slot.level === "session" && slot !== connection.head);
    const slot = connection.slots[at];
    if (slot?.type !== "read" || connection.slots.indexOf(connection.head as WriteSlot) > at) return;
    if (this.#answerRead(connection, slot)) connection.slots.splice(at, 1);
  }

  #answerWrite(connection: Connection, slot: WriteSlot): boolean {
    if (slot.outcome === undefined) return false;
    this.#reply(connection, slot.xid, slot.requestType, slot.zxid, slot.outcome, "linearizable");
    if (connection.readOnly && slot.requestType === "closeSession") this.close(connection, "the session has ended");
    return true;
  }

  #answerRead(connection: Connection, slot: ReadSlot): boolean {
    if (slot.readZxid === undefined) return false;
    if (slot.readZxid > this.#parts.machine().appliedZxid) {
      this.#waitingApply.add(connection);
      return false;
    }
    if (this.#parts.locals.mustWait(slot.request)) {
      this.#waitingApply.add(connection);
      this.#parts.effects.again = true;
      return false;
    }
    const zxid = this.#parts.machine().appliedZxid;
    const outcome = this.#parts.locals.perform(connection, slot.request, this.#nowMs);
    this.#reply(connection, slot.xid, slot.request.type, zxid, outcome, slot.level);
    return true;
  }

  #reply(
    connection: Connection,
    xid: number,
    requestType: WriteSlot["requestType"] | ReadSlot["request"]["type"],
    zxid: Zxid,
    outcome: Outcome,
    level: ReadSlot["level"],
  ): void {
    this.#parts.effects.reply(connection.id, { type: "reply", xid, requestType, zxid, outcome, level });
  }

  // ---- time

  #checkTimes(): void {
    if (this.#nowMs - this.#checkedMs < 50) return;
    this.#checkedMs = this.#nowMs;
    this.#parts.locals.forgetHistory();
    this.#readOnly.note(this.#parts.access.leader !== undefined, this.#nowMs);
    for (const connection of this.#connections.values()) this.#checkConnection(connection);
  }

  #checkConnection(connection: Connection): void {
    const { connecting } = connection;
    if (connecting?.readOnly === true && this.readOnly) return this.#openReadOnly(connection, connecting);
    if (connecting !== undefined && this.#nowMs >= connecting.deadlineMs) return this.#refuse(connection, "NO_QUORUM", "");
    if (connection.isDoubtful(this.#nowMs)) {
      // A native client knows its deadline; of others soon another may hold what this one believes it holds.
      if (connection.protocol === "zookeeper")
        return this.close(connection, "the leader has not confirmed the session for half its timeout");
      this.#remind(connection);
    }
    const slot = connection.head;
    if (slot?.type !== "read" || this.#nowMs < slot.deadlineMs) return;
    this.#reply(connection, slot.xid, slot.request.type, this.#parts.machine().appliedZxid, failure("NO_QUORUM"), slot.level);
    connection.shift();
    this.#answer(connection);
  }

  /** A hidden browser tab's timers may run once a minute, its sockets are prompt: what arrives makes it send its due heartbeat. */
  #remind(connection: Connection): void {
    if (!connection.takeReminder(this.#nowMs)) return;
    const { appliedZxid } = this.#parts.machine();
    this.#parts.effects.reply(connection.id, { type: "heartbeat", id: 0, validForMs: 0, zxid: appliedZxid });
    this.#parts.mark("heartbeat reminder");
  }

  close(connection: Connection, reason: string): void {
    if (connection.closing) return;
    connection.closing = true;
    if (connection.session !== 0 && this.#bySession.get(connection.session) === connection)
      this.#bySession.delete(connection.session);
    this.#parts.effects.closeClient(connection.id, reason);
  }

  /** The tree was replaced by a snapshot: one-shot watches and positions would skip what lies between. */
  closeAll(reason: string): void {
    for (const connection of this.#connections.values()) {
      if (connection.open) this.#parts.effects.reply(connection.id, { type: "goaway", reason });
      this.#parts.locals.dropConnection(connection.id);
      this.close(connection, reason);
    }
  }

  sessionOf(connection: ConnectionId): SessionId | 0 {
    return this.#connections.get(connection)?.session ?? 0;
  }
}
