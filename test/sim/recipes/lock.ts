/**
 * The lock: two never hold at one true time, tokens rise, a counter kept by read and guarded write under it loses nothing, a paused
 * holder's late work is refused, and when all is quiet nobody is left in the queue.
 */
import { type Client, unless, ZabraError } from "../../../client/index.ts";
import { type Grant, Lock } from "../../../client/recipes/index.ts";
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
    const grant = random.chance(0.15) ? await lock.tryAcquire() : await lock.acquire({ timeoutMs: random.between(200, 4_000) });
    if (grant === undefined) return;
    const holder = this.#holders.add(client, grant);
    try {
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
    await this.#stage.ensemble.until(
      async () => ((await unless("NO_NODE", witness.children(path)))?.names ?? []).length === 0,
      5_000,
    );
    this.#stage.check("lock: it was taken", this.#holders.grants > 0, `${this.#holders.grants} grants`);
  }
}

export const recipe: RecipeWorkload = {
  name: "lock",
  plays: ["Lock", "Grant", "withLock"],
  clients: 4,
  bugs: [
    { name: "a resource takes any token", seed: 2 },
    { name: "an unguarded write", seed: 20 },
    { name: "the predecessor's end is a turn", seed: 4 },
    { name: "who gives up stays in the queue", seed: 1 },
    { name: "a grant outlives its deadline", seed: 2 },
  ],
  play: (stage) => new LockWork(stage).play(),
};
