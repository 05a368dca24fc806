/** What a set of runs of a recipe has seen, and what it should have and did not: every fault must have bitten. */
import type { RecipeReport } from "./run.ts";
import { type RecipeWorkload, runInvariants } from "./stage.ts";

/** From this many runs on all are asked for. */
const runsMin = 20;
/** The six faults. */
export const requiredMarks = [
  "client suspended",
  "client lost",
  "resumed elsewhere",
  "leader changed",
  "paused past its timeout",
  "reply lost",
];

export interface RecipeSummary {
  runs: number;
  failed: number;
  simulatedMs: number;
  readonly evaluations: Map<string, number>;
  readonly marks: Map<string, number>;
}

export function newRecipeSummary(): RecipeSummary {
  return { runs: 0, failed: 0, simulatedMs: 0, evaluations: new Map(), marks: new Map() };
}

export function addRun(summary: RecipeSummary, report: RecipeReport): void {
  summary.runs += 1;
  summary.simulatedMs += report.simulatedMs;
  if (report.violation !== undefined) summary.failed += 1;
  for (const [name, count] of report.evaluations) summary.evaluations.set(name, (summary.evaluations.get(name) ?? 0) + count);
  for (const [name, count] of report.marks) summary.marks.set(name, (summary.marks.get(name) ?? 0) + count);
}

export function unseenOf(summary: RecipeSummary, { marks = [] }: RecipeWorkload): readonly string[] {
  return summary.runs < runsMin ? [] : [...requiredMarks, ...marks].filter((mark) => !summary.marks.has(mark));
}

/** Invariants that were judged and that no planted bug breaks, and those that a bug is said to break and that were never judged. */
export function unplantedOf({ evaluations }: RecipeSummary, { bugs }: RecipeWorkload): readonly string[] {
  const broken = bugs.map(({ breaks }) => breaks);
  const known = new Set<string>([...evaluations.keys(), ...Object.values(runInvariants)]);
  return [...[...evaluations.keys()].filter((name) => !broken.includes(name)), ...broken.filter((name) => !known.has(name))];
}
