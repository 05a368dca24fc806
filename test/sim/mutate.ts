/**
 * The mutants' command: `npm run mutants -- [--name "X;Y"] [--seeds N] [--fresh]`. One line a mutant: by what
 * it was killed, after how many seeds. `--fresh` leaves out the seeds that are known to kill. A survivor
 * is red.
 */
import { parseArgs } from "node:util";
import { type Kill, kill, type Mutant, mutants } from "./mutants.ts";

function main(): void {
  const { values } = parseArgs({
    options: {
      name: { type: "string", default: "" },
      seeds: { type: "string", default: "200" },
      fresh: { type: "boolean", default: false },
    },
  });
  const names = values.name.split(";");
  const wanted = mutants.filter((mutant) =>
    names.some((name) => mutant.name.includes(name) || mutant.from.split(", ").includes(name)),
  );
  const kills: Kill[] = [];
  const survivors: Mutant[] = [];
  for (const mutant of wanted) {
    const found = kill(mutant, Number(values.seeds), !values.fresh);
    if (found === undefined) survivors.push(mutant);
    else kills.push(found);
    console.log(`${mutant.from.padEnd(8)} ${mutant.name.padEnd(54)} ${found === undefined ? "SURVIVED" : told(found)}`);
  }
  const tried = kills.map((one) => one.tried).sort((a, b) => a - b);
  console.log(
    `${wanted.length} mutants, ${kills.length} killed, median of ${tried[Math.floor(tried.length / 2)] ?? 0} seeds, at most ${tried.at(-1) ?? 0}`,
  );
  for (const mutant of survivors) console.log(`survivor: ${mutant.from} ${mutant.name}`);
  if (survivors.length > 0 || wanted.length === 0) process.exitCode = 1;
}

function told(found: Kill): string {
  const first = found.violation.split("\n")[0] ?? "";
  return `${String(found.tried).padStart(4)}  ${found.by}: ${first.slice(0, 110)}`;
}

main();
