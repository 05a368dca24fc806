/**
 * One session as its client knows it: who it is, how long it may be relied on, and its heartbeats.
 *
 * Validity is computed from our own *send* times: the server counts from receipt, which is later, so by
 * this clock the session cannot have expired before `validUntilMs`. Only confirmed messages (connect,
 * heartbeat) extend it; mere traffic proves nothing, for a server cut off from its leader answers too.
 * Owned by `connection.ts`.
 */
import type { SessionId } from "../src/model/zxid.ts";
import type { WireConnected } from "../src/wire/client-codec.ts";

export class SessionRecord {
  readonly id: SessionId;
  readonly password: Uint8Array;
  #timeoutMs: number;
  #validUntilMs: number;
  /** Send time of the last confirmed message. */
  #confirmedMs: number;
  /** One heartbeat is on its way at a time; 0: none. */
  #heartbeatId = 0;
  #heartbeatMs = 0;

  constructor(connected: WireConnected, sentMs: number) {
    this.id = connected.session;
    // The decoded password is a view of the whole frame.
    this.password = connected.password.slice();
    this.#timeoutMs = connected.timeoutMs;
    this.#validUntilMs = sentMs + connected.validForMs;
    this.#confirmedMs = sentMs;
  }

  get timeoutMs(): number {
    return this.#timeoutMs;
  }

  get validUntilMs(): number {
    return this.#validUntilMs;
  }

  /** When the next heartbeat is due; undefined while one is on its way. */
  get heartbeatDueMs(): number | undefined {
    return this.#heartbeatId === 0 ? this.#confirmedMs + this.#timeoutMs / 3 : undefined;
  }

  /** When the connection counts as dead; undefined while no heartbeat is on its way. */
  get deadAtMs(): number | undefined {
    return this.#heartbeatId === 0 ? undefined : this.#heartbeatMs + this.#timeoutMs / 3;
  }

  onResumed(connected: WireConnected, sentMs: number): void {
    this.#timeoutMs = connected.timeoutMs;
    this.#heartbeatId = 0;
    this.#extend(sentMs, connected.validForMs);
  }

  onHeartbeatSent(id: number, nowMs: number): void {
    this.#heartbeatId = id;
    this.#heartbeatMs = nowMs;
  }

  /** False: no answer to the heartbeat that is on its way. */
  onHeartbeat(id: number, validForMs: number): boolean {
    if (id !== this.#heartbeatId || id === 0) return false;
    this.#heartbeatId = 0;
    this.#extend(this.#heartbeatMs, validForMs);
    return true;
  }

  onDisconnected(): void {
    this.#heartbeatId = 0;
  }

  #extend(sentMs: number, validForMs: number): void {
    this.#confirmedMs = Math.max(this.#confirmedMs, sentMs);
    this.#validUntilMs = Math.max(this.#validUntilMs, sentMs + validForMs);
  }
}
