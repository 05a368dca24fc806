/** Recipes under the six faults, for a few seeds each; every planted bug is caught; and the same seed gives the same run. In parts, which run beside each other. Long: `npm run sim:recipes`. */
import { once } from "node:events";
import { Worker } from "node:worker_threads";
import t from "tap";
import type { Part, RecipeVerdict } from "./play.ts";

/** Every `parts`-th recipe from `part` on. */
export async function testRecipes(part: number, parts: number): Promise<void> {
  t.setTimeout(900_000);
  const verdicts = await play({ part, parts });
  t.ok(verdicts.length > 0, "there are recipes");
  for (const verdict of verdicts)
    t.test(verdict.recipe, async (t) => {
      t.same(verdict.failed, [], "no seed fails");
      t.same(verdict.unseen, [], "every fault has bitten");
      t.same(verdict.unused, [], "every member of what it plays was used");
      t.same(verdict.unplanted, [], "every invariant is broken by a planted bug");
      t.same(verdict.uncaught, [], "every planted bug is caught");
      const { fingerprints, again } = verdict;
      t.equal(again, fingerprints[0], "the same seed gives the same run");
      t.equal(new Set(fingerprints).size, fingerprints.length, "and another seed another");
    });
}

async function play(workerData: Part): Promise<readonly RecipeVerdict[]> {
  const worker = new Worker(new URL("play.js", import.meta.url), { workerData });
  const verdicts: RecipeVerdict[] = [];
  worker.on("message", (verdict: RecipeVerdict) => verdicts.push(verdict));
  const [exitCode]: unknown[] = await once(worker, "exit");
  if (exitCode !== 0) throw new Error(`the player ended with ${exitCode}`);
  return verdicts;
}
