/** `zabra config apply|history|rollback`: configurations as files, shown before they are written, and back again. */
import { readFileSync } from "node:fs";
import { basename, extname } from "node:path";
import { type Command, CommanderError } from "commander";
import type { Client } from "../client.ts";
import type { ConfigDifference } from "../recipes/config-diff.ts";
import { ConfigStore } from "../recipes/config-store.ts";
import { type GlobalOptions, printJson, printLine } from "./output.ts";
import type { WithClient } from "./program.ts";

type Globals = (command: Command) => Command;

interface ApplyOptions extends GlobalOptions {
  readonly path?: string;
  readonly keys?: boolean;
  readonly dryRun?: boolean;
  readonly note?: string;
  readonly keep?: string;
}
interface RollbackOptions extends GlobalOptions {
  readonly dryRun?: boolean;
}

const usageExitCode = 64;
const marks = { added: "+", removed: "-", changed: "~" } as const;

export function addConfigCommands(program: Command, globals: Globals, withClient: WithClient): void {
  const config = program.command("config").description("write configurations, see those of the past, go back to them");
  globals(
    config
      .command("apply <file>")
      .description("make a JSON file the configuration; prints what it changes (- is the standard input)")
      .option("--path <path>", "where it lies; default /config/ and the file's name without its ending")
      .option("--keys", "each key of the file becomes a node, rather than the whole of it one node")
      .option("--dry-run", "print what it would change, and write nothing")
      .option("--note <text>", "kept with it in the history")
      .option("--keep <n>", "values of the past that are kept", "20"),
  ).action((file: string, options: ApplyOptions) => {
    const value = readJson(file);
    return withClient(options, (client) => apply(client, file, value, options));
  });
  globals(config.command("history <path>").description("print the values of the past, oldest first")).action(
    (path: string, options: GlobalOptions) => withClient(options, (client) => history(client, path, options)),
  );
  globals(
    config
      .command("rollback <path> [revision]")
      .description("go back to a revision of the history, or to the one before")
      .option("--dry-run", "print what it would change, and write nothing"),
  ).action((path: string, revision: string | undefined, options: RollbackOptions) =>
    withClient(options, (client) => rollback(client, path, revision, options)),
  );
}

function readJson(file: string): unknown {
  try {
    return JSON.parse(readFileSync(file === "-" ? 0 : file, "utf8")) as unknown;
  } catch (thrown) {
    const reason = thrown instanceof Error ? thrown.message : String(thrown);
    throw new CommanderError(usageExitCode, "zabra.config", `error: ${file}: ${reason}`);
  }
}

async function apply(client: Client, file: string, value: unknown, options: ApplyOptions): Promise<void> {
  const path = options.path ?? `/config/${basename(file, extname(file))}`;
  const store = new ConfigStore(client, path, { keys: options.keys === true, keep: Number(options.keep) });
  await write(store, value, options.note ?? "", options);
}

/** Shows the differences, and writes exactly those: a change by somebody else in between is a refusal. */
async function write(store: ConfigStore, value: unknown, note: string, options: RollbackOptions): Promise<void> {
  const plan = await store.plan(value, { note });
  const { differences } = plan;
  if (!options.json) for (const difference of differences) printLine(lineOf(difference));
  const zxid = differences.length === 0 || options.dryRun === true ? undefined : await plan.commit();
  if (options.json) return printJson({ path: store.path, differences, zxid });
  if (differences.length === 0) printLine(`${store.path} is like that already`);
  else printLine(zxid === undefined ? `${store.path}: dry run, nothing was written` : `${store.path} written, zxid ${zxid}`);
}

function lineOf({ type, at, before, after }: ConfigDifference): string {
  const place = at === "" ? "(all)" : at;
  const values = type === "changed" ? `${show(before)} -> ${show(after)}` : show(type === "added" ? after : before);
  return `${marks[type]} ${place}  ${values}`;
}

function show(value: unknown): string {
  const text = JSON.stringify(value) ?? "-";
  return text.length > 60 ? `${text.slice(0, 57)}...` : text;
}

async function history(client: Client, path: string, options: GlobalOptions): Promise<void> {
  const revisions = await new ConfigStore(client, path).history();
  for (const { revision, value, layout, note, atMs } of revisions) {
    if (options.json) printJson({ revision, value, layout, note, at: new Date(atMs).toISOString() });
    else printLine(`${String(revision).padEnd(6)} ${new Date(atMs).toISOString()}  ${show(value)}  ${note}`);
  }
  if (revisions.length === 0 && !options.json) printLine("none");
}

async function rollback(client: Client, path: string, wanted: string | undefined, options: RollbackOptions): Promise<void> {
  const layouts = await new ConfigStore(client, path).history();
  const store = new ConfigStore(client, path, { keys: layouts.at(-1)?.layout === "keys" });
  const target = await store.find(wanted === undefined ? undefined : Number(wanted));
  await write(store, target.value, `back to ${target.revision}`, options);
}
