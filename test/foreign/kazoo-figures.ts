/**
 * `npm run foreign:kazoo`: all of kazoo's test-suite against Zabra; with `-- --zookeeper`, against a real
 * ZooKeeper too, and what passes there and fails here. Takes about ten minutes each.
 */
import { parseArgs } from "node:util";
import { runKazooSuite, type SuiteRun, type Verdict, whyNoKazoo } from "./kazoo-suite.ts";

const { values } = parseArgs({ options: { zookeeper: { type: "boolean", default: false } } });
const missing = whyNoKazoo();
if (missing !== undefined) throw new Error(missing);

function count(run: SuiteRun, ...wanted: readonly Verdict[]): number {
  return [...run.verdicts.values()].filter((verdict) => wanted.includes(verdict)).length;
}

function tell(name: string, run: SuiteRun): void {
  const figures = `${count(run, "PASSED")} passed, ${count(run, "FAILED", "ERROR")} failed, ${count(run, "SKIPPED")} skipped`;
  console.log(`${name}: ${figures} in ${Math.round(run.seconds)} s`);
}

const zabra = await runKazooSuite({ server: "zabra", portOffset: 24_000 });
tell("Zabra", zabra);
const failed = [...zabra.verdicts].filter(([, verdict]) => verdict === "FAILED" || verdict === "ERROR");
if (!values.zookeeper) for (const [name] of failed) console.log(`  failed: ${name}`);
else {
  const real = await runKazooSuite({ server: "zookeeper", portOffset: 25_000 });
  tell("ZooKeeper", real);
  for (const [name] of failed)
    console.log(`  ${real.verdicts.get(name) === "PASSED" ? "fails here and passes there" : "fails in both"}: ${name}`);
}
