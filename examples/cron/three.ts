/**
 * Three processes of the cron job, a tick each second, whose leader is killed, or stopped for a while, at random moments, inside runs too;
 * then says what became of each tick.
 *
 *     node dist/examples/cron/three.js [seconds = 20] [servers]
 *
 * Without `servers` it starts an ensemble of its own.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { type Client, connect, toText } from "zabra";
import { type CronRun, Election } from "zabra/recipes";
import { startEnsemble } from "zabra/testing";
import { effectsPath, jobPath, makeJob, nextTick } from "./job.ts";

const main = fileURLToPath(new URL("./main.js", import.meta.url));
const gapMs = [1_200, 4_000] as const;
/** Around the session timeout of 2 s: some stops cost the lead, some do not. */
const stopMs = [500, 4_500] as const;

class Processes {
  readonly #servers: string;
  readonly #running = new Map<string, ChildProcess>();
  #started = 0;
  killed = 0;
  stopped = 0;

  constructor(servers: string) {
    this.#servers = servers;
  }

  start(): void {
    this.#started += 1;
    const name = `worker-${this.#started}`;
    this.#running.set(name, spawn(process.execPath, [main, name, this.#servers], { stdio: ["ignore", "inherit", "inherit"] }));
  }

  async disturb(name: string): Promise<void> {
    const child = this.#running.get(name);
    if (child === undefined) return;
    if (Math.random() < 0.5) await this.#kill(name, child);
    else await this.#stop(name, child);
  }

  async #kill(name: string, child: ChildProcess): Promise<void> {
    console.log(`kill ${name}`);
    this.killed += 1;
    this.#running.delete(name);
    const exit = once(child, "exit");
    child.kill("SIGKILL");
    await exit;
    this.start();
  }

  async #stop(name: string, child: ChildProcess): Promise<void> {
    const ms = between(stopMs);
    console.log(`stop ${name} for ${Math.round(ms)} ms`);
    this.stopped += 1;
    child.kill("SIGSTOP");
    await delay(ms);
    child.kill("SIGCONT");
  }

  close(): void {
    for (const child of this.#running.values()) child.kill("SIGKILL");
  }
}

function between([min, max]: readonly [number, number]): number {
  return min + Math.random() * (max - min);
}

async function disturbFor(client: Client, processes: Processes, seconds: number): Promise<void> {
  const election = new Election(client, `${jobPath}/leader`);
  const untilMs = performance.now() + 1_000 * seconds;
  while (performance.now() < untilMs) {
    await delay(between(gapMs));
    await processes.disturb(toText((await election.leader())?.data));
  }
}

/** Waits for a tick that was run after all disturbances, so that everything before it is settled. */
async function settled(client: Client): Promise<readonly CronRun[]> {
  const job = makeJob(client, "", () => {});
  const before = (await job.history()).at(-1)?.run ?? 0;
  for (;;) {
    const history = await job.history();
    const after = history.findIndex((run) => run.run > before + 1 && run.status === "done");
    if (after >= 0) return history.slice(0, after + 1);
    await delay(100);
  }
}

/** What is wrong with what has been run, judged by the tree: by the history and by what the runs did. */
async function problemsOf(client: Client, history: readonly CronRun[]): Promise<readonly string[]> {
  const problems: string[] = [];
  const effects = new Map<string, number>();
  for await (const { path, stat } of client.list(effectsPath)) effects.set(path.slice(effectsPath.length + 1), stat.czxid);
  let lastEnd = 0;
  for (const [i, { run, atMs, status }] of history.entries()) {
    const before = history[i - 1];
    if (before !== undefined && nextTick(before.atMs) !== atMs)
      problems.push(`run ${run} is of ${atMs}, not the tick after ${before.atMs}`);
    if (run !== i + 1) problems.push(`run ${run} stands where ${i + 1} should`);
    const [begin, end] = [effects.get(`${run}-begin`), effects.get(`${run}-end`)];
    if (status === "running" || status === "failed") problems.push(`run ${run} is ${status}`);
    if (status === "done" && (begin === undefined || end === undefined)) problems.push(`run ${run} is done, and did nothing`);
    if (begin !== undefined && begin < lastEnd) problems.push(`run ${run} began before the run before it had ended`);
    lastEnd = Math.max(lastEnd, begin ?? 0, end ?? 0);
  }
  return problems;
}

const [seconds = "20", given] = process.argv.slice(2);
const ensemble = given === undefined ? await startEnsemble({ zookeeper: false }) : undefined;
const servers = given ?? ensemble?.urls.join(",") ?? "";
const processes = new Processes(servers);
process.once("exit", () => processes.close());
for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => process.exit(1));
const client = await connect(servers);
try {
  for (let i = 0; i < 3; i += 1) processes.start();
  await disturbFor(client, processes, Number(seconds));
  const history = await settled(client);
  const problems = await problemsOf(client, history);
  const done = history.filter((run) => run.status === "done").length;
  const { killed, stopped } = processes;
  console.log(
    `${history.length} ticks: ${done} done, ${history.length - done} interrupted; leaders killed ${killed}, stopped ${stopped}`,
  );
  console.log(
    problems.length === 0 ? "every tick ran once or is reported as interrupted, never two at a time" : problems.join("\n"),
  );
  process.exitCode = problems.length === 0 ? 0 : 1;
} finally {
  processes.close();
  await client.close();
  await ensemble?.close();
}
