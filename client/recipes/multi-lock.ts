/**
 * Several locks as one: all or none. Whoever takes several takes them in one order, that of their paths, so nobody waits in a circle. When one
 * is lost while a later one is waited for, all are given back and it begins again; after the last, all are looked at.
 */
import { mutant } from "../../src/model/mutant.ts";
import type { Guard } from "../../src/model/request.ts";
import type { Zxid } from "../../src/model/zxid.ts";
import type { Client } from "../client.ts";
import { ZabraError } from "../error.ts";
import { requireInteger } from "./check.ts";
import type { Grant } from "./grant.ts";
import { Lock, type LockOptions } from "./lock.ts";
import { type WaitOptions, withLimit } from "./wait.ts";

const locksMax = 64;

/** All of the locks. Ends with the first that ends. */
export class MultiGrant {
  /** One a lock, by the lock's path. */
  readonly grants: ReadonlyMap<string, Grant>;
  readonly #controller = new AbortController();
  #released = false;

  constructor(grants: ReadonlyMap<string, Grant>) {
    this.grants = grants;
    for (const { signal } of grants.values()) {
      if (signal.aborted) this.#controller.abort(signal.reason);
      else signal.addEventListener("abort", () => this.#controller.abort(signal.reason), { once: true });
    }
  }

  /** Fires when one has ended, with its reason. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Until when all may be relied on, on the clock of `client.nowMs()`; 0 once one has ended. */
  get validUntilMs(): number {
    return this.signal.aborted ? 0 : Math.min(...this.#all().map((grant) => grant.validUntilMs));
  }

  get held(): boolean {
    return !this.signal.aborted && this.#all().every((grant) => grant.held);
  }

  get released(): boolean {
    return this.#released;
  }

  /** The fencing token of one lock. Tokens fence each its own resource; there is none for all. Throws BAD_ARGUMENTS. */
  token(path: string): Zxid {
    const grant = this.grants.get(path);
    if (grant === undefined) throw new ZabraError("BAD_ARGUMENTS", { path, detail: "not one of the locks" });
    return grant.token;
  }

  /** For `guard` of a write that needs all of them: a write takes up to 4. */
  get guard(): readonly Guard[] {
    return this.#all().map((grant) => grant.guard);
  }

  /** Throws what ended the first that has ended. */
  check(): void {
    for (const grant of this.#all()) grant.check();
  }

  /** Gives all back, the last taken first. Resolves when others can have them. Rejects with BAD_ARGUMENTS when that was done already. */
  async release(): Promise<void> {
    if (this.#released) throw new ZabraError("BAD_ARGUMENTS", { detail: "the grant was released already" });
    this.#released = true;
    await Promise.all(
      this.#all()
        .reverse()
        .map((grant) => grant[Symbol.asyncDispose]()),
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#released) await this.release();
  }

  #all(): Grant[] {
    return [...this.grants.values()];
  }
}

/** Several locks as one: all or none, taken in one order. */
export class MultiLock {
  readonly #client: Client;
  readonly #locks: readonly Lock[];

  /** `paths`: 1 to 64 locks, each once, in any order. Throws BAD_ARGUMENTS and CLOSED. */
  constructor(client: Client, paths: readonly string[], options: Omit<LockOptions, "reentrant"> = {}) {
    requireInteger("the number of paths", paths.length, 1, locksMax);
    const twice = paths.find((path, i) => paths.indexOf(path) !== i);
    if (twice !== undefined) throw new ZabraError("BAD_ARGUMENTS", { path: twice, detail: "it is named twice" });
    this.#client = client;
    const ordered = mutant("locks in the caller's order") ? paths : [...paths].sort();
    this.#locks = ordered.map((path) => new Lock(client, path, options));
  }

  /** In the order in which they are taken. */
  get paths(): readonly string[] {
    return this.#locks.map((lock) => lock.path);
  }

  /** Resolves when we have all. Rejects with TIMEOUT or ABORTED (all are given back), SESSION_EXPIRED (only without `reopen`), CLOSED, NO_AUTH. */
  acquire(options: WaitOptions = {}): Promise<MultiGrant> {
    return withLimit(this.#client, this.paths.join(", "), options, async (signal) => {
      for (;;) {
        const grant = await this.#all(signal, (lock, one) => lock.acquire({ signal: one }));
        if (grant !== undefined) return grant;
      }
    });
  }

  /** Resolves to a grant if nobody holds or wants any of them, else to undefined. Rejects as `acquire`. */
  tryAcquire(options: WaitOptions = {}): Promise<MultiGrant | undefined> {
    return withLimit(this.#client, this.paths.join(", "), options, (signal) =>
      this.#all(signal, (lock, one) => lock.tryAcquire({ signal: one })),
    );
  }

  /** Runs `work` while holding all. Rejects as `acquire` and as `work`; and with SESSION_EXPIRED or FENCED when one was lost before the end. */
  async withLock<T>(work: (signal: AbortSignal, grant: MultiGrant) => Promise<T>, options: WaitOptions = {}): Promise<T> {
    await using grant = await this.acquire(options);
    const result = await work(grant.signal, grant);
    if (!grant.released && !mutant("a loss is not told")) grant.check();
    return result;
  }

  /** undefined: one was lost on the way, or not to be had; all are given back. */
  async #all(
    signal: AbortSignal,
    take: (lock: Lock, signal: AbortSignal) => Promise<Grant | undefined>,
  ): Promise<MultiGrant | undefined> {
    const grants = new Map<string, Grant>();
    const lost = new AbortController();
    const stop = (): void => lost.abort();
    signal.addEventListener("abort", stop, { once: true });
    if (signal.aborted) stop();
    let whole: MultiGrant | undefined;
    try {
      for (const lock of mutant("a part is handed out as the whole") ? this.#locks.slice(0, 2) : this.#locks) {
        const grant = await take(lock, lost.signal);
        if (grant === undefined) return undefined;
        grants.set(lock.path, grant);
        grant.signal.addEventListener("abort", stop, { once: true });
      }
      const all = new MultiGrant(grants);
      whole = all.held ? all : undefined;
      return whole;
    } catch (error) {
      if (signal.aborted || !lost.signal.aborted) throw error;
      return undefined;
    } finally {
      signal.removeEventListener("abort", stop);
      if (whole === undefined && !mutant("what was taken stays taken"))
        await Promise.all([...grants.values()].map((grant) => grant.release()));
    }
  }
}
