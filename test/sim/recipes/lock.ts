/**
 * The lock: two never hold at one true time, tokens rise, a counter kept by read and guarded write under it loses nothing, a paused
 * holder's late work is refused, and when all is quiet nobody is left in the queue.
 */
import { type Client, ZabraError } from "../../../client/index.ts";
import { type Grant, Lock, type WaitOptions, withLock } from "../../../client/recipes/index.ts";
import { mutant } from "../../../src/model/mutant.ts";
import { FencedRegister, Holders } from "../recipe-harness/holders.ts";
import type { RecipeStage, RecipeWorkload } from "../recipe-harness/stage.ts";

const path = "/locks/l";
const counter = "/counter";

class LockWork {
  readonly #stage: RecipeStage;
  readonly #holders: Holders;
  readonly #register: FencedRegister;
  #acknowledged = 0;
  #unknown = 0;

  constructor(stage: RecipeStage) {
    this.#stage = stage;
    this.#holders = new Holders(stage, { name: "lock", max: 1 });
    this.#register = new FencedRegister(stage, !mutant("a resource takes any token"));
  }

  async play(): Promise<void> {
    const stage = this.#stage;
    await stage.witness.create(counter, "0");
    await stage.during(
      stage.repeat((client) => this.#round(client)),
      () => this.#holders.look(),
    );
    await this.#checkEnd();
  }

  async #round(client: Client): Promise<void> {
    const { random } = this.#stage;
    const lock = new Lock(client, path);
    const limit = { timeoutMs: random.between(200, 4_000) };
    if (random.chance(0.3)) return this.#withLock(client, limit);
    if (random.chance(0.2)) return this.#reenter(client, limit);
    const grant = random.chance(0.2) ? await lock.tryAcquire() : await lock.acquire(limit);
    if (grant === undefined) return;
    const holder = this.#holders.add(client, grant);
    try {
      await this.#work(client, grant);
    } finally {
      this.#holders.remove(holder);
      await grant.release();
    }
  }

  async #withLock(client: Client, limit: WaitOptions): Promise<void> {
    const { random } = this.#stage;
    const held = await withLock(
      client,
      path,
      async (_signal, grant) => {
        const holder = this.#holders.add(client, grant);
        try {
          // What follows asks nothing of the servers, so that nothing but the lock's own look tells of a loss.
          if (random.chance(0.5)) await this.#work(client, grant);
          else await client.sleep(random.between(0, 300));
          return grant.held;
        } finally {
          this.#holders.remove(holder);
        }
      },
      limit,
    );
    this.#stage.check("lock: work under a lost lock does not end well", held);
  }

  /** Held until the last of the grants of one object is released. */
  async #reenter(client: Client, limit: WaitOptions): Promise<void> {
    const lock = new Lock(client, path, { reentrant: true });
    const grant = await lock.acquire(limit);
    const holder = this.#holders.add(client, grant);
    try {
      const again = await lock.tryAcquire(limit);
      if (again === undefined) return this.#stage.mark("lost before it was entered again");
      if (again.token !== grant.token) return await again.release();
      await again.release();
      this.#stage.mark("entered again");
      await this.#work(client, grant);
    } finally {
      this.#holders.remove(holder);
      await grant.release();
    }
  }

  /** Now and then it works on for long, without a look at the signal, as users' code does. */
  async #work(client: Client, grant: Grant): Promise<void> {
    const { random } = this.#stage;
    const value = Number((await client.get(counter)).text);
    await client.sleep(random.chance(0.15) ? random.between(200, 900) : random.between(0, 30));
    if (random.chance(0.5)) await this.#increment(client, grant, value);
    else this.#register.write(this.#stage.nameOf(client), grant.token);
  }

  async #increment(client: Client, grant: Grant, value: number): Promise<void> {
    const options = mutant("an unguarded write") ? {} : { guard: grant.guard };
    try {
      await client.set(counter, `${value + 1}`, options);
      this.#acknowledged += 1;
    } catch (error) {
      if (error instanceof ZabraError && error.outcome === "unknown") this.#unknown += 1;
      throw error;
    }
  }

  async #checkEnd(): Promise<void> {
    const { witness } = this.#stage;
    const value = Number((await witness.get(counter)).text);
    const fits = value >= this.#acknowledged && value <= this.#acknowledged + this.#unknown;
    this.#stage.check(
      "lock: no increment under it is lost or doubled",
      fits,
      `${value}, of ${this.#acknowledged} and ${this.#unknown} unknown`,
    );
    if (this.#holders.grants > 0) this.#stage.mark("taken");
    const lock = new Lock(witness, path);
    const isEmpty = async (): Promise<boolean> => (await lock.contenders()).length === 0;
    await this.#stage.eventually(`lock: after quiet nobody is left in the queue`, 5_000, isEmpty, lock.path);
  }
}

export const recipe: RecipeWorkload = {
  name: "lock",
  plays: ["Lock", "Grant", "withLock"],
  clients: 4,
  marks: ["taken", "entered again"],
  bugs: [
    { name: "a resource takes any token", breaks: "the register never goes back", seed: 20 },
    { name: "an unguarded write", breaks: "lock: no increment under it is lost or doubled", seed: 11 },
    { name: "the predecessor's end is a turn", breaks: "lock: at most 1 hold", seed: 12 },
    { name: "a grant outlives its deadline", breaks: "lock: at most 1 hold", seed: 2 },
    { name: "a token forgets the epoch", breaks: "lock: tokens rise", seed: 1 },
    { name: "a loss is not told", breaks: "lock: work under a lost lock does not end well", seed: 4 },
    { name: "who gives up stays in the queue", breaks: "lock: after quiet nobody is left in the queue", seed: 1 },
  ],
  play: (stage) => new LockWork(stage).play(),
};
