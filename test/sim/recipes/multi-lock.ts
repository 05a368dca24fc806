/** The multi-lock: each of its locks is held by one at any true time, a grant is whole when it is handed out, and nobody waits in a circle. */
import type { Client } from "../../../client/index.ts";
import { type MultiGrant, MultiLock } from "../../../client/recipes/index.ts";
import { type Holder, Holders } from "../recipe-harness/holders.ts";
import { type RecipeStage, type RecipeWorkload, runInvariants } from "../recipe-harness/stage.ts";

const paths = ["/locks/a", "/locks/b", "/locks/c"] as const;
const plan = "/plan";

class MultiLockWork {
  readonly #stage: RecipeStage;
  readonly #holders = new Map<string, Holders>();

  constructor(stage: RecipeStage) {
    this.#stage = stage;
    for (const path of paths) this.#holders.set(path, new Holders(stage, { name: "multi-lock", max: 1 }));
  }

  async play(): Promise<void> {
    const stage = this.#stage;
    await stage.witness.create(plan);
    await stage.during(
      stage.repeat((client) => this.#round(client)),
      () => this.#look(),
    );
    if ([...this.#holders.values()].every(({ grants }) => grants > 0)) stage.mark("taken");
    // Nothing that anybody took is left behind.
    await using _all = await new MultiLock(stage.witness, paths).acquire();
  }

  async #round(client: Client): Promise<void> {
    const { random } = this.#stage;
    const some = random.shuffle(paths).slice(0, 1 + random.below(paths.length));
    const lock = new MultiLock(client, some);
    if (random.chance(0.2)) {
      const held = await lock.withLock((_signal, grant) => this.#hold(client, some, grant).then(() => grant.held));
      return this.#stage.check("multi-lock: work under a lost lock does not end well", held);
    }
    // Without a deadline most of the time: one would end a circle.
    const limit = random.chance(0.2) ? { timeoutMs: random.between(200, 3_000) } : {};
    const grant = random.chance(0.1) ? await lock.tryAcquire(limit) : await lock.acquire(limit);
    if (grant === undefined) return;
    try {
      await this.#hold(client, some, grant);
    } finally {
      if (!grant.released) await grant.release();
    }
  }

  async #hold(client: Client, some: readonly string[], grant: MultiGrant): Promise<void> {
    const { random } = this.#stage;
    this.#stage.check("multi-lock: whole when handed out", grant.held && grant.grants.size === some.length);
    const holders = [...grant.grants].map(([path, one]) => [path, this.#holders.get(path)?.add(client, one)] as const);
    try {
      await client.sleep(random.chance(0.1) ? random.between(200, 800) : random.between(0, 40));
      // What says that it holds, by any of its ways, holds by all.
      const tokens = some.map((path) => grant.token(path));
      if (random.chance(0.3)) await client.set(plan, String(tokens), { guard: grant.guard });
      if (client.nowMs() < grant.validUntilMs) grant.check();
    } finally {
      for (const [path, holder] of holders) this.#remove(path, holder);
    }
  }

  #remove(path: string, holder: Holder | undefined): void {
    if (holder !== undefined) this.#holders.get(path)?.remove(holder);
  }

  #look(): void {
    for (const holders of this.#holders.values()) holders.look();
  }
}

export const recipe: RecipeWorkload = {
  name: "multi-lock",
  plays: ["MultiLock", "MultiGrant"],
  marks: ["taken"],
  bugs: [
    { name: "locks in the caller's order", breaks: runInvariants.ends, seed: 8 },
    { name: "what was taken stays taken", breaks: runInvariants.ends, seed: 8 },
    { name: "a part is handed out as the whole", breaks: "multi-lock: whole when handed out", seed: 1 },
    { name: "a grant outlives its deadline", breaks: "multi-lock: at most 1 hold", seed: 1 },
    { name: "a token forgets the epoch", breaks: "multi-lock: tokens rise", seed: 2 },
    { name: "a loss is not told", breaks: "multi-lock: work under a lost lock does not end well", seed: 17 },
    { name: "who gives up stays in the queue", breaks: runInvariants.ends, seed: 1 },
  ],
  play: (stage) => new MultiLockWork(stage).play(),
};
