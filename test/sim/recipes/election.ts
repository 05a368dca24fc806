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
    await stage.ensemble.until(async () => (await new Election(stage.witness, path).leader()) === undefined, 5_000);
    const last = Math.max(...this.#led);
    await stage.ensemble.until(() => this.#observed.every(({ tokens, gaps }) => gaps > 0 || (tokens.at(-1) ?? 0) >= last), 5_000);
    for (const observed of this.#observed) this.#judge(observed);
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
      const { text } = await client.get(plan);
      if (term.held)
        this.#stage.check("election: a leader reads its own plan", text === String(term.token), `${text}, not ${term.token}`);
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
        this.#stage.check("election: observers see leaders in order", rises, `${who}: ${leader.token} after ${before}`);
        observed.tokens.push(leader.token);
      }
    });
  }

  #judge({ who, tokens, gaps }: Observed): void {
    if (gaps > 0) return this.#stage.mark("an observer was told of a gap");
    const missed = this.#led.filter((token) => !tokens.includes(token));
    this.#stage.check("election: observers miss nobody", missed.length === 0, `${who} missed ${missed.join(", ")}`);
  }
}

export const recipe: RecipeWorkload = {
  name: "election",
  plays: ["Election", "Term"],
  clients: 4,
  bugs: [
    { name: "an unguarded write", seed: 12 },
    { name: "the predecessor's end is a turn", seed: 1 },
    { name: "a grant outlives its deadline", seed: 5 },
    { name: "an observer is told the last of a batch", seed: 1 },
  ],
  play: (stage) => new ElectionWork(stage).play(),
};
