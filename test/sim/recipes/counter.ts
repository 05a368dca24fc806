/**
 * The counter: its value is the number of acknowledged additions, give or take those of unknown outcome, and whoever looks never sees it fall. The
 * atomic value: who replaces it replaces the very value that was read, also where it was deleted and made anew meanwhile.
 */
import { type Client, toText, unless, ZabraError } from "../../../client/index.ts";
import { AtomicValue, Counter } from "../../../client/recipes/index.ts";
import type { RecipeStage, RecipeWorkload } from "../recipe-harness/stage.ts";

const path = "/counters/deep/c";
const chain = "/chain";

class CounterWork {
  readonly #stage: RecipeStage;
  #acknowledged = 0;
  #unknown = 0;
  /** What each replacement that was told to have been made replaced. */
  readonly #replaced = new Map<string, string>();
  #links = 0;

  constructor(stage: RecipeStage) {
    this.#stage = stage;
  }

  async play(): Promise<void> {
    const stage = this.#stage;
    const following = this.#followChain();
    const work = stage.repeat((client, worker) => (worker % 2 === 0 ? this.#add(client) : this.#replace(client)), 2);
    await Promise.all([work, this.#lookOn()]);
    const value = await new Counter(stage.witness, path).get({ timeoutMs: 10_000 });
    const story = `${value}, of ${this.#acknowledged} acknowledged and ${this.#unknown} unknown`;
    const fits = value >= this.#acknowledged && value <= this.#acknowledged + this.#unknown;
    stage.check("counter: acknowledged additions count once", fits, story);
    if (this.#acknowledged > 0) stage.mark("counted");
    await new AtomicValue(stage.witness, chain).update(() => "end");
    this.#judgeChain(await following);
  }

  async #add(client: Client): Promise<void> {
    try {
      await new Counter(client, path).add(1, { timeoutMs: this.#stage.random.between(100, 3_000) });
      this.#acknowledged += 1;
    } catch (error) {
      if (error instanceof ZabraError && error.outcome === "unknown") this.#unknown += 1;
      throw error;
    }
  }

  async #lookOn(): Promise<void> {
    const { witness, ensemble } = this.#stage;
    let highest = 0;
    while (this.#stage.going) {
      const count = await new Counter(witness, path).get({ timeoutMs: 10_000 });
      this.#stage.check("counter: it never falls", count >= highest, `${count} after ${highest}`);
      highest = count;
      await ensemble.sleep(20);
    }
  }

  /** Each value names itself, and the one that it replaces. Now and then it is deleted between the two. */
  async #replace(client: Client): Promise<void> {
    const { random } = this.#stage;
    const value = new AtomicValue(client, chain);
    const before = await value.get();
    if (random.chance(0.2)) await unless("NO_NODE", client.delete(chain));
    await client.sleep(random.between(0, 20));
    this.#links += 1;
    const [own, replaced] = [`link ${this.#links}`, before?.text ?? ""];
    if (await value.replace(before, own, { timeoutMs: 3_000 })) this.#replaced.set(own, replaced);
  }

  /** Resolves to every value that there was, up to `end`, "" for none; undefined: the history has a gap. */
  async #followChain(): Promise<readonly string[] | undefined> {
    const values: string[] = [];
    for await (const batch of this.#stage.witness.subscribe(chain)) {
      if (batch.type === "snapshot") {
        if (values.length > 0) return undefined;
        values.push(toText(batch.entries[0]?.data));
        continue;
      }
      for (const { data } of batch.changes) values.push(toText(data));
      if (values.at(-1) === "end") return values;
    }
    return undefined;
  }

  #judgeChain(values: readonly string[] | undefined): void {
    const stage = this.#stage;
    if (values === undefined) return stage.mark("the history has a gap");
    for (const [own, replaced] of this.#replaced) {
      const before = values[values.indexOf(own) - 1];
      stage.check(
        "atomic value: who replaces it replaces what was read",
        before === replaced,
        `${own}: ${before}, not ${replaced}`,
      );
    }
    stage.mark("a whole history");
  }
}

export const recipe: RecipeWorkload = {
  name: "counter",
  plays: ["Counter", "AtomicValue"],
  marks: ["counted", "a whole history"],
  bugs: [
    { name: "an atomic write without its condition", breaks: "counter: it never falls", seed: 15 },
    { name: "a write of unknown outcome is tried again", breaks: "counter: acknowledged additions count once", seed: 2 },
    { name: "a value is known by its version", breaks: "atomic value: who replaces it replaces what was read", seed: 5 },
  ],
  play: (stage) => new CounterWork(stage).play(),
};
