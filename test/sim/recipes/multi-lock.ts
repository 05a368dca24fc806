/** The multi-lock: each of its locks is held by one at any true time, a grant is whole when it is handed out, and nobody waits in a circle. */
import type { Client } from "../../../client/index.ts";
import { MultiLock } from "../../../client/recipes/index.ts";
import { type Holder, Holders } from "../recipe-harness/holders.ts";
import type { RecipeStage, RecipeWorkload } from "../recipe-harness/stage.ts";

const paths = ["/locks/a", "/locks/b", "/locks/c"] as const;

class MultiLockWork {
  readonly #stage: RecipeStage;
  readonly #holders = new Map<string, Holders>();

  constructor(stage: RecipeStage) {
    this.#stage = stage;
    for (const path of paths) this.#holders.set(path, new Holders(stage, { name: "multi-lock", max: 1 }));
  }

  async play(): Promise<void> {
    const stage = this.#stage;
    await stage.during(
      stage.repeat((client) => this.#round(client)),
      () => this.#look(),
    );
    stage.check(
      "multi-lock: it was taken",
      [...this.#holders.values()].some(({ grants }) => grants > 0),
      "never",
    );
    await using all = await new MultiLock(stage.witness, paths).acquire({ timeoutMs: 5_000 });
    stage.check("multi-lock: when all is quiet it can be had", all.held);
  }

  async #round(client: Client): Promise<void> {
    const { random } = this.#stage;
    const some = random.shuffle(paths).slice(0, 1 + random.below(paths.length));
    const lock = new MultiLock(client, some);
    // Without a deadline most of the time: one would end a circle.
    const grant = random.chance(0.2) ? await lock.acquire({ timeoutMs: random.between(200, 3_000) }) : await lock.acquire();
    this.#stage.check("multi-lock: whole when handed out", grant.held && grant.grants.size === some.length);
    const holders = [...grant.grants].map(([path, one]) => [path, this.#holders.get(path)?.add(client, one)] as const);
    try {
      await client.sleep(random.chance(0.1) ? random.between(200, 800) : random.between(0, 40));
    } finally {
      for (const [path, holder] of holders) this.#remove(path, holder);
      await grant.release();
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
  bugs: [
    { name: "locks in the caller's order", seed: 4 },
    { name: "what was taken stays taken", seed: 78 },
    { name: "a part is handed out as the whole", seed: 1 },
    { name: "a grant outlives its deadline", seed: 1 },
    { name: "who gives up stays in the queue", seed: 1 },
  ],
  play: (stage) => new MultiLockWork(stage).play(),
};
