/** The semaphore: never more hold than there are permits, at any true time; leases that are lost come back; when all is quiet none is left. */
import { type Client, unless } from "../../../client/index.ts";
import { Semaphore, type SharedGrant } from "../../../client/recipes/index.ts";
import { Holders } from "../recipe-harness/holders.ts";
import type { RecipeStage, RecipeWorkload } from "../recipe-harness/stage.ts";

const path = "/semaphores/s";
const permits = 2;

class SemaphoreWork {
  readonly #stage: RecipeStage;
  readonly #holders: Holders;

  constructor(stage: RecipeStage) {
    this.#stage = stage;
    this.#holders = new Holders(stage, { name: "semaphore", max: permits });
  }

  async play(): Promise<void> {
    const stage = this.#stage;
    await stage.during(
      stage.repeat((client) => this.#round(client)),
      () => this.#holders.look(),
    );
    if (this.#holders.grants > 0) stage.mark("taken");
    const semaphore = new Semaphore(stage.witness, path, permits);
    const isFree = async (): Promise<boolean> =>
      (await semaphore.holders()).length === 0 && (await semaphore.waiters()).length === 0;
    await stage.eventually("semaphore: after quiet nobody holds or waits", 5_000, isFree);
    const all = Array.from({ length: permits }, () => semaphore.acquire({ timeoutMs: 1_000 }));
    const taken = await unless("TIMEOUT", Promise.all(all));
    const full = (await semaphore.tryAcquire()) === undefined;
    stage.check("semaphore: all permits can be had, and no more", taken?.length === permits && full);
  }

  async #round(client: Client): Promise<void> {
    const { random } = this.#stage;
    const semaphore = new Semaphore(client, path, permits);
    if (random.chance(0.2)) {
      const held = await semaphore.withLease((_signal, grant) => this.#hold(client, grant), { timeoutMs: 4_000 });
      return this.#stage.check("semaphore: work under a lost lease does not end well", held);
    }
    const grant = random.chance(0.1)
      ? await semaphore.tryAcquire()
      : await semaphore.acquire({ timeoutMs: random.between(300, 4_000) });
    if (grant === undefined) return;
    try {
      await this.#hold(client, grant);
    } finally {
      if (!grant.released) await grant.release();
    }
  }

  /** Resolves to whether it was held to the end. */
  async #hold(client: Client, grant: SharedGrant): Promise<boolean> {
    const { random } = this.#stage;
    const holder = this.#holders.add(client, grant);
    try {
      await client.sleep(random.chance(0.1) ? random.between(200, 800) : random.between(0, 50));
      // What says that it holds, by any of its ways, holds by all.
      if (client.nowMs() < grant.validUntilMs) grant.check();
      return grant.held;
    } finally {
      this.#holders.remove(holder);
    }
  }
}

export const recipe: RecipeWorkload = {
  name: "semaphore",
  plays: ["Semaphore", "SharedGrant"],
  clients: 5,
  marks: ["taken"],
  bugs: [
    { name: "a semaphore counts one too few", breaks: "semaphore: at most 2 hold", seed: 2 },
    { name: "a semaphore counts one too many", breaks: "semaphore: all permits can be had, and no more", seed: 1 },
    { name: "a grant outlives its deadline", breaks: "semaphore: at most 2 hold", seed: 6 },
    { name: "a loss is not told", breaks: "semaphore: work under a lost lease does not end well", seed: 6 },
    { name: "who gives up stays in the queue", breaks: "semaphore: after quiet nobody holds or waits", seed: 1 },
  ],
  play: (stage) => new SemaphoreWork(stage).play(),
};
