/**
 * One run of one recipe from one seed: half of the seeds with limits so small that every bound is met. All six faults while the workload
 * goes on, then calm, in which everything must end within bounds. Also finds every recipe: each is a file of `test/sim/recipes`.
 */
import { readdirSync } from "node:fs";
import { type Limits, productionLimits, tinyLimits } from "../../../src/model/limits.ts";
import { setMutant } from "../../../src/model/mutant.ts";
import { Violation } from "../check/violation.ts";
import { Random } from "../random.ts";
import { virtualEnsemble } from "../virtual/ensemble.ts";
import { RecipeFaults } from "./faults.ts";
import { RecipeStage, type RecipeWorkload, runInvariants } from "./stage.ts";

export interface RecipeReport {
  readonly seed: number;
  readonly simulatedMs: number;
  readonly fingerprint: number;
  readonly evaluations: ReadonlyMap<string, number>;
  readonly marks: ReadonlyMap<string, number>;
  readonly notes: readonly string[];
  readonly violation: Violation | undefined;
}

export interface RecipeRunOptions {
  /** A planted bug. */
  readonly bug?: string;
  readonly trace?: (line: string) => void;
}

const sessionTimeoutMsDefault = 500;
/** After the last fault: elections, reopened sessions and a queue of waiters take their time, but not longer. */
const calmMs = 20_000;

/** Small pages, small tables, and an epoch every few hundred txns. */
const small: Partial<Limits> = {
  ...tinyLimits,
  list_page_max: productionLimits.list_page_max,
  multi_operations_max: 32,
  delete_recursive_nodes_max: 64,
  ephemerals_per_session_max: 256,
};

export async function runRecipe(workload: RecipeWorkload, seed: number, options: RecipeRunOptions = {}): Promise<RecipeReport> {
  const random = new Random(seed).fork(`recipe ${workload.name}`);
  const ensemble = virtualEnsemble({
    seed,
    drift: seed % 3 === 0 ? 0 : 0.0099,
    limits: seed % 2 === 0 ? small : {},
    network: { latencyMs: random.logBetween(0.1, 3), jitterMs: random.logBetween(0.1, 5), deadMinMs: 150, deadMaxMs: 1_500 },
    limitMs: 120_000,
    ...(options.trace === undefined ? {} : { trace: options.trace }),
  });
  const stage = new RecipeStage(ensemble, random.fork("workload"));
  let violation: Violation | undefined;
  setMutant(options.bug ?? "");
  try {
    await ensemble.run(() => play(workload, stage, random));
  } catch (error) {
    violation = stage.violation ?? asViolation(error);
  } finally {
    setMutant("");
  }
  const { evaluations, marks, notes } = stage;
  return { seed, simulatedMs: ensemble.nowMs, fingerprint: ensemble.fingerprint, evaluations, marks, notes, violation };
}

async function play(workload: RecipeWorkload, stage: RecipeStage, random: Random): Promise<void> {
  const sessionTimeoutMs = workload.sessionTimeoutMs ?? sessionTimeoutMsDefault;
  await stage.set(workload.clients ?? 3, sessionTimeoutMs);
  const playing = workload.play(stage);
  const faults = new RecipeFaults(stage, random.fork("faults"), sessionTimeoutMs);
  await Promise.race([playing, faults.play(), stage.failed]);
  stage.stop();
  const late = stage.ensemble.sleep(calmMs).then(() => {
    throw new Violation(runInvariants.ends, `not within ${calmMs} ms\n${stage.ensemble.describe()}`);
  });
  await Promise.race([playing, late, stage.failed]);
  late.catch(() => {});
}

function asViolation(error: unknown): Violation {
  if (error instanceof Violation) return error;
  return new Violation("simulator", error instanceof Error ? (error.stack ?? error.message) : String(error));
}

/** Every recipe, by name. Each file of `recipes/` exports its workload as `recipe`. */
export async function findRecipes(): Promise<readonly RecipeWorkload[]> {
  const directory = new URL("../recipes/", import.meta.url);
  const files = readdirSync(directory).filter((name) => name.endsWith(".js"));
  const recipes: RecipeWorkload[] = [];
  for (const file of files.sort()) {
    const module = (await import(new URL(file, directory).href)) as { readonly recipe?: RecipeWorkload };
    if (module.recipe === undefined) throw new Error(`test/sim/recipes/${file} exports no \`recipe\``);
    recipes.push(module.recipe);
  }
  return recipes;
}
