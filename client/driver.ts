/**
 * Runs a `Connection` for real: sockets, timers, promises. One event goes in at a time; calls made in
 * one go of the event loop leave in one frame. Everything that decides anything is in `connection.ts`.
 *
 * Invariants: every call's promise settles once; notices reach the user in the machine's order (a
 * promise's continuation runs a little later than a watch handler, so a watch is told before a reply
 * that shows its change). Used by `client.ts`.
 */
import type { ErrorCode } from "../src/model/error.ts";
import type { Guard, Outcome, ReadLevel } from "../src/model/request.ts";
import type { StreamDelivery, WatchEvent } from "../src/model/watch.ts";
import type { Zxid } from "../src/model/zxid.ts";
import { onceAborted } from "./abort.ts";
import type { MonotonicClock } from "./clock.ts";
import { Connection } from "./connection.ts";
import type {
  ClientRequest,
  ClientState,
  Command,
  ConnectionOptions,
  Notice,
  StreamSpec,
  WatchKind,
} from "./connection-event.ts";
import { ZabraError } from "./error.ts";
import { guarded } from "./listeners.ts";
import type { Timers } from "./timers.ts";
import type { Dial, Transport } from "./transport.ts";
import { type WatchHandler, WatchHandlers } from "./watch-handlers.ts";
import { watchKindOf } from "./watch-registry.ts";

export interface Reply {
  readonly outcome: Outcome;
  readonly zxid: Zxid;
  readonly level: ReadLevel["type"];
}

export interface DriverCall {
  readonly request: ClientRequest;
  readonly level: ReadLevel;
  readonly guards: readonly Guard[];
  readonly timeoutMs: number;
  readonly signal: AbortSignal | undefined;
  readonly path: string | undefined;
  readonly watch: WatchHandler | undefined;
}

interface Pending {
  readonly call: DriverCall;
  readonly resolve: (reply: Reply) => void;
  readonly reject: (error: ZabraError) => void;
  readonly stopListening: (() => void) | undefined;
}

/** The consumer's end of a stream. */
export interface StreamReceiver {
  onDelivery(delivery: StreamDelivery): void;
  onReset(): void;
  onEnded(code: ErrorCode, detail: string): void;
}

export interface DriverParts {
  readonly urls: readonly string[];
  readonly dial: Dial;
  readonly clock: MonotonicClock;
  readonly timers: Timers;
  readonly options: ConnectionOptions;
}

/** A timer that fires this late means that the process stood still: sockets are read first, then time is looked at. */
const stallMs = 100;
const timerMsMax = 60_000;

export class Driver {
  readonly #parts: DriverParts;
  readonly #connection: Connection;
  readonly #pending = new Map<number, Pending>();
  readonly #streams = new Map<number, StreamReceiver>();
  readonly #watches = new WatchHandlers();
  readonly #listeners = new Set<(state: ClientState) => void>();
  #transport: { readonly number: number; readonly transport: Transport } | undefined;
  #calls = 0;
  #subscriptions = 0;
  #flushPlanned = false;
  readonly #notices: Notice[] = [];
  #telling = false;
  #cancelTimer: (() => void) | undefined;
  #timerAtMs = Number.POSITIVE_INFINITY;
  #nowMs = 0;

  constructor(parts: DriverParts) {
    this.#parts = parts;
    this.#connection = new Connection(parts.options);
  }

  get connection(): Connection {
    return this.#connection;
  }

  /** The clock of `validUntilMs`. */
  nowMs(): number {
    this.#nowMs = Math.max(this.#nowMs, this.#parts.clock.nowMs());
    return this.#nowMs;
  }

  /** A timer of the user's. */
  after(ms: number, run: () => void): () => void {
    return this.#parts.timers.after(ms, run);
  }

  start(): void {
    this.#connection.step(this.nowMs(), { type: "start" });
    this.#flush();
  }

  close(keepSession = false): void {
    this.#connection.step(this.nowMs(), { type: "close", keepSession });
    this.#flush();
  }

  /** Called with every later state. Returns what ends that. */
  onState(listener: (state: ClientState) => void): () => void {
    this.#listeners.add(listener);
    return () => {
      this.#listeners.delete(listener);
    };
  }

  // ---- calls

  call(call: DriverCall): Promise<Reply> {
    if (call.signal?.aborted === true)
      return Promise.reject(new ZabraError("ABORTED", { path: call.path, cause: call.signal.reason }));
    return new Promise((resolve, reject) => this.#begin(call, resolve, reject));
  }

  #begin(call: DriverCall, resolve: (reply: Reply) => void, reject: (error: ZabraError) => void): void {
    this.#calls += 1;
    const id = this.#calls;
    const stopListening = call.signal === undefined ? undefined : onceAborted(call.signal, () => this.#abort(id));
    this.#pending.set(id, { call, resolve, reject, stopListening });
    const { request, level, guards, timeoutMs } = call;
    this.#connection.step(this.nowMs(), { type: "call", call: { call: id, request, level, guards, timeoutMs } });
    this.#planFlush();
  }

  #abort(id: number): void {
    this.#connection.step(this.nowMs(), { type: "abort", call: id });
    this.#flush();
  }

  #take(id: number): Pending | undefined {
    const pending = this.#pending.get(id);
    if (pending === undefined) return undefined;
    this.#pending.delete(id);
    pending.stopListening?.();
    return pending;
  }

  // ---- watches

  forgetWatch(kind: WatchKind, path: string, handler: WatchHandler): void {
    if (!this.#watches.remove(kind, path, handler)) return;
    this.#connection.step(this.nowMs(), { type: "forgetWatch", kind, path });
  }

  /** Removes all handlers of this watch, without a call. */
  dropWatch(kind: WatchKind, path: string): void {
    this.#watches.take([kind], path);
    this.#connection.step(this.nowMs(), { type: "forgetWatch", kind, path });
  }

  // ---- streams

  subscribe(spec: StreamSpec, receiver: StreamReceiver): number {
    this.#subscriptions += 1;
    this.#streams.set(this.#subscriptions, receiver);
    this.#connection.step(this.nowMs(), { type: "subscribe", subscription: this.#subscriptions, spec });
    this.#planFlush();
    return this.#subscriptions;
  }

  unsubscribe(subscription: number): void {
    if (!this.#streams.delete(subscription)) return;
    this.#connection.step(this.nowMs(), { type: "unsubscribe", subscription });
    this.#planFlush();
  }

  pauseStream(subscription: number): void {
    this.#connection.step(this.nowMs(), { type: "pauseStream", subscription });
    this.#planFlush();
  }

  resumeStream(subscription: number): void {
    this.#connection.step(this.nowMs(), { type: "resumeStream", subscription });
    this.#planFlush();
  }

  // ---- effects

  #planFlush(): void {
    if (this.#flushPlanned) return;
    this.#flushPlanned = true;
    queueMicrotask(() => this.#flush());
  }

  #flush(): void {
    this.#flushPlanned = false;
    const effects = this.#connection.drain();
    for (const command of effects.commands) this.#perform(command);
    this.#arm(effects.wakeAtMs);
    for (const notice of effects.notices) this.#notices.push(notice);
    if (!this.#telling) this.#tellAll();
  }

  /** A user's handler may call us and so add notices: they come after those that were there before. */
  #tellAll(): void {
    this.#telling = true;
    for (let i = 0; i < this.#notices.length; i += 1) {
      const notice = this.#notices[i];
      if (notice !== undefined) this.#tell(notice);
    }
    this.#notices.length = 0;
    this.#telling = false;
  }

  #perform(command: Command): void {
    const current = this.#transport;
    if (command.type === "connect") this.#connect(command.transport, command.host);
    else if (current === undefined || current.number !== command.transport) return;
    else if (command.type === "send") current.transport.send(command.messages);
    else {
      this.#transport = undefined;
      current.transport.close();
    }
  }

  #connect(number: number, host: number): void {
    const url = this.#parts.urls[host];
    if (url === undefined) throw new RangeError("the machine named a host that does not exist");
    const closed = (reason: string): void => {
      if (this.#transport?.number === number) this.#transport = undefined;
      this.#connection.step(this.nowMs(), { type: "transportClosed", transport: number, reason });
      this.#flush();
    };
    try {
      const transport = this.#parts.dial(url, {
        opened: () => {
          this.#connection.step(this.nowMs(), { type: "transportOpened", transport: number });
          this.#flush();
        },
        messages: (messages) => {
          this.#connection.step(this.nowMs(), { type: "transportMessages", transport: number, messages });
          this.#flush();
        },
        closed,
      });
      this.#transport = { number, transport };
    } catch (error) {
      queueMicrotask(() => closed(String(error)));
    }
  }

  /** One timer, set anew only to fire earlier: a tick too soon finds nothing to do. */
  #arm(wakeAtMs: number | undefined): void {
    if (wakeAtMs === undefined) return this.#disarm();
    if (wakeAtMs >= this.#timerAtMs) return;
    this.#disarm();
    this.#timerAtMs = wakeAtMs;
    const delayMs = Math.min(Math.max(0, Math.ceil(wakeAtMs - this.nowMs())), timerMsMax);
    this.#cancelTimer = this.#parts.timers.after(delayMs, () => this.#onTimer(), true);
  }

  #disarm(): void {
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
    this.#timerAtMs = Number.POSITIVE_INFINITY;
  }

  #onTimer(): void {
    const late = this.nowMs() - this.#timerAtMs;
    if (late < stallMs) return this.#tick();
    this.#cancelTimer = this.#parts.timers.after(0, () => this.#tick(), true);
  }

  #tick(): void {
    this.#disarm();
    this.#connection.step(this.nowMs(), { type: "tick" });
    this.#flush();
  }

  // ---- notices

  #tell(notice: Notice): void {
    switch (notice.type) {
      case "state":
        return this.#tellState(notice.state);
      case "replied":
        return this.#onReplied(notice);
      case "failed":
        return this.#onFailed(notice);
      case "watchEvent":
        return this.#tellWatches(notice.event, notice.kinds);
      case "watchesLost":
        return this.#onWatchesLost(notice.code);
      case "streamDelivery":
        return this.#streams.get(notice.subscription)?.onDelivery(notice.delivery);
      case "streamReset":
        return this.#streams.get(notice.subscription)?.onReset();
      case "streamEnded":
        return this.#onStreamEnded(notice.subscription, notice.code, notice.detail);
    }
  }

  #tellState(state: ClientState): void {
    for (const listener of [...this.#listeners]) guarded(() => listener(state));
  }

  #onReplied(notice: Extract<Notice, { type: "replied" }>): void {
    const pending = this.#take(notice.call);
    if (pending === undefined) return;
    const { request, watch } = pending.call;
    const armed = watch === undefined ? undefined : watchKindOf(request, notice.outcome.code);
    if (armed !== undefined && watch !== undefined) this.#watches.add(armed.kind, armed.path, watch);
    if (notice.outcome.code === "OK") pending.resolve(notice);
    else pending.reject(ZabraError.refused(notice.outcome, pending.call.path));
  }

  #onFailed(notice: Extract<Notice, { type: "failed" }>): void {
    const pending = this.#take(notice.call);
    if (pending === undefined) return;
    const { code, outcome, detail } = notice;
    const cause: unknown = code === "ABORTED" ? pending.call.signal?.reason : undefined;
    pending.reject(new ZabraError(code, { path: pending.call.path, outcome, detail, cause }));
  }

  #tellWatches(event: WatchEvent, kinds: readonly WatchKind[]): void {
    for (const handler of this.#watches.take(kinds, event.path)) guarded(() => handler(event));
  }

  #onWatchesLost(code: ErrorCode): void {
    for (const [handler, path] of this.#watches.takeAll()) guarded(() => handler({ type: "watchLost", path, code }));
  }

  #onStreamEnded(subscription: number, code: ErrorCode, detail: string): void {
    const receiver = this.#streams.get(subscription);
    this.#streams.delete(subscription);
    receiver?.onEnded(code, detail);
  }
}
