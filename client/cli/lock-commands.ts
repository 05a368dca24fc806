/**
 * `zabra lock PATH -- COMMAND` and `zabra elect PATH -- COMMAND`: run a command while we hold a lock or
 * lead, and stop it before that ends. The command finds its fencing token in ZABRA_TOKEN.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { constants } from "node:os";
import type { Command } from "commander";
import type { Client } from "../client.ts";
import { toText } from "../data.ts";
import type { Grant } from "../recipes/grant.ts";
import { Election } from "../recipes/leader.ts";
import { Lock } from "../recipes/lock.ts";
import type { WaitOptions } from "../recipes/wait.ts";
import { whoAmI } from "./held-command.ts";
import { type GlobalOptions, printJson, printLine } from "./output.ts";
import type { WithClient } from "./program.ts";

interface HoldOptions extends GlobalOptions {
  readonly wait?: string;
}

const stopSignals = ["SIGINT", "SIGTERM"] as const;
/** How long before the deadline the command is asked to stop. */
const graceMsMax = 2_000;
const watchEveryMs = 50;

export function addLockCommands(program: Command, globals: (command: Command) => Command, withClient: WithClient): void {
  globals(
    program
      .command("lock <path> [command...]")
      .description("run a command while holding a lock; without one, show who holds it and who waits"),
  )
    .option("--wait <ms>", "give up when it is not ours by then")
    .action((path: string, command: string[], options: HoldOptions) =>
      withClient(options, (client) => lock(client, path, command, options)),
    );
  globals(
    program
      .command("elect <path> [command...]")
      .description("run a command while leading; without one, show the leader and the candidates"),
  )
    .option("--wait <ms>", "give up when we do not lead by then")
    .action((path: string, command: string[], options: HoldOptions) =>
      withClient(options, (client) => elect(client, path, command, options)),
    );
}

async function lock(client: Client, path: string, command: string[], options: HoldOptions): Promise<void> {
  const recipe = new Lock(client, path, { data: whoAmI() });
  if (command.length === 0) return showQueue(await recipe.contenders(), "holds", options);
  await hold(client, (wait) => recipe.acquire(wait), command, options);
}

async function elect(client: Client, path: string, command: string[], options: HoldOptions): Promise<void> {
  const recipe = new Election(client, path, { data: whoAmI() });
  if (command.length === 0) return showQueue(await recipe.candidates(), "leads", options);
  await hold(client, (wait) => recipe.campaign(wait), command, options);
}

function showQueue(
  contenders: readonly { path: string; token: number; data: Uint8Array | undefined }[],
  first: string,
  options: HoldOptions,
): void {
  contenders.forEach((contender, i) => {
    const state = i === 0 ? first : "waits";
    if (options.json) printJson({ state, path: contender.path, token: contender.token, data: toText(contender.data) });
    else printLine(`${state.padEnd(6)} token ${contender.token}  ${toText(contender.data)}`);
  });
  if (contenders.length === 0 && !options.json) printLine("nobody");
}

/** Waits for the turn, unless a signal comes first; then runs the command. */
async function hold(
  client: Client,
  acquire: (wait: WaitOptions) => Promise<Grant>,
  command: readonly string[],
  options: HoldOptions,
): Promise<void> {
  const asked = new AbortController();
  const onSignal = (): void => asked.abort();
  for (const signal of stopSignals) process.once(signal, onSignal);
  try {
    const timeoutMs = options.wait === undefined ? undefined : Number(options.wait);
    const grant = await acquire({ signal: asked.signal, timeoutMs });
    try {
      process.exitCode = await new HeldCommand(client, grant, command).run(asked.signal);
    } finally {
      await grant.release();
    }
  } finally {
    for (const signal of stopSignals) process.removeListener(signal, onSignal);
  }
}

/**
 * A command that runs while the grant lasts. When the grant is about to end (its deadline comes near and
 * nobody confirms the session) the command is asked to stop, with SIGTERM; at the deadline, when another
 * may have the grant, it is killed. So the two never run at once, unless this process itself stands still:
 * then only ZABRA_TOKEN protects, if the command passes it to what it works on.
 */
class HeldCommand {
  readonly #client: Client;
  readonly #grant: Grant;
  readonly #child: ChildProcess;
  #lost = false;

  constructor(client: Client, grant: Grant, command: readonly string[]) {
    this.#client = client;
    this.#grant = grant;
    const [program = "", ...args] = command;
    const env = { ...process.env, ZABRA_TOKEN: String(grant.token), ZABRA_GRANT: grant.path };
    this.#child = spawn(program, args, { stdio: "inherit", env });
  }

  /** Resolves to the exit code: the command's, or 1 when the grant was lost. */
  async run(asked: AbortSignal): Promise<number> {
    const watching = setInterval(() => this.#watchDeadline(), watchEveryMs);
    const kill = (): void => this.#kill();
    const stop = (): boolean => this.#child.kill("SIGTERM");
    this.#grant.signal.addEventListener("abort", kill, { once: true });
    if (asked.aborted) stop();
    asked.addEventListener("abort", stop, { once: true });
    try {
      const code = await exitOf(this.#child);
      return this.#lost ? 1 : code;
    } finally {
      clearInterval(watching);
      this.#grant.signal.removeEventListener("abort", kill);
    }
  }

  #watchDeadline(): void {
    const graceMs = Math.min(graceMsMax, (this.#client.session?.timeoutMs ?? 0) / 4);
    if (!this.#lost && this.#grant.validUntilMs - this.#client.nowMs() < graceMs)
      this.#lose("SIGTERM", "is about to be lost; the command is stopped");
  }

  #kill(): void {
    this.#lose("SIGKILL", "was lost; the command is killed");
  }

  #lose(signal: NodeJS.Signals, what: string): void {
    this.#lost = true;
    this.#child.kill(signal);
    process.stderr.write(`zabra: ${this.#grant.path} ${what}\n`);
  }
}

function exitOf(child: ChildProcess): Promise<number> {
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("exit", (code, signal) => resolve(code ?? 128 + (signal === null ? 0 : constants.signals[signal])));
  });
}
