/**
 * node-zookeeper-client, unmodified, against three real servers, one of which dies. Its own test-suite talks to
 * no server; what is checked here stands in `node-client-checks.cjs`. Fetched by npm.
 */
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import t, { type Test } from "tap";
import { ProcessEnsemble } from "../cluster/process-ensemble.ts";
import { runChecks } from "./checks.ts";
import { source } from "./maven.ts";

const client = "node-zookeeper-client";
const release = `${client}@1.1.3`;
const checksMin = 8;

t.setTimeout(900_000);

const directory = join(tmpdir(), `zabra-${release}`);
const installed = join(directory, "node_modules", client);

function whyNot(): string | undefined {
  if (existsSync(installed)) return undefined;
  mkdirSync(directory, { recursive: true });
  const npm = spawnSync("npm", ["install", "--no-save", "--prefix", directory, release], { encoding: "utf8" });
  return npm.status === 0 ? undefined : `NOT TESTED: npm could not fetch ${release}: ${npm.stderr}`;
}

async function withEnsemble(t: Test): Promise<void> {
  const ensemble = await ProcessEnsemble.start({ args: ["--log-level", "warn"] });
  t.teardown(() => ensemble.close());
  await runChecks(t, ensemble, process.execPath, [source("node-client-checks.cjs"), installed, ensemble.zkHosts], checksMin);
}

const missing = whyNot();
if (missing !== undefined) console.error(missing);
t.test(client, { skip: missing ?? false }, withEnsemble);
