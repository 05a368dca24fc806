/** Every recipe under the six faults, for a few seeds; every planted bug of each is caught; and the same seed gives the same run. Long: `npm run sim:recipes`. */
import t from "tap";
import { findRecipes, runRecipe } from "./recipe-harness/run.ts";
import type { PlantedBug, RecipeWorkload } from "./recipe-harness/stage.ts";
import { addRun, newRecipeSummary, unseenOf } from "./recipe-harness/summary.ts";

const seeds = 20;
const bugSeedsMax = 60;

const recipes = await findRecipes();
t.ok(recipes.length > 0);

for (const recipe of recipes) {
  t.test(recipe.name, { timeout: 240_000 }, async (t) => {
    const summary = newRecipeSummary();
    const failed: string[] = [];
    for (let seed = 1; seed <= seeds; seed += 1) {
      const report = await runRecipe(recipe, seed);
      addRun(summary, report);
      if (report.violation !== undefined)
        failed.push(`npm run sim:recipes -- --recipe ${recipe.name} --seed ${seed}: ${report.violation.message}`);
    }
    t.same(failed, []);
    t.same(unseenOf(summary, recipe), [], "every fault has bitten");
    t.ok(recipe.bugs.length > 0, "it has planted bugs");
    for (const bug of recipe.bugs) t.ok(await caught(recipe, bug), `caught: ${bug.name}`);
  });
}

async function caught(recipe: RecipeWorkload, { name, seed }: PlantedBug): Promise<boolean> {
  const others = Array.from({ length: bugSeedsMax }, (_, i) => i + 1);
  for (const one of [seed, ...others]) {
    if ((await runRecipe(recipe, one, { bug: name })).violation !== undefined) return true;
  }
  return false;
}

t.test("the same seed gives the same run", async (t) => {
  const recipe = recipes[0];
  if (recipe === undefined) return;
  const [first, second, other] = [await runRecipe(recipe, 4), await runRecipe(recipe, 4), await runRecipe(recipe, 5)];
  t.equal(second.fingerprint, first.fingerprint);
  t.not(other.fingerprint, first.fingerprint);
});
