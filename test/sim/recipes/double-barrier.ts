/**
 * The double barrier: nobody is let in while somebody who takes part has not come, and nobody is let out while somebody is inside, unless faults ended
 * that one's stay; nobody waits for ever.
 */
import type { Client } from "../../../client/index.ts";
import { DoubleBarrier } from "../../../client/recipes/index.ts";
import type { RecipeStage, RecipeWorkload } from "../recipe-harness/stage.ts";

const path = "/barriers/d";

async function play(stage: RecipeStage): Promise<void> {
  const { random, clients } = stage;
  /** Those that have not called `enter`, and that no fault has touched since they last left in good order. */
  const outside = new Set<Client>(clients);
  /** Those that were let in and have not called `leave`, and in which round. */
  const inside = new Map<Client, number>();
  /** A node of a lost session may stand for its client until it expires. */
  const lost = new Set<Client>();
  for (const client of clients)
    client.onState(({ type }) => {
      if (type !== "lost") return;
      lost.add(client);
      outside.delete(client);
      inside.delete(client);
    });
  const names = (some: Iterable<Client>): string => [...some].map((one) => stage.nameOf(one)).join(", ");
  /** One that stood still may be taken for dead, by the clock, before it knows. */
  const isLive = (client: Client): boolean => !stage.ensemble.isSuspended(client) && client.nowMs() < (client.validUntilMs ?? 0);
  const round = async (client: Client): Promise<void> => {
    await client.sleep(random.between(0, 40));
    outside.delete(client);
    const stay = await new DoubleBarrier(client, path, clients.length).enter({ timeoutMs: random.between(500, 4_000) });
    stage.check("double barrier: nobody is let in before all have come", outside.size === 0, () => names(outside));
    if (!stay.signal.aborted) inside.set(client, stay.round);
    await client.sleep(random.between(0, 60));
    inside.delete(client);
    await stay.leave({ timeoutMs: 8_000 });
    const left = [...inside.keys()].filter((one) => isLive(one) && inside.get(one) === stay.round);
    stage.check("double barrier: nobody is let out before all leave", left.length === 0, () => names(left));
    if (!lost.has(client)) outside.add(client);
  };
  await stage.repeat(round);
  // Of one that gave up while it was cut off, the others see the node for a while yet, and may go in with that.
  for (const client of clients) await client.sync();
  const isEmpty = async (): Promise<boolean> =>
    (await clients[0]?.children(path))?.names.some((name) => name.startsWith("m-")) === false;
  await stage.eventually("double barrier: after quiet nobody is left in it", 8_000, isEmpty);
  const last = clients.map(async (client) => (await new DoubleBarrier(client, path, clients.length).enter()).leave());
  const together = Promise.all(last).then(() => true);
  await stage.eventually("double barrier: after quiet all go in and come out", 8_000, () => together);
}

export const recipe: RecipeWorkload = {
  name: "double-barrier",
  plays: ["DoubleBarrier", "Inside"],
  bugs: [
    { name: "a barrier opens one early", breaks: "double barrier: nobody is let in before all have come", seed: 4 },
    { name: "who leaves waits for nobody", breaks: "double barrier: nobody is let out before all leave", seed: 3 },
    { name: "who gives up stays", breaks: "double barrier: after quiet nobody is left in it", seed: 1 },
    { name: "who comes again is counted twice", breaks: "double barrier: nobody is let in before all have come", seed: 757 },
    { name: "who is woken does not look again", breaks: "double barrier: after quiet all go in and come out", seed: 1 },
  ],
  play,
};
