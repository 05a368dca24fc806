/**
 * What a holder has: proof for others (`token`, `guard`), and three ways to learn in time that it no
 * longer holds. `signal` fires at the deadline if the process runs; `check()` compares the clock where it
 * is called; `validUntilMs` is the deadline itself. After a pause of the process (a suspended machine, a
 * stopped container) code may run before any of them is looked at: then only the token and the guard
 * protect, at the resource and at the servers. So pass the guard with every write that the grant covers,
 * and the token to every other resource.
 *
 * While the connection is lost the grant stays: nobody else can have it before `validUntilMs`.
 */
import { mutant } from "../../src/model/mutant.ts";
import type { Guard } from "../../src/model/request.ts";
import type { SessionId, Zxid } from "../../src/model/zxid.ts";
import type { Client } from "../client.ts";
import { ZabraError } from "../error.ts";

/** What a grant rests on: an ephemeral node of the holder's session. */
export interface Held {
  readonly path: string;
  readonly token: Zxid;
  readonly session: SessionId;
  /** Resolves when the node is gone, by whoever. Rejects with ABORTED, or SESSION_EXPIRED. */
  whenGone(signal: AbortSignal): Promise<void>;
  /** Deletes the node. Resolves when it is gone; never rejects. */
  leave(): Promise<void>;
}

export class Grant {
  /** The holder's node. */
  readonly path: string;
  /** The fencing token: greater than that of every holder before. */
  readonly token: Zxid;
  readonly #client: Client;
  readonly #contender: Held;
  readonly #session: SessionId;
  readonly #controller = new AbortController();
  readonly #stopListening: () => void;

  constructor(client: Client, contender: Held) {
    this.#client = client;
    this.#contender = contender;
    this.path = contender.path;
    this.token = contender.token;
    this.#session = contender.session;
    this.#stopListening = client.onState(() => this.#checkSession());
    this.#checkSession();
    this.#watchNode();
  }

  /** Fires when the grant has ended: with SESSION_EXPIRED at its deadline or when the server says so, FENCED when somebody deleted its node, ABORTED after `release`. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Until when it may be relied on, on the clock of `client.nowMs()`. Moves on with every heartbeat; 0 once it has ended. */
  get validUntilMs(): number {
    if (this.signal.aborted || this.#client.session?.id !== this.#session) return 0;
    return this.#client.validUntilMs ?? 0;
  }

  /** For `guard` of writes by the same client: they take effect only while the grant's node is there. */
  get guard(): Guard {
    return { path: this.path, czxid: this.token };
  }

  /** Whether it holds, by the clock, now. */
  get held(): boolean {
    return this.#client.nowMs() < this.validUntilMs || (mutant("a grant outlives its deadline") && this.validUntilMs > 0);
  }

  /** Throws what ended the grant; returns when it still holds. Synchronous: call it right before what must not happen twice. */
  check(): void {
    if (this.held) return;
    this.#end(new ZabraError("SESSION_EXPIRED", { path: this.path }));
    throw this.signal.reason;
  }

  /** Gives it back. Resolves when others can have it; never rejects. */
  async release(): Promise<void> {
    this.#end(new ZabraError("ABORTED", { path: this.path, detail: "released" }));
    await this.#contender.leave();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.release();
  }

  #checkSession(): void {
    if (this.#client.session?.id !== this.#session) this.#end(new ZabraError("SESSION_EXPIRED", { path: this.path }));
  }

  /** Somebody may delete the node to take the grant away. */
  #watchNode(): void {
    const gone = (): void => this.#end(new ZabraError("FENCED", { path: this.path, detail: "its node was deleted" }));
    this.#contender.whenGone(this.signal).then(gone, (error: unknown) => this.#onWatchFailed(error));
  }

  /** Only the session's end stops a watch; anything else (such as no right to read) is no reason to stop the holder. */
  #onWatchFailed(error: unknown): void {
    if (ZabraError.from(error).code === "SESSION_EXPIRED") this.#checkSession();
  }

  #end(reason: ZabraError): void {
    if (this.signal.aborted) return;
    this.#stopListening();
    this.#controller.abort(reason);
  }
}
