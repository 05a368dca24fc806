/**
 * The registry: nobody takes a name that is in use; a list that is followed is never empty for want of a connection; one that drains is never
 * chosen; after quiet each instance is listed once, as it last said, and all who follow the list were told so.
 */
import type { Client } from "../../../client/index.ts";
import { type Discovery, discover, type Instance, type Registration, register } from "../../../client/recipes/index.ts";
import type { RecipeStage, RecipeWorkload } from "../recipe-harness/stage.ts";

const service = "s";
const strategies = ["roundRobin", "leastUsed", "sticky"] as const;

/** A list, and what its listener was told last. */
interface Followed {
  readonly list: Discovery;
  told: readonly Instance[];
}

class RegistryWork {
  readonly #stage: RecipeStage;
  readonly #registered = new Map<Client, Registration>();
  readonly #said = new Map<Client, number>();
  readonly #lists = new Map<Client, Followed>();

  constructor(stage: RecipeStage) {
    this.#stage = stage;
  }

  async play(): Promise<void> {
    const stage = this.#stage;
    const { clients, witness, ensemble } = stage;
    const anchor = await register(witness, service, { id: "anchor" });
    for (const client of clients) {
      this.#registered.set(client, await register(client, service, { id: stage.nameOf(client), payload: 0 }));
      this.#said.set(client, 0);
    }
    for (const client of clients) await this.#follow(client);
    await ensemble.until(() => [...this.#lists.values()].every(({ list }) => list.instances.length > clients.length));
    const rounds = stage.repeat((client) => this.#round(client));
    await stage.during(rounds, () => this.#look());
    const settled = (): boolean => [...this.#lists.values()].every((followed) => this.#isSettled(followed));
    await stage.eventually("registry: after quiet each is listed once, as it last said", 15_000, settled);
    await Promise.all([...this.#registered.values(), anchor].map((one) => one.close()));
    for (const { list } of this.#lists.values()) list.close();
  }

  async #follow(client: Client): Promise<void> {
    const list = await discover(client, service);
    const followed: Followed = { list, told: list.instances };
    list.onChange((instances) => {
      followed.told = instances;
    });
    this.#lists.set(client, followed);
  }

  #round(client: Client): Promise<void> {
    const { random } = this.#stage;
    if (random.chance(0.2)) return this.#impostor(client);
    if (random.chance(0.2)) return this.#use(client);
    const registration = this.#registered.get(client);
    const limit = { timeoutMs: 3_000 };
    if (random.chance(0.3)) return registration?.drain(limit) ?? Promise.resolve();
    if (registration?.status === "draining") return registration.resume(limit);
    const payload = random.below(1_000);
    this.#said.set(client, payload);
    return registration?.update({ payload }, limit) ?? Promise.resolve();
  }

  async #impostor(client: Client): Promise<void> {
    const other = this.#stage.random.pick(this.#stage.clients);
    if (other === client) return;
    const id = this.#stage.nameOf(other);
    const taken = await register(client, service, { id, timeoutMs: 40, payload: "impostor" }).catch(() => undefined);
    if (taken === undefined) return;
    const there = this.#registered.get(other)?.listed === true && other.nowMs() < (other.validUntilMs ?? 0);
    this.#stage.check("registry: nobody takes a name that is in use", !there, id);
    this.#stage.mark("a free name was taken");
    await taken.close();
  }

  async #use(client: Client): Promise<void> {
    const list = this.#lists.get(client)?.list;
    using use = await list?.use({ strategy: "leastUsed", timeoutMs: 3_000 });
    await client.sleep(this.#stage.random.between(0, 50));
    if (use !== undefined) this.#stage.mark("used");
  }

  #look(): void {
    const stage = this.#stage;
    for (const { list } of this.#lists.values()) {
      stage.check("registry: the list is never empty", list.instances.length > 0);
      const chosen = list.choose({ strategy: stage.random.pick(strategies), key: "k" });
      const drains = chosen !== undefined && list.instances.some(({ id, status }) => id === chosen.id && status === "draining");
      stage.check("registry: one that drains is not chosen", chosen !== undefined && !drains, chosen?.id ?? "nobody was");
    }
  }

  #isSettled({ list, told }: Followed): boolean {
    const fits = (client: Client): boolean => {
      const { id, status, signal } = this.#registered.get(client) ?? {};
      const mine = list.instances.filter((one) => one.id === id);
      const [one] = mine;
      return !signal?.aborted && mine.length === 1 && one?.status === status && one?.payload === this.#said.get(client);
    };
    return !list.signal.aborted && told === list.instances && this.#stage.clients.every(fits);
  }
}

export const recipe: RecipeWorkload = {
  name: "registry",
  plays: ["register", "Registration", "discover", "Discovery"],
  marks: ["a free name was taken", "used"],
  bugs: [
    { name: "a list is empty without a connection", breaks: "registry: the list is never empty", seed: 4 },
    { name: "a keeper does not come back", breaks: "registry: after quiet each is listed once, as it last said", seed: 4 },
    { name: "a keeper takes another's node", breaks: "registry: nobody takes a name that is in use", seed: 4 },
    { name: "one that drains is chosen", breaks: "registry: one that drains is not chosen", seed: 4 },
  ],
  play: (stage) => new RegistryWork(stage).play(),
};
