/**
 * The live list of a service's instances, and which of them to use.
 *
 *     const shop = await discover(client, "shop");
 *     using use = await shop.use();
 *     await fetch(use.instance.payload.url);
 *
 * Invariants: the list is the tree's at one zxid, and never empty for want of a connection: while that is gone the last list
 * stays (`stale`). Unhealthy and draining instances are listed and not chosen. When all that are neither draining nor gone are unhealthy,
 * those are chosen all the same: a health check that fails everywhere must not stop everything.
 */
import { mutant } from "../../src/model/mutant.ts";
import { joinPath, nameOf } from "../../src/model/path.ts";
import type { Client } from "../client.ts";
import { ZabraError } from "../error.ts";
import { Listeners } from "../listeners.ts";
import { type Cache, type CachedNode, cacheChildren } from "./cache.ts";
import { requireName, requireOpen } from "./check.ts";
import { leastUsed, roundRobin, type Strategy, sticky, type Usage } from "./choose.ts";
import { type Instance, type InstanceRecord, registryRoot } from "./registry.ts";
import { type WaitOptions, withLimit } from "./wait.ts";

export interface DiscoverOptions extends WaitOptions {
  /** The services' node. Default `/services`. */
  readonly root?: string | undefined;
  /** Ours: instances of it are chosen while it has any that can be. */
  readonly zone?: string | undefined;
}

export interface ChooseOptions {
  /** Default `roundRobin`, or `sticky` when there is a key. */
  readonly strategy?: Strategy | undefined;
  /** For `sticky`. */
  readonly key?: string | undefined;
  /** Ids that are not to be chosen, such as those that failed just now. */
  readonly exclude?: ReadonlySet<string> | undefined;
}

/** Work in hand at an instance. Dispose of it when the work is done: `leastUsed` counts. */
export interface Use extends Disposable {
  readonly instance: Instance;
  release(): void;
}

/** Follows `service`, which need not have instances. Resolves with its first list. Rejects with BAD_ARGUMENTS, TIMEOUT, ABORTED, NO_AUTH, CLOSED. */
export async function discover(client: Client, service: string, options: DiscoverOptions = {}): Promise<Discovery> {
  const root = options.root ?? registryRoot;
  requireOpen(client, root);
  requireName("service", service);
  const { signal, timeoutMs } = options;
  const cache = await cacheChildren(client, joinPath(root, service), { signal, timeoutMs });
  return new Discovery(client, service, cache, options.zone);
}

/** The live list of a service's instances, and the choice among them. */
export class Discovery {
  readonly service: string;
  readonly #client: Client;
  readonly #cache: Cache;
  readonly #zone: string | undefined;
  readonly #listeners = new Listeners<[readonly Instance[]]>();
  readonly #usage = new Map<string, Usage>();
  #instances: readonly Instance[] = [];
  #usable: readonly Instance[] = [];

  /** Use `discover`. */
  constructor(client: Client, service: string, cache: Cache, zone: string | undefined) {
    this.#client = client;
    this.service = service;
    this.#cache = cache;
    this.#zone = zone;
    this.#read();
    cache.onChange(() => {
      this.#read();
      this.#listeners.tell(this.#instances);
    });
  }

  /** All that are listed, by id. */
  get instances(): readonly Instance[] {
    if (this.stale && mutant("a list is empty without a connection")) return [];
    return this.#instances;
  }

  /** Whether there is no connection: instances may have come or gone. */
  get stale(): boolean {
    return this.#cache.stale;
  }

  /** Fires when the list is followed no longer, with why. The last list stays. */
  get signal(): AbortSignal {
    return this.#cache.signal;
  }

  /** Calls `listener` with every later list. Returns what ends that. */
  onChange(listener: (instances: readonly Instance[]) => void): () => void {
    return this.#listeners.add(listener);
  }

  /** The next to use; undefined: there is none. Throws BAD_ARGUMENTS. */
  choose(options: ChooseOptions = {}): Instance | undefined {
    const strategy = options.strategy ?? (options.key === undefined ? "roundRobin" : "sticky");
    const { exclude } = options;
    const all = exclude === undefined ? this.#usable : preferred(this.#instances, this.#zone, exclude);
    if (strategy === "roundRobin") return roundRobin(all, this.#usageOf);
    if (strategy === "leastUsed") return leastUsed(all, this.#usageOf);
    if (options.key === undefined)
      throw new ZabraError("BAD_ARGUMENTS", { path: this.#cache.path, detail: "sticky needs a key" });
    return sticky(all, options.key);
  }

  /** Chooses one, waiting for one to come, and counts it as used until it is released. Rejects with TIMEOUT, ABORTED, BAD_ARGUMENTS, CLOSED. */
  async use(options: ChooseOptions & WaitOptions = {}): Promise<Use> {
    return withLimit(this.#client, this.#cache.path, options, async (signal) => {
      let instance: Instance | undefined;
      await this.#cache.when(() => (instance = this.choose(options)) !== undefined, { signal });
      if (instance === undefined) throw new ZabraError("NO_NODE", { path: this.#cache.path });
      return this.#begin(instance);
    });
  }

  /** Follows the list no longer. */
  close(): void {
    this.#cache.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #begin(instance: Instance): Use {
    const usage = this.#usageOf(instance);
    usage.inUse += 1;
    let released = false;
    const release = (): void => {
      if (!released) usage.inUse -= 1;
      released = true;
    };
    return { instance, release, [Symbol.dispose]: release };
  }

  readonly #usageOf = ({ id }: Instance): Usage => {
    let usage = this.#usage.get(id);
    if (usage === undefined) this.#usage.set(id, (usage = { credit: 0, inUse: 0 }));
    return usage;
  };

  #read(): void {
    const instances: Instance[] = [];
    for (const node of this.#cache.descendants()) {
      const instance = toInstance(node);
      if (instance !== undefined) instances.push(instance);
    }
    this.#instances = instances.sort((a, b) => (a.id < b.id ? -1 : 1));
    this.#usable = preferred(this.#instances, this.#zone, new Set());
    const ids = new Set(instances.map((one) => one.id));
    for (const [id, { inUse }] of this.#usage) if (!ids.has(id) && inUse === 0) this.#usage.delete(id);
  }
}

/** Those that may be chosen, the best kind that there is any of. */
function preferred(instances: readonly Instance[], zone: string | undefined, exclude: ReadonlySet<string>): readonly Instance[] {
  const drains = ({ status }: Instance): boolean => status === "draining" && !mutant("one that drains is chosen");
  const there = instances.filter((one) => !drains(one) && !exclude.has(one.id));
  const up = there.filter((one) => one.status !== "unhealthy");
  const usable = up.length > 0 ? up : there;
  const near = zone === undefined ? [] : usable.filter((one) => one.zone === zone && one.weight > 0);
  return near.length > 0 ? near : usable;
}

/** undefined: not written by `register`. */
function toInstance({ path, stat, text }: CachedNode): Instance | undefined {
  try {
    const { payload, weight, zone, status } = JSON.parse(text) as Partial<InstanceRecord>;
    if (typeof weight !== "number" || (status !== "up" && status !== "unhealthy" && status !== "draining")) return undefined;
    return { id: nameOf(path), payload, weight, zone, status, path, czxid: stat.czxid };
  } catch {
    return undefined;
  }
}
