/**
 * `zabra lock PATH -- COMMAND` and `zabra elect PATH -- COMMAND`: run a command while we hold a lock or
 * lead, and stop it when that ends. The command finds its fencing token in ZABRA_TOKEN.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { hostname } from "node:os";
import type { Command } from "commander";
import type { Client } from "../client.ts";
import { toText } from "../data.ts";
import { Election } from "../recipes/leader.ts";
import type { Grant } from "../recipes/grant.ts";
import { Lock } from "../recipes/lock.ts";
import { type GlobalOptions, printJson, printLine } from "./output.ts";
import type { WithClient } from "./program.ts";

interface HoldOptions extends GlobalOptions {
  readonly wait?: string;
}

const killAfterMs = 5_000;

export function addLockCommands(program: Command, globals: (command: Command) => Command, withClient: WithClient): void {
  globals(program.command("lock <path> [command...]").description("run a command while holding a lock; without one, show who holds it and who waits"))
    .option("--wait <ms>", "give up when it is not ours by then")
    .action((path: string, command: string[], options: HoldOptions) => withClient(options, (client) => lock(client, path, command, options)));
  globals(program.command("elect <path> [command...]").description("run a command while leading; without one, show the leader and the candidates"))
    .option("--wait <ms>", "give up when we do not lead by then")
    .action((path: string, command: string[], options: HoldOptions) => withClient(options, (client) => elect(client, path, command, options)));
}

async function lock(client: Client, path: string, command: string[], options: HoldOptions): Promise<void> {
  const recipe = new Lock(client, path, { data: whoAmI() });
  if (command.length === 0) return showQueue(await recipe.contenders(), "holds", options);
  await runWith(await recipe.acquire(waitOptions(options)), command);
}

async function elect(client: Client, path: string, command: string[], options: HoldOptions): Promise<void> {
  const recipe = new Election(client, path, { data: whoAmI() });
  if (command.length === 0) return showQueue(await recipe.candidates(), "leads", options);
  await runWith(await recipe.campaign(waitOptions(options)), command);
}

function whoAmI(): string {
  return `${hostname()} pid ${process.pid}`;
}

function waitOptions(options: HoldOptions): { timeoutMs?: number } {
  return options.wait === undefined ? {} : { timeoutMs: Number(options.wait) };
}

function showQueue(contenders: readonly { path: string; token: number; data: Uint8Array | undefined }[], first: string, options: HoldOptions): void {
  contenders.forEach((contender, i) => {
    const state = i === 0 ? first : "waits";
    if (options.json) printJson({ state, path: contender.path, token: contender.token, data: toText(contender.data) });
    else printLine(`${state.padEnd(6)} token ${contender.token}  ${toText(contender.data)}`);
  });
  if (contenders.length === 0 && !options.json) printLine("nobody");
}

/** The exit code is the command's; 1 when what we held was lost and the command was stopped. */
async function runWith(grant: Grant, command: readonly string[]): Promise<void> {
  const [program = "", ...args] = command;
  const child = spawn(program, args, { stdio: "inherit", env: { ...process.env, ZABRA_TOKEN: String(grant.token) } });
  const stop = (): void => stopChild(child);
  grant.signal.addEventListener("abort", stop, { once: true });
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, stop);
  try {
    const code = await exitOf(child);
    process.exitCode = grant.signal.aborted ? 1 : code;
    if (grant.signal.aborted) process.stderr.write("zabra: what the command needed was lost; it was stopped\n");
  } finally {
    grant.signal.removeEventListener("abort", stop);
    await grant.release();
  }
}

function stopChild(child: ChildProcess): void {
  child.kill("SIGTERM");
  setTimeout(() => child.kill("SIGKILL"), killAfterMs).unref();
}

function exitOf(child: ChildProcess): Promise<number> {
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("exit", (code, signal) => resolve(code ?? (signal === null ? 1 : 128)));
  });
}
