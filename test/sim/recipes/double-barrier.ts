/** The double barrier: nobody is let in while somebody who takes part has not come, unless faults ended that one's stay; nobody waits for ever. */
import type { Client } from "../../../client/index.ts";
import { DoubleBarrier } from "../../../client/recipes/index.ts";
import type { RecipeStage, RecipeWorkload } from "../recipe-harness/stage.ts";

const path = "/barriers/d";

async function play(stage: RecipeStage): Promise<void> {
  const { random, clients } = stage;
  /** Those that have not called `enter`, and that no fault has touched since they last left in good order. */
  const outside = new Set<Client>(clients);
  /** A node of a lost session may stand for its client until it expires. */
  const lost = new Set<Client>();
  for (const client of clients)
    client.onState(({ type }) => {
      if (type !== "lost") return;
      lost.add(client);
      outside.delete(client);
    });
  const round = async (client: Client): Promise<void> => {
    await client.sleep(random.between(0, 40));
    outside.delete(client);
    const inside = await new DoubleBarrier(client, path, clients.length).enter({ timeoutMs: random.between(500, 4_000) });
    stage.check("double barrier: nobody is let in before all have come", outside.size === 0, () =>
      [...outside].map((one) => stage.nameOf(one)).join(", "),
    );
    await client.sleep(random.between(0, 60));
    await inside.leave({ timeoutMs: 8_000 });
    if (!lost.has(client)) outside.add(client);
  };
  await stage.repeat(round);
  const last = Promise.all(
    clients.map(async (client) => (await new DoubleBarrier(client, path, clients.length).enter()).leave()),
  );
  const together = await Promise.race([last.then(() => true), stage.ensemble.sleep(8_000).then(() => false)]);
  stage.check("double barrier: after quiet all go in and come out", together);
  // Nobody waits for ever, and no node stays, not even when the last to leave died.
  await stage.ensemble.until(async () => ((await stage.witness.exists(path))?.numChildren ?? 0) <= 1, 10_000);
}

export const recipe: RecipeWorkload = {
  name: "double-barrier",
  plays: ["DoubleBarrier", "Inside"],
  bugs: [
    { name: "a barrier opens one early", seed: 3 },
    { name: "who is woken does not look again", seed: 1 },
  ],
  play,
};
