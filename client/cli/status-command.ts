/** `zabra status`: one line a server, from its `/status`. */
import type { Command } from "commander";
import { ZabraError } from "../error.ts";
import { parseHosts } from "../hosts.ts";
import { type GlobalOptions, printJson, printLine } from "./output.ts";

interface ServerStatus {
  readonly id: number;
  readonly role: string;
  readonly epoch: number;
  readonly leader?: number;
  readonly lastAppliedZxid: number;
  readonly sessions: number;
  readonly znodes: number;
  readonly uptimeMs: number;
  readonly version: string;
}

export function addStatusCommand(program: Command, globals: (command: Command) => Command): void {
  globals(program.command("status").description("print the state of each server")).action(status);
}

async function status(options: GlobalOptions): Promise<void> {
  const urls = parseHosts(options.connect);
  const answers = await Promise.all(urls.map((url) => ask(url, Number(options.timeout))));
  if (!options.json) printLine("server  role       epoch  applied         sessions   znodes  up");
  for (const [i, answer] of answers.entries()) print(urls[i] ?? "", answer, options.json);
  if (answers.every((answer) => answer === undefined))
    throw new ZabraError("TIMEOUT", { detail: `no server answers at ${urls.join(", ")}` });
}

async function ask(url: string, timeoutMs: number): Promise<ServerStatus | undefined> {
  try {
    const target = new URL("/status", url.replace(/^ws/, "http"));
    const response = await fetch(target, { signal: AbortSignal.timeout(Math.min(timeoutMs, 3_000)) });
    return (await response.json()) as ServerStatus;
  } catch {
    return undefined;
  }
}

function print(url: string, answer: ServerStatus | undefined, json: boolean): void {
  if (json) return printJson({ url, ...(answer ?? { error: "no answer" }) });
  if (answer === undefined) return printLine(`${url}  no answer`);
  const up = `${Math.round(answer.uptimeMs / 1000)} s`;
  printLine(
    `${String(answer.id).padEnd(7)} ${answer.role.padEnd(10)} ${String(answer.epoch).padEnd(6)} ${String(answer.lastAppliedZxid).padEnd(15)} ${String(answer.sessions).padEnd(10)} ${String(answer.znodes).padEnd(7)} ${up}`,
  );
}
