/**
 * A lock that one client holds at a time, granted in the order of asking (FIFO, fair over all clients).
 * Not re-entrant unless asked for: who asks twice waits for itself.
 *
 * Errors and the connection: a connection that breaks changes nothing for a holder until its deadline
 * passes (see `grant.ts`), nor for one who waits. A lost session ends a grant; one who waits joins again.
 *
 *     const lock = new Lock(client, "/locks/report");
 *     await lock.withLock(async (signal, grant) => {
 *       await client.set("/report", data, { guard: grant.guard });
 *     });
 */
import type { Client } from "../client.ts";
import type { DataInput } from "../data.ts";
import type { CallOptions } from "../operations.ts";
import { awaitTurn, tryForTurn } from "./contender.ts";
import { Grant, withGrant } from "./grant.ts";
import type { HeldNode } from "./held-node.ts";
import { type Layout, lockNames } from "./layout.ts";
import { type ContenderInfo, Queue } from "./queue.ts";
import { orAborted, type WaitOptions, withLimit } from "./wait.ts";

export interface LockOptions {
  /** Says who asks, for people who look at the queue. */
  readonly data?: DataInput;
  /**
   * While this object holds the lock, it grants it again at once; the lock is given back with the last of these grants. There are no threads to
   * tell askers apart by: the owner is the object, so flows that must exclude each other each need their own. Default false.
   */
  readonly reentrant?: boolean;
  /** Whose nodes to make. Those of Curator's InterProcessMutex and kazoo's Lock at the same path are respected in any case. Default `zabra`. */
  readonly layout?: Layout;
}

/** A lock that one client holds at a time, granted in the order of asking. */
export class Lock {
  readonly #client: Client;
  readonly #queue: Queue;
  readonly #data: DataInput;
  readonly #reentrant: boolean;
  /** Of a re-entrant lock: those not released yet, and the node that they share. */
  readonly #grants = new Set<Grant>();
  #node: HeldNode | undefined;
  #asking: Promise<unknown> | undefined;

  /** `path` is the queue's node; it is made, as a container, when it is missing. Throws BAD_ARGUMENTS and CLOSED. */
  constructor(client: Client, path: string, options: LockOptions = {}) {
    this.#client = client;
    this.#queue = new Queue(client, path, { role: "lock", layout: options.layout ?? "zabra", names: lockNames });
    this.#data = options.data;
    this.#reentrant = options.reentrant ?? false;
  }

  get path(): string {
    return this.#queue.path;
  }

  /** Resolves when it is our turn. Rejects with TIMEOUT or ABORTED (the place is given up), SESSION_EXPIRED (only without `reopen`), CLOSED, NO_AUTH, BAD_ARGUMENTS. */
  acquire(options: WaitOptions = {}): Promise<Grant> {
    const ask = (): Promise<HeldNode> => awaitTurn(this.#client, this.#queue, this.#data, options);
    return this.#reentrant ? this.#enter(options, ask) : ask().then((node) => new Grant(this.#client, node));
  }

  /** Resolves to a grant if nobody holds it or waits, else to undefined. Rejects as `acquire`. */
  async tryAcquire(options: WaitOptions = {}): Promise<Grant | undefined> {
    const ask = (): Promise<HeldNode | undefined> => tryForTurn(this.#client, this.#queue, this.#data, options);
    if (this.#reentrant) return this.#enter(options, ask);
    const node = await ask();
    return node === undefined ? undefined : new Grant(this.#client, node);
  }

  /**
   * Runs `work` while holding the lock, then gives it back. `work` must stop when `signal` fires.
   * Rejects as `acquire` and as `work`; and with SESSION_EXPIRED or FENCED when the lock was lost before the end.
   */
  async withLock<T>(work: (signal: AbortSignal, grant: Grant) => Promise<T>, options: WaitOptions = {}): Promise<T> {
    return withGrant(await this.acquire(options), work);
  }

  /** Holder first, then those who wait, in order. */
  contenders(options: CallOptions = {}): Promise<readonly ContenderInfo[]> {
    return this.#queue.contenders(this.#client, options);
  }

  // ---- re-entrance

  /** Of several who ask at once, one stands in the queue for all. */
  async #enter<N extends HeldNode | undefined>(
    options: WaitOptions,
    ask: () => Promise<N>,
  ): Promise<N extends undefined ? undefined : Grant>;
  async #enter(options: WaitOptions, ask: () => Promise<HeldNode | undefined>): Promise<Grant | undefined> {
    while (this.#asking !== undefined && this.#shared() === undefined) await this.#othersAnswer(this.#asking, options);
    const shared = this.#shared();
    if (shared !== undefined) return this.#grant(shared);
    const asking = ask();
    this.#asking = asking;
    try {
      const node = await asking;
      return node === undefined ? undefined : this.#grant(node);
    } finally {
      this.#asking = undefined;
    }
  }

  #othersAnswer(asking: Promise<unknown>, options: WaitOptions): Promise<unknown> {
    return withLimit(this.#client, this.path, options, (signal) =>
      orAborted(
        asking.catch(() => {}),
        signal,
      ),
    );
  }

  /** The node that this object holds the lock by. */
  #shared(): HeldNode | undefined {
    for (const grant of this.#grants) if (grant.held) return this.#node;
    return undefined;
  }

  #grant(node: HeldNode): Grant {
    if (node !== this.#node) this.#grants.clear();
    this.#node = node;
    const grant = new Grant(this.#client, node, async () => {
      this.#grants.delete(grant);
      if (this.#grants.size === 0 || this.#node !== node) await node.leave();
    });
    this.#grants.add(grant);
    return grant;
  }
}

/** `new Lock(client, path).withLock(work, options)`. */
export async function withLock<T>(
  client: Client,
  path: string,
  work: (signal: AbortSignal, grant: Grant) => Promise<T>,
  options: WaitOptions & LockOptions = {},
): Promise<T> {
  return new Lock(client, path, options).withLock(work, options);
}
