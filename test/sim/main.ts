/**
 * The simulator's command: `npm run sim -- --seeds N [--seed S] [--quick] [--mode calm|swarm] [--pace usual|long]
 * [--jobs N] [--minutes M] [--keep-going] [--record FILE] [--trace]`. Prints its seed; a failing seed prints the
 * one command that replays it. A set of runs is red, too, when it never saw something that it must have seen
 * (coverage marks, vacuous checks).
 */
import { availableParallelism } from "node:os";
import { parseArgs } from "node:util";
import { setMutant } from "../../src/model/mutant.ts";
import { writeRecord } from "../support/run-record.ts";
import { runJobs, type SeedOptions } from "./jobs.ts";
import type { PaceName } from "./pace.ts";
import { shrink } from "./shrink.ts";
import { addReport, newSummary, type Summary, unseen } from "./summary.ts";
import { type RunOptions, type RunReport, run } from "./swarm.ts";

const paces: readonly PaceName[] = ["drawn", "usual", "long"];

function readOptions() {
  return parseArgs({
    options: {
      seeds: { type: "string", default: "100" },
      seed: { type: "string" },
      quick: { type: "boolean", default: false },
      mode: { type: "string", default: "swarm" },
      pace: { type: "string", default: "drawn" },
      trace: { type: "boolean", default: false },
      "keep-going": { type: "boolean", default: false },
      mutant: { type: "string", default: "" },
      minutes: { type: "string", default: "Infinity" },
      jobs: { type: "string", default: String(availableParallelism()) },
      record: { type: "string" },
    },
  }).values;
}

async function main(): Promise<void> {
  const values = readOptions();
  setMutant(values.mutant);
  const options: SeedOptions = {
    mode: values.mode === "calm" ? "calm" : "swarm",
    quick: values.quick,
    pace: paces.find((pace) => pace === values.pace) ?? "drawn",
  };
  const first = values.seed === undefined ? Math.floor(Date.now() / 1000) % 1_000_000_000 : Number(values.seed);
  const seeds = values.seed !== undefined && process.argv.every((arg) => !arg.startsWith("--seeds")) ? 1 : Number(values.seeds);
  console.log(`sim: mode ${options.mode}, seeds ${first} … ${first + seeds - 1}`);
  if (values.trace) return void run({ ...options, seed: first, trace: (line) => console.log(line) });
  const summary = newSummary();
  const started = performance.now();
  const each = (report: RunReport): boolean => {
    addReport(summary, report);
    if (report.violation !== undefined) printFailure(report, options);
    const goOn = report.violation === undefined || values["keep-going"];
    return goOn && performance.now() - started < Number(values.minutes) * 60_000;
  };
  await runJobs({ jobs: Number(values.jobs), first, seeds, options, mutant: values.mutant, each });
  const [failed] = summary.failed;
  if (failed !== undefined && !values["keep-going"]) printStory({ ...options, seed: failed.seed }, failed);
  finish(summary, performance.now() - started, values.record);
}

function finish(summary: Summary, wallMs: number, file: string | undefined): void {
  const cpu = process.cpuUsage();
  printSummary(summary, wallMs, (cpu.user + cpu.system) / 1000);
  const missing = unseen(summary);
  for (const what of missing) console.log(`never seen: ${what}`);
  const red = summary.failed.length + missing.length;
  if (red > 0) process.exitCode = 1;
  const faults = [...summary.faults].sort();
  writeRecord(
    file,
    {
      what: "simulated worlds",
      seconds: wallMs / 1000,
      violations: red,
      figures: {
        seeds: summary.runs,
        "simulated hours": Math.round(summary.simulatedMs / 36_000) / 100,
        "seeds at the long pace": summary.longHauls,
        "faults that bit": faults.reduce((sum, [, count]) => sum + count, 0),
        "kinds of faults": faults.length,
        "rare choices made": [...summary.sites.values()].reduce((sum, count) => sum + count, 0),
        "kinds of rare choices": summary.sites.size,
        "clients' calls": summary.operations,
        txns: summary.committed,
        events: summary.events,
        "coverage marks hit": summary.marks.size,
        "checks with something to judge": [...summary.evaluations.values()].filter((count) => count > 0).length,
      },
      kinds: Object.fromEntries(faults),
    },
    "sim",
  );
}

function printFailure(report: RunReport, options: SeedOptions): void {
  console.log(`\nseed ${report.seed} FAILED at ${report.simulatedMs.toFixed(1)} ms: ${report.violation?.message ?? ""}`);
  if (report.violation?.check === "simulator") console.log(report.violation.stack);
  console.log(report.state);
  const pace = options.pace === undefined || options.pace === "drawn" ? "" : ` --pace ${options.pace}`;
  console.log(
    `replay: npm run sim -- --mode ${options.mode}${pace} --seed ${report.seed}${options.quick ? " --quick" : ""} --trace\n`,
  );
}

/** The same failure with as few faults as show it, in the protocol's words. */
function printStory(options: RunOptions, report: RunReport): void {
  const short = shrink(options, report);
  console.log(`shrunk from ${short.before} to ${short.after} steps of faults in ${short.runs} runs:`);
  console.log(short.story.join("\n"));
}

function printSummary(summary: Summary, wallMs: number, cpuMs: number): void {
  const speed = wallMs > 0 ? summary.simulatedMs / wallMs : 0;
  const rate = cpuMs > 0 ? (summary.events / cpuMs) * 1000 : 0;
  console.log(
    `${summary.runs} runs (${summary.longHauls} at the long pace), ${summary.failed.length} failed; ${(summary.simulatedMs / 3_600_000).toFixed(2)} hours simulated in ${(wallMs / 1000).toFixed(1)} s (${speed.toFixed(0)} times real time); ${summary.operations} calls, ${summary.committed} txns, ${summary.turns} turns, ${summary.events} events, ${rate.toFixed(0)} a CPU second`,
  );
  console.log(`faults, ${summary.faults.size} kinds: ${listed(summary.faults)}`);
  console.log(`rare choices, ${summary.sites.size} kinds: ${listed(summary.sites)}`);
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

await main();
