/** `zabra quota`: get, set and rm, on the nodes that ZooKeeper's own `setquota` uses, so either tool may follow the other. */
import type { Command } from "commander";
import {
  formatQuota,
  formatUsage,
  limitedPath,
  limitsPathOf,
  noQuota,
  parseQuota,
  type Quota,
  quotaRoot,
  statsPathOf,
} from "../../src/model/quota.ts";
import type { Client } from "../client.ts";
import { toText } from "../data.ts";
import { ZabraError } from "../error.ts";
import { type GlobalOptions, printJson, printLine } from "./output.ts";
import type { WithClient } from "./program.ts";

interface SetOptions extends GlobalOptions {
  readonly count?: string;
  readonly bytes?: string;
  readonly hardCount?: string;
  readonly hardBytes?: string;
}

export function addQuotaCommands(program: Command, globals: (command: Command) => Command, withClient: WithClient): void {
  const quota = program.command("quota").description("limit the nodes and bytes below a path");
  globals(quota.command("get <path>").description("print a path's limits and usage")).action(
    (path: string, options: GlobalOptions) => withClient(options, (client) => get(client, path, options)),
  );
  globals(
    quota
      .command("set <path>")
      .description("set limits; those not named stay. A soft limit is logged when passed, a hard one refuses")
      .option("--count <n>", "soft limit of nodes, the path itself counted; -1: none")
      .option("--bytes <n>", "soft limit of data")
      .option("--hard-count <n>", "hard limit of nodes")
      .option("--hard-bytes <n>", "hard limit of data"),
  ).action((path: string, options: SetOptions) => withClient(options, (client) => set(client, path, options)));
  globals(quota.command("rm <path>").description("end a path's quota")).action((path: string, options: GlobalOptions) =>
    withClient(options, (client) => remove(client, path, options)),
  );
}

async function get(client: Client, path: string, options: GlobalOptions): Promise<void> {
  const quota = await read(client, path);
  if (quota === undefined) throw new ZabraError("NO_NODE", { path, detail: "it has no quota" });
  const usage = parseQuota((await textOf(client, statsPathOf(path))) ?? "");
  if (options.json) printJson({ path, ...quota, usedCount: usage.count, usedBytes: usage.bytes });
  else for (const line of lines(quota, usage)) printLine(line);
}

function lines(quota: Quota, usage: Quota): string[] {
  const limit = (value: number): string => (value < 0 ? "-" : String(value));
  return [
    `nodes  ${usage.count}  soft ${limit(quota.count)}  hard ${limit(quota.countHardLimit)}`,
    `bytes  ${usage.bytes}  soft ${limit(quota.bytes)}  hard ${limit(quota.byteHardLimit)}`,
  ];
}

async function set(client: Client, path: string, options: SetOptions): Promise<void> {
  if (path === "/") throw new ZabraError("BAD_ARGUMENTS", { path, detail: "the root cannot have a quota" });
  if ((await client.exists(path)) === undefined) throw new ZabraError("NO_NODE", { path });
  await refuseNested(client, path);
  const before = (await read(client, path)) ?? noQuota;
  const quota = {
    count: limitOf("--count", options.count, before.count),
    bytes: limitOf("--bytes", options.bytes, before.bytes),
    countHardLimit: limitOf("--hard-count", options.hardCount, before.countHardLimit),
    byteHardLimit: limitOf("--hard-bytes", options.hardBytes, before.byteHardLimit),
  };
  await client.ensurePath(quotaRoot + path);
  // The stats first: whoever sees the limits finds the usage too.
  await put(client, statsPathOf(path), formatUsage(-1, -1));
  await put(client, limitsPathOf(path), formatQuota(quota));
  if (options.json) printJson({ path, ...quota });
  else printLine(formatQuota(quota));
}

async function put(client: Client, path: string, text: string): Promise<void> {
  if ((await client.exists(path)) === undefined) await client.create(path, text);
  else await client.set(path, text);
}

/** Only the innermost quota of a path counts, so one below or above another is most likely a mistake; ZooKeeper's tools refuse it too. */
async function refuseNested(client: Client, path: string): Promise<void> {
  for await (const { path: node } of client.list(quotaRoot, { recursive: true })) {
    const other = limitedPath(node);
    if (other === undefined || other === path) continue;
    if (path.startsWith(`${other}/`) || other.startsWith(`${path}/`))
      throw new ZabraError("BAD_ARGUMENTS", { path, detail: `${other} has a quota, and quotas cannot be nested` });
  }
}

function limitOf(flag: string, text: string | undefined, before: number): number {
  if (text === undefined) return before;
  if (!/^(-1|\d{1,15})$/.test(text))
    throw new ZabraError("BAD_ARGUMENTS", { detail: `${flag} must be a whole number, or -1 for none, not ${text}` });
  return Number(text);
}

async function remove(client: Client, path: string, options: GlobalOptions): Promise<void> {
  if ((await read(client, path)) === undefined) throw new ZabraError("NO_NODE", { path, detail: "it has no quota" });
  await client.delete(limitsPathOf(path));
  if ((await client.exists(statsPathOf(path))) !== undefined) await client.delete(statsPathOf(path));
  await removeEmpty(client, quotaRoot + path);
  if (options.json) printJson({ path, removed: true });
  else printLine(`removed the quota of ${path}`);
}

/** The nodes that only led to the quota's. */
async function removeEmpty(client: Client, path: string): Promise<void> {
  if (path === quotaRoot) return;
  try {
    await client.delete(path);
  } catch (error) {
    if (error instanceof ZabraError && (error.code === "NOT_EMPTY" || error.code === "NO_NODE")) return;
    throw error;
  }
  await removeEmpty(client, path.slice(0, path.lastIndexOf("/")));
}

async function read(client: Client, path: string): Promise<Quota | undefined> {
  const text = await textOf(client, limitsPathOf(path));
  return text === undefined ? undefined : parseQuota(text);
}

async function textOf(client: Client, path: string): Promise<string | undefined> {
  if ((await client.exists(path)) === undefined) return undefined;
  return toText((await client.get(path)).data);
}
