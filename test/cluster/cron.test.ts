/**
 * The cron example: three processes, of which the leader is killed, then stopped past its session's end
 * and woken again. Every tick runs exactly once. The example judges by the tree; this test also by what
 * the processes say they ran.
 */
import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import t from "tap";

const three = fileURLToPath(new URL("../../examples/cron/three.js", import.meta.url));

function run(args: readonly string[]): Promise<{ readonly code: number | null; readonly output: string }> {
  const child = spawn(process.execPath, [three, ...args], { stdio: ["ignore", "pipe", "pipe"] });
  t.teardown(() => child.kill("SIGTERM"));
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.on("data", (chunk: Buffer) => {
      output += chunk.toString();
    });
  }
  return new Promise((resolve) => child.once("close", (code) => resolve({ code, output })));
}

t.test("every tick once while leaders die and sleep", { timeout: 120_000 }, async (t) => {
  const { code, output } = await run(["2", "3"]);
  const ran = [...output.matchAll(/^worker-\d+ ran (\S+) as run (\d+)$/gm)];
  const ticks = ran.map((match) => match[1]);
  const runs = ran.map((match) => match[2]);
  t.equal(code, 0, "the tree shows every tick once");
  t.match(output, /^all \d+ ticks ran exactly once$/m);
  t.equal(new Set(ticks).size, ticks.length, "no tick was run twice");
  t.equal(new Set(runs).size, runs.length, "no number was given twice");
  t.ok(ticks.length >= 6, `${ticks.length} ticks`);
  t.equal(output.match(/^kill worker/gm)?.length, 2, "two leaders were killed");
  t.equal(output.match(/^stop worker/gm)?.length, 1, "one was stopped");
  t.ok((output.match(/ leads with token /g)?.length ?? 0) >= 4, "and replaced each time");
  if (!t.passing()) t.comment(output);
});
