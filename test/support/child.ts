/**
 * How tests start programs of their own. Built ones run as plain node does: the test runner's loaders, which
 * `process.execArgv` would hand on, cost a short command three times its own work.
 */
import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import type { Test } from "tap";

export const childNodeArguments: readonly string[] = import.meta.url.endsWith(".ts") ? process.execArgv : [];

export interface Ended {
  readonly code: number | null;
  readonly output: string;
}

/** Runs `examples/<example>.js` to its end; gone with the test. */
export function runExample(t: Test, example: string, ...args: readonly string[]): Promise<Ended> {
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
