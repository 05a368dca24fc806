/**
 * The mutants' command: `npm run mutants -- [--name "X;Y"] [--seeds N] [--fresh] [--record FILE]`. One line a mutant: by what
 * it was killed, after how many seeds. `--fresh` leaves out the seeds that are known to kill. A survivor
 * is red.
 */
import { parseArgs } from "node:util";
import { writeRecord } from "../support/run-record.ts";
import { type Kill, kill, type Mutant, mutants } from "./mutants.ts";

function main(): void {
  const { values } = parseArgs({
    options: {
      name: { type: "string", default: "" },
      seeds: { type: "string", default: "200" },
      fresh: { type: "boolean", default: false },
      record: { type: "string" },
    },
  });
  const names = values.name.split(";");
  const wanted = mutants.filter((mutant) =>
    names.some((name) => mutant.name.includes(name) || mutant.from.split(", ").includes(name)),
  );
  const began = performance.now();
  const kills: Kill[] = [];
  const survivors: Mutant[] = [];
  for (const mutant of wanted) {
    const found = kill(mutant, Number(values.seeds), !values.fresh);
    if (found === undefined) survivors.push(mutant);
    else kills.push(found);
    console.log(`${mutant.from.padEnd(8)} ${mutant.name.padEnd(54)} ${found === undefined ? "SURVIVED" : told(found)}`);
  }
  const tried = kills.map((one) => one.tried).sort((a, b) => a - b);
  const median = tried[Math.floor(tried.length / 2)] ?? 0;
  const most = tried.at(-1) ?? 0;
  console.log(`${wanted.length} mutants, ${kills.length} killed, median of ${median} seeds, at most ${most}`);
  const figures = {
    mutants: wanted.length,
    killed: kills.length,
    "seeds to kill, median": median,
    "seeds to kill, at most": most,
  };
  const seconds = (performance.now() - began) / 1_000;
  writeRecord(values.record, { what: "mutants", seconds, violations: survivors.length, figures }, "mutants");
  for (const mutant of survivors) console.log(`survivor: ${mutant.from} ${mutant.name}`);
  if (survivors.length > 0 || wanted.length === 0) process.exitCode = 1;
}

function told(found: Kill): string {
  const first = found.violation.split("\n")[0] ?? "";
  return `${String(found.tried).padStart(4)}  ${found.by}: ${first.slice(0, 110)}`;
}

main();
