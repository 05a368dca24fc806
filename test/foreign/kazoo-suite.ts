/**
 * kazoo's own test-suite, unmodified, which starts and stops servers itself: real ZooKeepers, or, with a script
 * named `java` first on its PATH, Zabra servers in their place.
 */
import { execFileSync, spawn, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { fileURLToPath } from "node:url";
import { mavenJars } from "./maven.ts";
import { zookeeperVersion } from "./real-zookeeper.ts";

const python = process.env["ZABRA_PYTHON"] ?? "python3";
const standIn = fileURLToPath(new URL("zookeeper-stand-in.js", import.meta.url));
const testsFolder = "kazoo/tests";
const testLimitSeconds = 150;

export type Verdict = "PASSED" | "FAILED" | "ERROR" | "SKIPPED";

export interface SuiteOptions {
  readonly server: "zabra" | "zookeeper";
  /** Such as `test_lock.py::TestSemaphore`; none: all. */
  readonly tests?: readonly string[];
  /** Tests whose names hold one of these are left out. */
  readonly without?: readonly string[];
  /** Its servers take the thirty ports from here. */
  readonly portOffset: number;
  /** Ends the run, and with it the servers that it started. */
  readonly signal?: AbortSignal;
}

export interface SuiteRun {
  readonly verdicts: ReadonlyMap<string, Verdict>;
  readonly seconds: number;
  /** For a failure's message. */
  readonly output: string;
}

const modules = ["kazoo.tests", "pytest", "pytest_timeout", "OpenSSL", "jks", "objgraph"];

export function whyNoKazoo(): string | undefined {
  const found = spawnSync(python, ["-c", `import ${modules.join(", ")}`], { encoding: "utf8" });
  if (found.status === 0) return undefined;
  const problem = found.error?.message ?? found.stderr.trim().split("\n").at(-1);
  return `NOT TESTED: ${python} lacks what kazoo's suite needs (pip install -r test/foreign/kazoo-requirements.txt): ${problem}`;
}

export async function runKazooSuite(options: SuiteOptions): Promise<SuiteRun> {
  const directory = mkdtempSync(join(tmpdir(), "zabra-kazoo-"));
  const beganMs = performance.now();
  try {
    const output = await runPytest(options, directory);
    return { verdicts: readVerdicts(output), seconds: (performance.now() - beganMs) / 1_000, output };
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

function runPytest(options: SuiteOptions, directory: string): Promise<string> {
  const words = ["-m", "pytest", "-p", "no:cacheprovider", "-q", "-rA", "--tb=short", "--show-capture=no"];
  words.push("-o", "addopts=", "-o", "log_cli=false", "--timeout", String(testLimitSeconds));
  const root = packageRoot();
  words.push("--rootdir", root, ...(options.tests ?? [""]).map((name) => join(root, testsFolder, name)));
  if (options.without !== undefined) words.push("-k", options.without.map((name) => `not ${name}`).join(" and "));
  const child = spawn(python, words, { cwd: directory, env: environment(options, directory), stdio: ["ignore", "pipe", "pipe"] });
  options.signal?.addEventListener("abort", () => child.kill("SIGTERM"));
  let output = "";
  const keep = (chunk: Buffer): void => {
    output += chunk.toString("utf8");
  };
  child.stdout.on("data", keep);
  child.stderr.on("data", keep);
  return new Promise((resolve) => child.once("close", () => resolve(output)));
}

/** The directory that kazoo's package is in. */
function packageRoot(): string {
  const words = ["-c", "import kazoo, os; print(os.path.dirname(os.path.dirname(kazoo.__file__)))"];
  return execFileSync(python, words, { encoding: "utf8" }).trim();
}

function environment(options: SuiteOptions, directory: string): NodeJS.ProcessEnv {
  const own = { ...process.env, ZOOKEEPER_VERSION: zookeeperVersion, ZOOKEEPER_PORT_OFFSET: String(options.portOffset) };
  // Set, they switch tests on that need a Kerberos and build numbers.
  delete (own as NodeJS.ProcessEnv)["CI"];
  if (options.server === "zookeeper")
    return { ...own, ZOOKEEPER_CLASSPATH: join(mavenJars("zookeeper"), "*"), JAVA_TOOL_OPTIONS: "-Xmx256m" };
  writeFileSync(join(directory, "java"), `#!/bin/sh\nexec "${process.execPath}" "${standIn}" "$@"\n`, { mode: 0o755 });
  return { ...own, ZOOKEEPER_CLASSPATH: "none", PATH: `${directory}${delimiter}${process.env["PATH"]}` };
}

/** The last verdict of a name counts: a test that passed may still fail as it ends. */
function readVerdicts(output: string): ReadonlyMap<string, Verdict> {
  const verdicts = new Map<string, Verdict>();
  for (const [, verdict = "", name = ""] of output.matchAll(
    /^(PASSED|FAILED|ERROR|SKIPPED) (?:\S*\/)?kazoo\/tests\/(test_\w+\.py::\S+)/gm,
  ))
    verdicts.set(name, verdict as Verdict);
  return verdicts;
}
