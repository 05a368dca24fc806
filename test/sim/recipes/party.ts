/**
 * The party: no list is ever empty; who says to be here, and whose session is sure to last, is here, with what it was heard to say; after quiet everybody sees
 * the live members, each once and with what it last said, and nobody who left or whose process died.
 */
import type { Client } from "../../../client/index.ts";
import { type Member, type Membership, Party, PersistentEphemeral } from "../../../client/recipes/index.ts";
import type { RecipeStage, RecipeWorkload } from "../recipe-harness/stage.ts";

const path = "/parties/p";

/** One participant's stay; `said` names it and counts what it said. */
interface Stay {
  readonly membership: Membership;
  said: string;
  /** How much of what it said is acknowledged. */
  heard: number;
  told: readonly Member[];
}

interface Presence {
  readonly session: number | undefined;
  readonly heard: number;
}

class PartyWork {
  readonly #stage: RecipeStage;
  readonly #stays = new Map<Client, Stay>();
  #saying = 0;

  constructor(stage: RecipeStage) {
    this.#stage = stage;
  }

  async play(): Promise<void> {
    const stage = this.#stage;
    const { witness, random, ensemble } = stage;
    await this.#join(witness);
    const mortal = await ensemble.client({ name: "mortal", sessionTimeoutMs: 500 });
    const keeper = new PersistentEphemeral(mortal, `${path}/mortal`, "mortal");
    await keeper.ready();
    if (keeper.czxid !== undefined) stage.mark("the mortal was there");
    const dying = ensemble.sleep(random.between(0, 1_500)).then(() => ensemble.kill(mortal));
    const rounds = Promise.all([stage.repeat((client) => this.#round(client)), this.#lookOutside(), dying]);
    await stage.during(
      rounds.then(() => {}),
      () => this.#look(),
      20,
    );
    for (const client of stage.clients) await (random.chance(0.7) ? this.#join(client) : this.#leave(client));
    await this.#settle();
    await Promise.all([...this.#stays.keys()].map((client) => this.#leave(client)));
  }

  async #round(client: Client): Promise<void> {
    const stay = this.#stays.get(client);
    const { random } = this.#stage;
    if (random.chance(0.4)) await this.#lookFrom(client);
    else if (stay === undefined) await this.#join(client);
    else if (random.chance(0.25)) await this.#leave(client);
    else {
      const said = this.#say(client, stay);
      await stay.membership.set(said, { timeoutMs: 3_000 });
      stay.heard = Math.max(stay.heard, numberIn(said));
    }
  }

  #say(client: Client, stay?: Stay): string {
    this.#saying += 1;
    const said = `${this.#stage.nameOf(client)} says ${this.#saying}`;
    if (stay !== undefined) stay.said = said;
    return said;
  }

  /** Under a name of its own, or that of the session. */
  async #join(client: Client): Promise<void> {
    if (this.#stays.has(client)) return;
    const { random } = this.#stage;
    const said = this.#say(client);
    const name = random.chance(0.7) ? this.#stage.nameOf(client) : undefined;
    const membership = await new Party(client, path).join({ name, data: said, timeoutMs: this.#stage.going ? 3_000 : 10_000 });
    const stay: Stay = { membership, said, heard: numberIn(said), told: membership.members };
    membership.onChange((members) => {
      stay.told = members;
    });
    this.#stays.set(client, stay);
    if (client !== this.#stage.witness) this.#stage.spotlight = client;
  }

  async #leave(client: Client): Promise<void> {
    const stay = this.#stays.get(client);
    this.#stays.delete(client);
    await stay?.membership.leave();
  }

  #look(): void {
    for (const { membership } of this.#stays.values())
      this.#stage.check("party: a list is never empty", membership.members.length > 0);
  }

  async #lookOutside(): Promise<void> {
    const { witness, ensemble } = this.#stage;
    while (this.#stage.going) {
      await this.#lookFrom(witness);
      await ensemble.sleep(20);
    }
  }

  /** What it is told, against what the members say before and after. */
  async #lookFrom(client: Client): Promise<void> {
    const before = this.#present();
    const members = await new Party(client, path).members({ timeoutMs: 10_000 });
    const after = this.#present();
    for (const [stay, { session, heard }] of before) {
      if (after.get(stay)?.session !== session) continue;
      const { name } = stay.membership;
      const found = members.find((member) => member.name === name);
      this.#stage.check(
        "party: who says to be here is here, with what it said",
        found !== undefined && numberIn(found.text) >= heard,
        () => `${name}, heard to say ${heard}, is not in ${members.map((one) => `${one.name}: ${one.text}`).join(", ")}`,
      );
    }
  }

  /** Who says to be here, with a session that is sure to last, by its clock. */
  #present(): ReadonlyMap<Stay, Presence> {
    const present = new Map<Stay, Presence>();
    for (const [client, stay] of this.#stays) {
      if (this.#stage.ensemble.isSuspended(client)) continue;
      if (stay.membership.present && client.nowMs() < (client.validUntilMs ?? 0))
        present.set(stay, { session: client.session?.id, heard: stay.heard });
    }
    return present;
  }

  async #settle(): Promise<void> {
    const stage = this.#stage;
    const expected = [...this.#stays.values()].map(({ said }) => said).sort();
    const fits = (members: readonly Member[]): boolean =>
      String(members.map(({ text }) => text).sort()) === String(expected) &&
      members.every(({ czxid }, i) => czxid > (members[i - 1]?.czxid ?? 0));
    const stays = [...this.#stays.values()];
    const all = Promise.all(stays.map(({ membership }) => membership.when(fits)));
    const settled = async (): Promise<boolean> =>
      (await all).length > 0 && stays.every(({ told }) => fits(told)) && fits(await new Party(stage.witness, path).members());
    await stage.eventually("party: after quiet all see the live members, each once", 8_000, settled, () =>
      stays.map(({ told }) => told.map(({ text }) => text).join(", ")).join("; "),
    );
  }
}

function numberIn(said: string): number {
  return Number(said.slice(said.lastIndexOf(" ") + 1));
}

export const recipe: RecipeWorkload = {
  name: "party",
  plays: ["Party", "Membership", "PersistentEphemeral"],
  bugs: [
    { name: "who leaves stays listed", breaks: "party: after quiet all see the live members, each once", seed: 2 },
    { name: "a member outlives its process", breaks: "party: after quiet all see the live members, each once", seed: 1 },
    { name: "a list is empty without a connection", breaks: "party: a list is never empty", seed: 1 },
    { name: "members are asked without a quorum", breaks: "party: who says to be here is here, with what it said", seed: 26 },
    { name: "a keeper believes in a lost session", breaks: "party: who says to be here is here, with what it said", seed: 1 },
  ],
  play: (stage) => new PartyWork(stage).play(),
};
