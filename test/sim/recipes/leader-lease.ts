/** The leader lease: never two leaders at one true time, tokens rise, it outlives a lost session, and a former leader's guarded write is refused. */
import { type Client, unless } from "../../../client/index.ts";
import { LeaderLease, type LeaseTerm } from "../../../client/recipes/index.ts";
import { mutant } from "../../../src/model/mutant.ts";
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
    if (this.#holders.grants > 0) stage.mark("taken");
    const lease = new LeaderLease(stage.witness, path, durationMs);
    const campaign = unless("TIMEOUT", lease.campaign({ timeoutMs: 8_000 }));
    const isHad = async (): Promise<boolean> => {
      const term = await campaign;
      return term?.held === true && (await lease.leader())?.stat.czxid === term.token;
    };
    await stage.eventually("leader lease: when all is quiet it can be had", 9_000, isHad);
    await (await campaign)?.resign();
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
      if (!term.released) await term.resign();
    }
  }

  async #lead(client: Client, term: LeaseTerm): Promise<void> {
    const { random } = this.#stage;
    const session = client.session?.id;
    await client.sleep(random.chance(0.3) ? random.between(500, 1_500) : random.between(0, 50));
    if (term.held && client.session?.id !== session) this.#stage.mark("outlived a session");
    if (random.chance(0.2)) await term.renew();
    await client.set("/plan", String(term.token), mutant("an unguarded write") ? {} : { guard: term.guard });
    await client.sleep(random.between(0, 30));
    const { text } = await client.get("/plan");
    if (term.held)
      this.#stage.check("leader lease: a leader reads its own plan", text === String(term.token), `${text}, not ${term.token}`);
  }
}

export const recipe: RecipeWorkload = {
  name: "leader-lease",
  plays: ["LeaderLease", "LeaseTerm"],
  marks: ["taken", "outlived a session"],
  bugs: [
    { name: "a lease outlives its deadline", breaks: "leader lease: at most 1 hold", seed: 2 },
    { name: "a token forgets the epoch", breaks: "leader lease: tokens rise", seed: 1 },
    { name: "an unguarded write", breaks: "leader lease: a leader reads its own plan", seed: 55 },
    { name: "a lease has no end", breaks: "leader lease: when all is quiet it can be had", seed: 9 },
  ],
  play: (stage) => new LeaseWork(stage).play(),
};
