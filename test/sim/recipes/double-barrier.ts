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
  /** Those that were let in and have not called `leave`. */
  const inside = new Set<Client>();
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
    if (!stay.signal.aborted) inside.add(client);
    await client.sleep(random.between(0, 60));
    inside.delete(client);
    await stay.leave({ timeoutMs: 8_000 });
    const left = [...inside].filter(isLive);
    stage.check("double barrier: nobody is let out before all leave", left.length === 0, () => names(left));
    if (!lost.has(client)) outside.add(client);
  };
  await stage.repeat(round);
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
    { name: "who is woken does not look again", breaks: "double barrier: after quiet all go in and come out", seed: 1 },
  ],
  play,
};
