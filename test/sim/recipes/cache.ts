/** The cache: it equals the tree after quiet, what its listeners were told adds up to what it holds at every moment, and its zxid never falls. */
import { type Client, type ListEntry, toText, unless } from "../../../client/index.ts";
import {
  type Cache,
  type CacheChange,
  type CachedNode,
  cacheChildren,
  cacheNode,
  cacheTree,
} from "../../../client/recipes/index.ts";
import type { RecipeStage, RecipeWorkload } from "../recipe-harness/stage.ts";

const path = "/cached";
const names = ["a", "b", "c"];
/** Comes and goes. */
const node = `${path}/a`;

/** What the listeners were told, added up. */
class Told {
  readonly #stage: RecipeStage;
  readonly #nodes = new Map<string, number>();
  #zxid = 0;

  constructor(stage: RecipeStage, cache: Cache) {
    this.#stage = stage;
    for (const { path: at, stat } of cache.nodes()) this.#nodes.set(at, stat.mzxid);
    cache.onChange((changes, zxid) => stage.quietly(() => this.#judge(cache, changes, zxid)));
  }

  #judge(cache: Cache, changes: readonly CacheChange[], zxid: number): void {
    const fits = zxid >= this.#zxid && cache.zxid === zxid;
    this.#stage.check("cache: its zxid never falls", fits, `${cache.zxid}, told ${zxid} after ${this.#zxid}`);
    this.#zxid = zxid;
    for (const { type, path: at, node } of changes) {
      this.#stage.check(
        "cache: told what fits what was told before",
        (type === "created") !== this.#nodes.has(at),
        `${type} ${at}`,
      );
      if (node === undefined) this.#nodes.delete(at);
      else this.#nodes.set(at, node.stat.mzxid);
    }
    this.#compare(cache);
  }

  #compare(cache: Cache): void {
    const held = [...cache.nodes()].every((node) => this.#nodes.get(node.path) === node.stat.mzxid);
    const below = [...cache.descendants()].length + (cache.node === undefined ? 0 : 1);
    this.#stage.check("cache: it holds what was told", held && cache.size === this.#nodes.size && cache.size === below);
  }
}

async function change(stage: RecipeStage, client: Client): Promise<void> {
  const { random } = stage;
  const parent = random.chance(0.5) ? path : `${path}/${random.pick(names)}`;
  const at = `${parent}/${random.pick(names)}`;
  const call = { timeoutMs: 2_000 };
  if (random.chance(0.4)) await unless("NODE_EXISTS", unless("NO_NODE", client.create(at, undefined, call)));
  else if (random.chance(0.5)) await unless("NO_NODE", client.set(at, `${random.below(100)}`, call));
  else await unless("NOT_EMPTY", unless("NO_NODE", client.delete(at, call)));
}

function isAlike({ stat, data }: ListEntry, cached: CachedNode | undefined): boolean {
  return cached !== undefined && cached.stat.mzxid === stat.mzxid && cached.text === toText(data);
}

async function play(stage: RecipeStage): Promise<void> {
  const { witness } = stage;
  await witness.create(path);
  const trees = await Promise.all(stage.clients.map((client) => cacheTree(client, path)));
  const children = await Promise.all(stage.clients.slice(0, 1).map((client) => cacheChildren(client, path)));
  const nodes = await Promise.all(stage.clients.slice(1, 2).map((client) => cacheNode(client, node)));
  const caches = [...trees, ...children, ...nodes];
  for (const cache of caches) new Told(stage, cache);
  await stage.repeat((client) => change(stage, client), 2);
  const expected: ListEntry[] = [];
  for await (const entry of witness.list(path, { recursive: true, withData: true })) expected.push(entry);
  const { stat, data } = await witness.get(path);
  expected.push({ path, stat, data });
  const within = (covers: (at: string) => boolean) => {
    const part = expected.filter((entry) => covers(entry.path));
    return (cache: Cache): boolean =>
      !cache.stale && cache.size === part.length && part.every((entry) => isAlike(entry, cache.get(entry.path)));
  };
  const equal = (): boolean =>
    trees.every(within(() => true)) &&
    children.every(within((at) => at.split("/").length <= 3)) &&
    nodes.every(within((at) => at === node));
  await stage.eventually("cache: it equals the tree after quiet", 10_000, equal);
  for (const cache of caches) cache.close();
}

export const recipe: RecipeWorkload = {
  name: "cache",
  plays: ["Cache", "cacheNode", "cacheChildren", "cacheTree"],
  bugs: [
    { name: "a cache misses a deletion", breaks: "cache: told what fits what was told before", seed: 2 },
    { name: "a cache keeps what a snapshot lacks", breaks: "cache: it holds what was told", seed: 2 },
    { name: "a snapshot has no zxid", breaks: "cache: its zxid never falls", seed: 2 },
    { name: "a cache misses a change of data", breaks: "cache: it equals the tree after quiet", seed: 2 },
  ],
  play,
};
