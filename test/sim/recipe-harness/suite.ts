/** Recipes under the six faults, for a few seeds each; every planted bug is caught; and the same seed gives the same run. In parts, which run beside each other. Long: `npm run sim:recipes`. */
import t, { type Test } from "tap";
import { forgetUses, noteUses, unusedOf } from "./calls.ts";
import { findRecipes, runRecipe } from "./run.ts";
import type { PlantedBug, RecipeWorkload } from "./stage.ts";
import { addRun, newRecipeSummary, unplantedOf, unseenOf } from "./summary.ts";

const seeds = 20;
const bugSeedsMax = 60;

/** Every `parts`-th recipe from `part` on. */
export async function testRecipes(part: number, parts: number): Promise<void> {
  t.setTimeout(900_000);
  noteUses();
  // What faults end by the thousand needs no stack here: the command that is printed shows it.
  Error.stackTraceLimit = 0;
  const recipes = (await findRecipes()).filter((_, i) => i % parts === part);
  t.ok(recipes.length > 0, "there are recipes");
  for (const recipe of recipes) void t.test(recipe.name, (t) => testRecipe(t, recipe));
  const [first] = recipes;
  if (first !== undefined) void t.test("the same seed gives the same run", (t) => testSameSeed(t, first));
}

async function testRecipe(t: Test, recipe: RecipeWorkload): Promise<void> {
  const summary = newRecipeSummary();
  forgetUses();
  const failed: string[] = [];
  for (let seed = 1; seed <= seeds; seed += 1) {
    const report = await runRecipe(recipe, seed);
    addRun(summary, report);
    if (report.violation !== undefined)
      failed.push(`npm run sim:recipes -- --recipe ${recipe.name} --seed ${seed}: ${report.violation.message}`);
  }
  t.same(failed, []);
  t.same(unseenOf(summary, recipe), [], "every fault has bitten");
  t.same(unusedOf(recipe), [], "every member of what it plays was used");
  t.same(unplantedOf(summary, recipe), [], "every invariant is broken by a planted bug");
  for (const bug of recipe.bugs) t.ok(await caught(recipe, bug), `${bug.name} breaks: ${bug.breaks}`);
}

/** By the invariant that it is said to break, be it at another seed than the one that is told. */
async function caught(recipe: RecipeWorkload, { name, breaks, seed }: PlantedBug): Promise<boolean> {
  const others = Array.from({ length: bugSeedsMax }, (_, i) => i + 1);
  for (const one of [seed, ...others]) {
    if ((await runRecipe(recipe, one, { bug: name })).violation?.check === breaks) return true;
  }
  return false;
}

async function testSameSeed(t: Test, recipe: RecipeWorkload): Promise<void> {
  const [first, second, other] = [await runRecipe(recipe, 4), await runRecipe(recipe, 4), await runRecipe(recipe, 5)];
  t.equal(second.fingerprint, first.fingerprint);
  t.not(other.fingerprint, first.fingerprint);
}
