/**
 * What a holder has: three ways to learn in time that it no longer holds, and proof for others. `signal` fires at the deadline if the
 * process runs; `check()` compares the clock where it is called; `validUntilMs` is the deadline itself. After a pause of the process (a
 * suspended machine, a stopped container) code may run before any of them is looked at: then only guard and token
 * protect, at the servers and at the resource. So pass the guard with every write that the grant covers, and, if it is exclusive,
 * the token to every other resource.
 *
 * While the connection is lost the grant stays: nobody else can have it before `validUntilMs`.
 */
import { mutant } from "../../src/model/mutant.ts";
import type { Guard } from "../../src/model/request.ts";
import type { Zxid } from "../../src/model/zxid.ts";
import type { Client } from "../client.ts";
import { ZabraError } from "../error.ts";
import type { HeldNode } from "./held-node.ts";
import { tokenOf } from "./token.ts";

/**
 * A grant that others may have at the same time: a reader's, a semaphore's. It has no token: tokens of those who hold
 * together come in no order of use, so no resource could tell a late one. The guard is as good as that of any grant.
 */
export class SharedGrant {
  /** The holder's node. */
  readonly path: string;
  readonly #client: Client;
  readonly #node: HeldNode;
  readonly #leave: () => Promise<void>;
  readonly #controller = new AbortController();
  readonly #stopListening: () => void;
  #released = false;

  /** Use a lock, a semaphore or an election. */
  constructor(client: Client, node: HeldNode, leave: () => Promise<void> = () => node.leave()) {
    this.#client = client;
    this.#node = node;
    this.#leave = leave;
    this.path = node.path;
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
    return this.signal.aborted ? 0 : this.#node.validUntilMs;
  }

  /** For `guard` of writes by the same client: they take effect only while the grant's node is there. */
  get guard(): Guard {
    return this.#node.guard;
  }

  /** Whether it holds, by the clock, now. */
  get held(): boolean {
    return !this.signal.aborted && this.#node.holds;
  }

  get released(): boolean {
    return this.#released;
  }

  /** Throws what ended the grant; returns when it still holds. Synchronous: call it right before what must not happen twice. */
  check(): void {
    if (this.held) return;
    this.#end(new ZabraError("SESSION_EXPIRED", { path: this.path }));
    throw this.signal.reason;
  }

  /** Gives it back. Resolves when others can have it, also when it was lost before. Rejects with BAD_ARGUMENTS when it was released already. */
  async release(): Promise<void> {
    if (this.#released) throw new ZabraError("BAD_ARGUMENTS", { path: this.path, detail: "the grant was released already" });
    this.#released = true;
    this.#end(new ZabraError("ABORTED", { path: this.path, detail: "released" }));
    await this.#leave();
  }

  /** Releases it unless that was done. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#released) await this.release();
  }

  #checkSession(): void {
    if (this.#client.session?.id !== this.#node.session) this.#end(new ZabraError("SESSION_EXPIRED", { path: this.path }));
  }

  /** Somebody may delete the node to take the grant away. */
  #watchNode(): void {
    const gone = (): void => this.#end(new ZabraError("FENCED", { path: this.path, detail: "its node was deleted" }));
    this.#node.whenGone(this.signal).then(gone, (error: unknown) => this.#onWatchFailed(error));
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

/** A grant that nobody else has. */
export class Grant extends SharedGrant {
  /**
   * The fencing token: greater than that of every holder before, so a resource that remembers the highest one it has seen and refuses lower ones
   * is safe from a holder that stood still.
   */
  readonly token: Zxid;

  constructor(client: Client, node: HeldNode, leave?: () => Promise<void>) {
    super(client, node, leave);
    this.token = tokenOf(node.czxid);
  }
}

/** Runs `work` under a grant and gives it back. Rejects as `work`, and with what ended the grant when it was lost before the end. */
export async function withGrant<G extends SharedGrant, T>(
  grant: G,
  work: (signal: AbortSignal, grant: G) => Promise<T>,
): Promise<T> {
  try {
    const result = await work(grant.signal, grant);
    if (!grant.released && !mutant("a loss is not told")) grant.check();
    return result;
  } finally {
    await grant[Symbol.asyncDispose]();
  }
}
