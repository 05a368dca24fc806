/**
 * A lock that one client holds at a time, granted in the order of asking (FIFO, fair over all clients).
 * Not re-entrant: who asks twice waits for itself.
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
import { becomeFirst, Contender, type ContenderInfo, Queue } from "./contender.ts";
import { Grant } from "./grant.ts";
import type { WaitOptions } from "./wait.ts";

export interface LockOptions {
  /** Says who asks, for people who look at the queue. */
  readonly data?: DataInput;
}

const prefix = "lock-";
/** Ours, Curator's `_c_<guid>-lock-…` and kazoo's `<hex>__lock__…`: mixed fleets share a queue. */
const contenderName = /(?:lock-|__lock__)\d{10}$/;

export class Lock {
  readonly #client: Client;
  readonly #queue: Queue;
  readonly #data: DataInput;

  /** `path` is the queue's node; it is made, as a container, when it is missing. */
  constructor(client: Client, path: string, options: LockOptions = {}) {
    this.#client = client;
    this.#queue = new Queue(path, prefix, (name) => contenderName.test(name));
    this.#data = options.data;
  }

  get path(): string {
    return this.#queue.path;
  }

  /** Resolves when it is our turn. Rejects with TIMEOUT or ABORTED (the place is given up), SESSION_EXPIRED (only without `reopen`), CLOSED, NO_AUTH. */
  async acquire(options: WaitOptions = {}): Promise<Grant> {
    return new Grant(this.#client, await becomeFirst(this.#client, this.#queue, this.#data, options));
  }

  /** Resolves to a grant if nobody holds it or waits, else to undefined. Rejects as `acquire`, but for TIMEOUT. */
  async tryAcquire(options: Pick<WaitOptions, "signal"> = {}): Promise<Grant | undefined> {
    const contender = await Contender.join(this.#client, this.#queue, this.#data, options.signal ?? new AbortController().signal);
    if (await contender.look()) return new Grant(this.#client, contender);
    await contender.leave();
    return undefined;
  }

  /**
   * Runs `work` while holding the lock, then gives it back. `work` must stop when `signal` fires.
   * Rejects as `acquire` and as `work`; and with SESSION_EXPIRED or FENCED when the lock was lost before the end.
   */
  async withLock<T>(work: (signal: AbortSignal, grant: Grant) => Promise<T>, options: WaitOptions = {}): Promise<T> {
    const grant = await this.acquire(options);
    try {
      const result = await work(grant.signal, grant);
      grant.check();
      return result;
    } finally {
      await grant.release();
    }
  }

  /** Holder first, then those who wait, in order. */
  contenders(): Promise<readonly ContenderInfo[]> {
    return this.#queue.contenders(this.#client);
  }
}

/** `new Lock(client, path).withLock(work, options)`. */
export function withLock<T>(
  client: Client,
  path: string,
  work: (signal: AbortSignal, grant: Grant) => Promise<T>,
  options: WaitOptions & LockOptions = {},
): Promise<T> {
  return new Lock(client, path, options).withLock(work, options);
}
