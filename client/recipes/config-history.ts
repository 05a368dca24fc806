/**
 * How a configuration lies in the tree. `node`: the value is the node's data, as JSON. `keys`: each child is a key, its data
 * that key's value, as JSON. Either way the values of the past are children of `.history`, each with the whole value, oldest first.
 * Used by `config.ts`, which watches, and `config-store.ts`, which writes.
 */
import { joinPath, nameOf } from "../../src/model/path.ts";
import type { ListEntry } from "../../src/model/request.ts";
import type { Client } from "../client.ts";
import { toText } from "../data.ts";
import { unless, ZabraError } from "../error.ts";
import type { CallOptions } from "../operations.ts";

export type ConfigLayout = "node" | "keys";

/** A value of the past. */
export interface ConfigRevision {
  /** Counts up with every write by `zabra config` or `ConfigStore`. */
  readonly revision: number;
  readonly value: unknown;
  readonly layout: ConfigLayout;
  /** What its writer said about it. */
  readonly note: string;
  /** Wall clock of the servers, ms. For people. */
  readonly atMs: number;
  readonly path: string;
}

/** What an entry's data is. */
interface Entry {
  readonly layout: ConfigLayout;
  readonly value: unknown;
  readonly note: string;
}

const historyName = ".history";
const entryPrefix = "v-";

export function historyPath(path: string): string {
  return joinPath(path, historyName);
}

/** For a sequential create. */
export function entryPath(path: string): string {
  return joinPath(historyPath(path), entryPrefix);
}

/** Names with a leading dot are no keys. */
export function isKey(path: string): boolean {
  return !nameOf(path).startsWith(".");
}

export function encodeEntry(entry: Entry): string {
  return JSON.stringify(entry);
}

/** Oldest first. Empty when there is none. */
export async function readHistory(client: Client, path: string, options: CallOptions = {}): Promise<readonly ConfigRevision[]> {
  const found = await unless("NO_NODE", listEntries(client, path, options));
  const all = found ?? [];
  return all.sort((a, b) => a.stat.czxid - b.stat.czxid).map(decodeEntry);
}

async function listEntries(client: Client, path: string, options: CallOptions): Promise<ListEntry[]> {
  const all: ListEntry[] = [];
  for await (const entry of client.list(historyPath(path), { ...options, prefix: entryPrefix, withData: true })) all.push(entry);
  return all;
}

function decodeEntry({ path, stat, data }: ListEntry): ConfigRevision {
  const { layout, value, note } = parseEntry(path, toText(data));
  return { revision: Number(nameOf(path).slice(entryPrefix.length)), value, layout, note, atMs: stat.ctimeMs, path };
}

function parseEntry(path: string, text: string): Entry {
  try {
    const entry = JSON.parse(text) as Partial<Entry>;
    return { layout: entry.layout === "keys" ? "keys" : "node", value: entry.value, note: String(entry.note ?? "") };
  } catch (cause) {
    throw new ZabraError("BAD_ARGUMENTS", { path, detail: "this is no entry of a configuration's history", cause });
  }
}
