/**
 * The simulator's command: `npm run sim -- --seeds N [--seed S] [--quick] [--mode calm|swarm] [--minutes M] [--trace]`.
 * Prints its seed; a failing seed prints the one command that replays it. A set of runs is red, too,
 * when it never saw something that it must have seen (coverage marks, vacuous checks).
 */
import { parseArgs } from "node:util";
import { setMutant } from "../../src/model/mutant.ts";
import { allMarks } from "./check/marks.ts";
import { type Mode, type RunReport, run } from "./swarm.ts";

/** Things that a set of at least `marksFrom` runs must have seen; a set of `allMarksFrom` must have seen all marks. */
export const requiredMarks = [
  "established",
  "diff",
  "trunc",
  "snap",
  "handover",
  "vote conflict",
  "lease fallback",
  "dedupe hit",
  "session expired",
  "session moved",
  "a session resumes at another server",
  "a torn tail is cut",
  "a wiped server rejoins",
  "a stream resumes from history",
  "a commit of an older epoch's entry",
  "an entry is broadcast and never committed",
  "a proposal between NEWLEADER and UPTODATE",
  "a leader without a quorum steps down",
  "a SNAP of several chunks",
  "an expiry removes ephemerals",
];
export const marksFrom = 200;
export const allMarksFrom = 1_000;
/** These speak only when something went wrong, or are too rare to be asked of 200 runs. */
const mayBeIdle = new Set([
  "damage is found before it is used",
  "messages of old links do nothing",
  "no server stops by itself",
  "what failed is in no log",
]);

export interface Summary {
  runs: number;
  simulatedMs: number;
  operations: number;
  committed: number;
  turns: number;
  events: number;
  readonly evaluations: Map<string, number>;
  readonly marks: Map<string, number>;
  readonly faults: Map<string, number>;
  readonly failed: RunReport[];
}

export function newSummary(): Summary {
  return {
    runs: 0,
    simulatedMs: 0,
    operations: 0,
    committed: 0,
    turns: 0,
    events: 0,
    evaluations: new Map(),
    marks: new Map(),
    faults: new Map(),
    failed: [],
  };
}

export function addReport(summary: Summary, report: RunReport): void {
  summary.runs += 1;
  summary.simulatedMs += report.simulatedMs;
  summary.operations += report.operations;
  summary.committed += report.committed;
  summary.turns += report.turns;
  summary.events += report.events;
  addCounts(summary.evaluations, report.evaluations);
  addCounts(summary.marks, report.marks);
  addCounts(summary.faults, report.faults);
  if (report.violation !== undefined) summary.failed.push(report);
}

function addCounts(to: Map<string, number>, from: ReadonlyMap<string, number>): void {
  for (const [name, count] of from) to.set(name, (to.get(name) ?? 0) + count);
}

/** What the set of runs should have seen and did not. */
export function unseen(summary: Summary): string[] {
  if (summary.runs < marksFrom) return [];
  const required = summary.runs >= allMarksFrom ? allMarks : requiredMarks;
  const marks = required.filter((mark) => !summary.marks.has(mark)).map((mark) => `mark "${mark}"`);
  const checks = [...summary.evaluations]
    .filter(([name, count]) => count === 0 && !mayBeIdle.has(name))
    .map(([name]) => `check "${name}"`);
  return [...marks, ...checks];
}

function main(): void {
  const { values } = parseArgs({
    options: {
      seeds: { type: "string", default: "100" },
      seed: { type: "string" },
      quick: { type: "boolean", default: false },
      mode: { type: "string", default: "swarm" },
      trace: { type: "boolean", default: false },
      "keep-going": { type: "boolean", default: false },
      mutant: { type: "string", default: "" },
      minutes: { type: "string", default: "Infinity" },
    },
  });
  setMutant(values.mutant);
  const mode: Mode = values.mode === "calm" ? "calm" : "swarm";
  const first = values.seed === undefined ? Math.floor(Date.now() / 1000) % 1_000_000_000 : Number(values.seed);
  const seeds = values.seed !== undefined && process.argv.every((arg) => !arg.startsWith("--seeds")) ? 1 : Number(values.seeds);
  console.log(`sim: mode ${mode}, seeds ${first} … ${first + seeds - 1}`);
  const summary = newSummary();
  const started = process.hrtime.bigint();
  for (let seed = first; seed < first + seeds; seed += 1) {
    if (Number(process.hrtime.bigint() - started) / 60e9 >= Number(values.minutes)) break;
    const options = { seed, mode, quick: values.quick, ...(values.trace ? { trace: (line: string) => console.log(line) } : {}) };
    const report = run(options);
    addReport(summary, report);
    if (report.violation === undefined) continue;
    printFailure(report, mode, values.quick);
    if (!values["keep-going"]) break;
  }
  printSummary(summary, Number(process.hrtime.bigint() - started) / 1e6);
  const missing = unseen(summary);
  for (const what of missing) console.log(`never seen: ${what}`);
  if (summary.failed.length > 0 || missing.length > 0) process.exitCode = 1;
}

function printFailure(report: RunReport, mode: Mode, quick: boolean): void {
  console.log(`\nseed ${report.seed} FAILED at ${report.simulatedMs.toFixed(1)} ms: ${report.violation?.message ?? ""}`);
  if (report.violation?.check === "simulator") console.log(report.violation.stack);
  console.log(report.state);
  console.log(`replay: npm run sim -- --mode ${mode} --seed ${report.seed}${quick ? " --quick" : ""} --trace\n`);
}

function printSummary(summary: Summary, wallMs: number): void {
  const speed = wallMs > 0 ? summary.simulatedMs / wallMs : 0;
  console.log(
    `${summary.runs} runs, ${summary.failed.length} failed; ${(summary.simulatedMs / 1000).toFixed(0)} s simulated in ${(wallMs / 1000).toFixed(1)} s (${speed.toFixed(0)} times real time); ${summary.operations} calls, ${summary.committed} txns, ${summary.turns} turns, ${summary.events} events`,
  );
  console.log(`faults, ${summary.faults.size} kinds: ${listed(summary.faults)}`);
  console.log(`marks, ${summary.marks.size}: ${listed(summary.marks)}`);
  const checks = [...summary.evaluations].map(([name, count]) => `  ${String(count).padStart(10)}  ${name}`);
  console.log(`evaluations:\n${checks.join("\n")}`);
}

function listed(counts: ReadonlyMap<string, number>): string {
  return [...counts]
    .sort()
    .map(([name, count]) => `${name} ${count}`)
    .join(", ");
}

if (process.argv[1]?.includes("sim/main")) main();
