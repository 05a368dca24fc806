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
  const command = commandAt(program, words.slice(0, -1));
  if (last.startsWith("-")) return [optionNames(command, last), last];
  if (last.startsWith("/")) return [await pathsFrom(client, last), last];
  return [words.length <= 1 || command !== program ? commandNames(command, last) : [], last];
}

/** The command that `words` lead to, over commands of commands. */
export function commandAt(program: Command, words: readonly string[]): Command {
  let command = program;
  for (const word of words) command = command.commands.find((each) => each.name() === word) ?? command;
  return command;
}

export function commandNames(command: Command, start: string): string[] {
  return command.commands.map((each) => each.name()).filter((name) => name.startsWith(start));
}

export function optionNames(command: Command, start: string): string[] {
  const options = command.options.map((option) => option.long ?? option.short ?? "");
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
