/**
 * The work queue: every item that was put is done at least once, one at a time has a claim on it by the clock, tokens rise, no item comes back
 * after its ack, and when all is quiet the queue is empty.
 */
import { type Client, ZabraError } from "../../../client/index.ts";
import { type Claim, WorkQueue } from "../../../client/recipes/index.ts";
import { Holders } from "../recipe-harness/holders.ts";
import type { RecipeStage, RecipeWorkload } from "../recipe-harness/stage.ts";

const path = "/queues/q";
const options = { attemptsMax: 1_000 } as const;

class QueueWork {
  readonly #stage: RecipeStage;
  readonly #queues = new Map<Client, WorkQueue>();
  readonly #holders = new Map<string, Holders>();
  readonly #put = new Set<string>();
  readonly #acked = new Set<string>();
  /** Acks of unknown outcome. */
  readonly #perhaps = new Set<string>();
  #items = 0;

  constructor(stage: RecipeStage) {
    this.#stage = stage;
  }

  async play(): Promise<void> {
    const stage = this.#stage;
    const rounds = stage.repeat((client, worker) => (worker % 2 === 0 ? this.#putOne(client) : this.#takeOne(client)), 2);
    await stage.during(rounds, () => {
      for (const holders of this.#holders.values()) holders.look();
    });
    await this.#drain();
    for (const queue of this.#queues.values()) queue.close();
    const lost = [...this.#put].filter((item) => !this.#acked.has(item) && !this.#perhaps.has(item));
    stage.check("queue: every item that was put is done", lost.length === 0, () => lost.join(", "));
    stage.check("queue: items were done", this.#acked.size > 0);
  }

  #queue(client: Client): WorkQueue {
    let queue = this.#queues.get(client);
    if (queue === undefined) this.#queues.set(client, (queue = new WorkQueue(client, path, options)));
    return queue;
  }

  async #putOne(client: Client): Promise<void> {
    const { random } = this.#stage;
    await client.sleep(random.between(20, 150));
    this.#items += 1;
    const item = `item ${this.#items}`;
    const delayMs = random.chance(0.2) ? 1 + random.below(300) : undefined;
    await this.#queue(client).put(item, { priority: random.below(3), delayMs, timeoutMs: 4_000 });
    this.#put.add(item);
  }

  async #takeOne(client: Client): Promise<void> {
    await this.#work(client, await this.#queue(client).take({ timeoutMs: this.#stage.random.between(50, 2_000) }));
  }

  async #work(client: Client, claim: Claim): Promise<void> {
    const { random } = this.#stage;
    const stage = this.#stage;
    stage.check("queue: no item comes back after its ack", !this.#acked.has(claim.text), claim.text);
    let holders = this.#holders.get(claim.text);
    if (holders === undefined) this.#holders.set(claim.text, (holders = new Holders(stage, { name: `queue`, max: 1 })));
    const holder = holders.add(client, claim);
    try {
      await client.sleep(stage.going && random.chance(0.2) ? random.between(200, 900) : random.between(0, 20));
      holders.remove(holder);
      if (random.chance(0.1)) return;
      await claim.ack();
      this.#acked.add(claim.text);
    } catch (error) {
      if (error instanceof ZabraError && error.outcome === "unknown") this.#perhaps.add(claim.text);
      throw error;
    } finally {
      holders.remove(holder);
      await claim[Symbol.asyncDispose]();
    }
  }

  async #drain(): Promise<void> {
    const { witness, ensemble } = this.#stage;
    const queue = this.#queue(witness);
    await ensemble.until(async () => {
      while ((await queue.counts()).items > 0) {
        const claim = await queue.take({ timeoutMs: 500 }).catch(() => undefined);
        if (claim === undefined) return false;
        await this.#work(witness, claim);
      }
      return true;
    }, 15_000);
  }
}

export const recipe: RecipeWorkload = {
  name: "work-queue",
  plays: ["WorkQueue", "Claim"],
  clients: 4,
  bugs: [
    { name: "an ack without its guard", seed: 2 },
    { name: "a claim outlives its session", seed: 1 },
    { name: "a grant outlives its deadline", seed: 2 },
    { name: "an item is tried once", seed: 1 },
    { name: "an ack leaves its item", seed: 1 },
  ],
  play: (stage) => new QueueWork(stage).play(),
};
