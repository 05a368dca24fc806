/** `zabra cron PATH --every 5s -- COMMAND`: runs a command at times, in one of all the processes that were started like that; without one, shows the history. */
import { type Command, CommanderError } from "commander";
import { Cron } from "croner";
import type { Client } from "../client.ts";
import { formatTime } from "../clock.ts";
import { type CronEvent, CronJob, everyMs, type MissedTicks, type Tick } from "../recipes/cron-job.ts";
import { runChild, whoAmI } from "./held-command.ts";
import { type GlobalOptions, printJson, printLine } from "./output.ts";
import type { WithClient } from "./program.ts";

interface CronOptions extends GlobalOptions {
  readonly every?: string;
  readonly cron?: string;
  readonly missed: string;
  readonly keep: string;
}

const usageExitCode = 64;
const units: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };

export function addCronCommand(program: Command, globals: (command: Command) => Command, withClient: WithClient): void {
  globals(
    program
      .command("cron <path> [command...]")
      .description("run a command at times, once each however many processes wait for it; without one, show what was run"),
  )
    .option("--every <time>", "such as 500ms, 5s, 1m, 2h, 1d")
    .option("--cron <expression>", "such as '0 3 * * *' (UTC)")
    .option("--missed <which>", "ticks that nobody ran: all, latest or skip", "latest")
    .option("--keep <n>", "runs that are kept", "100")
    .action((path: string, command: string[], options: CronOptions) => {
      const next = command.length === 0 ? everyMs(1_000) : scheduleOf(options);
      return withClient(options, (client) => cron(client, path, command, next, options));
    });
}

function scheduleOf({ every, cron: expression, missed }: CronOptions): (afterMs: number) => number | undefined {
  if ((every === undefined) === (expression === undefined)) throw usage("give either --every or --cron");
  if (!["all", "latest", "skip"].includes(missed)) throw usage(`--missed must be all, latest or skip, not ${missed}`);
  if (every !== undefined) return everyMs(toMs(every));
  try {
    const schedule = new Cron(expression ?? "", { timezone: "UTC" });
    return (afterMs) => schedule.nextRun(new Date(afterMs))?.getTime();
  } catch (error) {
    throw usage(`--cron: ${error instanceof Error ? error.message : String(error)}`);
  }
}

function toMs(every: string): number {
  const [, number, unit = ""] = /^(\d+)(ms|s|m|h|d)$/.exec(every) ?? [];
  const ms = Number(number) * (units[unit] ?? Number.NaN);
  if (!(ms > 0)) throw usage(`--every must be a number and ms, s, m, h or d, not ${every}`);
  return ms;
}

function usage(message: string): CommanderError {
  return new CommanderError(usageExitCode, "zabra.cron", `error: ${message}`);
}

async function cron(
  client: Client,
  path: string,
  command: readonly string[],
  next: (afterMs: number) => number | undefined,
  options: CronOptions,
): Promise<void> {
  const run = (tick: Tick): Promise<string> => runTick(command, tick);
  const missed = options.missed as MissedTicks;
  const onEvent = (event: CronEvent): void => printEvent(event, options);
  const job = new CronJob(client, path, { next, run, missed, keep: Number(options.keep), name: whoAmI(), onEvent });
  if (command.length === 0) return showHistory(job, options);
  const stop = new AbortController();
  const onSignal = (): void => stop.abort();
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, onSignal);
  await job.serve({ signal: stop.signal });
}

/** The command is stopped when the lead is lost. */
async function runTick(command: readonly string[], { atMs, run, token, signal }: Tick): Promise<string> {
  const env = { ZABRA_TICK: formatTime(atMs), ZABRA_RUN: String(run), ZABRA_TOKEN: String(token) };
  const code = await runChild(command, env, signal);
  if (code !== 0) throw new Error(`exit code ${code}`);
  return "exit code 0";
}

function printEvent(event: CronEvent, options: GlobalOptions): void {
  if (options.json) return printJson(event.type === "follows" ? { type: event.type, error: event.error?.message } : event);
  if (event.type === "leads") printLine(`leads, token ${event.token}`);
  else if (event.type === "follows") printLine(`leads no longer: ${event.error?.message ?? ""}`);
  else if (event.type === "skipped") printLine(`skipped ${formatTime(event.fromMs)} to ${formatTime(event.toMs)}`);
  else printLine(`${event.type} run ${event.run.run} of ${formatTime(event.run.atMs)} ${event.run.status} ${event.run.result}`);
}

async function showHistory(job: CronJob, options: GlobalOptions): Promise<void> {
  const runs = await job.history();
  for (const run of runs) {
    if (options.json) printJson({ ...run, at: formatTime(run.atMs) });
    else printLine(`${String(run.run).padEnd(6)} ${formatTime(run.atMs)} ${run.status.padEnd(11)} ${run.by}  ${run.result}`);
  }
  if (runs.length === 0 && !options.json) printLine("nothing was run");
}
