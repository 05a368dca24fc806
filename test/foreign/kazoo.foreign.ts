/**
 * kazoo, the Python client of ZooKeeper, unmodified, against three real servers. What is checked stands
 * in `kazoo-checks.py`; this file starts the servers, kills the one that the script asks for, and turns
 * its lines into assertions. Python is `$ZABRA_PYTHON` or `python3`.
 */
import { spawn, spawnSync } from "node:child_process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import t, { type Test } from "tap";
import { ProcessEnsemble } from "../cluster/process-ensemble.ts";

interface Line {
  readonly name?: string;
  readonly error?: string;
  readonly kill?: string;
}

/** Seen from dist/test/foreign: Python files are not built. */
const script = fileURLToPath(new URL("../../../test/foreign/kazoo-checks.py", import.meta.url));
const python = process.env["ZABRA_PYTHON"] ?? "python3";
/** More than this ran, or the script ended early. */
const checksMin = 19;

t.setTimeout(150_000);

async function runChecks(t: Test, ensemble: ProcessEnsemble, onLine: (line: Line) => void): Promise<number | null> {
  const child = spawn(python, [script, ensemble.zkHosts], { stdio: ["pipe", "pipe", "inherit"] });
  t.teardown(() => child.kill("SIGKILL"));
  const exit = new Promise<number | null>((resolve) => child.once("exit", resolve));
  for await (const text of createInterface({ input: child.stdout })) {
    const line = JSON.parse(text) as Line;
    if (line.kill === undefined) onLine(line);
    else {
      await ensemble.signal(memberAt(ensemble, line.kill), "SIGKILL");
      child.stdin.write("killed\n");
    }
  }
  return exit;
}

function memberAt(ensemble: ProcessEnsemble, address: string): number {
  const member = ensemble.members.find((one) => address === `127.0.0.1:${one.zk}`);
  if (member === undefined) throw new Error(`no server has its ZooKeeper port at ${address}`);
  return member.id;
}

function whyNot(): string | undefined {
  const found = spawnSync(python, ["-c", "import kazoo"], { encoding: "utf8" });
  if (found.status === 0) return undefined;
  const problem = found.error?.message ?? found.stderr.trim().split("\n").at(-1);
  return `NOT TESTED: ${python} with kazoo is missing (pip install kazoo): ${problem}`;
}

async function withEnsemble(t: Test): Promise<void> {
  const ensemble = await ProcessEnsemble.start({ args: ["--log-level", "warn"] });
  t.teardown(() => ensemble.close());
  let checks = 0;
  const exit = await runChecks(t, ensemble, ({ name = "?", error }) => {
    checks += 1;
    t.equal(error, undefined, name);
  });
  t.equal(exit, 0, "the script ran to its end");
  t.ok(checks >= checksMin, `${checks} checks`);
  if (!t.passing()) t.comment(ensemble.outputs());
}

const missing = whyNot();
if (missing !== undefined) console.error(missing);
t.test("kazoo", { skip: missing ?? false, timeout: 150_000 }, withEnsemble);
