/**
 * Apache Curator's recipes, unmodified, against three real servers, one of which dies while they are held.
 * What is checked stands in `curator/CuratorRecipes.java`. Needs a JDK and mvn.
 */
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import t, { type Test } from "tap";
import { ProcessEnsemble } from "../cluster/process-ensemble.ts";
import { runChecks } from "./checks.ts";
import { mavenJars, source, whyNoJava } from "./maven.ts";

const checksMin = 12;

t.setTimeout(900_000);

async function recipes(t: Test): Promise<void> {
  const classes = mkdtempSync(join(tmpdir(), "zabra-curator-"));
  t.teardown(() => rmSync(classes, { recursive: true, force: true }));
  const jars = join(mavenJars("curator"), "*");
  execFileSync("javac", ["-cp", jars, "-d", classes, source("curator/CuratorRecipes.java")]);
  const ensemble = await ProcessEnsemble.start({ args: ["--log-level", "warn"] });
  t.teardown(() => ensemble.close());
  await runChecks(t, ensemble, "java", ["-cp", `${jars}:${classes}`, "CuratorRecipes", ensemble.zkHosts], checksMin);
}

const missing = whyNoJava();
if (missing !== undefined) console.error(missing);
t.test("Curator", { skip: missing ?? false }, recipes);
