/** No recipe is forgotten: all that `client/recipes` exports is played under the six faults, or is no recipe, for a reason that is told. */
import t from "tap";
import * as recipes from "../../client/recipes/index.ts";
import { findRecipes } from "./recipe-harness/run.ts";

const workloads = await findRecipes();

/** What of `exported` nothing plays, and what is played that is not exported. */
function unplayed(exported: readonly string[], played: ReadonlySet<string>): readonly string[] {
  return [...exported.filter((name) => !played.has(name)), ...[...played].filter((name) => !exported.includes(name))];
}

t.test("every recipe that is exported is played", async (t) => {
  t.strictSame(unplayed(["Lock", "New"], new Set(["Lock", "Gone"])), ["New", "Gone"]);
  t.strictSame(unplayed(Object.keys(recipes), new Set(workloads.flatMap(({ plays }) => plays))), []);
});

t.test("every workload plays something, and has planted bugs of its own", async (t) => {
  for (const { name, plays, bugs } of workloads) {
    t.ok(plays.length > 0, `${name} plays ${plays.join(", ")}`);
    t.ok(bugs.length > 0, `${name} has planted bugs`);
  }
});
