/** The leader lease: never two leaders at one true time, tokens rise, it outlives a lost session, and a former leader's guarded write is refused. */
import type { Client } from "../../../client/index.ts";
import { LeaderLease, type LeaseTerm } from "../../../client/recipes/index.ts";
import { Holders } from "../recipe-harness/holders.ts";
import type { RecipeStage, RecipeWorkload } from "../recipe-harness/stage.ts";

const path = "/lease/l";
const durationMs = 700;

class LeaseWork {
  readonly #stage: RecipeStage;
  readonly #holders: Holders;

  constructor(stage: RecipeStage) {
    this.#stage = stage;
    this.#holders = new Holders(stage, { name: "leader lease", max: 1 });
  }

  async play(): Promise<void> {
    const stage = this.#stage;
    await stage.witness.create("/plan", "0");
    await stage.during(
      stage.repeat((client) => this.#round(client)),
      () => this.#holders.look(),
    );
    stage.check("leader lease: it was taken", this.#holders.grants > 0, "never");
    await using term = await new LeaderLease(stage.witness, path, durationMs).campaign({ timeoutMs: 8_000 });
    stage.check("leader lease: when all is quiet it can be had", term.held);
  }

  async #round(client: Client): Promise<void> {
    const { random } = this.#stage;
    const lease = new LeaderLease(client, path, durationMs, { data: this.#stage.nameOf(client) });
    const term = random.chance(0.2) ? await lease.tryCampaign() : await lease.campaign({ timeoutMs: random.between(300, 5_000) });
    if (term === undefined) return;
    const holder = this.#holders.add(client, term);
    try {
      await this.#lead(client, term);
    } finally {
      this.#holders.remove(holder);
      await term.resign();
    }
  }

  async #lead(client: Client, term: LeaseTerm): Promise<void> {
    const { random } = this.#stage;
    const session = client.session?.id;
    await client.sleep(random.chance(0.3) ? random.between(500, 1_500) : random.between(0, 50));
    if (term.held && client.session?.id !== session) this.#stage.mark("outlived a session");
    await client.set("/plan", String(term.token), { guard: term.guard });
    const { text } = await client.get("/plan");
    if (term.held)
      this.#stage.check("leader lease: a leader reads its own plan", text === String(term.token), `${text}, not ${term.token}`);
  }
}

export const recipe: RecipeWorkload = {
  name: "leader-lease",
  plays: ["LeaderLease", "LeaseTerm"],
  marks: ["outlived a session"],
  bugs: [{ name: "a lease outlives its deadline", seed: 1 }],
  play: (stage) => new LeaseWork(stage).play(),
};
