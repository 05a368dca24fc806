/**
 * The client commands of `zabra`. Exit codes: 0 done, 1 refused or failed (the reason on stderr, and
 * as JSON with `--json`), 64 bad usage.
 */
import { Command, CommanderError, Option } from "commander";
import { type Client, connect } from "../client.ts";
import { ZabraError } from "../error.ts";
import { addCompletion } from "./completion.ts";
import { addConfigCommands } from "./config-commands.ts";
import { addCronCommand } from "./cron-commands.ts";
import { addImportCommands } from "./import-commands.ts";
import { addLockCommands } from "./lock-commands.ts";
import { type GlobalOptions, printJson } from "./output.ts";
import { addQuotaCommands } from "./quota-commands.ts";
import { addRegistryCommands } from "./registry-commands.ts";
import { runShell } from "./shell.ts";
import { addStatusCommand } from "./status-command.ts";
import { addTreeCommands } from "./tree-commands.ts";

/** Commands that need no server's code. `completion` does: it names the servers' commands too. */
export const clientCommands: ReadonlySet<string> = new Set([
  "get",
  "set",
  "create",
  "rm",
  "ls",
  "stat",
  "watch",
  "lock",
  "elect",
  "config",
  "registry",
  "cron",
  "status",
  "shell",
  "quota",
  "import",
  "export",
]);

const defaultHosts = "ws://127.0.0.1:2180,ws://127.0.0.1:2190,ws://127.0.0.1:2200";
const usageExitCode = 64;

export type WithClient = (options: GlobalOptions, action: (client: Client) => Promise<void>) => Promise<void>;

export function addClientCommands(program: Command): void {
  addCommands(program, withGlobals, withClient);
  withGlobals(program.command("shell").description("type commands one after another, in one session")).action(shell);
  addCompletion(program);
}

function addCommands(program: Command, globals: (command: Command) => Command, use: WithClient): void {
  program.configureHelp({ sortSubcommands: false, showGlobalOptions: true });
  addTreeCommands(program, globals, use);
  addLockCommands(program, globals, use);
  addConfigCommands(program, globals, use);
  addRegistryCommands(program, globals, use);
  addStatusCommand(program, globals);
  addQuotaCommands(program, globals, use);
  addImportCommands(program, globals);
  addCronCommand(program, globals, use);
}

/** Options that every client command takes, after the command's name. */
function withGlobals(command: Command): Command {
  return globalOptions(command, { connect: defaultHosts, json: false, timeout: "10000", level: "linearizable" });
}

function globalOptions(command: Command, defaults: GlobalOptions): Command {
  return command
    .addOption(new Option("--connect <urls>", "servers, separated by commas").env("ZABRA_CONNECT").default(defaults.connect))
    .option("--json", "print JSON, one value a line", defaults.json)
    .option("--timeout <ms>", "deadline of the command's calls", defaults.timeout)
    .addOption(new Option("--level <level>", "read level").choices(["linearizable", "session"]).default(defaults.level))
    .exitOverride();
}

/** The shell's commands take its own options as their defaults, and share its client unless one asks for other servers. */
async function shell(options: GlobalOptions): Promise<void> {
  await withClient(options, (client) =>
    runShell({
      client,
      report: (error, json) => report(error, json || options.json),
      program: () => {
        const program = new Command("zabra").exitOverride();
        const shares = (asked: GlobalOptions): boolean =>
          asked.connect === options.connect && asked.timeout === options.timeout && asked.level === options.level;
        addCommands(
          program,
          (command) => globalOptions(command, options),
          (asked, action) => (shares(asked) ? action(client) : withClient(asked, action)),
        );
        return program;
      },
    }),
  );
}

async function withClient(options: GlobalOptions, action: (client: Client) => Promise<void>): Promise<void> {
  const timeoutMs = Number(options.timeout);
  if (!Number.isInteger(timeoutMs) || timeoutMs < 1)
    throw new CommanderError(usageExitCode, "zabra.timeout", "error: --timeout must be a whole number of ms, at least 1");
  const level = options.level === "session" ? "session" : "linearizable";
  const client = await connect(options.connect, { callTimeoutMs: timeoutMs, connectTimeoutMs: timeoutMs, level });
  try {
    await action(client);
  } finally {
    await client.close();
  }
}

/** Parses the command line, runs the command, and sets the exit code. */
export async function runProgram(program: Command): Promise<void> {
  program.exitOverride();
  try {
    await program.parseAsync();
  } catch (error) {
    process.exitCode = report(error, process.argv.includes("--json"));
  }
}

/** Tells what went wrong; the exit code. */
function report(error: unknown, json: boolean): number {
  if (error instanceof CommanderError) {
    if (error.code.startsWith("zabra.")) process.stderr.write(`${error.message}\n`);
    return error.exitCode === 0 ? 0 : usageExitCode;
  }
  const known = ZabraError.from(error);
  if (json) printJson({ error: known.code, message: known.message, path: known.path, outcome: known.outcome });
  else process.stderr.write(`zabra: ${known.message}${hint(known)}\n`);
  return 1;
}

function hint(error: ZabraError): string {
  if (error.code === "TIMEOUT") return "\nIs a server running? Start one with `zabra dev`, or name yours with --connect.";
  if (error.code === "NO_NODE") return "\nCreate it with `zabra create`, with --parents for what is missing above it.";
  return "";
}
