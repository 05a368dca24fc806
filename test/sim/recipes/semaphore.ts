/** The semaphore: never more hold than there are permits, at any true time; leases that are lost come back; when all is quiet none is left. */
import type { Client } from "../../../client/index.ts";
import { Semaphore } from "../../../client/recipes/index.ts";
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
    stage.check("semaphore: it was taken", this.#holders.grants > 0, "never");
    const { witness } = stage;
    const semaphore = new Semaphore(witness, path, permits);
    await stage.ensemble.until(async () => (await semaphore.holders()).length + (await semaphore.waiters()).length === 0, 5_000);
    const all = await Promise.all(Array.from({ length: permits }, () => semaphore.acquire({ timeoutMs: 1_000 })));
    stage.check("semaphore: no lease leaks", all.length === permits && (await semaphore.tryAcquire()) === undefined);
  }

  async #round(client: Client): Promise<void> {
    const { random } = this.#stage;
    const semaphore = new Semaphore(client, path, permits);
    const grant = random.chance(0.1)
      ? await semaphore.tryAcquire()
      : await semaphore.acquire({ timeoutMs: random.between(300, 4_000) });
    if (grant === undefined) return;
    const holder = this.#holders.add(client, grant);
    try {
      await client.sleep(random.chance(0.1) ? random.between(200, 800) : random.between(0, 50));
    } finally {
      this.#holders.remove(holder);
      await grant.release();
    }
  }
}

export const recipe: RecipeWorkload = {
  name: "semaphore",
  plays: ["Semaphore", "SharedGrant"],
  clients: 5,
  bugs: [
    { name: "a semaphore counts one too few", seed: 1 },
    { name: "a grant outlives its deadline", seed: 6 },
    { name: "who gives up stays in the queue", seed: 1 },
  ],
  play: (stage) => new SemaphoreWork(stage).play(),
};
