/**
 * Plays a part of the recipes and tells what came of it, in a thread of its own: in that of a test tap follows every promise, and a run has
 * hundreds of thousands of them. `suite.ts` starts it, and judges.
 */
import { parentPort, workerData } from "node:worker_threads";
import { forgetUses, noteUses, unusedOf } from "./calls.ts";
import { findRecipes, runRecipe } from "./run.ts";
import type { PlantedBug, RecipeWorkload } from "./stage.ts";
import { addRun, newRecipeSummary, unplantedOf, unseenOf } from "./summary.ts";

/** Every `parts`-th recipe from `part` on. */
export interface Part {
  readonly part: number;
  readonly parts: number;
}

/** What came of one recipe. Whatever is listed should not be. */
export interface RecipeVerdict {
  readonly recipe: string;
  readonly failed: readonly string[];
  readonly unseen: readonly string[];
  readonly unused: readonly string[];
  readonly unplanted: readonly string[];
  readonly uncaught: readonly string[];
  /** Of one run each of seeds 1, 2, 3 … */
  readonly fingerprints: readonly number[];
  /** Of another run of seed 1. */
  readonly again: number;
}

const seeds = 20;
const bugSeedsMax = 60;

async function play(recipe: RecipeWorkload): Promise<RecipeVerdict> {
  const summary = newRecipeSummary();
  forgetUses();
  const failed: string[] = [];
  const fingerprints: number[] = [];
  for (let seed = 1; seed <= seeds; seed += 1) {
    const report = await runRecipe(recipe, seed);
    addRun(summary, report);
    fingerprints.push(report.fingerprint);
    if (report.violation !== undefined)
      failed.push(`npm run sim:recipes -- --recipe ${recipe.name} --seed ${seed}: ${report.violation.message}`);
  }
  const uncaught: string[] = [];
  for (const bug of recipe.bugs) if (!(await isCaught(recipe, bug))) uncaught.push(`${bug.name} breaks: ${bug.breaks}`);
  return {
    recipe: recipe.name,
    failed,
    unseen: unseenOf(summary, recipe),
    unused: unusedOf(recipe),
    unplanted: unplantedOf(summary, recipe),
    uncaught,
    fingerprints,
    again: (await runRecipe(recipe, 1)).fingerprint,
  };
}

/** By the invariant that it is said to break, be it at another seed than the one that is told. */
async function isCaught(recipe: RecipeWorkload, { name, breaks, seed }: PlantedBug): Promise<boolean> {
  const others = Array.from({ length: bugSeedsMax }, (_, i) => i + 1);
  for (const one of [seed, ...others]) {
    if ((await runRecipe(recipe, one, { bug: name })).violation?.check === breaks) return true;
  }
  return false;
}

// What faults end by the thousand needs no stack here: the command that is printed shows it.
Error.stackTraceLimit = 0;
noteUses();
const { part, parts } = workerData as Part;
for (const recipe of (await findRecipes()).filter((_, i) => i % parts === part)) parentPort?.postMessage(await play(recipe));
