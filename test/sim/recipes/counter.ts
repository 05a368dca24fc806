/** The counter: its value is the number of acknowledged additions, give or take those of unknown outcome, and never falls. */
import { type Client, ZabraError } from "../../../client/index.ts";
import { Counter } from "../../../client/recipes/index.ts";
import type { RecipeStage, RecipeWorkload } from "../recipe-harness/stage.ts";

const path = "/counters/deep/c";

async function play(stage: RecipeStage): Promise<void> {
  let acknowledged = 0;
  let unknown = 0;
  let highest = 0;
  const add = async (client: Client): Promise<void> => {
    try {
      const count = await new Counter(client, path).add(1, { timeoutMs: stage.random.between(100, 3_000) });
      acknowledged += 1;
      highest = Math.max(highest, count);
    } catch (error) {
      if (error instanceof ZabraError && error.outcome === "unknown") unknown += 1;
      throw error;
    }
  };
  await stage.repeat(add, 2);
  const value = await new Counter(stage.witness, path).get({ timeoutMs: 10_000 });
  const story = `${value}, of ${acknowledged} acknowledged and ${unknown} unknown`;
  stage.check("counter: it never fell", value >= highest, story);
  stage.check("counter: acknowledged additions count once", value >= acknowledged && value <= acknowledged + unknown, story);
  stage.check("counter: it was added to", acknowledged > 0, story);
}

export const recipe: RecipeWorkload = {
  name: "counter",
  plays: ["Counter", "AtomicValue"],
  bugs: [
    { name: "an atomic write without its condition", seed: 1 },
    { name: "a write of unknown outcome is tried again", seed: 2 },
  ],
  play,
};
