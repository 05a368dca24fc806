/**
 * A copy of a node, its children or its subtree, kept up to date: `subscribe`, held in memory.
 *
 *   loading ──snapshot──▶ live ──stream ended, close──▶ ended
 *
 * Invariants: what is held is always the whole state at one zxid (`zxid`), which never falls; listeners are
 * told every difference between two such states, once, also over reconnects, new sessions, and a history that
 * was lost meanwhile (then the difference of the two states, not every step). There is no cache that is
 * empty because it was not read yet: `open` resolves with the first whole state. While the connection is gone
 * the last state stays (`stale`); an old answer is safer than an empty one.
 */
import { mutant } from "../../src/model/mutant.ts";
import type { Stat } from "../../src/model/stat.ts";
import type { ChangeType } from "../../src/model/watch.ts";
import { type Zxid, zeroZxid } from "../../src/model/zxid.ts";
import type { Client } from "../client.ts";
import { toText } from "../data.ts";
import { ZabraError } from "../error.ts";
import { Listeners } from "../listeners.ts";
import type { Stream, StreamBatch, StreamChange, StreamEntry } from "../stream.ts";
import { requireInteger, requireOpen } from "./check.ts";
import { until, type WaitOptions, withLimit } from "./wait.ts";

export interface CacheOptions {
  /** Default true. */
  readonly withData?: boolean | undefined;
  /** More nodes than this end the cache with LIMIT: 1 to 10,000,000. Default 100,000. */
  readonly nodesMax?: number | undefined;
}

export interface CachedNode {
  readonly path: string;
  readonly stat: Stat;
  /** undefined: the node has none, or the cache is without data. */
  readonly data: Uint8Array | undefined;
  /** The data as text. */
  readonly text: string;
}

export interface CacheChange {
  readonly type: ChangeType;
  readonly path: string;
  /** undefined for `deleted`. */
  readonly node: CachedNode | undefined;
  /** undefined for `created`. */
  readonly before: CachedNode | undefined;
}

/** Told after the state has moved on; all changes of a txn in one call. It runs synchronously and must be short. */
export type CacheListener = (changes: readonly CacheChange[], zxid: Zxid) => void;

type Depth = "node" | "children" | "tree";
const nodesMaxDefault = 100_000;

/**
 * One node, which need not exist: it is watched through creation and deletion alike.
 * Resolves with its first state. Rejects with TIMEOUT, ABORTED, NO_AUTH, CLOSED, BAD_ARGUMENTS.
 */
export function cacheNode(client: Client, path: string, options: CacheOptions & WaitOptions = {}): Promise<Cache> {
  return open(client, path, "node", options);
}

/** A node and its children. Resolves and rejects as `cacheNode`; with LIMIT when there are more than `nodesMax`. */
export function cacheChildren(client: Client, path: string, options: CacheOptions & WaitOptions = {}): Promise<Cache> {
  return open(client, path, "children", options);
}

/** A node and all below it. Resolves and rejects as `cacheChildren`. */
export function cacheTree(client: Client, path: string, options: CacheOptions & WaitOptions = {}): Promise<Cache> {
  return open(client, path, "tree", options);
}

async function open(client: Client, path: string, depth: Depth, options: CacheOptions & WaitOptions): Promise<Cache> {
  requireOpen(client, path);
  requireInteger("nodesMax", options.nodesMax ?? nodesMaxDefault, 1, 10_000_000);
  const { withData } = options;
  const stream = client.subscribe(path, { recursive: depth === "tree", withData });
  const cache = new Cache(client, path, depth, options.nodesMax ?? nodesMaxDefault, stream);
  try {
    await cache.when(() => true, options);
    return cache;
  } catch (error) {
    cache.close();
    throw error;
  }
}

/** A copy of a node, its children or its subtree, kept up to date: always the whole state at one zxid. */
export class Cache {
  readonly path: string;
  readonly #client: Client;
  readonly #depth: Depth;
  readonly #nodesMax: number;
  readonly #stream: Stream;
  readonly #listeners = new Listeners<Parameters<CacheListener>>();
  readonly #ended = new AbortController();
  #nodes: Map<string, CachedNode> = new Map();
  #zxid: Zxid | undefined;

  /** Use `cacheNode`, `cacheChildren` or `cacheTree`. */
  constructor(client: Client, path: string, depth: Depth, nodesMax: number, stream: Stream) {
    this.#client = client;
    this.path = path;
    this.#depth = depth;
    this.#nodesMax = nodesMax;
    this.#stream = stream;
    void this.#follow();
  }

  /** The state that is held is the tree's at this zxid. */
  get zxid(): Zxid {
    return this.#zxid ?? zeroZxid;
  }

  /** Whether there is no connection: what is held may be old. */
  get stale(): boolean {
    return this.#client.state.type !== "connected";
  }

  /** Fires when the cache follows no longer, with why: CLOSED, NO_AUTH, LIMIT, SESSION_EXPIRED (only without `reopen`). */
  get signal(): AbortSignal {
    return this.#ended.signal;
  }

  /** Nodes held. */
  get size(): number {
    return this.#nodes.size;
  }

  /** One node; undefined: it is not there, or not covered. */
  get(path: string): CachedNode | undefined {
    return this.#nodes.get(path);
  }

  /** The node itself. */
  get node(): CachedNode | undefined {
    return this.#nodes.get(this.path);
  }

  /** Every node held, in no order. */
  nodes(): Iterable<CachedNode> {
    return this.#nodes.values();
  }

  /** Every node held but the one at `path`, in no order. */
  *descendants(): Generator<CachedNode, void, undefined> {
    for (const node of this.#nodes.values()) if (node.path.length !== this.path.length) yield node;
  }

  /** Calls `listener` with every later change. Returns what ends that. */
  onChange(listener: CacheListener): () => void {
    return this.#listeners.add(listener);
  }

  /** Resolves as soon as `holds` is true of the state. Rejects with TIMEOUT, ABORTED, or what ended the cache. */
  when(holds: (cache: this) => boolean, options: WaitOptions = {}): Promise<void> {
    const ready = (): boolean => this.#zxid !== undefined && holds(this);
    return withLimit(this.#client, this.path, options, (signal) => until(this, ready, signal));
  }

  /** Follows no longer; what is held stays readable. */
  close(): void {
    this.#end(new ZabraError("CLOSED", { path: this.path, detail: "the cache was closed" }));
  }

  [Symbol.dispose](): void {
    this.close();
  }

  // ---- the stream

  async #follow(): Promise<void> {
    try {
      for await (const batch of this.#stream) this.#accept(batch);
      this.#end(new ZabraError("CLOSED", { path: this.path }));
    } catch (thrown) {
      this.#end(ZabraError.from(thrown, this.path));
    }
  }

  #accept(batch: StreamBatch): void {
    if (this.signal.aborted) return;
    const changes = batch.type === "snapshot" ? this.#replace(batch.entries) : this.#apply(batch.changes);
    const first = this.#zxid === undefined;
    this.#zxid = batch.type === "snapshot" && mutant("a snapshot has no zxid") ? zeroZxid : batch.zxid;
    if (this.#nodes.size > this.#nodesMax)
      return this.#end(new ZabraError("LIMIT", { path: this.path, detail: `nodesMax is ${this.#nodesMax}` }));
    if (changes.length === 0 && !first) return;
    this.#listeners.tell(changes, this.#zxid);
  }

  /** A new whole state: what differs from the old one. */
  #replace(entries: readonly StreamEntry[]): CacheChange[] {
    const old = this.#nodes;
    const changes: CacheChange[] = [];
    this.#nodes = new Map();
    for (const { path, stat, data } of entries) {
      if (!this.#covers(path)) continue;
      const node = new Node(path, stat, data);
      this.#nodes.set(path, node);
      compare(old.get(path), node, changes);
      old.delete(path);
    }
    if (mutant("a cache keeps what a snapshot lacks")) for (const [path, node] of old) this.#nodes.set(path, node);
    for (const before of old.values()) changes.push({ type: "deleted", path: before.path, node: undefined, before });
    return changes;
  }

  #apply(changes: readonly StreamChange[]): CacheChange[] {
    const told: CacheChange[] = [];
    for (const { type, path, stat, data } of changes) {
      if (!this.#covers(path) || (type === "dataChanged" && mutant("a cache misses a change of data"))) continue;
      const before = this.#nodes.get(path);
      const node = stat === undefined ? undefined : new Node(path, stat, type === "aclChanged" ? before?.data : data);
      if (node === undefined && mutant("a cache misses a deletion")) continue;
      if (node === undefined) this.#nodes.delete(path);
      else this.#nodes.set(path, node);
      told.push({ type, path, node, before });
    }
    return told;
  }

  #covers(path: string): boolean {
    return this.#depth !== "node" || path.length === this.path.length;
  }

  #end(reason: ZabraError): void {
    if (this.signal.aborted) return;
    this.#ended.abort(reason);
    this.#listeners.clear();
    void this.#stream.return();
  }
}

class Node implements CachedNode {
  readonly path: string;
  readonly stat: Stat;
  readonly data: Uint8Array | undefined;

  constructor(path: string, stat: Stat, data: Uint8Array | undefined) {
    this.path = path;
    this.stat = stat;
    this.data = data;
  }

  get text(): string {
    return toText(this.data);
  }
}

/** How one node came to be what it is; a node that was replaced by another of its name is deleted and created. */
function compare(before: CachedNode | undefined, node: CachedNode, changes: CacheChange[]): void {
  const { path, stat } = node;
  const replaced = before !== undefined && before.stat.czxid !== stat.czxid;
  if (replaced) changes.push({ type: "deleted", path, node: undefined, before });
  if (before === undefined || replaced) changes.push({ type: "created", path, node, before: undefined });
  else if (before.stat.mzxid !== stat.mzxid) changes.push({ type: "dataChanged", path, node, before });
  else if (before.stat.aversion !== stat.aversion) changes.push({ type: "aclChanged", path, node, before });
}
