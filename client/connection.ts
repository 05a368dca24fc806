/**
 * The client as a pure, synchronous state machine: `step(nowMs, event)` takes what happened, `drain()`
 * hands out what to do. No clock, timer, promise or randomness below this line, so the simulator runs
 * this very code. `driver.ts` runs it for real.
 *
 * It owns the way to a server (`#link`), the session over it, and what must survive a change of server:
 * calls (`request-table.ts`), one-shot watches (`watch-registry.ts`), streams (`subscriptions.ts`) and
 * credentials. Invariants:
 * - Nothing of a session is sent once its deadline has passed by our own clock: it is lost before.
 *   An answer that came in with the event is looked at first, for it may have extended the deadline.
 * - On a new connection everything goes out in the order: credentials, watches, calls, streams.
 * - `#lastZxid` never falls, over sessions too: reads never go back in time.
 */
import { assert, assertNever } from "../src/model/assert.ts";
import type { ErrorCode } from "../src/model/error.ts";
import type { SessionId, Zxid } from "../src/model/zxid.ts";
import { zeroZxid } from "../src/model/zxid.ts";
import type { ServerWireMessage, WireConnected } from "../src/wire/client-codec.ts";
import type { CallSpec, ClientEffects, ClientState, ConnectionEvent, ConnectionOptions, Notice } from "./connection-event.ts";
import { Credentials } from "./credentials.ts";
import { HostRotation } from "./hosts.ts";
import { type GreetingLink, type Link, never, type OpenLink } from "./link.ts";
import { type Internal, Outbox } from "./outbox.ts";
import { isPassingForRead, isPassingForWrite, provesNotApplied, RefusalBackoff } from "./refusals.ts";
import { type Entry, RequestTable } from "./request-table.ts";
import { SessionRecord } from "./session-record.ts";
import { requestOf, Subscriptions } from "./subscriptions.ts";
import { WatchRegistry, watchKindOf } from "./watch-registry.ts";

interface Resumable {
  readonly id: SessionId;
  readonly password: Uint8Array;
  readonly timeoutMs: number;
}

const drainMs = 500;
/** A connection that lived this long proved itself. */
const stableMs = 1_000;
const noPassword = new Uint8Array(0);

export class Connection {
  readonly #options: ConnectionOptions;
  readonly #hosts: HostRotation;
  readonly #table: RequestTable;
  readonly #watches = new WatchRegistry();
  readonly #subscriptions = new Subscriptions();
  readonly #credentials = new Credentials();
  readonly #outbox = new Outbox();
  readonly #backoff: RefusalBackoff;
  #nowMs = 0;
  #state: ClientState = { type: "connecting" };
  #link: Link = { type: "idle", retryAtMs: never };
  #session: SessionRecord | undefined;
  /** A session of an earlier process that has not been resumed yet. */
  #inherited: Resumable | undefined;
  #lastZxid: Zxid = zeroZxid;
  #transports = 0;
  #heartbeats = 0;
  /** While calls were refused: when to send them again. */
  #resendAtMs = 0;
  /** Set by `close`. */
  #closeAtMs: number | undefined;
  #notices: Notice[] = [];

  constructor(options: ConnectionOptions) {
    this.#options = options;
    this.#hosts = new HostRotation(options.hosts, options);
    this.#table = new RequestTable(options);
    this.#backoff = new RefusalBackoff(options.random);
    if (options.session !== undefined) this.#inherited = { ...options.session, timeoutMs: options.timeoutMs };
  }

  get state(): ClientState {
    return this.#state;
  }

  /** Until when the session may be relied on; undefined without one. */
  get validUntilMs(): number | undefined {
    return this.#session?.validUntilMs;
  }

  /** What another process needs to go on with the session. */
  get session(): { readonly id: SessionId; readonly password: Uint8Array; readonly timeoutMs: number } | undefined {
    return this.#session;
  }

  get lastZxid(): Zxid {
    return this.#lastZxid;
  }

  /** The server that we are connected to, by its place in the list of hosts. */
  get host(): number | undefined {
    return this.#link.type === "open" ? this.#link.host : undefined;
  }

  get outstanding(): number {
    return this.#table.openCount + this.#table.waitingCount;
  }

  step(nowMs: number, event: ConnectionEvent): void {
    assert(nowMs >= this.#nowMs, "the clock must not go back");
    this.#nowMs = nowMs;
    if (this.#state.type === "closed") {
      if (event.type === "call") this.#failed(event.call.call, "CLOSED", "failed", "");
      return;
    }
    if (event.type !== "transportMessages") this.#checkTime();
    this.#route(event);
    if (event.type === "transportMessages") this.#checkTime();
  }

  #route(event: ConnectionEvent): void {
    switch (event.type) {
      case "start":
        return this.#onStart();
      case "tick":
        return;
      case "transportOpened":
        return this.#onTransportOpened(event.transport);
      case "transportMessages":
        return this.#onMessages(event.transport, event.messages);
      case "transportClosed":
        return this.#onTransportClosed(event.transport);
      case "call":
        return this.#onCall(event.call);
      case "abort":
        return this.#onAbort(event.call);
      case "subscribe":
        return this.#onSubscribe(event);
      case "unsubscribe":
        return this.#leaveStream(this.#subscriptions.remove(event.subscription));
      case "pauseStream":
        return this.#leaveStream(this.#subscriptions.pause(event.subscription));
      case "resumeStream":
        return this.#subscriptions.resume(event.subscription, this.#nowMs);
      case "forgetWatch":
        return this.#watches.forget(event.kind, event.path);
      case "close":
        return this.#onClose(event.keepSession);
      default:
        assertNever(event);
    }
  }

  /** Everything gathered since the last drain; what may be sent is sent with it, all in one batch. */
  drain(): ClientEffects {
    this.#pump();
    if (this.#link.type !== "idle") this.#outbox.flush(this.#link.transport);
    const effects = { commands: this.#outbox.takeCommands(), notices: this.#notices, wakeAtMs: this.#wakeAtMs() };
    this.#notices = [];
    return effects;
  }

  // ---- time

  #checkTime(): void {
    const session = this.#session;
    if (session !== undefined && this.#nowMs >= session.validUntilMs) {
      this.#endSession("SESSION_EXPIRED", "its deadline passed without word from the leader");
    }
    this.#checkLink();
    for (const entry of this.#table.takeDue(this.#nowMs)) this.#onDeadline(entry);
    if (this.#closeAtMs !== undefined && this.#nowMs >= this.#closeAtMs) this.#finishClose();
  }

  #checkLink(): void {
    const link = this.#link;
    switch (link.type) {
      case "idle":
        if (this.#nowMs >= link.retryAtMs) this.#dial();
        return;
      case "dialing":
      case "greeting":
        if (this.#nowMs >= link.giveUpAtMs) this.#reconnect();
        return;
      case "open":
        return this.#checkOpenLink(link);
      default:
        assertNever(link);
    }
  }

  #checkOpenLink(link: OpenLink): void {
    const session = this.#session;
    assert(session !== undefined, "an open link has a session");
    if (link.drainUntilMs !== never && (this.#nowMs >= link.drainUntilMs || this.#table.openCount === 0)) return this.#move();
    if (this.#nowMs >= (session.deadAtMs ?? never)) return this.#reconnect();
    if (this.#nowMs < (session.heartbeatDueMs ?? never)) return;
    this.#heartbeats += 1;
    session.onHeartbeatSent(this.#heartbeats, this.#nowMs);
    this.#outbox.message({ type: "heartbeat", id: this.#heartbeats });
  }

  #wakeAtMs(): number | undefined {
    if (this.#state.type === "closed") return undefined;
    const wake = Math.min(
      this.#linkWakeMs(),
      this.#session?.validUntilMs ?? never,
      this.#table.nextDeadlineMs ?? never,
      this.#closeAtMs ?? never,
    );
    return wake === never ? undefined : wake;
  }

  #linkWakeMs(): number {
    const link = this.#link;
    if (link.type === "idle") return link.retryAtMs;
    if (link.type !== "open") return link.giveUpAtMs;
    const resend = this.#table.blocked ? this.#resendAtMs : never;
    const heartbeat = this.#session?.heartbeatDueMs ?? this.#session?.deadAtMs ?? never;
    const streams = this.#subscriptions.nextMs ?? never;
    return Math.min(resend, heartbeat, link.drainUntilMs, streams);
  }

  // ---- the way to a server

  #onStart(): void {
    assert(this.#link.type === "idle" && this.#transports === 0, "a client is started once");
    this.#dial();
  }

  #dial(): void {
    this.#transports += 1;
    const host = this.#hosts.next();
    this.#link = { type: "dialing", transport: this.#transports, host, giveUpAtMs: this.#nowMs + this.#attemptMs() };
    this.#outbox.command({ type: "connect", transport: this.#transports, host });
  }

  /** With a session at stake one dead server must not eat its time. */
  #attemptMs(): number {
    const timeoutMs = this.#session?.timeoutMs;
    return timeoutMs === undefined ? this.#options.connectTimeoutMs : Math.min(this.#options.connectTimeoutMs, timeoutMs / 3);
  }

  #onTransportOpened(transport: number): void {
    const link = this.#link;
    if (link.type !== "dialing" || link.transport !== transport) return;
    this.#link = { ...link, type: "greeting", sentAtMs: this.#nowMs };
    const resumed: Resumable | undefined = this.#session ?? this.#inherited;
    this.#outbox.message({
      type: "connect",
      session: resumed?.id ?? 0,
      password: resumed?.password ?? noPassword,
      timeoutMs: resumed?.timeoutMs ?? this.#options.timeoutMs,
      lastZxid: this.#lastZxid,
      clientVersion: this.#options.clientVersion,
    });
  }

  #onTransportClosed(transport: number): void {
    const link = this.#link;
    if (link.type === "idle" || link.transport !== transport) return;
    this.#link = { type: "idle", retryAtMs: never };
    this.#onDisconnected(link);
    this.#suspend();
    if (link.type === "open" && link.drainUntilMs !== never) this.#dial();
    else this.#retryLater();
  }

  /** Leaves the server for another one, after a back-off. */
  #reconnect(): void {
    this.#hangUp();
    this.#suspend();
    this.#retryLater();
  }

  /** Leaves the server for another one at once. */
  #move(): void {
    this.#hangUp();
    this.#suspend();
    this.#dial();
  }

  #suspend(): void {
    const session = this.#session;
    if (this.#state.type !== "connected" || session === undefined) return;
    this.#setState({ type: "suspended", session: session.id, validUntilMs: session.validUntilMs });
  }

  #retryLater(): void {
    const capMs = this.#session === undefined ? never : this.#session.timeoutMs / 10;
    this.#link = { type: "idle", retryAtMs: this.#nowMs + this.#hosts.delay(capMs) };
  }

  #hangUp(): void {
    const link = this.#link;
    this.#link = { type: "idle", retryAtMs: never };
    if (link.type === "idle") return;
    this.#outbox.flush(link.transport);
    this.#outbox.command({ type: "closeTransport", transport: link.transport });
    this.#onDisconnected(link);
  }

  #onDisconnected(link: Link): void {
    this.#outbox.clear();
    if (link.type !== "open") return;
    if (this.#nowMs - link.openedAtMs >= stableMs) this.#hosts.stable();
    this.#table.onDisconnected();
    this.#watches.onDisconnected();
    this.#subscriptions.onDisconnected(this.#nowMs);
    this.#session?.onDisconnected();
  }

  // ---- messages

  #onMessages(transport: number, messages: readonly ServerWireMessage[]): void {
    for (const message of messages) {
      const link = this.#link;
      if (link.type === "idle" || link.transport !== transport) return;
      if (link.type === "open") this.#onMessage(link, message);
      else if (link.type === "greeting") this.#onGreeted(link, message);
    }
  }

  #onGreeted(link: GreetingLink, message: ServerWireMessage): void {
    if (message.type === "connected") this.#onConnected(link, message);
    else if (message.type === "refused") this.#onRefused(message.code, message.detail);
    else if (message.type === "goaway") this.#reconnect();
  }

  #onRefused(code: ErrorCode, detail: string): void {
    const hasSession = this.#session !== undefined || this.#inherited !== undefined;
    if (hasSession && (code === "SESSION_EXPIRED" || code === "AUTH_FAILED")) this.#endSession("SESSION_EXPIRED", detail);
    else this.#reconnect();
  }

  #onConnected(link: GreetingLink, message: WireConnected): void {
    if (!this.#adopt(message, link.sentAtMs)) return;
    this.#link = { type: "open", transport: link.transport, host: link.host, openedAtMs: this.#nowMs, drainUntilMs: never };
    this.#sawZxid(message.zxid);
    for (const auth of this.#credentials.all) this.#outbox.internal(auth, { type: "auth" });
    for (const request of this.#watches.rearm()) this.#outbox.internal(request, { type: "watches" });
    this.#setState({ type: "connected", session: message.session });
  }

  /** False: the answer fits no session of ours, and the link is gone. */
  #adopt(message: WireConnected, sentAtMs: number): boolean {
    const wanted = this.#session?.id ?? this.#inherited?.id;
    if (wanted !== undefined && (!message.resumed || message.session !== wanted)) {
      this.#endSession("SESSION_EXPIRED", "the server did not know the session");
      return false;
    }
    if (this.#session === undefined) {
      this.#session = new SessionRecord(message, sentAtMs);
      this.#inherited = undefined;
      this.#table.restart(message.resumed ? message.lastSeq : 0);
      return true;
    }
    if (message.lastSeq > this.#table.lastSeq) {
      this.#endSession("SESSION_MOVED", "another client has written in this session");
      return false;
    }
    this.#session.onResumed(message, sentAtMs);
    return true;
  }

  #onMessage(link: OpenLink, message: ServerWireMessage): void {
    switch (message.type) {
      case "reply":
        return this.#onReply(link, message);
      case "watchEvent":
        return this.#onWatchEvent(message);
      case "stream":
        return this.#onStream(link, message);
      case "heartbeat":
        return this.#onHeartbeat(message);
      case "goaway":
        return this.#onGoaway(link);
      case "refused":
        return this.#onRefused(message.code, message.detail);
      case "connected":
        return this.#reconnect();
      default:
        assertNever(message);
    }
  }

  /** The server is about to close: what is in flight may still be answered, new calls go elsewhere. */
  #onGoaway(link: OpenLink): void {
    if (link.drainUntilMs === never) this.#link = { ...link, drainUntilMs: this.#nowMs + drainMs };
  }

  #onHeartbeat(message: Extract<ServerWireMessage, { type: "heartbeat" }>): void {
    if (this.#session?.onHeartbeat(message.id, message.validForMs) === true) this.#hosts.stable();
  }

  #onWatchEvent(message: Extract<ServerWireMessage, { type: "watchEvent" }>): void {
    const event = message.event;
    this.#sawZxid(event.zxid);
    const kinds = this.#watches.onEvent(event);
    if (kinds.length > 0) this.#notices.push({ type: "watchEvent", event, kinds });
  }

  #onStream(link: OpenLink, message: Extract<ServerWireMessage, { type: "stream" }>): void {
    const { zxid, move } = this.#subscriptions.onDelivery(
      message.delivery,
      link.host,
      this.#hosts.count,
      this.#nowMs,
      this.#notices,
    );
    if (zxid !== undefined) this.#sawZxid(zxid);
    if (move) this.#move();
  }

  #sawZxid(zxid: Zxid): void {
    if (zxid > this.#lastZxid) this.#lastZxid = zxid;
  }

  // ---- replies

  #onReply(link: OpenLink, message: Extract<ServerWireMessage, { type: "reply" }>): void {
    const internal = this.#outbox.takeInternal(message.xid);
    if (internal !== undefined) return this.#onInternalReply(link, internal, message);
    const entry = this.#table.inFlight(message.xid);
    if (entry === undefined) return;
    const code = message.outcome.code;
    if (code === "SESSION_EXPIRED" && entry.request.type !== "closeSession")
      return this.#endSession(code, message.outcome.detail);
    if (code === "SESSION_MOVED") return this.#reconnect();
    const isPassing = entry.isWrite ? isPassingForWrite(code) : isPassingForRead(code, entry.deadlineMs - this.#nowMs);
    if (isPassing) return this.#onRefusal(entry, message);
    this.#onFinal(entry, message);
  }

  #onFinal(entry: Entry, message: Extract<ServerWireMessage, { type: "reply" }>): void {
    const { call, request } = entry;
    this.#table.finish(entry);
    this.#backoff.onAnswer();
    this.#sawZxid(message.zxid);
    this.#watches.onReply(message.zxid);
    const kind = watchKindOf(request, message.outcome.code);
    if (kind !== undefined && call !== 0) this.#watches.add(kind.kind, kind.path);
    if (request.type === "addAuth" && message.outcome.code === "OK") this.#credentials.remember(request);
    if (call !== 0) this.#replied(call, message);
    if (request.type === "closeSession") this.#finishClose();
  }

  #replied(call: number, message: Extract<ServerWireMessage, { type: "reply" }>): void {
    this.#notices.push({ type: "replied", call, zxid: message.zxid, level: message.level, outcome: message.outcome });
  }

  /** A full disk is not waited for: the caller is told, and a skip takes the seq. */
  #onRefusal(entry: Entry, message: Extract<ServerWireMessage, { type: "reply" }>): void {
    const { code, detail } = message.outcome;
    if (!this.#table.blocked) this.#resendAtMs = this.#nowMs + this.#backoff.next(detail);
    const call = entry.call;
    this.#table.refuse(entry, code, provesNotApplied(code));
    if (code !== "READ_ONLY" || entry.doubt || call === 0) return;
    this.#table.giveUp(entry);
    this.#replied(call, message);
  }

  #onInternalReply(link: OpenLink, internal: Internal, message: Extract<ServerWireMessage, { type: "reply" }>): void {
    this.#sawZxid(message.zxid);
    if (internal.type === "stream") {
      const move = this.#subscriptions.onReply(
        internal.number,
        message.outcome,
        link.host,
        this.#hosts.count,
        this.#nowMs,
        this.#notices,
      );
      if (move) this.#move();
    } else if (internal.type === "watches") this.#onWatchesReply(message);
  }

  #onWatchesReply(message: Extract<ServerWireMessage, { type: "reply" }>): void {
    const { code, detail } = message.outcome;
    if (code === "OK") this.#watches.onRearmed();
    else if (isPassingForRead(code, 0)) this.#reconnect();
    else this.#loseWatches(code, detail);
  }

  // ---- sending

  #pump(): void {
    const link = this.#link;
    if (link.type !== "open" || link.drainUntilMs !== never) return;
    if (this.#table.blocked && this.#nowMs >= this.#resendAtMs) this.#table.releaseRefused();
    for (const entry of this.#table.toSend()) {
      this.#table.onSent(entry, this.#outbox.request(entry, this.#table.ackedSeq, this.#nowMs));
    }
    for (const subscription of this.#subscriptions.takeDue(this.#nowMs, this.#notices)) {
      this.#outbox.internal(requestOf(subscription), { type: "stream", number: subscription.number });
    }
  }

  // ---- calls and streams

  #onCall(spec: CallSpec): void {
    if (this.#closeAtMs !== undefined) this.#failed(spec.call, "CLOSED", "failed", "");
    else if (this.#state.type === "lost") this.#failed(spec.call, "SESSION_EXPIRED", "failed", "");
    else if (!this.#table.add(spec, this.#nowMs))
      this.#failed(spec.call, "OVERLOADED", "failed", `${this.#options.queuedMax} calls are waiting`);
  }

  #onAbort(call: number): void {
    const entry = this.#table.find(call);
    if (entry !== undefined) this.#failed(call, "ABORTED", this.#table.giveUp(entry), "");
  }

  #onDeadline(entry: Entry): void {
    const call = entry.call;
    const refusal = entry.refusal;
    this.#failed(
      call,
      "TIMEOUT",
      this.#table.giveUp(entry),
      refusal === undefined ? this.#whyLate() : `last refused with ${refusal}`,
    );
  }

  #whyLate(): string {
    return this.#link.type === "open" ? "" : "not connected";
  }

  #failed(call: number, code: ErrorCode, outcome: "failed" | "unknown", detail: string): void {
    this.#notices.push({ type: "failed", call, code, outcome, detail });
  }

  #onSubscribe(event: Extract<ConnectionEvent, { type: "subscribe" }>): void {
    const code = this.#closeAtMs !== undefined ? "CLOSED" : this.#state.type === "lost" ? "SESSION_EXPIRED" : undefined;
    if (code === undefined) this.#subscriptions.add(event.subscription, event.spec, this.#nowMs);
    else this.#notices.push({ type: "streamEnded", subscription: event.subscription, code, detail: "" });
  }

  #leaveStream(number: number): void {
    if (number !== 0 && this.#link.type === "open")
      this.#outbox.internal({ type: "unsubscribe", stream: number }, { type: "unsubscribe" });
  }

  #loseWatches(code: ErrorCode, detail: string): void {
    if (this.#watches.size === 0) return;
    this.#watches.clear();
    this.#notices.push({ type: "watchesLost", code, detail });
  }

  // ---- the end of a session, and of the client

  #endSession(code: ErrorCode, detail: string): void {
    const id = this.#session?.id ?? this.#inherited?.id;
    assert(id !== undefined, "only a session can end");
    this.#hangUp();
    this.#session = undefined;
    this.#inherited = undefined;
    if (this.#closeAtMs !== undefined) return this.#finishClose();
    this.#setState({ type: "lost", session: id });
    this.#endCalls(code, detail);
    this.#table.restart(0);
    this.#loseWatches(code, detail);
    if (!this.#options.reopen) return this.#subscriptions.endAll(code, detail, this.#notices);
    this.#setState({ type: "connecting" });
    this.#retryLater();
  }

  #endCalls(code: ErrorCode, detail: string): void {
    this.#table.endAll((call, outcome) => this.#failed(call, code, outcome, detail));
  }

  /** What was sent is still awaited; the session is closed behind it. */
  #onClose(keepSession: boolean): void {
    if (this.#closeAtMs !== undefined) return;
    this.#closeAtMs = this.#nowMs + this.#options.closeWaitMs;
    this.#table.endWaiting((call) => this.#failed(call, "CLOSED", "failed", ""));
    this.#subscriptions.endAll("CLOSED", "", this.#notices);
    this.#loseWatches("CLOSED", "");
    if (this.#session === undefined || keepSession) this.#finishClose();
    else this.#table.addInternal({ type: "closeSession" }, this.#nowMs, this.#options.closeWaitMs);
  }

  #finishClose(): void {
    this.#hangUp();
    this.#session = undefined;
    this.#inherited = undefined;
    this.#endCalls("CLOSED", "");
    this.#setState({ type: "closed" });
  }

  #setState(state: ClientState): void {
    this.#state = state;
    this.#notices.push({ type: "state", state });
  }
}
