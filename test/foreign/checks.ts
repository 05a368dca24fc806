/**
 * Runs a foreign client's checks against an ensemble: a program that prints one JSON line a check, and asks for
 * a server's end with {"kill": "HOST:PORT"}, which a line on its standard input confirms.
 */
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import type { Test } from "tap";
import type { ProcessEnsemble } from "../cluster/process-ensemble.ts";

interface Line {
  readonly name?: string;
  readonly error?: string;
  readonly kill?: string;
}

/** Each line becomes an assertion. Fewer than `checksMin` of them: the program ended early. */
export async function runChecks(
  t: Test,
  ensemble: ProcessEnsemble,
  program: string,
  words: readonly string[],
  checksMin: number,
): Promise<void> {
  const child = spawn(program, words, { stdio: ["pipe", "pipe", "inherit"] });
  t.teardown(() => child.kill("SIGKILL"));
  const exit = new Promise<number | null>((resolve) => child.once("exit", resolve));
  let checks = 0;
  for await (const text of createInterface({ input: child.stdout })) {
    const { name = "?", error, kill } = JSON.parse(text) as Line;
    if (kill !== undefined) {
      await ensemble.signal(memberAt(ensemble, kill), "SIGKILL");
      child.stdin.write("killed\n");
      continue;
    }
    checks += 1;
    t.equal(error, undefined, name);
  }
  t.equal(await exit, 0, "the program ran to its end");
  t.ok(checks >= checksMin, `${checks} checks`);
  if (!t.passing()) t.comment(ensemble.outputs());
}

function memberAt(ensemble: ProcessEnsemble, address: string): number {
  const member = ensemble.members.find((one) => address === `127.0.0.1:${one.zk}`);
  if (member === undefined) throw new Error(`no server has its ZooKeeper port at ${address}`);
  return member.id;
}
