/**
 * What a set of runs has seen, all together, and what it should have seen and did not: coverage marks and
 * checks that never had anything to judge.
 */
import { buggifySites } from "../../src/model/buggify.ts";
import { allMarks } from "./check/marks.ts";
import type { RunReport } from "./swarm.ts";

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
  /** Runs at the long pace. */
  longHauls: number;
  simulatedMs: number;
  operations: number;
  committed: number;
  turns: number;
  events: number;
  readonly evaluations: Map<string, number>;
  readonly marks: Map<string, number>;
  readonly faults: Map<string, number>;
  /** Rare choices that only the simulator makes, by site. */
  readonly sites: Map<string, number>;
  readonly failed: RunReport[];
}

export function newSummary(): Summary {
  return {
    runs: 0,
    longHauls: 0,
    simulatedMs: 0,
    operations: 0,
    committed: 0,
    turns: 0,
    events: 0,
    evaluations: new Map(),
    marks: new Map(),
    faults: new Map(),
    sites: new Map(),
    failed: [],
  };
}

export function addReport(summary: Summary, report: RunReport): void {
  summary.runs += 1;
  if (report.longHaul) summary.longHauls += 1;
  summary.simulatedMs += report.simulatedMs;
  summary.operations += report.operations;
  summary.committed += report.committed;
  summary.turns += report.turns;
  summary.events += report.events;
  addCounts(summary.evaluations, report.evaluations);
  addCounts(summary.marks, report.marks);
  addCounts(summary.faults, report.faults);
  addCounts(summary.sites, report.sites);
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
  const sites = buggifySites.filter((site) => !summary.sites.has(site)).map((site) => `choice "${site}"`);
  return [...marks, ...checks, ...sites];
}
