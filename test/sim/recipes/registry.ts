/**
 * The registry: while an instance says that it is listed, and its session is sure to last, its node is there and its own; nobody takes another's name; a
 * list that is followed is never empty for want of a connection; after quiet each instance is listed once, as it last said.
 */
import type { Client } from "../../../client/index.ts";
import { discover, type Registration, register } from "../../../client/recipes/index.ts";
import type { RecipeStage, RecipeWorkload } from "../recipe-harness/stage.ts";

async function play(stage: RecipeStage): Promise<void> {
  const { witness, random, ensemble } = stage;
  const anchor = await register(witness, "s", { id: "anchor" });
  const said = new Map<Client, number>();
  const registered = new Map<Client, Registration>();
  for (const client of stage.clients)
    registered.set(client, await register(client, "s", { id: stage.nameOf(client), payload: 0 }));
  const lists = await Promise.all(stage.clients.map((client) => discover(client, "s")));
  await ensemble.until(() => lists.every((list) => list.instances.length > stage.clients.length));
  const change = async (client: Client): Promise<void> => {
    const payload = random.below(1_000);
    said.set(client, payload);
    await registered.get(client)?.update({ payload }, { timeoutMs: 3_000 });
  };
  const impostor = async (client: Client): Promise<void> => {
    const other = random.pick(stage.clients);
    if (other === client) return;
    const taken = await register(client, "s", { id: stage.nameOf(other), timeoutMs: 40, payload: "impostor" }).catch(
      () => undefined,
    );
    if (taken === undefined) return;
    const there = registered.get(other)?.listed === true && other.nowMs() < (other.validUntilMs ?? 0);
    stage.check("registry: nobody takes a name that is in use", !there, stage.nameOf(other));
    stage.mark("a free name was taken");
    await taken.close();
  };
  const look = (): void => {
    for (const list of lists) stage.check("registry: the list is never empty", list.instances.length > 0);
  };
  const rounds = stage.repeat((client) => (random.chance(0.8) ? change(client) : impostor(client)));
  await stage.during(rounds, look);
  const settled = (): boolean =>
    lists.every((list) =>
      stage.clients.every((client) => {
        const mine = list.instances.filter((one) => one.id === stage.nameOf(client));
        return mine.length === 1 && (said.get(client) === undefined || mine[0]?.payload === said.get(client));
      }),
    );
  await ensemble.until(settled, 15_000);
  stage.check("registry: after quiet each is listed once, as it last said", settled());
  await Promise.all([...registered.values(), anchor].map((one) => one.close()));
  for (const list of lists) list.close();
}

export const recipe: RecipeWorkload = {
  name: "registry",
  plays: ["register", "Registration", "discover", "Discovery", "PersistentEphemeral"],
  marks: ["a free name was taken"],
  bugs: [
    { name: "a list is empty without a connection", seed: 4 },
    { name: "a keeper does not come back", seed: 1 },
    { name: "a keeper takes another's node", seed: 4 },
  ],
  play,
};
