/** Election: never two leaders at one true time, tokens rise, a former leader's guarded write is refused, and observers see every leader once, in order, or are told of a gap. */
import type { Client } from "../../../client/index.ts";
import { Election } from "../../../client/recipes/index.ts";
import { mutant } from "../../../src/model/mutant.ts";
import { Holders } from "../recipe-harness/holders.ts";
import type { RecipeStage, RecipeWorkload } from "../recipe-harness/stage.ts";

const path = "/election/e";
const plan = "/plan";

/** What one observer was told. */
interface Observed {
  readonly who: string;
  readonly tokens: number[];
  told: number;
  gaps: number;
}

class ElectionWork {
  readonly #stage: RecipeStage;
  readonly #holders: Holders;
  readonly #led: number[] = [];
  readonly #observed: Observed[] = [];
  readonly #stop = new AbortController();

  /** The highest token whose plan was acknowledged. */
  #planned = 0;

  constructor(stage: RecipeStage) {
    this.#stage = stage;
    this.#holders = new Holders(stage, { name: "election", max: 1 });
  }

  async play(): Promise<void> {
    const stage = this.#stage;
    await stage.witness.create(plan, "0");
    const observers = [
      this.#observe(stage.witness, "witness"),
      ...stage.clients.slice(0, 2).map((client) => this.#observe(client, stage.nameOf(client))),
    ];
    await stage.ensemble.until(() => this.#observed.every(({ told }) => told > 0), 5_000);
    await stage.during(
      stage.repeat((client) => this.#round(client)),
      () => this.#holders.look(),
    );
    const election = new Election(stage.witness, path);
    await stage.eventually("election: after quiet nobody leads", 5_000, async () => (await election.leader()) === undefined);
    await stage.eventually(
      "election: observers miss nobody",
      5_000,
      () => this.#observed.every((observed) => this.#missedBy(observed).length === 0),
      () => this.#observed.map((observed) => `${observed.who} missed ${this.#missedBy(observed)}`).join("; "),
    );
    if (this.#observed.some(({ gaps }) => gaps > 0)) stage.mark("an observer was told of a gap");
    this.#stop.abort();
    await Promise.all(observers);
  }

  async #round(client: Client): Promise<void> {
    const { random } = this.#stage;
    const election = new Election(client, path, { data: this.#stage.nameOf(client) });
    const term = await election.campaign({ timeoutMs: random.between(300, 5_000) });
    const holder = this.#holders.add(client, term);
    this.#led.push(term.token);
    try {
      await client.sleep(random.chance(0.15) ? random.between(200, 800) : random.between(0, 30));
      await client.set(plan, String(term.token), mutant("an unguarded write") ? {} : { guard: term.guard });
      this.#planned = Math.max(this.#planned, term.token);
      const planned = this.#planned;
      const { text } = await client.get(plan);
      this.#stage.check("election: a plan never goes back", Number(text) >= planned, `${text} after ${planned}`);
    } finally {
      this.#holders.remove(holder);
      await term.resign();
    }
  }

  async #observe(client: Client, who: string): Promise<void> {
    const observed: Observed = { who, tokens: [], told: 0, gaps: 0 };
    this.#observed.push(observed);
    await this.#stage.attempt(async () => {
      for await (const { leader, gap } of new Election(client, path).observe({ signal: this.#stop.signal })) {
        observed.told += 1;
        if (gap) observed.gaps += 1;
        if (leader === undefined) continue;
        const before = observed.tokens.at(-1) ?? 0;
        const rises = leader.token > before || (gap && leader.token === before);
        this.#stage.quietly(() =>
          this.#stage.check("election: observers see leaders in order", rises, `${who}: ${leader.token} after ${before}`),
        );
        observed.tokens.push(leader.token);
      }
    });
  }

  /** Who was told of a gap may have missed somebody. */
  #missedBy({ tokens, gaps }: Observed): readonly number[] {
    return gaps > 0 ? [] : this.#led.filter((token) => !tokens.includes(token));
  }
}

export const recipe: RecipeWorkload = {
  name: "election",
  plays: ["Election", "Term"],
  clients: 4,
  bugs: [
    { name: "an unguarded write", breaks: "election: a plan never goes back", seed: 12 },
    { name: "the predecessor's end is a turn", breaks: "election: at most 1 hold", seed: 8 },
    { name: "a grant outlives its deadline", breaks: "election: at most 1 hold", seed: 5 },
    { name: "a token forgets the epoch", breaks: "election: tokens rise", seed: 1 },
    { name: "an observer is told the last of a batch", breaks: "election: observers miss nobody", seed: 12 },
    { name: "an observer takes the last to come for the leader", breaks: "election: observers see leaders in order", seed: 4 },
    { name: "who gives up stays in the queue", breaks: "election: after quiet nobody leads", seed: 1 },
  ],
  play: (stage) => new ElectionWork(stage).play(),
};
