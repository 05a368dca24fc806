/**
 * The real client state machine (client/connection.ts) in the simulated world: this file is only its
 * driver, sockets and timers over the virtual network and a drifting clock, and tells the checkers what
 * the machine tells its user. A refusal that the machine calls `failed` must be in no log, ever.
 */
import { createHash } from "node:crypto";
import { Connection as ClientMachine } from "../../client/connection.ts";
import { type Command, type ConnectionEvent, defaultConnectionOptions, type Notice } from "../../client/connection-event.ts";
import type { ClientMessage, ServerMessage } from "../../src/model/client-message.ts";
import type { Guard, ReadLevel, Request } from "../../src/model/request.ts";
import type { SessionId } from "../../src/model/zxid.ts";
import type { ClientWireMessage, ServerWireMessage, WireRequest } from "../../src/wire/client-codec.ts";
import type { AnyClient, ClientParts, ClientStream, StreamSpec } from "./client.ts";
import type { Operation } from "./history.ts";
import type { Connection } from "./network.ts";
import { describe } from "./trace.ts";

interface Transport {
  readonly number: number;
  readonly host: number;
  readonly connection: Connection | undefined;
  password: Uint8Array;
}

export class SdkClient implements AnyClient {
  readonly id: number;
  readonly #p: ClientParts;
  readonly #machine: ClientMachine;
  #transport: Transport | undefined;
  #calls = new Map<number, Operation>();
  #byRequest = new Map<object, Operation>();
  #nextCall = 0;
  #session: SessionId | undefined;
  /** True times: when the machine wants to be woken, and when it will be looked after. */
  #wakeAt = Infinity;
  #wakePlannedAt = Infinity;
  #believed = 0;
  pinned: number | undefined;
  stream: ClientStream | undefined;

  constructor(parts: ClientParts) {
    this.#p = parts;
    this.id = parts.id;
    const random = parts.random.fork("machine");
    this.#machine = new ClientMachine({
      ...defaultConnectionOptions,
      hosts: parts.servers.length,
      timeoutMs: parts.timeoutMs,
      outstandingMax: 12,
      queuedMax: 64,
      connectTimeoutMs: 400,
      backoffMinMs: 5,
      backoffMaxMs: 200 * parts.network.patience,
      random: () => random.float(),
    });
  }

  get session(): SessionId | undefined {
    return this.#machine.session?.id;
  }

  get ready(): boolean {
    return true;
  }

  /** It opens a session when one is wanted: without calls it may rest without. */
  get settled(): boolean {
    return this.#calls.size === 0 && (this.connected || this.session === undefined);
  }

  get connected(): boolean {
    return this.#machine.state.type === "connected";
  }

  get outstanding(): number {
    return this.#calls.size;
  }

  get server(): number {
    return (this.#transport?.host ?? -1) + 1;
  }

  start(): void {
    this.#step({ type: "start" });
  }

  call(
    request: Request,
    isWrite: boolean,
    level: ReadLevel = { type: "linearizable" },
    guards: readonly Guard[] = [],
  ): Operation | undefined {
    // Without a session one is opened for the call; whose it is, is known when it is sent.
    const session = this.session ?? (0 as SessionId);
    // One-shot watches are re-armed over reconnects by the machine; the naive client checks them.
    const asked = "watch" in request ? { ...request, watch: false } : { ...request };
    const operation = this.#p.history.begin({
      client: this.id,
      session,
      request: asked,
      isWrite,
      level,
      seq: 0,
      guards,
      invokedAt: this.#p.scheduler.now,
      sessionFloor: this.#machine.lastZxid,
    });
    operation.sends = 2;
    this.#nextCall += 1;
    this.#calls.set(this.#nextCall, operation);
    this.#byRequest.set(asked, operation);
    this.#step({
      type: "call",
      call: { call: this.#nextCall, request: asked as WireRequest, level, guards, timeoutMs: this.#p.callMs },
    });
    return operation;
  }

  subscribe(spec: StreamSpec): void {
    this.stream = { spec, id: 1, position: undefined, subscribed: true };
    this.#step({ type: "subscribe", subscription: 1, spec: { ...spec, fromZxid: undefined, onCompacted: "snapshot" } });
  }

  disconnect(): void {
    const transport = this.#transport;
    if (transport?.connection === undefined) return;
    this.#p.network.reset(transport.connection, 0);
    this.#closed(transport, "broken");
  }

  // ---- the machine

  #nowMs(): number {
    return this.#p.clock.monotonic(this.#p.scheduler.now);
  }

  #step(event: ConnectionEvent): void {
    this.#machine.step(this.#nowMs(), event);
    this.#perform();
  }

  #perform(): void {
    const { commands, notices, wakeAtMs } = this.#machine.drain();
    for (const command of commands) this.#command(command);
    for (const notice of notices) this.#notice(notice);
    this.#believe();
    if (wakeAtMs !== undefined) this.#planWake(wakeAtMs);
  }

  /** Most steps put the wake-up off: one that is planned already comes, and finds that it is not due. */
  #planWake(atMs: number): void {
    this.#wakeAt = this.#p.clock.trueAt(atMs) + 0.05;
    this.#awaitWake();
  }

  #awaitWake(): void {
    const planned = this.#wakeAt;
    if (this.#wakePlannedAt <= planned) return;
    this.#wakePlannedAt = planned;
    this.#p.scheduler.at(planned, () => {
      if (this.#wakePlannedAt !== planned) return;
      this.#wakePlannedAt = Infinity;
      if (this.#wakeAt > planned) this.#awaitWake();
      else this.#step({ type: "tick" });
    });
  }

  /** What the machine relies on is what the expiry check holds the servers to. */
  #believe(): void {
    const session = this.#machine.session;
    const until = this.#machine.validUntilMs;
    if (session === undefined || until === undefined) return;
    if (session.id !== this.#session) {
      if (this.#session !== undefined) this.#p.watcher.sessionEnded(this, this.#session, false);
      this.#session = session.id;
      this.#believed = 0;
      this.#p.watcher.sessionBegan(this, session.id, session.timeoutMs);
    }
    if (until <= this.#believed) return;
    this.#believed = until;
    this.#p.watcher.believes(this, session.id, this.#p.clock.trueAt(until));
  }

  // ---- commands

  #command(command: Command): void {
    if (command.type === "connect") return this.#dial(command.transport, command.host);
    const transport = this.#transport;
    if (transport === undefined || transport.number !== command.transport) return;
    if (command.type === "closeTransport") {
      if (transport.connection !== undefined) this.#p.network.reset(transport.connection, 0);
      this.#transport = undefined;
      return;
    }
    for (const message of command.messages) this.#send(transport, message);
  }

  #dial(number: number, wanted: number): void {
    const { servers, network, scheduler } = this.#p;
    const host = this.pinned === undefined ? wanted : this.pinned - 1;
    const server = servers[host];
    if (server === undefined || !server.running || !network.canConnect(this.id, server.id)) {
      this.#transport = { number, host, connection: undefined, password: new Uint8Array(0) };
      scheduler.after(1, () => this.#closedIf(number));
      return;
    }
    const readyServer = scheduler.now + network.latency() * 2;
    const readyClient = readyServer + network.latency();
    const connection = network.connect(this.id, server.id, readyClient, readyServer);
    const transport: Transport = { number, host, connection, password: new Uint8Array(0) };
    this.#transport = transport;
    connection.handlers[0] = {
      message: (payload) => this.#receive(transport, payload as ServerMessage),
      lost: () => this.#closed(transport, "lost"),
    };
    server.accept(connection, 1, readyServer);
    scheduler.at(readyClient, () => {
      if (this.#transport === transport && connection.open[0]) this.#step({ type: "transportOpened", transport: number });
    });
  }

  #closedIf(number: number): void {
    const transport = this.#transport;
    if (transport?.number === number) this.#closed(transport, "refused");
  }

  #closed(transport: Transport, reason: string): void {
    if (this.#transport !== transport) return;
    this.#transport = undefined;
    this.#step({ type: "transportClosed", transport: transport.number, reason });
  }

  #send(transport: Transport, message: ClientWireMessage): void {
    const { network, trace } = this.#p;
    if (transport.connection === undefined) return;
    if (trace.on) trace.line(`k${this.id % 100}`, `→ s${transport.host + 1}`, describe(message));
    network.send(transport.connection, 0, this.#toModel(transport, message));
  }

  /** The server's listener hashes passwords and makes those of new sessions; here that is on this side. */
  #toModel(transport: Transport, message: ClientWireMessage): ClientMessage {
    if (message.type === "heartbeat") return message;
    if (message.type === "request") {
      const operation = this.#byRequest.get(message.request);
      if (operation !== undefined) {
        operation.seq = message.seq;
        operation.session = this.session ?? operation.session;
      }
      return message as ClientMessage;
    }
    transport.password = message.session === 0 ? makePassword(this.#p.random) : message.password;
    const passwordHash = createHash("sha256").update(transport.password).digest();
    return { type: "connect", session: message.session, passwordHash, timeoutMs: message.timeoutMs, lastZxid: message.lastZxid };
  }

  #receive(transport: Transport, message: ServerMessage): void {
    if (this.#transport !== transport) return;
    const wire = (message.type === "connected" ? { ...message, password: transport.password } : message) as ServerWireMessage;
    this.#p.trace.mix(this.id, message.type.length, transport.number);
    this.#step({ type: "transportMessages", transport: transport.number, messages: [wire] });
  }

  // ---- notices

  #notice(notice: Notice): void {
    switch (notice.type) {
      case "replied":
        return this.#replied(notice);
      case "failed":
        return this.#failed(notice);
      case "streamDelivery":
        return this.#delivered(notice);
      case "streamReset":
        if (this.stream !== undefined) this.#p.watcher.streamReset(this.stream);
        return;
      case "state":
      case "watchEvent":
      case "watchesLost":
      case "streamEnded":
        return;
    }
  }

  #take(call: number): Operation | undefined {
    const operation = this.#calls.get(call);
    this.#calls.delete(call);
    if (operation !== undefined) this.#byRequest.delete(operation.request);
    return operation;
  }

  #replied(notice: Notice & { type: "replied" }): void {
    const operation = this.#take(notice.call);
    if (operation === undefined) return;
    if (operation.isWrite && notice.outcome.code === "READ_ONLY") {
      // Refused for good, and no txn: it must never be found in the log.
      operation.state = "failed";
      return;
    }
    this.#p.history.end(operation, this.#p.scheduler.now, notice.zxid, notice.outcome);
    this.#p.watcher.replied(this, operation);
  }

  #failed(notice: Notice & { type: "failed" }): void {
    const operation = this.#take(notice.call);
    if (operation === undefined) return;
    operation.state = notice.outcome === "failed" && operation.isWrite ? "failed" : "unknown";
  }

  #delivered(notice: Notice & { type: "streamDelivery" }): void {
    const { stream } = this;
    if (stream === undefined) return;
    const { delivery } = notice;
    this.#p.watcher.delivered(this, stream, delivery);
    if (delivery.type === "changes" || (delivery.type === "snapshot" && delivery.done)) stream.position = delivery.zxid;
  }
}

function makePassword(random: { below(n: number): number }): Uint8Array {
  return Uint8Array.from({ length: 16 }, () => random.below(256));
}
