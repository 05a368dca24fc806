/**
 * `zabra shell`: the client commands in one session, so that ephemerals, locks and read-your-writes last from
 * one line to the next. At a terminal: a prompt, history, Tab; a failed command is told and the shell goes on.
 * From a pipe: a script, which ends at the first command that fails. Used by `program.ts`.
 */
import { createInterface, type Interface } from "node:readline";
import type { Command } from "commander";
import type { Client } from "../client.ts";
import { complete } from "./completer.ts";
import { History } from "./history.ts";
import { splitWords } from "./words.ts";

export interface ShellParts {
  readonly client: Client;
  /** Anew for each line: commander keeps the options of the line before. */
  readonly program: () => Command;
  /** Tells of a failure; the exit code. */
  readonly report: (error: unknown, json: boolean) => number;
}

const leaving: ReadonlySet<string> = new Set(["exit", "quit"]);

/** Resolves when the user leaves, or the script has ended; `process.exitCode` is that of the last command. */
export async function runShell(parts: ShellParts): Promise<void> {
  if (process.stdin.isTTY === true && process.stdout.isTTY === true) await new Prompt(parts).run();
  else await runScript(parts);
}

async function runScript(parts: ShellParts): Promise<void> {
  for await (const line of createInterface({ input: process.stdin })) {
    if (leaving.has(line.trim())) return;
    process.exitCode = await runLine(parts, line);
    if (process.exitCode !== 0) return;
  }
}

/** Runs one line; its exit code. Empty lines and comments do nothing. */
async function runLine(parts: ShellParts, line: string): Promise<number> {
  if (/^\s*(#|$)/.test(line)) return 0;
  let words: readonly string[] = [];
  process.exitCode = 0;
  try {
    words = splitWords(line);
    await parts.program().parseAsync(words, { from: "user" });
  } catch (error) {
    return parts.report(error, words.includes("--json"));
  }
  return Number(process.exitCode);
}

class Prompt {
  readonly #parts: ShellParts;
  readonly #history = History.open();
  readonly #lines: string[] = [];
  readonly #interface: Interface;
  #running = false;
  #left: () => void = () => undefined;

  constructor(parts: ShellParts) {
    this.#parts = parts;
    this.#interface = createInterface({
      input: process.stdin,
      output: process.stdout,
      history: this.#history.newestFirst(),
      historySize: this.#history.linesMax,
      removeHistoryDuplicates: true,
      completer: (line: string, done: (error: null, completion: [string[], string]) => void) => {
        complete(parts.program(), parts.client, line).then((completion) => done(null, completion));
      },
    });
  }

  async run(): Promise<void> {
    process.stdout.write("`help` lists the commands, Tab completes them and paths; `exit` or Ctrl-D leaves.\n");
    const left = new Promise<void>((resolve) => {
      this.#left = resolve;
    });
    this.#interface.on("line", (line) => this.#onLine(line));
    this.#interface.on("SIGINT", () => this.#dropLine());
    this.#interface.on("close", () => this.#left());
    this.#ask();
    await left;
    process.exitCode = 0;
  }

  #ask(): void {
    const { type } = this.#parts.client.state;
    this.#interface.setPrompt(type === "connected" ? "zabra> " : `zabra (${type})> `);
    this.#interface.prompt();
  }

  /** Ctrl-C at the prompt, as in other shells: what was typed is dropped. */
  #dropLine(): void {
    this.#interface.write(null, { ctrl: true, name: "e" });
    this.#interface.write(null, { ctrl: true, name: "u" });
    process.stdout.write("\n");
    this.#ask();
  }

  /** Pasted lines come at once; they run one after another. */
  #onLine(line: string): void {
    this.#lines.push(line);
    if (!this.#running) void this.#runLines();
  }

  async #runLines(): Promise<void> {
    this.#running = true;
    for (let line = this.#lines.shift(); line !== undefined; line = this.#lines.shift()) {
      if (leaving.has(line.trim())) return this.#interface.close();
      this.#history.add(line);
      await this.#runOne(line);
    }
    this.#running = false;
    this.#ask();
  }

  /** The command has the terminal: its own Ctrl-C ends it and not the shell, and its children may read. */
  async #runOne(line: string): Promise<void> {
    const ignore = (): void => undefined;
    process.on("SIGINT", ignore);
    this.#interface.pause();
    process.stdin.setRawMode(false);
    try {
      const code = await runLine(this.#parts, line);
      if (code > 1) process.stderr.write(`exit code ${code}\n`);
    } finally {
      process.stdin.setRawMode(true);
      this.#interface.resume();
      process.removeListener("SIGINT", ignore);
    }
  }
}
