/**
 * A native client, written for the simulator alone and kept naive, so that it tests the servers and
 * not itself: numbered writes resent in order after every reconnect, reads re-asked, heartbeats, one
 * stream resumed where it stopped, and one-shot watches. It tells a ClientWatcher all that it sees.
 */
import type { ClientMessage, ServerMessage } from "../../src/model/client-message.ts";
import type { Guard, ReadLevel, Request } from "../../src/model/request.ts";
import type { StreamDelivery, WatchEvent } from "../../src/model/watch.ts";
import type { SessionId, Zxid } from "../../src/model/zxid.ts";
import type { SimClock } from "./clock.ts";
import type { History, Operation } from "./history.ts";
import type { Connection, Network, NodeId } from "./network.ts";
import type { Random } from "./random.ts";
import type { Scheduler } from "./scheduler.ts";
import type { SimServer } from "./server.ts";
import { describe, type Trace } from "./trace.ts";

const notFinal = new Set([
  "OVERLOADED",
  "OUT_OF_ORDER",
  "NO_QUORUM",
  "SESSION_MOVED",
  "READ_ONLY",
  "TIMEOUT",
  "CONNECTION_LOSS",
  "THROTTLED",
]);

export interface StreamSpec {
  readonly path: string;
  readonly recursive: boolean;
  readonly withData: boolean;
}

/** What workload, faults and checks know of a client, naive or real. */
export interface AnyClient {
  readonly id: NodeId;
  readonly session: SessionId | undefined;
  readonly connected: boolean;
  /** A call can be made. */
  readonly ready: boolean;
  /** No call is open, and it is where it should be in a healthy world. */
  readonly settled: boolean;
  readonly server: number;
  readonly outstanding: number;
  /** Goes only to this server when set (scenarios). */
  pinned: number | undefined;
  readonly stream: ClientStream | undefined;
  start(): void;
  /** Undefined when there is no session to ask in. */
  call(request: Request, isWrite: boolean, level?: ReadLevel, guards?: readonly Guard[]): Operation | undefined;
  subscribe(spec: StreamSpec): void;
  disconnect(): void;
}

export interface ClientWatcher {
  replied(client: AnyClient, operation: Operation): void;
  /** The client may believe in its session until this true time. */
  believes(client: AnyClient, session: SessionId, untilTrue: number): void;
  sessionBegan(client: AnyClient, session: SessionId, timeoutMs: number): void;
  sessionEnded(client: AnyClient, session: SessionId, closedByUs: boolean): void;
  watchFired(client: AnyClient, session: SessionId, event: WatchEvent): void;
  delivered(client: AnyClient, stream: ClientStream, delivery: StreamDelivery): void;
  /** A snapshot under way begins again. */
  streamReset(stream: ClientStream): void;
  resumed(client: AnyClient, lastSeq: number, ackedSeq: number, zxid: Zxid): void;
  connectionEnded(client: AnyClient): void;
}

/** A subscription that lives as long as the client: it is resumed at `position` on every connection. */
export interface ClientStream {
  readonly spec: StreamSpec;
  id: number;
  /** Everything up to here was delivered; undefined before the first snapshot is whole. */
  position: Zxid | undefined;
  subscribed: boolean;
}

/** Stands for the stream's own request among the pending ones. */
const subscription = Symbol("subscription");

interface Session {
  readonly id: SessionId;
  readonly passwordHash: Uint8Array;
  timeoutMs: number;
  nextSeq: number;
  /** Unanswered writes in seq order. */
  readonly writes: Operation[];
  lastZxid: Zxid;
  closing: boolean;
}

export interface ClientParts {
  readonly id: NodeId;
  readonly scheduler: Scheduler;
  readonly network: Network;
  readonly servers: readonly SimServer[];
  readonly clock: SimClock;
  readonly random: Random;
  readonly trace: Trace;
  readonly history: History;
  readonly watcher: ClientWatcher;
  readonly timeoutMs: number;
  readonly callMs: number;
}

export class SimClient implements AnyClient {
  readonly id: NodeId;
  readonly #p: ClientParts;
  readonly #name: string;
  #session: Session | undefined;
  #connection: Connection | undefined;
  #connected = false;
  #server = 0;
  #xid = 0;
  #generation = 0;
  #pending = new Map<number, Operation | typeof subscription>();
  #reads: Operation[] = [];
  #connectSentAt = 0;
  #newHash: Uint8Array | undefined;
  #heartbeats = new Map<number, number>();
  #heartbeatId = 0;
  #heardAt = 0;
  #resendPlanned = false;
  pinned: number | undefined;
  stream: ClientStream | undefined;
  readonly watches = new Set<string>();

  constructor(parts: ClientParts) {
    this.#p = parts;
    this.id = parts.id;
    this.#name = `c${parts.id % 100}`;
  }

  get session(): SessionId | undefined {
    return this.#session?.id;
  }

  get ready(): boolean {
    return this.#session !== undefined;
  }

  get settled(): boolean {
    return this.outstanding === 0 && this.#connected;
  }

  get connected(): boolean {
    return this.#connected;
  }

  get server(): number {
    return this.#server;
  }

  get outstanding(): number {
    return (this.#session?.writes.length ?? 0) + this.#reads.length;
  }

  start(): void {
    this.#dial();
  }

  // ---- calls

  call(
    request: Request,
    isWrite: boolean,
    level: ReadLevel = { type: "linearizable" },
    guards: readonly Guard[] = [],
  ): Operation | undefined {
    const session = this.#session;
    if (session === undefined || session.closing) return undefined;
    const seq = isWrite ? session.nextSeq : 0;
    if (isWrite) session.nextSeq += 1;
    const operation = this.#p.history.begin({
      client: this.id,
      session: session.id,
      request,
      isWrite,
      level,
      seq,
      guards,
      invokedAt: this.#p.scheduler.now,
      sessionFloor: session.lastZxid,
    });
    if (isWrite) session.writes.push(operation);
    else this.#reads.push(operation);
    if (request.type === "closeSession") session.closing = true;
    if (this.#connected) this.#send(operation);
    this.#p.scheduler.after(this.#p.callMs, () => this.#giveUp(operation));
    return operation;
  }

  #send(operation: Operation): void {
    const session = this.#session;
    if (session === undefined) return;
    this.#xid += 1;
    operation.sends += 1;
    operation.connection = this.#generation;
    this.#pending.set(this.#xid, operation);
    const first = session.writes[0];
    const skipped = operation.state === "skipped";
    this.#transmit({
      type: "request",
      xid: this.#xid,
      request: skipped ? { type: "skip" } : operation.request,
      level: operation.level,
      seq: operation.seq,
      ackedSeq: operation.isWrite ? (first?.seq ?? session.nextSeq) - 1 : 0,
      guards: skipped ? [] : operation.guards,
      deadlineMs: 0,
    });
  }

  /** A write given up becomes a logged skip of its number; a read is forgotten. */
  #giveUp(operation: Operation): void {
    if (operation.state !== "open") return;
    operation.state = operation.isWrite ? "skipped" : "unknown";
    if (!operation.isWrite) this.#reads = this.#reads.filter((read) => read !== operation);
    else this.#planResend();
  }

  // ---- connection

  #dial(): void {
    if (this.#connection !== undefined) return;
    const { random, network, scheduler, servers } = this.#p;
    const wanted = this.pinned ?? random.pick(servers).id;
    const server = servers.find((s) => s.id === wanted);
    if (server === undefined || !server.running || !network.canConnect(this.id, server.id)) {
      scheduler.after(random.between(10, 60) * network.patience, () => this.#dial());
      return;
    }
    this.#open(server);
  }

  #open(server: SimServer): void {
    const { network, scheduler } = this.#p;
    const readyServer = scheduler.now + network.latency() * 2;
    const readyClient = readyServer + network.latency();
    const connection = network.connect(this.id, server.id, readyClient, readyServer);
    this.#generation += 1;
    const generation = this.#generation;
    this.#connection = connection;
    this.#server = server.id;
    connection.handlers[0] = {
      message: (payload) => this.#receive(payload as ServerMessage),
      lost: () => this.#lost(connection),
    };
    server.accept(connection, 1, readyServer);
    scheduler.at(readyClient, () => {
      if (this.#connection === connection && connection.open[0]) this.#hello();
    });
    this.#heardAt = scheduler.now;
    this.#beat(generation);
  }

  #hello(): void {
    const session = this.#session;
    this.#connectSentAt = this.#p.scheduler.now;
    if (session === undefined) this.#newHash = makeHash(this.#p.random);
    this.#transmit({
      type: "connect",
      session: session?.id ?? 0,
      passwordHash: session?.passwordHash ?? (this.#newHash as Uint8Array),
      timeoutMs: session === undefined ? this.#p.timeoutMs : this.#wantedTimeout(session),
      lastZxid: session?.lastZxid ?? (0 as Zxid),
    });
  }

  /** Now and then another one than before: that is a renewal, which every later leader must know. */
  #wantedTimeout(session: Session): number {
    const { random } = this.#p;
    return random.chance(0.15) ? Math.floor(session.timeoutMs * random.between(0.7, 2)) : session.timeoutMs;
  }

  /** The process of the client drops its connection (a fault, or silence). */
  disconnect(): void {
    const connection = this.#connection;
    if (connection === undefined) return;
    this.#p.network.reset(connection, 0);
    this.#lost(connection);
  }

  #lost(connection: Connection): void {
    if (this.#connection !== connection) return;
    this.#connection = undefined;
    this.#connected = false;
    this.#generation += 1;
    this.#pending.clear();
    this.#heartbeats.clear();
    this.watches.clear();
    if (this.stream !== undefined) this.stream.subscribed = false;
    this.#p.watcher.connectionEnded(this);
    this.#p.scheduler.after(this.#p.random.between(1, 40), () => this.#dial());
  }

  #transmit(message: ClientMessage): void {
    const connection = this.#connection;
    if (connection === undefined) return;
    if (this.#p.trace.on) this.#p.trace.line(this.#name, `→ s${this.#server}`, describe(message));
    this.#p.network.send(connection, 0, message);
  }

  // ---- heartbeats

  #beat(generation: number): void {
    if (this.#generation !== generation) return;
    const { scheduler, timeoutMs } = this.#p;
    const timeout = this.#session?.timeoutMs ?? timeoutMs;
    if (scheduler.now - this.#heardAt > Math.max(timeout * 0.5, 250)) {
      this.disconnect();
      return;
    }
    if (this.#connected) {
      this.#heartbeatId += 1;
      this.#heartbeats.set(this.#heartbeatId, scheduler.now);
      this.#transmit({ type: "heartbeat", id: this.#heartbeatId });
    }
    scheduler.after(timeout / 6, () => this.#beat(generation));
  }

  #believe(sentAt: number, validForMs: number): void {
    const session = this.#session;
    if (session === undefined) return;
    const clock = this.#p.clock;
    this.#p.watcher.believes(this, session.id, clock.trueAt(clock.monotonic(sentAt) + validForMs));
  }

  // ---- answers

  #receive(message: ServerMessage): void {
    if (this.#connection === undefined) return;
    this.#heardAt = this.#p.scheduler.now;
    this.#p.trace.mix(this.id, message.type.length, this.#heartbeatId);
    switch (message.type) {
      case "connected":
        return this.#onConnected(message);
      case "refused":
        return this.#onRefused(message.code);
      case "reply":
        return this.#onReply(message);
      case "heartbeat":
        return this.#onHeartbeat(message.id, message.validForMs);
      case "watchEvent":
        return this.#onWatchEvent(message.event);
      case "stream":
        return this.#onStream(message.delivery);
      case "goaway":
        return this.disconnect();
    }
  }

  #onConnected(message: ServerMessage & { type: "connected" }): void {
    const { watcher } = this.#p;
    if (this.#session === undefined) {
      this.#session = {
        id: message.session,
        passwordHash: this.#newHash as Uint8Array,
        timeoutMs: message.timeoutMs,
        nextSeq: 1,
        writes: [],
        lastZxid: message.zxid,
        closing: false,
      };
      watcher.sessionBegan(this, message.session, message.timeoutMs);
    } else {
      this.#session.timeoutMs = message.timeoutMs;
      watcher.resumed(this, message.lastSeq, message.ackedSeq, message.zxid);
    }
    this.#connected = true;
    this.#believe(this.#connectSentAt, message.validForMs);
    this.#resendAll();
    this.#subscribe();
  }

  #onRefused(code: string): void {
    if (code === "SESSION_EXPIRED" || code === "AUTH_FAILED") this.#endSession(false);
    this.disconnect();
  }

  #endSession(closedByUs: boolean): void {
    const session = this.#session;
    if (session === undefined) return;
    this.#session = undefined;
    for (const write of session.writes) if (write.state === "open") write.state = "unknown";
    for (const read of this.#reads) read.state = "unknown";
    this.#reads = [];
    this.#p.watcher.sessionEnded(this, session.id, closedByUs);
  }

  #onReply(message: ServerMessage & { type: "reply" }): void {
    const operation = this.#pending.get(message.xid);
    if (operation === undefined) return;
    this.#pending.delete(message.xid);
    const { code } = message.outcome;
    if (operation === subscription) return this.#onSubscribed(code);
    if (operation.state === "unknown" || operation.state === "done") return;
    if (code === "SESSION_EXPIRED") {
      this.#endSession(operation.request.type === "closeSession");
      this.disconnect();
      return;
    }
    if (notFinal.has(code)) {
      operation.refusals += 1;
      this.#planResend();
      return;
    }
    this.#settle(operation, message);
  }

  #settle(operation: Operation, message: ServerMessage & { type: "reply" }): void {
    const session = this.#session;
    if (session === undefined || session.id !== operation.session) return;
    const open = operation.isWrite ? session.writes : this.#reads;
    const at = open.indexOf(operation);
    if (at < 0) return;
    open.splice(at, 1);
    if (message.zxid > session.lastZxid) session.lastZxid = message.zxid;
    if (operation.state === "skipped") return;
    this.#p.history.end(operation, this.#p.scheduler.now, message.zxid, message.outcome);
    this.#p.watcher.replied(this, operation);
    if (operation.request.type === "closeSession") {
      this.#endSession(true);
      this.disconnect();
    }
  }

  #onHeartbeat(id: number, validForMs: number): void {
    const sentAt = this.#heartbeats.get(id);
    if (sentAt === undefined) return;
    this.#heartbeats.delete(id);
    this.#believe(sentAt, validForMs);
  }

  #onWatchEvent(event: WatchEvent): void {
    const session = this.#session;
    if (session !== undefined) this.#p.watcher.watchFired(this, session.id, event);
  }

  // ---- resending

  #planResend(): void {
    if (this.#resendPlanned) return;
    this.#resendPlanned = true;
    this.#p.scheduler.after(this.#p.random.between(5, 40), () => {
      this.#resendPlanned = false;
      if (this.#connected) this.#resendAll();
    });
  }

  /** Everything unanswered again, writes in order of their numbers. */
  #resendAll(): void {
    for (const write of this.#session?.writes ?? []) this.#send(write);
    for (const read of this.#reads) this.#send(read);
  }

  // ---- streams

  subscribe(spec: StreamSpec): void {
    this.stream = { spec, id: 0, position: undefined, subscribed: false };
    this.#subscribe();
  }

  #subscribe(): void {
    const stream = this.stream;
    if (stream === undefined || stream.subscribed || !this.#connected) return;
    this.#xid += 1;
    this.#pending.set(this.#xid, subscription);
    stream.id = this.#xid;
    stream.subscribed = true;
    this.#transmit({
      type: "request",
      xid: this.#xid,
      level: { type: "session" },
      seq: 0,
      ackedSeq: 0,
      guards: [],
      deadlineMs: 0,
      request: {
        type: "subscribe",
        stream: stream.id,
        path: stream.spec.path,
        recursive: stream.spec.recursive,
        withData: stream.spec.withData,
        fromZxid: stream.position,
      },
    });
  }

  /** Refused: asked again, from a snapshot when the history is gone. */
  #onSubscribed(code: string): void {
    const { stream } = this;
    if (stream === undefined || code === "OK") return;
    if (code === "COMPACTED") {
      stream.position = undefined;
      this.#p.watcher.streamReset(stream);
    }
    stream.subscribed = false;
    this.#p.scheduler.after(20, () => this.#subscribe());
  }

  #onStream(delivery: StreamDelivery): void {
    const stream = this.stream;
    if (stream === undefined || delivery.stream !== stream.id) return;
    this.#p.watcher.delivered(this, stream, delivery);
    if (delivery.type === "changes") stream.position = delivery.zxid;
    if (delivery.type === "snapshot" && delivery.done) stream.position = delivery.zxid;
    if (delivery.type === "end") {
      if (delivery.code === "COMPACTED") stream.position = undefined;
      stream.subscribed = false;
      this.#p.scheduler.after(20, () => this.#subscribe());
    }
    const session = this.#session;
    if (session !== undefined && delivery.type === "changes" && delivery.zxid > session.lastZxid)
      session.lastZxid = delivery.zxid;
  }
}

function makeHash(random: Random): Uint8Array {
  const hash = new Uint8Array(32);
  for (let i = 0; i < 32; i += 1) hash[i] = random.below(256);
  return hash;
}
