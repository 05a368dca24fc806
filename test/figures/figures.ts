/**
 * The table of docs/testing.md, "What was run", out of what long runs wrote of themselves (test/runs/*.json): one
 * row a run, and the faults, inputs and kills by kind below it. The page's part between the two marks is
 * this and nothing else; a test holds that they agree.
 */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { RunRecord } from "../support/run-record.ts";
import { top } from "../tidy/source.ts";

const begin = "<!-- made by `npm run testing:figures` from test/runs: begin -->";
const end = "<!-- end -->";

export const pageFile = join(top, "docs/testing.md");

export function keptRecords(): RunRecord[] {
  const directory = join(top, "test/runs");
  const files = readdirSync(directory).filter((file) => file.endsWith(".json"));
  return files.sort().map((file) => JSON.parse(readFileSync(join(directory, file), "utf8")) as RunRecord);
}

/** The page with its table made anew. */
export function withFigures(page: string, records: readonly RunRecord[]): string {
  const from = page.indexOf(begin);
  const to = page.indexOf(end, from);
  if (from < 0 || to < 0) throw new Error(`the page lacks ${begin} … ${end}`);
  return `${page.slice(0, from + begin.length)}\n\n${table(records)}\n${page.slice(to)}`;
}

export function table(records: readonly RunRecord[]): string {
  const rows = records.map(
    (record) =>
      `| ${record.what} | \`${record.command}\` | ${counts(record.figures)} | ${record.violations} | ${duration(record.seconds)}, Node ${record.node.slice(1)} |`,
  );
  const kinds = records.flatMap((record) =>
    record.kinds === undefined ? [] : [`\nBy kind, ${record.what}: ${counts(record.kinds)}.\n`],
  );
  return ["| what | command | seen | violations | took |", "|---|---|---|---|---|", ...rows, ...kinds].join("\n");
}

function counts(figures: Readonly<Record<string, number>>): string {
  return Object.entries(figures)
    .map(([name, count]) => `${grouped(count)} ${name}`)
    .join(", ");
}

function grouped(count: number): string {
  return count.toLocaleString("en-US", { maximumFractionDigits: 1 });
}

function duration(seconds: number): string {
  if (seconds < 120) return `${seconds} s`;
  return seconds < 7_200 ? `${Math.round(seconds / 60)} min` : `${(seconds / 3_600).toFixed(1)} h`;
}
