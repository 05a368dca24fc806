/**
 * Shards shared out among members: each is owned by one at a time, with a token of its own, and all have about as many.
 *
 *     const owner = await ownShards(client, "/shards/orders", {
 *       shards: ["0", "1", "2", "3"],
 *       run: async (shard, signal, grant) => { while (!signal.aborted) await workOn(shard, grant.token); },
 *     });
 *
 *   a shard here: absent ──free, our share allows──▶ taking ──▶ owned ──share shrinks, close──▶ stopping ──work ended──▶ absent
 *                                                                └─session or node lost──▶ stopping
 *
 * Owning is an ephemeral node whose czxid is the token, so two never own a shard, whatever they believe about shares. Release before
 * acquire: a shard is given up only after its work has ended here. Shares (`shard-plan.ts`) are computed by each from the same
 * nodes; nothing moves until the membership has been quiet for `settleMs`, so a member that flaps causes no storm.
 */
import { mutant } from "../../src/model/mutant.ts";
import { joinPath, nameOf, parentOf } from "../../src/model/path.ts";
import type { Client } from "../client.ts";
import { unless, ZabraError } from "../error.ts";
import { Listeners } from "../listeners.ts";
import { type Cache, type CacheChange, type CachedNode, cacheTree } from "./cache.ts";
import { requireInteger, requireName, requireOpen } from "./check.ts";
import { Grant } from "./grant.ts";
import { HeldNode } from "./held-node.ts";
import { PersistentEphemeral } from "./persistent-ephemeral.ts";
import { planFor, type ShardView } from "./shard-plan.ts";
import { goesOn, isSessionLoss, until, untilAborted, type WaitOptions, withLimit } from "./wait.ts";
import { untilSessionEnds } from "./when-gone.ts";

export interface OwnShardsOptions extends WaitOptions {
  /** All shards, 1 to 1,000 different names; every member must name the same. */
  readonly shards: readonly string[];
  /** Ours, unique among the members. Default: the number of the session. */
  readonly name?: string | undefined;
  /** Works on a shard until `signal` fires, and then ends: others wait for that. What it throws is told to `onError`. */
  readonly run?: ((shard: string, signal: AbortSignal, grant: Grant) => Promise<void>) | undefined;
  readonly onError?: ((error: unknown, shard: string) => void) | undefined;
  /** How long the membership must have been quiet before shards move, ms, 0 to 3,600,000. Default 1,000. */
  readonly settleMs?: number | undefined;
}

const settleMsDefault = 1_000;
const retryMs = 100;

/** Becomes a member. Resolves when it is one, which may be before it owns a shard. Rejects with BAD_ARGUMENTS (as when others share other shards), TIMEOUT, ABORTED, NO_AUTH, CLOSED. */
export async function ownShards(client: Client, path: string, options: OwnShardsOptions): Promise<ShardOwner> {
  requireOpen(client, path);
  requireInteger("the number of shards", options.shards.length, 1, 1_000);
  for (const shard of options.shards) requireName("shard", shard);
  if (new Set(options.shards).size < options.shards.length)
    throw new ZabraError("BAD_ARGUMENTS", { path, detail: "shards must differ" });
  requireInteger("settleMs", options.settleMs ?? settleMsDefault, 0, 3_600_000);
  const name = options.name ?? `m-${client.session?.id ?? 0}`;
  requireName("name", name);
  return withLimit(client, path, options, async (signal) => {
    while (!(await agree(client, path, options.shards, signal))) signal.throwIfAborted();
    const member = new PersistentEphemeral(client, joinPath(joinPath(path, "members"), name));
    try {
      await member.ready({ signal });
      return new ShardOwner(client, name, member, await cacheTree(client, path, { signal }), options);
    } catch (error) {
      void member.close();
      throw error;
    }
  });
}

/** Resolves to false when the session was lost on the way: to be asked again in the next. */
async function agree(client: Client, path: string, shards: readonly string[], signal: AbortSignal): Promise<boolean> {
  try {
    await writeShards(client, path, shards, signal);
    return true;
  } catch (error) {
    if (signal.aborted || !isSessionLoss(client, error)) throw error;
    return false;
  }
}

/** The first member writes down which shards there are; later ones must mean the same. */
async function writeShards(client: Client, path: string, shards: readonly string[], signal: AbortSignal): Promise<void> {
  const call = { ...untilSessionEnds, signal };
  const ours = JSON.stringify(shards.toSorted());
  await client.ensurePath(parentOf(path) ?? "/", call);
  await unless("NODE_EXISTS", client.create(path, ours, call));
  const theirs = (await client.get(path, call)).text;
  if (theirs !== ours)
    throw new ZabraError("BAD_ARGUMENTS", { path, detail: `shards are ${ours} here and ${theirs} for the others` });
  await client.ensurePath(joinPath(path, "owners"), call);
}

/** A shard of ours. */
interface Owned {
  readonly grant: Grant;
  readonly stop: AbortController;
}

/** A member among whom shards are shared out, and the shards that are its own now. */
export class ShardOwner {
  readonly name: string;
  readonly #client: Client;
  readonly #member: PersistentEphemeral;
  readonly #cache: Cache;
  readonly #options: OwnShardsOptions;
  readonly #owned = new Map<string, Owned>();
  readonly #ending = new Set<Promise<void>>();
  readonly #listeners = new Listeners<[]>();
  #quietSinceMs: number;
  #planning = false;
  #again = false;
  #cancelTimer: (() => void) | undefined;

  /** Use `ownShards`. */
  constructor(client: Client, name: string, member: PersistentEphemeral, cache: Cache, options: OwnShardsOptions) {
    this.#client = client;
    this.name = name;
    this.#member = member;
    this.#cache = cache;
    this.#options = options;
    this.#quietSinceMs = client.nowMs();
    cache.onChange((changes) => this.#onChanges(changes));
    member.signal.addEventListener("abort", () => this.#stopAll(), { once: true });
    void this.#plan();
  }

  /** The shards that are ours now, with their grants. */
  get shards(): ReadonlyMap<string, Grant> {
    return new Map([...this.#owned].map(([shard, { grant }]) => [shard, grant]));
  }

  /** Every shard that is owned, and by which member, as last seen. */
  get owners(): ReadonlyMap<string, string> {
    return this.#view().owners;
  }

  /** Fires when we are no member any more: after `close`, or with the refusal that ended it. */
  get signal(): AbortSignal {
    return this.#member.signal;
  }

  /** Calls `listener` after each change of what is ours. Returns what ends that. */
  onChange(listener: () => void): () => void {
    return this.#listeners.add(listener);
  }

  /** Resolves as soon as `holds` is true of the shards that are ours. Rejects with TIMEOUT, ABORTED, CLOSED. */
  when(holds: (shards: ReadonlyMap<string, Grant>) => boolean, options: WaitOptions = {}): Promise<void> {
    return withLimit(this.#client, this.#cache.path, options, (signal) => until(this, () => holds(this.shards), signal));
  }

  /** Stops all work, gives the shards up as it ends, and leaves. Resolves when all that has happened; never rejects. */
  async close(): Promise<void> {
    this.#cancelTimer?.();
    this.#stopAll();
    await Promise.all(this.#ending);
    await this.#member.close();
    this.#cache.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  // ---- what to do

  #onChanges(changes: readonly CacheChange[]): void {
    const isMember = ({ path, type }: CacheChange): boolean =>
      type !== "dataChanged" && parentOf(path) === joinPath(this.#cache.path, "members");
    if (changes.some(isMember)) this.#quietSinceMs = this.#client.nowMs();
    void this.#plan();
  }

  #view(): ShardView {
    const { path } = this.#cache;
    const members: CachedNode[] = [];
    const owners = new Map<string, string>();
    for (const node of this.#cache.descendants()) {
      const parent = parentOf(node.path);
      if (parent === joinPath(path, "members")) members.push(node);
      else if (parent === joinPath(path, "owners")) owners.set(nameOf(node.path), node.text);
    }
    const names = members.sort((a, b) => a.stat.czxid - b.stat.czxid).map((node) => nameOf(node.path));
    return { members: names, shards: this.#options.shards, owners };
  }

  /** One at a time; what changes meanwhile is looked at after it. */
  async #plan(): Promise<void> {
    this.#again = true;
    if (this.#planning) return;
    this.#planning = true;
    while (this.#again && !this.#closing) {
      this.#again = false;
      const waitMs = this.#quietSinceMs + (this.#options.settleMs ?? settleMsDefault) - this.#client.nowMs();
      if (waitMs > 0) this.#planIn(waitMs);
      else if (this.#member.state === "held") await this.#follow();
    }
    this.#planning = false;
  }

  get #closing(): boolean {
    return this.signal.aborted || this.#cache.signal.aborted;
  }

  #planIn(ms: number): void {
    this.#cancelTimer?.();
    this.#cancelTimer = this.#client.after(ms, () => void this.#plan());
  }

  async #follow(): Promise<void> {
    const { take, release } = planFor(this.name, this.#view());
    if (!mutant("a share is never given up")) for (const shard of release) this.#owned.get(shard)?.stop.abort();
    for (const shard of take) {
      try {
        await this.#take(shard);
      } catch (thrown) {
        const error = ZabraError.from(thrown);
        if (!goesOn(this.#client, error) && error.code !== "SESSION_EXPIRED") void this.#member.close();
        this.#planIn(retryMs);
      }
    }
  }

  /** Its create has no deadline of its own: exactly-once retries carry it to an answer, or the session ends and takes the node along. */
  async #take(shard: string): Promise<void> {
    if (this.#owned.has(shard)) return;
    const path = joinPath(joinPath(this.#cache.path, "owners"), shard);
    const spec = { path, sequential: false, data: this.name };
    if (mutant("a shard is taken from its owner")) await unless("NO_NODE", this.#client.delete(path));
    const node = await unless("NODE_EXISTS", HeldNode.join(this.#client, spec, this.signal));
    if (node === undefined) return;
    const grant = new Grant(this.#client, node);
    if (!grant.held || this.#closing) return grant.release();
    const owned = { grant, stop: new AbortController() };
    this.#owned.set(shard, owned);
    const ending = this.#runUntilEnd(shard, owned);
    this.#ending.add(ending);
    void ending.finally(() => this.#ending.delete(ending));
    this.#listeners.tell();
  }

  /** Never rejects. */
  async #runUntilEnd(shard: string, { grant, stop }: Owned): Promise<void> {
    const lost = (): void => stop.abort(grant.signal.reason);
    grant.signal.addEventListener("abort", lost, { once: true });
    if (grant.signal.aborted) lost();
    try {
      await this.#options.run?.(shard, stop.signal, grant);
    } catch (error) {
      this.#options.onError?.(error, shard);
    }
    await untilAborted(stop.signal);
    await grant[Symbol.asyncDispose]();
    this.#owned.delete(shard);
    this.#listeners.tell();
    void this.#plan();
  }

  #stopAll(): void {
    for (const { stop } of this.#owned.values()) stop.abort();
  }
}
