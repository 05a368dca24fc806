/**
 * The client's half of streams: each subscription is registered on every new connection at the zxid
 * where its deliveries stopped, so the consumer sees every change once, over any number of servers.
 *
 * Invariant: `position` is the zxid up to which everything was handed out; it never falls. A snapshot
 * that was cut is begun anew (the consumer is told to forget its parts). Every registration has a
 * number of its own, so late deliveries of an earlier one are recognised. Owned by `connection.ts`.
 */
import type { ErrorCode } from "../src/model/error.ts";
import type { Outcome, SubscribeRequest } from "../src/model/request.ts";
import type { StreamDelivery } from "../src/model/watch.ts";
import type { Zxid } from "../src/model/zxid.ts";
import type { Notice, StreamSpec } from "./connection-event.ts";

/** `due`: to be registered at `retryAtMs`. */
type Phase = "due" | "asked" | "open" | "paused";

export interface Subscription {
  readonly id: number;
  readonly spec: StreamSpec;
  position: Zxid | undefined;
  /** Of the registration on this connection; 0 when there is none. */
  number: number;
  phase: Phase;
  /** Part of a snapshot has been handed out. */
  partial: boolean;
  retryAtMs: number;
  failures: number;
  /** Servers that no longer have the history it needs. */
  readonly compactedAt: Set<number>;
}

/** Refusals that pass by themselves. */
const transient: ReadonlySet<ErrorCode> = new Set([
  "OVERLOADED",
  "THROTTLED",
  "NO_QUORUM",
  "TIMEOUT",
  "CONNECTION_LOSS",
  "SLOW_CONSUMER",
]);
const retryMsMin = 20;
const retryMsMax = 2_000;

export class Subscriptions {
  readonly #all = new Map<number, Subscription>();
  readonly #byNumber = new Map<number, Subscription>();
  #lastNumber = 0;
  /** The earliest `retryAtMs` of those due, or earlier. */
  #dueAtMs = Number.POSITIVE_INFINITY;

  get size(): number {
    return this.#all.size;
  }

  /** When `takeDue` has something; undefined: nothing is due. */
  get nextMs(): number | undefined {
    return this.#dueAtMs === Number.POSITIVE_INFINITY ? undefined : this.#dueAtMs;
  }

  add(id: number, spec: StreamSpec, nowMs: number): void {
    const added: Subscription = {
      id,
      spec,
      position: spec.fromZxid,
      number: 0,
      phase: "due",
      partial: false,
      retryAtMs: nowMs,
      failures: 0,
      compactedAt: new Set(),
    };
    this.#all.set(id, added);
    this.#dueAtMs = Math.min(this.#dueAtMs, nowMs);
  }

  /** Its number at the server, to unsubscribe there; 0: it is not registered. */
  remove(id: number): number {
    const number = this.#unregister(this.#all.get(id));
    this.#all.delete(id);
    return number;
  }

  pause(id: number): number {
    const subscription = this.#all.get(id);
    const number = this.#unregister(subscription);
    if (subscription !== undefined) subscription.phase = "paused";
    return number;
  }

  resume(id: number, nowMs: number): void {
    const subscription = this.#all.get(id);
    if (subscription?.phase === "paused") this.#retry(subscription, nowMs);
  }

  #unregister(subscription: Subscription | undefined): number {
    if (subscription === undefined) return 0;
    const number = subscription.number;
    this.#byNumber.delete(number);
    subscription.number = 0;
    return number;
  }

  onDisconnected(nowMs: number): void {
    this.#byNumber.clear();
    for (const subscription of this.#all.values()) {
      subscription.number = 0;
      if (subscription.phase !== "paused") this.#retry(subscription, nowMs);
    }
  }

  /** Those to register now; the caller sends `requestOf` each. */
  takeDue(nowMs: number, notices: Notice[]): readonly Subscription[] {
    if (this.#dueAtMs > nowMs) return [];
    const due: Subscription[] = [];
    this.#dueAtMs = Number.POSITIVE_INFINITY;
    for (const subscription of this.#all.values()) {
      if (subscription.phase !== "due") continue;
      if (subscription.retryAtMs <= nowMs) due.push(this.#register(subscription, notices));
      else this.#dueAtMs = Math.min(this.#dueAtMs, subscription.retryAtMs);
    }
    return due;
  }

  #register(subscription: Subscription, notices: Notice[]): Subscription {
    this.#lastNumber += 1;
    subscription.number = this.#lastNumber;
    subscription.phase = "asked";
    this.#byNumber.set(subscription.number, subscription);
    if (subscription.partial) notices.push({ type: "streamReset", subscription: subscription.id });
    subscription.partial = false;
    return subscription;
  }

  /**
   * The answer to a registration. True: ask another server, this one lacks the history.
   */
  onReply(number: number, outcome: Outcome, host: number, hosts: number, nowMs: number, notices: Notice[]): boolean {
    const subscription = this.#byNumber.get(number);
    if (subscription === undefined) return false;
    if (outcome.code === "OK") {
      subscription.phase = "open";
      return false;
    }
    this.#unregister(subscription);
    return this.#onRefused(subscription, outcome.code, outcome.detail, host, hosts, nowMs, notices);
  }

  #onRefused(
    subscription: Subscription,
    code: ErrorCode,
    detail: string,
    host: number,
    hosts: number,
    nowMs: number,
    notices: Notice[],
  ): boolean {
    if (code === "COMPACTED" && subscription.position !== undefined) {
      return this.#onCompacted(subscription, detail, host, hosts, nowMs, notices);
    }
    if (code === "COMPACTED" || transient.has(code) || detail.includes("image_pins_max")) this.#retryLater(subscription, nowMs);
    else this.#end(subscription, code, detail, notices);
    return false;
  }

  #onCompacted(
    subscription: Subscription,
    detail: string,
    host: number,
    hosts: number,
    nowMs: number,
    notices: Notice[],
  ): boolean {
    subscription.compactedAt.add(host);
    if (subscription.compactedAt.size < hosts) {
      this.#retry(subscription, nowMs);
      return true;
    }
    subscription.compactedAt.clear();
    if (subscription.spec.onCompacted === "error") this.#end(subscription, "COMPACTED", detail, notices);
    else {
      subscription.position = undefined;
      this.#retry(subscription, nowMs);
    }
    return false;
  }

  /** The zxid that the session has now seen; undefined when the delivery shows none, or is not for us. */
  onDelivery(
    delivery: StreamDelivery,
    host: number,
    hosts: number,
    nowMs: number,
    notices: Notice[],
  ): { readonly zxid: Zxid | undefined; readonly move: boolean } {
    const subscription = this.#byNumber.get(delivery.stream);
    if (subscription === undefined) return ignored;
    if (delivery.type === "end") {
      this.#unregister(subscription);
      const move = this.#onRefused(subscription, delivery.code, delivery.detail, host, hosts, nowMs, notices);
      return { zxid: undefined, move };
    }
    if (subscription.position !== undefined && delivery.zxid < subscription.position) return ignored;
    const zxid = delivery.type === "snapshot" ? acceptSnapshot(subscription, delivery) : acceptChanges(subscription, delivery);
    notices.push({ type: "streamDelivery", subscription: subscription.id, delivery });
    return { zxid, move: false };
  }

  #retry(subscription: Subscription, atMs: number): void {
    subscription.phase = "due";
    subscription.retryAtMs = atMs;
    this.#dueAtMs = Math.min(this.#dueAtMs, atMs);
  }

  #retryLater(subscription: Subscription, nowMs: number): void {
    const wait = Math.min(retryMsMin * 2 ** subscription.failures, retryMsMax);
    subscription.failures = Math.min(subscription.failures + 1, 16);
    this.#retry(subscription, nowMs + wait);
  }

  #end(subscription: Subscription, code: ErrorCode, detail: string, notices: Notice[]): void {
    this.#all.delete(subscription.id);
    notices.push({ type: "streamEnded", subscription: subscription.id, code, detail });
  }

  endAll(code: ErrorCode, detail: string, notices: Notice[]): void {
    this.#byNumber.clear();
    this.#dueAtMs = Number.POSITIVE_INFINITY;
    for (const subscription of this.#all.values()) this.#end(subscription, code, detail, notices);
  }
}

const ignored = { zxid: undefined, move: false } as const;

export function requestOf(subscription: Subscription): SubscribeRequest {
  const { path, recursive, withData } = subscription.spec;
  return { type: "subscribe", stream: subscription.number, path, recursive, fromZxid: subscription.position, withData };
}

function acceptSnapshot(subscription: Subscription, delivery: Extract<StreamDelivery, { type: "snapshot" }>): Zxid | undefined {
  subscription.partial = !delivery.done;
  if (!delivery.done) return undefined;
  subscription.position = delivery.zxid;
  subscription.failures = 0;
  return delivery.zxid;
}

function acceptChanges(subscription: Subscription, delivery: Extract<StreamDelivery, { type: "changes" }>): Zxid {
  subscription.position = delivery.zxid;
  subscription.failures = 0;
  subscription.compactedAt.clear();
  return delivery.zxid;
}
