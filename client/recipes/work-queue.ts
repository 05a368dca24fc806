/**
 * A queue of work: each item is processed at least once, and claimed by one consumer at a time. With priorities and delays.
 *
 *   delayed ──time──▶ waiting ──claim──▶ claimed ──ack──▶ gone
 *                        ▲                  └─ release, session lost, node deleted ─▶ waiting; after `attemptsMax` claims ─▶ dead
 *
 * In the tree: an item is `PATH/items/NAME`; a claim is its ephemeral child `claim`, so an item whose consumer dies waits again; a delay
 * is its child `delay`, a TTL node, so that delays run by the cluster's time and by no client's clock. Items go by priority (low
 * first), then in the order of putting (czxid, not name: suffixes wrap). How often an item was claimed is read off the node's cversion,
 * so a poisonous item ends in `PATH/dead` instead of killing its consumers for ever. An ack removes item and claim in one txn, which is
 * refused when the claim is not ours any more. Between claim and ack the work may run twice if its consumer stood still: pass
 * `claim.token` along, or guard writes by `claim.guard`.
 */
import { mutant } from "../../src/model/mutant.ts";
import { joinPath, nameOf, parentOf } from "../../src/model/path.ts";
import type { Zxid } from "../../src/model/zxid.ts";
import type { Client } from "../client.ts";
import { type DataInput, type NodeValue, toBytes } from "../data.ts";
import { unless, ZabraError } from "../error.ts";
import { type Cache, type CacheChange, cacheTree } from "./cache.ts";
import { requireInteger, requireName, requireOpen } from "./check.ts";
import { Claim } from "./claim.ts";
import { Heap } from "./heap.ts";
import { HeldNode } from "./held-node.ts";
import { uniqueName } from "./unique-name.ts";
import { goesOn, orAborted, type WaitOptions, withLimit } from "./wait.ts";
import { untilSessionEnds } from "./when-gone.ts";

export interface WorkQueueOptions {
  /** Claims of an item before it counts as poisonous, 1 to 1,000. Default 10. */
  readonly attemptsMax?: number | undefined;
  /** Items beyond which `put` refuses, about, 1 to 1,000,000. Default 100,000. */
  readonly itemsMax?: number | undefined;
}

export interface PutOptions extends WaitOptions {
  /** 0, first, to 999, last. Default 500. */
  readonly priority?: number | undefined;
  /** Not to be claimed before this has passed, ms of the cluster's time: 1 to 30 days. */
  readonly delayMs?: number | undefined;
  /** A second put of the same id, while the first is in the queue, does nothing. */
  readonly id?: string | undefined;
}

export interface ConsumeOptions {
  /** Ends the consuming; what is claimed is finished first. */
  readonly signal?: AbortSignal | undefined;
  /** Items at a time, 1 to 1,000. Default 1. */
  readonly parallel?: number | undefined;
  /** Told what `work` threw; the item waits again. */
  readonly onError?: ((error: unknown, claim: Claim) => void) | undefined;
}

interface Item {
  readonly path: string;
  readonly priority: number;
  readonly czxid: Zxid;
}

const priorityDefault = 500;
const delayMsMax = 30 * 24 * 3_600_000;
const claimName = "claim";
const delayName = "delay";
const retryMs = 20;

/** Items of work, each done at least once and claimed by one consumer at a time; by priority, with delays, poisonous ones set aside. */
export class WorkQueue {
  readonly path: string;
  readonly #client: Client;
  readonly #items: string;
  readonly #attemptsMax: number;
  readonly #itemsMax: number;
  readonly #waiting = new Heap<Item>((a, b) => (a.priority === b.priority ? a.czxid < b.czxid : a.priority < b.priority));
  #cache: Promise<Cache> | undefined;

  /** Throws BAD_ARGUMENTS and CLOSED. */
  constructor(client: Client, path: string, options: WorkQueueOptions = {}) {
    requireOpen(client, path);
    requireInteger("attemptsMax", options.attemptsMax ?? 10, 1, 1_000);
    requireInteger("itemsMax", options.itemsMax ?? 100_000, 1, 1_000_000);
    this.#client = client;
    this.path = path;
    this.#items = joinPath(path, "items");
    this.#attemptsMax = options.attemptsMax ?? 10;
    this.#itemsMax = options.itemsMax ?? 100_000;
  }

  /**
   * Puts an item. Resolves to its path when it is in the queue. Rejects with LIMIT (too many items, or too much data), BAD_ARGUMENTS, and TIMEOUT,
   * ABORTED or SESSION_EXPIRED: with outcome `unknown` it may be in the queue. Put it again with the same `id` to have it there once.
   */
  put(data: DataInput, options: PutOptions = {}): Promise<string> {
    const { priority = priorityDefault, delayMs, id } = options;
    return withLimit(this.#client, this.path, options, async (signal) => {
      requireOpen(this.#client, this.path);
      requireInteger("priority", priority, 0, 999);
      if (delayMs !== undefined) requireInteger("delayMs", delayMs, 1, delayMsMax);
      if (id !== undefined) requireName("id", id);
      const call = { ...untilSessionEnds, signal };
      await this.#checkRoom(call);
      const unique = id === undefined ? await uniqueName(this.#client, signal) : `id-${id}`;
      const path = joinPath(this.#items, `${String(priority).padStart(3, "0")}${delayMs === undefined ? "i" : "d"}-${unique}`);
      const transaction = this.#client.transaction().create(path, data);
      if (delayMs !== undefined) transaction.create(joinPath(path, delayName), undefined, { kind: "ttl", ttlMs: delayMs });
      const put = transaction.commit(call);
      await (id === undefined ? put : unless("NODE_EXISTS", put));
      return path;
    });
  }

  /**
   * Claims the next item, waiting for one. Resolves to the claim: `ack` it when the work is done. Rejects with TIMEOUT, ABORTED, NO_AUTH, CLOSED, and
   * LIMIT when the queue holds more than a cache may.
   */
  take(options: WaitOptions = {}): Promise<Claim> {
    return withLimit(this.#client, this.path, options, async (signal) => {
      for (;;) {
        const cache = await this.#follow(signal);
        let item: Item | undefined;
        await cache.when(() => (item = this.#nextIn(cache)) !== undefined, { signal });
        const claim = item === undefined ? undefined : await this.#tryClaim(item, signal);
        if (claim !== undefined) return claim;
      }
    });
  }

  /**
   * Claims item after item and gives each to `work`; acks it when that resolves, and releases it when that rejects. Resolves when `signal` has
   * fired and all work has ended. Rejects as `take`, but for ABORTED.
   */
  async consume(work: (claim: Claim) => Promise<unknown>, options: ConsumeOptions = {}): Promise<void> {
    requireInteger("parallel", options.parallel ?? 1, 1, 1_000);
    const signal = options.signal ?? new AbortController().signal;
    await Promise.all(Array.from({ length: options.parallel ?? 1 }, () => this.#consumeOne(work, signal, options)));
  }

  /** Resolves to how many items there are, and how many of them are claimed, delayed and dead. */
  async counts(options: WaitOptions = {}): Promise<Readonly<Record<"items" | "claimed" | "delayed" | "dead", number>>> {
    using cache = await cacheTree(this.#client, this.path, { ...options, withData: false });
    const counts = { items: 0, claimed: 0, delayed: 0, dead: 0 };
    for (const { path } of cache.descendants()) {
      if (parentOf(path) === this.#items) counts.items += 1;
      else if (parentOf(path) === this.#deadPath) counts.dead += 1;
      else if (nameOf(path) === claimName) counts.claimed += 1;
      else if (nameOf(path) === delayName) counts.delayed += 1;
    }
    return counts;
  }

  /** Follows the queue no longer; claims that are held stay. */
  close(): void {
    this.#cache?.then((cache) => cache.close()).catch(() => {});
    this.#cache = undefined;
  }

  [Symbol.dispose](): void {
    this.close();
  }

  // ---- putting

  get #deadPath(): string {
    return joinPath(this.path, "dead");
  }

  async #checkRoom(call: { readonly signal: AbortSignal }): Promise<void> {
    const count = await unless("NO_NODE", this.#client.countSubtree(this.#items, { ...call, level: "session" }));
    if (count === undefined) await this.#client.ensurePath(this.#items, call);
    else if (count >= this.#itemsMax) throw new ZabraError("LIMIT", { path: this.path, detail: `itemsMax is ${this.#itemsMax}` });
  }

  // ---- taking

  async #follow(signal: AbortSignal): Promise<Cache> {
    this.#cache ??= this.#open();
    const cache = await orAborted(this.#cache, signal).catch((error: unknown) => {
      if (!signal.aborted) this.#cache = undefined;
      throw error;
    });
    if (cache.signal.aborted) {
      this.#cache = undefined;
      throw cache.signal.reason;
    }
    return cache;
  }

  async #open(): Promise<Cache> {
    const cache = await cacheTree(this.#client, this.#items, { withData: false, nodesMax: 4 * this.#itemsMax });
    for (const { path } of cache.descendants()) this.#offer(cache, path);
    cache.onChange((changes) => this.#onChanges(cache, changes));
    return cache;
  }

  #onChanges(cache: Cache, changes: readonly CacheChange[]): void {
    for (const { path } of changes) {
      const parent = parentOf(path) ?? "";
      this.#offer(cache, parent === this.#items ? path : parent);
    }
  }

  /** Puts it among those that wait, if it does. The same one twice does no harm. */
  #offer(cache: Cache, path: string): void {
    const node = cache.get(path);
    if (node === undefined || parentOf(path) !== this.#items || !isFree(cache, path)) return;
    this.#waiting.push({ path, priority: Number(nameOf(path).slice(0, 3)), czxid: node.stat.czxid });
  }

  #nextIn(cache: Cache): Item | undefined {
    for (let item = this.#waiting.pop(); item !== undefined; item = this.#waiting.pop())
      if (cache.get(item.path)?.stat.czxid === item.czxid && isFree(cache, item.path)) return item;
    return undefined;
  }

  /** undefined: somebody else was faster, or it is dead. */
  async #tryClaim(item: Item, signal: AbortSignal): Promise<Claim | undefined> {
    const claiming = this.#claim(item);
    try {
      return await orAborted(claiming, signal);
    } catch (thrown) {
      claiming.then((claim) => claim?.[Symbol.asyncDispose]()).catch(() => {});
      const error = ZabraError.from(thrown, this.path);
      this.#waiting.push(item);
      if (signal.aborted || error.code === "CLOSED" || !(goesOn(this.#client, error) || error.code === "SESSION_EXPIRED"))
        throw error;
      await this.#client.sleep(retryMs, { signal });
      return undefined;
    }
  }

  /** It has no deadline of its own: exactly-once retries carry it to an answer, or the session ends and takes the claim along. */
  async #claim({ path, czxid }: Item): Promise<Claim | undefined> {
    const at = joinPath(path, claimName);
    const transaction = this.#client.transaction().ifCzxid(path, czxid).ifAbsent(at).ifAbsent(joinPath(path, delayName));
    const done = await unless(
      "CONDITION_FAILED",
      transaction
        .create(at, undefined, { kind: mutant("a claim outlives its session") ? "persistent" : "ephemeral" })
        .commit(untilSessionEnds),
    );
    const result = done?.outcomes[0]?.result;
    if (done === undefined || result?.type !== "created") return undefined;
    const held = HeldNode.made(this.#client, { ...result, zxid: done.zxid });
    const item = await unless("NO_NODE", this.#client.get(path, { ...untilSessionEnds, level: "session" }));
    if (item === undefined) return undefined;
    const attempts = attemptsOf(item);
    if (attempts > (mutant("an item is tried once") ? 1 : this.#attemptsMax)) return this.#bury(item, held);
    const claim = new Claim(this.#client, held, item, attempts);
    if (claim.held) return claim;
    throw new ZabraError("SESSION_EXPIRED", { path, detail: "the session ended before the claim could be handed out" });
  }

  async #bury(item: NodeValue, held: HeldNode): Promise<undefined> {
    await this.#client.ensurePath(this.#deadPath, untilSessionEnds);
    const transaction = this.#client.transaction().delete(held.path).delete(item.path);
    transaction.create(joinPath(this.#deadPath, `${nameOf(item.path)}-${item.stat.czxid}`), toBytes(item.data));
    await unless("FENCED", transaction.commit({ ...untilSessionEnds, guard: held.guard }));
    return undefined;
  }

  async #consumeOne(work: (claim: Claim) => Promise<unknown>, signal: AbortSignal, { onError }: ConsumeOptions): Promise<void> {
    while (!signal.aborted) {
      const claim = await unless("ABORTED", this.take({ signal }));
      if (claim === undefined) continue;
      try {
        await work(claim);
        await claim.ack();
      } catch (error) {
        await claim[Symbol.asyncDispose]();
        if (this.#client.state.type === "closed") throw error;
        onError?.(error, claim);
      }
    }
  }
}

function isFree(cache: Cache, path: string): boolean {
  return cache.get(joinPath(path, claimName)) === undefined && cache.get(joinPath(path, delayName)) === undefined;
}

/** cversion counts children that came and that went: this claim, and two for each before it, and for the delay. */
function attemptsOf({ path, stat }: NodeValue): number {
  const delayed = nameOf(path).charAt(3) === "d";
  return (stat.cversion - (delayed ? 2 : 0) + 1) / 2;
}
