/**
 * The client commands of `zabra`. Exit codes: 0 done, 1 refused or failed (the reason on stderr, and
 * as JSON with `--json`), 64 bad usage.
 */
import { type Command, CommanderError, Option } from "commander";
import { type Client, connect } from "../client.ts";
import { ZabraError } from "../error.ts";
import { addLockCommands } from "./lock-commands.ts";
import { type GlobalOptions, printJson } from "./output.ts";
import { addQuotaCommands } from "./quota-commands.ts";
import { addStatusCommand } from "./status-command.ts";
import { addTreeCommands } from "./tree-commands.ts";

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
  "status",
  "quota",
]);

const defaultHosts = "ws://127.0.0.1:2180,ws://127.0.0.1:2190,ws://127.0.0.1:2200";
const usageExitCode = 64;

export type WithClient = (options: GlobalOptions, action: (client: Client) => Promise<void>) => Promise<void>;

export function addClientCommands(program: Command): void {
  program.configureHelp({ sortSubcommands: false, showGlobalOptions: true });
  addTreeCommands(program, withGlobals, withClient);
  addLockCommands(program, withGlobals, withClient);
  addQuotaCommands(program, withGlobals, withClient);
  addStatusCommand(program, withGlobals);
}

/** Options that every client command takes, after the command's name. */
function withGlobals(command: Command): Command {
  return command
    .addOption(new Option("--connect <urls>", "servers, separated by commas").env("ZABRA_CONNECT").default(defaultHosts))
    .option("--json", "print JSON, one value a line", false)
    .option("--timeout <ms>", "deadline of the command's calls", "10000")
    .addOption(new Option("--level <level>", "read level").choices(["linearizable", "session"]).default("linearizable"))
    .exitOverride();
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
    process.exitCode = report(error);
  }
}

function report(error: unknown): number {
  if (error instanceof CommanderError) {
    if (error.code.startsWith("zabra.")) process.stderr.write(`${error.message}\n`);
    return error.exitCode === 0 ? 0 : usageExitCode;
  }
  const known = ZabraError.from(error);
  if (process.argv.includes("--json"))
    printJson({ error: known.code, message: known.message, path: known.path, outcome: known.outcome });
  else process.stderr.write(`zabra: ${known.message}${hint(known)}\n`);
  return 1;
}

function hint(error: ZabraError): string {
  if (error.code === "TIMEOUT") return "\nIs a server running? Start one with `zabra dev`, or name yours with --connect.";
  if (error.code === "NO_NODE") return "\nCreate it with `zabra create`, with --parents for what is missing above it.";
  return "";
}
