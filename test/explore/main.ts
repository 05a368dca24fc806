/** `npm run explore -- --runs N --places N --crashes N --partitions N --mutant NAME`; exit code 1 on a violation. */
import { Command } from "commander";
import { setMutant } from "../../src/model/mutant.ts";
import { explore } from "./explore.ts";

const program = new Command()
  .option("--runs <n>", "at most so many", "5000")
  .option("--places <n>", "of each run, from its last fault on", "1000")
  .option("--crashes <n>", "power cuts and kills in one run", "2")
  .option("--partitions <n>", "in one run", "1")
  .option("--mutant <name>", "plant this bug", "")
  .parse();
const given = program.opts<{ runs: string; places: string; crashes: string; partitions: string; mutant: string }>();

setMutant(given.mutant);
const startedMs = performance.now();
const { runs, places, crashes, partitions } = given;
const found = explore({ runs: Number(runs), places: Number(places), crashes: Number(crashes), partitions: Number(partitions) });
const ending = (): string => (found.violation !== undefined ? "" : found.cut ? ", cut off by a bound" : ", all of them");
const seconds = ((performance.now() - startedMs) / 1_000).toFixed(1);
console.log(`${found.runs} runs, ${found.states} states, ${seconds} s${ending()}`);
if (found.violation !== undefined) {
  console.log(found.violation);
  process.exitCode = 1;
}
