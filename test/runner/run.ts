/**
 * Runs test files, each in a process of its own, several at a time, and adds up what they say.
 *
 *   node dist/test/runner/run.js [--foreign] [--jobs N] [PART OF A FILE'S NAME]…
 *
 * tap's own runner puts loaders into every test and into every server that a test starts, which costs each about a second of work.
 * Here they are plain programs: a test file alone (`node dist/test/x.test.js`) is the same as in the set. Nothing is run twice.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { type Counts, countsOf, failuresOf, noCounts, skippedOf, sum, toSummary } from "./tap-output.ts";

/** For a test that hangs. Those that wait have deadlines of their own, and a slow machine is no fault. */
const patienceSeconds = 900;
const failureLinesMax = 300;
/** What takes longest, first: else it ends alone. */
const longest = ["cluster/", "foreign/kazoo-suite", "foreign/import", "sim/", "docs/", "server/"];

interface Ended {
  readonly file: string;
  readonly counts: Counts;
  readonly seconds: number;
  readonly output: string;
  readonly errors: string;
}

const running = new Set<ChildProcess>();

function testFiles(suffix: string, parts: readonly string[]): readonly string[] {
  const built = readdirSync("dist/test", { recursive: true, encoding: "utf8" }).filter((name) => name.endsWith(`${suffix}.js`));
  // Not what is left of a test that is gone.
  const files = built.filter((name) => existsSync(join("test", name.replace(/\.js$/, ".ts"))));
  const named = files.filter((name) => parts.length === 0 || parts.some((part) => name.includes(part)));
  return named.sort((a, b) => rank(a) - rank(b) || (a < b ? -1 : 1));
}

function rank(file: string): number {
  const found = longest.findIndex((part) => file.startsWith(part));
  return found < 0 ? longest.length : found;
}

function run(file: string): Promise<Ended> {
  const startMs = performance.now();
  // A process group: what the test has started ends with it.
  const child = spawn(process.execPath, ["--enable-source-maps", join("dist/test", file)], {
    stdio: ["ignore", "pipe", "pipe"],
    detached: true,
    env: { ...process.env, TAP_TIMEOUT: String(patienceSeconds) },
  });
  running.add(child);
  const [output, errors] = [child.stdout, child.stderr].map((stream) => {
    const chunks: Buffer[] = [];
    stream.on("data", (chunk: Buffer) => chunks.push(chunk));
    return () => Buffer.concat(chunks).toString();
  }) as [() => string, () => string];
  const timer = setTimeout(() => kill(child), (patienceSeconds + 30) * 1_000);
  return new Promise((resolve) => {
    child.once("close", (code) => {
      clearTimeout(timer);
      running.delete(child);
      const seconds = (performance.now() - startMs) / 1_000;
      resolve({ file, counts: countsOf(output(), code === 0), seconds, output: output(), errors: errors() });
    });
  });
}

function kill(child: ChildProcess): void {
  if (child.pid === undefined) return;
  try {
    process.kill(-child.pid, "SIGKILL");
  } catch {
    // It has ended.
  }
}

function tell({ file, counts, seconds, output, errors }: Ended): void {
  const ok = counts.fail === 0;
  console.log(`${ok ? "    ok" : "not ok"} ${seconds.toFixed(1).padStart(6)} s ${String(counts.pass).padStart(5)}  ${file}`);
  for (const name of skippedOf(output)) console.log(`       left out: ${name}`);
  if (ok) return;
  for (const line of failuresOf(output, failureLinesMax)) console.log(`  ${line}`);
  for (const line of errors.split("\n").slice(-40)) console.log(`  | ${line}`);
  if (!/^# \{ total/m.test(output)) for (const line of output.split("\n").slice(-20)) console.log(`  > ${line}`);
}

async function runAll(files: readonly string[], jobs: number): Promise<Counts> {
  const waiting = [...files];
  let counts = noCounts;
  const work = async (): Promise<void> => {
    for (let file = waiting.shift(); file !== undefined; file = waiting.shift()) {
      const ended = await run(file);
      counts = sum(counts, ended.counts);
      tell(ended);
    }
  };
  await Promise.all(Array.from({ length: jobs }, work));
  return counts;
}

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    options: { foreign: { type: "boolean", default: false }, jobs: { type: "string", default: "3" } },
    allowPositionals: true,
  });
  const jobs = Number(values.jobs);
  if (!Number.isInteger(jobs) || jobs < 1 || jobs > 64)
    throw new Error(`--jobs ${values.jobs} must be a whole number from 1 to 64`);
  const files = testFiles(values.foreign ? ".foreign" : ".test", positionals);
  if (files.length === 0) throw new Error(`no test file has ${positionals.join(" or ")} in its name`);
  const counts = await runAll(files, jobs);
  console.log(toSummary(counts));
  process.exitCode = counts.fail > 0 || counts.pass === 0 ? 1 : 0;
}

for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const)
  process.once(signal, () => {
    for (const child of running) kill(child);
    process.exit(130);
  });

await main().catch((error: unknown) => {
  console.error(error instanceof Error ? error.message : String(error));
  process.exitCode = 2;
});
