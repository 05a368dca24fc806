/**
 * A number of leases, each held by one client at a time; granted in the order of asking.
 *
 *   asking ──first at the gate──▶ counting ──fewer leases than permits──▶ leased ──release──▶ gone
 *      └── leave, session lost ──▶ gone      (children change) ↺
 *
 * Why it is safe. Leases are children of one node. Only who is first at the gate (a lock) makes one, by a create that is guarded by its place
 * there, after it has counted fewer others than permits: meanwhile the number can only fall. No herd: one watches the leases,
 * the others their predecessor at the gate. Curator's InterProcessSemaphoreV2 and kazoo's Semaphore do the same, hence the layouts.
 *
 * The number of permits is kept in the semaphore's node, so that clients that disagree are told; Curator keeps none.
 * A lease is no fence: see `SharedGrant`.
 */
import { mutant } from "../../src/model/mutant.ts";
import { joinPath } from "../../src/model/path.ts";
import type { Client } from "../client.ts";
import { type DataInput, toText } from "../data.ts";
import { unless, ZabraError } from "../error.ts";
import type { CallOptions } from "../operations.ts";
import { requireInteger, requireOpen } from "./check.ts";
import { SharedGrant, withGrant } from "./grant.ts";
import { HeldNode } from "./held-node.ts";
import { type Layout, prefixOf, requireLayout, semaphorePaths } from "./layout.ts";
import { Lock } from "./lock.ts";
import type { ContenderInfo } from "./queue.ts";
import { isSessionLoss, orAborted, type WaitOptions, withLimit } from "./wait.ts";
import { untilSessionEnds } from "./when-gone.ts";

export interface SemaphoreOptions {
  /** Says who asks, for people who look. */
  readonly data?: DataInput;
  /** Whose nodes to make and to count. Curator's and kazoo's clients put them elsewhere, so all clients of a semaphore must be told the same. Default `zabra`. */
  readonly layout?: Layout;
}

const permitsMax = 10_000;

/** A number of leases, each held by one client at a time, granted in the order of asking. */
export class Semaphore {
  readonly path: string;
  readonly permits: number;
  readonly #client: Client;
  readonly #layout: Layout;
  readonly #data: DataInput;
  readonly #leases: string;
  readonly #gate: Lock;
  #agreed = false;

  /** `permits`: 1 to 10,000, the same at all clients. Throws BAD_ARGUMENTS and CLOSED. */
  constructor(client: Client, path: string, permits: number, options: SemaphoreOptions = {}) {
    const { layout = "zabra", data } = options;
    requireOpen(client, path);
    requireLayout(layout);
    requireInteger("permits", permits, 1, permitsMax);
    const { leases, gate } = semaphorePaths(layout, path);
    this.path = path;
    this.permits = permits;
    this.#client = client;
    this.#layout = layout;
    this.#data = data;
    this.#leases = leases;
    this.#gate = new Lock(client, gate, { layout, data });
  }

  /** Resolves when we have a lease. Rejects with TIMEOUT or ABORTED (the place is given up), BAD_ARGUMENTS when the node says another number of permits, SESSION_EXPIRED (only without `reopen`), CLOSED, NO_AUTH. */
  acquire(options: WaitOptions = {}): Promise<SharedGrant> {
    return this.#underLimit(options, async (signal) => {
      await using gate = await this.#gate.acquire({ signal });
      let node = await this.#leaseIfFree(gate.guard, signal);
      while (node === undefined) {
        const change = this.#nextChange(signal);
        node = await this.#leaseIfFree(gate.guard, signal);
        if (node === undefined) await change;
      }
      return node;
    }) as Promise<SharedGrant>;
  }

  /** Resolves to a grant if a lease is free and nobody waits, else to undefined. Rejects as `acquire`. */
  tryAcquire(options: WaitOptions = {}): Promise<SharedGrant | undefined> {
    return this.#underLimit(options, async (signal) => {
      await using gate = await this.#gate.tryAcquire({ signal });
      return gate === undefined ? undefined : await this.#leaseIfFree(gate.guard, signal);
    });
  }

  /** Runs `work` while holding a lease. Rejects as `acquire` and as `work`; and with SESSION_EXPIRED or FENCED when it was lost before the end. */
  async withLease<T>(work: (signal: AbortSignal, grant: SharedGrant) => Promise<T>, options: WaitOptions = {}): Promise<T> {
    return withGrant(await this.acquire(options), work);
  }

  /** Those who hold a lease. */
  async holders(options: CallOptions = {}): Promise<readonly ContenderInfo[]> {
    const holders: ContenderInfo[] = [];
    const list = async (): Promise<void> => {
      for await (const { path, stat, data } of this.#client.list(this.#leases, { ...options, withData: true }))
        if (stat.ephemeralOwner !== 0) holders.push({ path, token: stat.czxid, session: stat.ephemeralOwner, data });
    };
    await unless("NO_NODE", list());
    return holders.sort((a, b) => a.token - b.token);
  }

  /** Those who wait for one, in order. */
  waiters(options: CallOptions = {}): Promise<readonly ContenderInfo[]> {
    return this.#gate.contenders(options);
  }

  // ---- inside

  /** A session that is lost meanwhile costs the place, nothing else. */
  #underLimit(
    options: WaitOptions,
    get: (signal: AbortSignal) => Promise<HeldNode | undefined>,
  ): Promise<SharedGrant | undefined> {
    return withLimit(this.#client, this.path, options, async (signal) => {
      for (;;) {
        try {
          await this.#agree(signal);
          const node = await get(signal);
          if (node === undefined) return undefined;
          if (node.holds) return new SharedGrant(this.#client, node);
          void node.leave();
        } catch (error) {
          const lost = isSessionLoss(this.#client, error) || ZabraError.from(error).code === "FENCED";
          if (signal.aborted || !lost) throw error;
        }
      }
    });
  }

  async #leaseIfFree(gate: SharedGrant["guard"], signal: AbortSignal): Promise<HeldNode | undefined> {
    const names = (await unless("NO_NODE", this.#client.children(this.#leases, { ...untilSessionEnds, signal })))?.names ?? [];
    const wrong = Number(mutant("a semaphore counts one too few")) - Number(mutant("a semaphore counts one too many"));
    if (names.length >= this.permits + wrong) return undefined;
    const path = joinPath(this.#leases, this.#leaseName(gate.czxid));
    return HeldNode.join(this.#client, { path, sequential: this.#layout !== "kazoo", data: this.#data, guard: gate }, signal);
  }

  /** kazoo's leases have no sequence number: the place at the gate makes the name one of its own. */
  #leaseName(gate: number): string {
    return this.#layout === "kazoo" ? gate.toString(16).padStart(32, "0") : prefixOf(this.#layout, "lease", this.#client);
  }

  /** The watch is armed before the next count, in the session's order: a change between the two wakes us. */
  #nextChange(signal: AbortSignal): Promise<unknown> {
    const change = orAborted(
      this.#client.watch(this.#leases, "children", { ...untilSessionEnds, level: "session", signal }),
      signal,
    );
    change.catch(() => {});
    return change;
  }

  /** Once: makes the nodes, and compares the number of permits. */
  async #agree(signal: AbortSignal): Promise<void> {
    if (this.#agreed) return;
    const options = { signal, ...untilSessionEnds };
    await this.#client.ensurePath(this.path, options);
    if (this.#layout !== "kazoo") await this.#client.ensurePath(this.#leases, options);
    const { text, stat } = await this.#client.get(this.path, options);
    const written = text === "" && this.#layout !== "curator" ? await this.#writePermits(stat.version, options) : text;
    if (/^\d+$/.test(written) && Number(written) !== this.permits) {
      const detail = `permits must be ${written}, as the node says, not ${this.permits}`;
      throw new ZabraError("BAD_ARGUMENTS", { path: this.path, detail });
    }
    this.#agreed = true;
  }

  /** Resolves to what the node says then. */
  async #writePermits(version: number, options: CallOptions): Promise<string> {
    const wrote = await unless("BAD_VERSION", this.#client.set(this.path, String(this.permits), { ...options, version }));
    return wrote === undefined ? toText((await this.#client.get(this.path, options)).data) : String(this.permits);
  }
}
