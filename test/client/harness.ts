/** Drives a Connection by hand: what it sends is looked at, what servers answer is made up. */

import { Connection } from "../../client/connection.ts";
import type { ClientEffects, ClientRequest, ConnectionOptions, Notice, StreamSpec } from "../../client/connection-event.ts";
import { defaultConnectionOptions } from "../../client/connection-event.ts";
import { assert, must } from "../../src/model/assert.ts";
import type { ErrorCode } from "../../src/model/error.ts";
import { failure, type Outcome, okOutcome, type ReadLevel } from "../../src/model/request.ts";
import type { SessionId, Zxid } from "../../src/model/zxid.ts";
import type {
  ClientWireMessage,
  ServerWireMessage,
  WireClientRequest,
  WireConnect,
  WireConnected,
} from "../../src/wire/client-codec.ts";

export const timeoutMs = 9_000;
export const validForMs = 8_800;
export const sessionId = 77 as SessionId;
const level: ReadLevel = { type: "linearizable" };

export function zxid(value: number): Zxid {
  return value as Zxid;
}

export const set = (path: string): ClientRequest => ({ type: "setData", path, data: undefined, version: -1 });
export const get = (path: string, watch = false): ClientRequest => ({ type: "getData", path, watch });

export class Harness {
  readonly connection: Connection;
  nowMs = 1_000;
  wakeAtMs: number | undefined;
  /** The transport that is wanted now, and its host. */
  transport: number | undefined;
  host = -1;
  dials = 0;
  readonly notices: Notice[] = [];
  #sent: ClientWireMessage[] = [];
  #calls = 0;

  constructor(options: Partial<ConnectionOptions> = {}) {
    this.connection = new Connection({ ...defaultConnectionOptions, timeoutMs, hosts: 3, random: () => 0.5, ...options });
  }

  drain(): ClientEffects {
    const effects = this.connection.drain();
    for (const command of effects.commands) {
      if (command.type === "connect") {
        this.transport = command.transport;
        this.host = command.host;
        this.dials += 1;
      } else if (command.type === "closeTransport") {
        assert(command.transport === this.transport, "only the current transport is closed");
        this.transport = undefined;
      } else {
        assert(command.transport === this.transport, "messages go to the current transport");
        this.#sent.push(...command.messages);
      }
    }
    this.notices.push(...effects.notices);
    this.wakeAtMs = effects.wakeAtMs;
    return effects;
  }

  step(event: Parameters<Connection["step"]>[1]): void {
    this.connection.step(this.nowMs, event);
    this.drain();
  }

  /** Lets time pass, with a tick whenever one was asked for. */
  pass(ms: number): void {
    const end = this.nowMs + ms;
    for (let i = 0; i < 100_000 && this.wakeAtMs !== undefined && this.wakeAtMs <= end; i += 1) {
      this.nowMs = Math.max(this.nowMs, this.wakeAtMs);
      this.step({ type: "tick" });
    }
    this.nowMs = end;
  }

  start(): void {
    this.step({ type: "start" });
  }

  opened(): WireConnect {
    this.step({ type: "transportOpened", transport: must(this.transport, "a transport is wanted") });
    const message = this.takeSent()[0];
    assert(message?.type === "connect", "connect comes first");
    return message;
  }

  receive(...messages: ServerWireMessage[]): void {
    this.step({ type: "transportMessages", transport: must(this.transport, "a transport is open"), messages });
  }

  lose(): void {
    const transport = must(this.transport, "a transport is open");
    this.transport = undefined;
    this.step({ type: "transportClosed", transport, reason: "test" });
  }

  /** A connection with a session, new or resumed. */
  connect(parts: Partial<WireConnected> = {}): WireConnect {
    if (this.transport === undefined) this.pass(must(this.wakeAtMs, "a retry is planned") - this.nowMs);
    const connect = this.opened();
    this.receive({ ...connected, resumed: connect.session !== 0, ...parts });
    return connect;
  }

  takeSent(): readonly ClientWireMessage[] {
    const sent = this.#sent;
    this.#sent = [];
    return sent;
  }

  takeRequests(): readonly WireClientRequest[] {
    return this.takeSent().filter((message) => message.type === "request");
  }

  call(request: ClientRequest, timeout = 30_000): number {
    this.#calls += 1;
    this.step({ type: "call", call: { call: this.#calls, request, level, guards: [], timeoutMs: timeout } });
    return this.#calls;
  }

  subscribe(spec: Partial<StreamSpec> = {}): void {
    this.step({
      type: "subscribe",
      subscription: 1,
      spec: { path: "/s", recursive: true, withData: true, fromZxid: undefined, onCompacted: "snapshot", ...spec },
    });
  }

  reply(request: WireClientRequest | undefined, outcome: Outcome = okOutcome, at = 100): void {
    assert(request !== undefined, "there is a request to answer");
    this.receive({
      type: "reply",
      xid: request.xid,
      requestType: request.request.type,
      zxid: zxid(at),
      outcome,
      level: "linearizable",
    });
  }

  refuse(request: WireClientRequest | undefined, code: ErrorCode, detail = ""): void {
    this.reply(request, failure(code, detail));
  }

  /** How a call ended, in a word; undefined while it is open. */
  result(call: number): string | undefined {
    for (const notice of this.notices) {
      if (notice.type === "replied" && notice.call === call) return notice.outcome.code;
      if (notice.type === "failed" && notice.call === call) return `${notice.code} ${notice.outcome}`;
    }
    return undefined;
  }

  get states(): readonly string[] {
    return this.notices.filter((notice) => notice.type === "state").map((notice) => notice.state.type);
  }
}

export const connected: WireConnected = {
  type: "connected",
  session: sessionId,
  resumed: false,
  timeoutMs,
  validForMs,
  lastSeq: 0,
  ackedSeq: 0,
  zxid: zxid(50),
  password: Uint8Array.of(1, 2, 3),
  serverId: 1,
};
