/** get, set, create, rm, ls, stat and watch. */
import type { Command } from "commander";
import type { NodeKind } from "../../src/model/request.ts";
import { formatZxid } from "../../src/model/zxid.ts";
import type { Client } from "../client.ts";
import { toText } from "../data.ts";
import { ZabraError } from "../error.ts";
import { dataJson, type GlobalOptions, printJson, printLine, progress, statLines } from "./output.ts";
import type { WithClient } from "./program.ts";
import { treeLines } from "./tree-view.ts";

type Globals = (command: Command) => Command;

export function addTreeCommands(program: Command, globals: Globals, withClient: WithClient): void {
  addReads(program, globals, withClient);
  addWrites(program, globals, withClient);
  addWatch(program, globals, withClient);
}

function addReads(program: Command, globals: Globals, withClient: WithClient): void {
  globals(program.command("get <path>").description("print a node's data")).action((path: string, options: GlobalOptions) =>
    withClient(options, (client) => get(client, path, options)),
  );
  globals(program.command("stat <path>").description("print a node's metadata")).action((path: string, options: GlobalOptions) =>
    withClient(options, (client) => stat(client, path, options)),
  );
  globals(
    program
      .command("ls [path]")
      .description("list a node's children")
      .option("-r, --recursive", "all descendants")
      .option("-l, --long", "with version, size and owner")
      .option("-t, --tree", "all descendants, drawn as a tree"),
  ).action((path: string | undefined, options: LsOptions) => withClient(options, (client) => list(client, path ?? "/", options)));
}

async function get(client: Client, path: string, options: GlobalOptions): Promise<void> {
  const node = await client.get(path);
  if (options.json) printJson({ path, ...dataJson(node.data), stat: node.stat, zxid: node.zxid });
  else
    process.stdout.write(node.data === undefined || process.stdout.isTTY !== true ? (node.data ?? "") : `${toText(node.data)}\n`);
}

async function stat(client: Client, path: string, options: GlobalOptions): Promise<void> {
  const found = await client.exists(path);
  if (found === undefined) throw new ZabraError("NO_NODE", { path });
  if (options.json) printJson({ path, stat: found });
  else for (const line of statLines(found)) printLine(line);
}

interface LsOptions extends GlobalOptions {
  readonly recursive?: boolean;
  readonly long?: boolean;
  readonly tree?: boolean;
}

async function list(client: Client, path: string, options: LsOptions): Promise<void> {
  const below = path === "/" ? 1 : path.length + 1;
  if (options.tree === true && !options.json) return drawTree(client, path, below);
  for await (const entry of client.list(path, { recursive: options.recursive === true || options.tree === true })) {
    if (options.json) printJson({ path: entry.path, stat: entry.stat });
    else if (options.long === true) {
      const { version, dataLength, numChildren, ephemeralOwner } = entry.stat;
      const owner = ephemeralOwner === 0 ? "-" : String(ephemeralOwner);
      printLine(
        `v${String(version).padEnd(5)} ${String(dataLength).padStart(8)} B ${String(numChildren).padStart(6)} children  owner ${owner.padEnd(12)} ${entry.path.slice(below)}`,
      );
    } else printLine(entry.path.slice(below));
  }
}

/** A tree is drawn when all of it is known; beyond this many nodes nobody reads it. */
const drawnNodesMax = 10_000;

async function drawTree(client: Client, path: string, below: number): Promise<void> {
  const names: string[] = [];
  for await (const entry of client.list(path, { recursive: true })) {
    if (names.length >= drawnNodesMax)
      throw new ZabraError("LIMIT", { path, detail: `--tree draws at most ${drawnNodesMax} nodes; use --recursive` });
    names.push(entry.path.slice(below));
  }
  for (const line of treeLines(path, names)) printLine(line);
}

interface WriteOptions extends GlobalOptions {
  readonly version?: string;
}
interface CreateOptions extends GlobalOptions {
  readonly sequential?: boolean;
  readonly ephemeral?: boolean;
  readonly container?: boolean;
  readonly ttl?: string;
  readonly parents?: boolean;
}
interface RemoveOptions extends WriteOptions {
  readonly recursive?: boolean;
}

function addWrites(program: Command, globals: Globals, withClient: WithClient): void {
  globals(
    program
      .command("create <path> [data]")
      .description("create a node")
      .option("-s, --sequential", "append a ten-digit number")
      .option("-e, --ephemeral", "removed when the session ends: in the shell, when you leave it")
      .option("--container", "removed by the servers once it is empty again")
      .option("--ttl <ms>", "removed when childless and unchanged for so long")
      .option("-p, --parents", "create what is missing above it"),
  ).action((path: string, data: string | undefined, options: CreateOptions) =>
    withClient(options, (client) => create(client, path, data, options)),
  );
  globals(
    program
      .command("set <path> <data>")
      .description("replace a node's data")
      .option("--version <n>", "only if the node has this version"),
  ).action((path: string, data: string, options: WriteOptions) =>
    withClient(options, (client) => set(client, path, data, options)),
  );
  globals(
    program
      .command("rm <path>")
      .description("delete a node")
      .option("-r, --recursive", "with everything below it")
      .option("--version <n>", "only if the node has this version"),
  ).action((path: string, options: RemoveOptions) => withClient(options, (client) => remove(client, path, options)));
}

async function create(client: Client, path: string, data: string | undefined, options: CreateOptions): Promise<void> {
  const kind = kindOf(options);
  const parent = path.slice(0, Math.max(1, path.lastIndexOf("/")));
  if (options.parents === true && parent !== "/") await client.ensurePath(parent);
  const ttlMs = options.ttl === undefined ? undefined : Number(options.ttl);
  const node = await client.create(path, data, { kind, sequential: options.sequential === true, ttlMs });
  if (options.json) printJson(node);
  else printLine(node.path);
}

/** Servers refuse what does not go together. */
function kindOf(options: CreateOptions): NodeKind {
  const kinds: NodeKind[] = [];
  if (options.ephemeral === true) kinds.push("ephemeral");
  if (options.container === true) kinds.push("container");
  if (options.ttl !== undefined) kinds.push("ttl");
  if (kinds.length > 1) throw new ZabraError("BAD_ARGUMENTS", { detail: `a node cannot be ${kinds.join(" and ")}` });
  return kinds[0] ?? "persistent";
}

async function set(client: Client, path: string, data: string, options: WriteOptions): Promise<void> {
  const changed = await client.set(path, data, { version: versionOf(options) });
  if (options.json) printJson({ path, stat: changed.stat, zxid: changed.zxid });
  else printLine(`version ${changed.stat.version}`);
}

async function remove(client: Client, path: string, options: RemoveOptions): Promise<void> {
  const onProgress = progress("removed", options);
  const removed = options.recursive === true ? await client.deleteRecursive(path, { onProgress }) : 1;
  if (options.recursive !== true) await client.delete(path, { version: versionOf(options) });
  if (options.json) printJson({ path, removed });
  else printLine(removed === 1 ? `removed ${path}` : `removed ${removed} nodes`);
}

function versionOf(options: WriteOptions): number {
  const version = options.version === undefined ? -1 : Number(options.version);
  if (!Number.isInteger(version))
    throw new ZabraError("BAD_ARGUMENTS", { detail: `--version must be a whole number, not ${options.version}` });
  return version;
}

interface WatchOptions extends GlobalOptions {
  readonly recursive?: boolean;
}

function addWatch(program: Command, globals: Globals, withClient: WithClient): void {
  globals(
    program
      .command("watch <path>")
      .description("print what is there, then every change, until Ctrl-C")
      .option("-r, --recursive", "the whole subtree"),
  ).action((path: string, options: WatchOptions) => withClient(options, (client) => watch(client, path, options)));
}

async function watch(client: Client, path: string, options: WatchOptions): Promise<void> {
  const stop = new AbortController();
  process.once("SIGINT", () => stop.abort());
  process.once("SIGTERM", () => stop.abort());
  try {
    for await (const batch of client.subscribe(path, { recursive: options.recursive === true, signal: stop.signal })) {
      const items =
        batch.type === "snapshot" ? batch.entries.map((entry) => ({ type: "is", zxid: batch.zxid, ...entry })) : batch.changes;
      for (const item of items) {
        if (options.json)
          printJson({ type: item.type, path: item.path, zxid: item.zxid, stat: item.stat, ...dataJson(item.data) });
        else printLine(`${formatZxid(item.zxid).padEnd(10)} ${item.type.padEnd(12)} ${item.path} ${toText(item.data)}`);
      }
    }
  } catch (error) {
    if (!stop.signal.aborted) throw error;
  }
}
