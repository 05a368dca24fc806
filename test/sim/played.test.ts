/** No recipe is forgotten: all that `client/recipes` exports is played under the six faults, and what holds of every workload is broken by a planted bug of one. */
import { readFileSync } from "node:fs";
import t from "tap";
import * as recipes from "../../client/recipes/index.ts";
import { findRecipes } from "./recipe-harness/run.ts";
import { runInvariants } from "./recipe-harness/stage.ts";

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

t.test("what holds of every workload is broken by a planted bug", async (t) => {
  const broken = new Set(workloads.flatMap(({ bugs }) => bugs.map(({ breaks }) => breaks)));
  for (const invariant of Object.values(runInvariants)) t.ok(broken.has(invariant), invariant);
});

t.test("who says to play a function calls it", async (t) => {
  for (const { name, plays } of workloads) {
    const text = readFileSync(new URL(`recipes/${name}.js`, import.meta.url), "utf8");
    for (const one of plays) {
      const isFunction = /^[a-z]/.test(one);
      t.ok(!isFunction || text.includes(`${one}(`), `${name} calls ${one}`);
    }
  }
});
