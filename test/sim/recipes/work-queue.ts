/**
 * The work queue: every item that was put is done at least once, one at a time has a claim on it by the clock, tokens rise, no item comes back
 * after its ack, and when all is quiet the queue is empty.
 */
import type { Client } from "../../../client/index.ts";
import { type Claim, WorkQueue } from "../../../client/recipes/index.ts";
import { Holders } from "../recipe-harness/holders.ts";
import { type RecipeStage, type RecipeWorkload, runInvariants } from "../recipe-harness/stage.ts";

const path = "/queues/q";
const options = { attemptsMax: 1_000 } as const;

class QueueWork {
  readonly #stage: RecipeStage;
  readonly #queues = new Map<Client, WorkQueue>();
  readonly #holders = new Map<string, Holders>();
  readonly #put = new Set<string>();
  readonly #acked = new Set<string>();
  /** Worked on to the end, be the ack refused. */
  readonly #done = new Set<string>();
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
    const lost = [...this.#put].filter((item) => !this.#done.has(item));
    stage.check("queue: every item that was put is done", lost.length === 0, () => lost.join(", "));
    if (this.#acked.size > 0) stage.mark("items done");
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

  /** By hand, or for a while by `consume`. */
  async #takeOne(client: Client): Promise<void> {
    const { random } = this.#stage;
    const queue = this.#queue(client);
    if (random.chance(0.2)) {
      const stop = new AbortController();
      const cancel = client.after(random.between(50, 500), () => stop.abort());
      await queue.consume((claim) => this.#work(client, claim), { signal: stop.signal });
      return cancel();
    }
    const claim = await queue.take({ timeoutMs: random.between(50, 2_000) });
    try {
      await this.#work(client, claim);
      if (random.chance(0.1)) return;
      await claim.ack();
      this.#acked.add(claim.text);
    } finally {
      await claim[Symbol.asyncDispose]();
    }
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
      this.#done.add(claim.text);
    } finally {
      holders.remove(holder);
    }
  }

  async #drain(): Promise<void> {
    const stage = this.#stage;
    const { witness } = stage;
    const queue = this.#queue(witness);
    const stop = new AbortController();
    const consuming = queue.consume((claim) => this.#work(witness, claim), { signal: stop.signal, parallel: 2 });
    const isEmpty = async (): Promise<boolean> => (await queue.counts()).items === 0;
    await stage.eventually("queue: empty after quiet", 15_000, isEmpty);
    stop.abort();
    await consuming;
  }
}

export const recipe: RecipeWorkload = {
  name: "work-queue",
  plays: ["WorkQueue", "Claim"],
  clients: 4,
  marks: ["items done"],
  bugs: [
    { name: "an ack without its guard", breaks: runInvariants.explained, seed: 2 },
    { name: "a claim outlives its session", breaks: "queue: empty after quiet", seed: 1 },
    { name: "a grant outlives its deadline", breaks: "queue: at most 1 hold", seed: 2 },
    { name: "a token forgets the epoch", breaks: "queue: tokens rise", seed: 1 },
    { name: "an item is tried once", breaks: "queue: every item that was put is done", seed: 5 },
    { name: "an ack leaves its item", breaks: "queue: no item comes back after its ack", seed: 1 },
  ],
  play: (stage) => new QueueWork(stage).play(),
};
