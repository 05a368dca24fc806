/**
 * What Tab offers in the shell: commands, a command's options, and paths that exist. A completion is a
 * courtesy: when the servers are slow or refuse, it offers nothing. Used by `shell.ts`.
 */
import type { Command } from "commander";
import type { Client } from "../client.ts";

const timeoutMs = 1_000;
const offersMax = 200;

/** What readline wants: the offers, and the part of the line that they replace. */
export type Completion = [offers: string[], replaced: string];

export async function complete(program: Command, client: Client, line: string): Promise<Completion> {
  const words = line.split(/\s+/);
  const last = words[words.length - 1] ?? "";
  if (words.length <= 1) return [commandNames(program, last), last];
  if (last.startsWith("-")) return [optionNames(program, words[0] ?? "", last), last];
  return [last.startsWith("/") ? await pathsFrom(client, last) : [], last];
}

export function commandNames(program: Command, start: string): string[] {
  return program.commands.map((command) => command.name()).filter((name) => name.startsWith(start));
}

export function optionNames(program: Command, name: string, start: string): string[] {
  const command = program.commands.find((each) => each.name() === name);
  const options = command?.options.map((option) => option.long ?? option.short ?? "") ?? [];
  return options.filter((option) => option !== "" && option.startsWith(start));
}

async function pathsFrom(client: Client, start: string): Promise<string[]> {
  const slash = start.lastIndexOf("/");
  const parent = slash === 0 ? "/" : start.slice(0, slash);
  const name = start.slice(slash + 1);
  try {
    const page = await client.listPage(parent, { prefix: name, pageSize: offersMax, level: "session", timeoutMs });
    return page.entries.map((entry) => entry.path);
  } catch {
    return [];
  }
}
