/**
 * `npm run sim:recipes -- --seeds N [--seed S] [--recipe NAME] [--bug NAME] [--trace] [--record FILE]`: recipes under the six faults. Exit code 1 on a
 * violation, with the story of the run and the one command that replays it; with `--bug`, when it is not caught.
 */
import { parseArgs } from "node:util";
import { writeRecord } from "../support/run-record.ts";
import { findRecipes, type RecipeReport, runRecipe } from "./recipe-harness/run.ts";
import type { RecipeWorkload } from "./recipe-harness/stage.ts";
import { addRun, newRecipeSummary, type RecipeSummary, requiredMarks, unseenOf } from "./recipe-harness/summary.ts";

const { values } = parseArgs({
  options: {
    seeds: { type: "string" },
    seed: { type: "string" },
    recipe: { type: "string" },
    bug: { type: "string", default: "" },
    trace: { type: "boolean", default: false },
    record: { type: "string" },
  },
});
const first = Number(values.seed ?? 1);
const count = Number(values.seeds ?? (values.seed === undefined ? 20 : 1));
const wanted = values.recipe?.split(",");
const recipes = (await findRecipes()).filter(({ name }) => wanted?.includes(name) ?? true);
if (recipes.length === 0)
  throw new Error(`no recipe ${values.recipe}; there are ${(await findRecipes()).map(({ name }) => name).join(", ")}`);
const beganMs = performance.now();
const summaries: RecipeSummary[] = [];
for (const recipe of recipes) summaries.push(await runAll(recipe));
record();

async function runAll(recipe: RecipeWorkload): Promise<RecipeSummary> {
  const summary = newRecipeSummary();
  const startedMs = performance.now();
  const options = { bug: values.bug, ...(values.trace ? { trace: (line: string) => console.log(line) } : {}) };
  for (let seed = first; seed < first + count; seed += 1) {
    const report = await runRecipe(recipe, seed, options);
    addRun(summary, report);
    if (report.violation === undefined) continue;
    printFailure(recipe, report);
    if (values.bug !== "") break;
  }
  print(recipe, summary, performance.now() - startedMs);
  const missing = values.bug === "" ? unseenOf(summary, recipe) : [];
  for (const what of missing) console.log(`  never seen: ${what}`);
  if (summary.failed > 0 !== (values.bug !== "") || missing.length > 0) process.exitCode = 1;
  return summary;
}

function record(): void {
  const total = (of: (summary: RecipeSummary) => number): number => summaries.reduce((sum, one) => sum + of(one), 0);
  const judged = ({ evaluations }: RecipeSummary): number => [...evaluations.values()].reduce((sum, one) => sum + one, 0);
  const figures = {
    workloads: summaries.length,
    runs: total(({ runs }) => runs),
    "simulated minutes": Math.round(total(({ simulatedMs }) => simulatedMs) / 60_000),
    "invariants judged": total(judged),
  };
  const kinds = Object.fromEntries(requiredMarks.map((mark) => [mark, total(({ marks }) => marks.get(mark) ?? 0)]));
  const seconds = (performance.now() - beganMs) / 1_000;
  writeRecord(
    values.record,
    { what: "recipes", seconds, violations: total(({ failed }) => failed), figures, kinds },
    "sim:recipes",
  );
}

function printFailure({ name }: RecipeWorkload, { seed, notes, violation }: RecipeReport): void {
  console.log(`\n${name}, seed ${seed} FAILED: ${violation?.message ?? ""}\n${notes.join("\n")}`);
  console.log(
    `replay: npm run sim:recipes -- --recipe ${name} --seed ${seed}${values.bug === "" ? "" : ` --bug "${values.bug}"`} --trace\n`,
  );
}

function print({ name }: RecipeWorkload, summary: RecipeSummary, wallMs: number): void {
  const seconds = (ms: number): string => (ms / 1_000).toFixed(1);
  console.log(
    `${name}: ${summary.runs} runs, ${summary.failed} failed; ${seconds(summary.simulatedMs)} s simulated in ${seconds(wallMs)} s`,
  );
  for (const [what, times] of summary.evaluations) console.log(`  ${String(times).padStart(8)}  ${what}`);
  console.log(
    `  ${[...summary.marks]
      .sort()
      .map(([mark, times]) => `${mark} ${times}`)
      .join(", ")}`,
  );
}
