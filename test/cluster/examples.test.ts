/** The examples, as their users start them, for a few seconds each. */
import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import t from "tap";

interface Ended {
  readonly code: number | null;
  readonly output: string;
}

function run(example: string, ...args: readonly string[]): Promise<Ended> {
  const program = fileURLToPath(new URL(`../../examples/${example}.js`, import.meta.url));
  const child = spawn(process.execPath, [program, ...args], { stdio: ["ignore", "pipe", "pipe"] });
  t.teardown(() => child.kill("SIGTERM"));
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.on("data", (chunk: Buffer) => {
      output += chunk.toString();
    });
  }
  return new Promise((resolve) => child.once("close", (code) => resolve({ code, output })));
}

t.test("registry: no request is lost while instances come, drain and are killed", { timeout: 120_000 }, async (t) => {
  const { code, output } = await run("registry/main", "1500");
  t.equal(code, 0);
  const [, came, drained, killed] =
    /1500 requests, 0 lost, .* (\d+) instances came, (\d+) were drained, (\d+) killed/.exec(output) ?? [];
  t.ok(Number(came) >= 5 && Number(drained) >= 1 && Number(killed) >= 1, output);
});
