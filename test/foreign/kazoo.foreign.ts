/**
 * kazoo, the Python client of ZooKeeper, unmodified, against three real servers, one of which dies. What is
 * checked stands in `kazoo-checks.py`. Python is `$ZABRA_PYTHON` or `python3`.
 */
import { spawnSync } from "node:child_process";
import t, { type Test } from "tap";
import { ProcessEnsemble } from "../cluster/process-ensemble.ts";
import { runChecks } from "./checks.ts";
import { source } from "./maven.ts";

const python = process.env["ZABRA_PYTHON"] ?? "python3";
const checksMin = 19;

t.setTimeout(900_000);

function whyNot(): string | undefined {
  const found = spawnSync(python, ["-c", "import kazoo"], { encoding: "utf8" });
  if (found.status === 0) return undefined;
  const problem = found.error?.message ?? found.stderr.trim().split("\n").at(-1);
  return `NOT TESTED: ${python} with kazoo is missing (pip install kazoo): ${problem}`;
}

async function withEnsemble(t: Test): Promise<void> {
  const ensemble = await ProcessEnsemble.start({ args: ["--log-level", "warn"] });
  t.teardown(() => ensemble.close());
  await runChecks(t, ensemble, python, [source("kazoo-checks.py"), ensemble.zkHosts], checksMin);
}

const missing = whyNot();
if (missing !== undefined) console.error(missing);
t.test("kazoo", { skip: missing ?? false }, withEnsemble);
