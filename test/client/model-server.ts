/**
 * A server in a hundred lines, with the rules of the reply table (design of sessions and retries) and an
 * unkind network: connections break at random, what was under way is lost or arrives late, requests are
 * refused at random. It keeps what was applied, for `exactly-once.test.ts` to judge.
 */
import type { Command, ConnectionEvent } from "../../client/connection-event.ts";
import { failure, type Outcome, okOutcome } from "../../src/model/request.ts";
import type { SessionId, Zxid } from "../../src/model/zxid.ts";
import type { ClientWireMessage, ServerWireMessage, WireClientRequest, WireConnect } from "../../src/wire/client-codec.ts";

export interface Faults {
  /** Chances in a thousand. */
  readonly breaks: number;
  readonly refuses: number;
  readonly connectFails: number;
}

interface ModelSession {
  readonly id: SessionId;
  lastSeq: number;
  ackedSeq: number;
  readonly replies: Map<number, Outcome>;
  generation: number;
  expiresAtMs: number;
}

interface Link {
  readonly transport: number;
  session: ModelSession | undefined;
  generation: number;
  /** The client knows nothing of it any more. */
  broken: boolean;
  toServerAtMs: number;
  toClientAtMs: number;
}

interface Planned {
  readonly atMs: number;
  readonly order: number;
  readonly run: () => void;
}

export const serverTimeoutMs = 3_000;
const password = Uint8Array.of(7);

export class ModelServer {
  readonly applied: { readonly session: SessionId; readonly name: string }[] = [];
  readonly expired: { readonly session: SessionId; readonly atMs: number }[] = [];
  nowMs = 0;
  faults: Faults;
  readonly #random: () => number;
  readonly #toClient: (event: ConnectionEvent) => void;
  readonly #sessions = new Map<SessionId, ModelSession>();
  readonly #links = new Map<number, Link>();
  #planned: Planned[] = [];
  #order = 0;
  #zxid = 1;

  constructor(random: () => number, faults: Faults, toClient: (event: ConnectionEvent) => void) {
    this.#random = random;
    this.faults = faults;
    this.#toClient = toClient;
  }

  // ---- time

  get nextMs(): number | undefined {
    return this.#planned[0]?.atMs;
  }

  after(delayMs: number, run: () => void): void {
    this.#at(this.nowMs + delayMs, run);
  }

  #at(atMs: number, run: () => void): void {
    this.#order += 1;
    this.#planned.push({ atMs, order: this.#order, run });
    this.#planned.sort((a, b) => a.atMs - b.atMs || a.order - b.order);
  }

  /** Runs the next thing planned. */
  runNext(): void {
    const next = this.#planned.shift();
    if (next === undefined) return;
    this.nowMs = Math.max(this.nowMs, next.atMs);
    this.#expire();
    next.run();
  }

  #expire(): void {
    for (const session of this.#sessions.values()) {
      if (this.nowMs < session.expiresAtMs) continue;
      this.#sessions.delete(session.id);
      this.expired.push({ session: session.id, atMs: this.nowMs });
    }
  }

  #chance(perMille: number): boolean {
    return this.#random() * 1_000 < perMille;
  }

  #latency(): number {
    return this.#chance(20) ? this.#random() * 800 : 1 + this.#random() * 20;
  }

  // ---- the network

  perform(command: Command): void {
    if (command.type === "connect") this.#onConnect(command.transport);
    else if (command.type === "closeTransport") this.#break(command.transport);
    else for (const message of command.messages) this.#fromClient(command.transport, message);
  }

  #onConnect(transport: number): void {
    if (this.#chance(this.faults.connectFails)) {
      return this.after(this.#latency(), () => this.#toClient({ type: "transportClosed", transport, reason: "refused" }));
    }
    this.#links.set(transport, { transport, session: undefined, generation: 0, broken: false, toServerAtMs: 0, toClientAtMs: 0 });
    this.after(this.#latency(), () => this.#toClient({ type: "transportOpened", transport }));
  }

  /** What the client sent before may still arrive. */
  #break(transport: number): void {
    const link = this.#links.get(transport);
    if (link !== undefined) link.broken = true;
  }

  #fromClient(transport: number, message: ClientWireMessage): void {
    const link = this.#links.get(transport);
    if (link === undefined || link.broken) return;
    if (this.#chance(this.faults.breaks)) return this.#reset(link);
    link.toServerAtMs = Math.max(link.toServerAtMs, this.nowMs + this.#latency());
    this.#at(link.toServerAtMs, () => this.#onMessage(link, message));
  }

  #reset(link: Link): void {
    link.broken = true;
    this.after(this.#latency(), () => this.#toClient({ type: "transportClosed", transport: link.transport, reason: "reset" }));
  }

  #send(link: Link, message: ServerWireMessage): void {
    if (link.broken) return;
    if (this.#chance(this.faults.breaks)) return this.#reset(link);
    link.toClientAtMs = Math.max(link.toClientAtMs, this.nowMs + this.#latency());
    this.#at(link.toClientAtMs, () => {
      if (!link.broken) this.#toClient({ type: "transportMessages", transport: link.transport, messages: [message] });
    });
  }

  // ---- the server

  #onMessage(link: Link, message: ClientWireMessage): void {
    if (message.type === "connect") this.#onHandshake(link, message);
    else if (message.type === "heartbeat") this.#onHeartbeat(link, message.id);
    else this.#onRequest(link, message);
  }

  #onHandshake(link: Link, message: WireConnect): void {
    const session = message.session === 0 ? this.#newSession() : this.#sessions.get(message.session);
    if (session === undefined) return this.#send(link, { type: "refused", code: "SESSION_EXPIRED", detail: "" });
    session.generation += 1;
    session.expiresAtMs = this.nowMs + serverTimeoutMs;
    link.session = session;
    link.generation = session.generation;
    this.#send(link, {
      type: "connected",
      session: session.id,
      resumed: message.session !== 0,
      timeoutMs: serverTimeoutMs,
      validForMs: serverTimeoutMs,
      lastSeq: session.lastSeq,
      ackedSeq: session.ackedSeq,
      zxid: this.#zxid as Zxid,
      password,
      serverId: 1,
    });
  }

  #newSession(): ModelSession {
    this.#zxid += 1;
    const session = {
      id: this.#zxid as SessionId,
      lastSeq: 0,
      ackedSeq: 0,
      replies: new Map<number, Outcome>(),
      generation: 0,
      expiresAtMs: 0,
    };
    this.#sessions.set(session.id, session);
    return session;
  }

  /** Forwards of an older generation are dropped: the session has moved. */
  #current(link: Link): ModelSession | undefined {
    const session = link.session;
    if (session === undefined || this.#sessions.get(session.id) !== session) return undefined;
    return session.generation === link.generation ? session : undefined;
  }

  #onHeartbeat(link: Link, id: number): void {
    const session = this.#current(link);
    if (session === undefined) return;
    session.expiresAtMs = this.nowMs + serverTimeoutMs;
    this.#send(link, { type: "heartbeat", id, validForMs: serverTimeoutMs, zxid: this.#zxid as Zxid });
  }

  #onRequest(link: Link, message: WireClientRequest): void {
    const session = this.#current(link);
    if (session === undefined) return;
    if (message.seq === 0) return this.#reply(link, message, okOutcome);
    const outcome = this.#decide(session, message);
    if (outcome !== undefined) this.#reply(link, message, outcome);
  }

  #decide(session: ModelSession, message: WireClientRequest): Outcome | undefined {
    if (message.seq <= session.ackedSeq) return undefined;
    const known = session.replies.get(message.seq);
    if (known !== undefined) return known;
    if (this.#chance(this.faults.refuses)) return failure(this.#random() < 0.7 ? "OVERLOADED" : "NO_QUORUM");
    if (message.seq !== session.lastSeq + 1) return failure("OUT_OF_ORDER", String(session.lastSeq + 1));
    return this.#apply(session, message);
  }

  #apply(session: ModelSession, message: WireClientRequest): Outcome {
    this.#zxid += 1;
    session.lastSeq = message.seq;
    session.ackedSeq = Math.max(session.ackedSeq, message.ackedSeq);
    for (const seq of session.replies.keys()) if (seq <= session.ackedSeq) session.replies.delete(seq);
    const { request } = message;
    if (request.type === "setData") this.applied.push({ session: session.id, name: request.path });
    session.replies.set(message.seq, okOutcome);
    return okOutcome;
  }

  #reply(link: Link, message: WireClientRequest, outcome: Outcome): void {
    this.#send(link, {
      type: "reply",
      xid: message.xid,
      requestType: message.request.type,
      zxid: this.#zxid as Zxid,
      outcome,
      level: "linearizable",
    });
  }
}
