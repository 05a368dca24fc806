/**
 * Three processes of the cron job, of which the leader is killed, or stopped for a while, after every few
 * ticks; then says whether each tick ran exactly once.
 *
 *     node dist/examples/cron/three.js [ticks between = 5] [how often = 6] [servers]
 *
 * Without `servers` it starts an ensemble of its own.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { type Client, connect } from "zabra";
import { Election } from "zabra/recipes";
import { startEnsemble } from "zabra/testing";
import { electionPath, jobPath, nextTick, parseState } from "./job.ts";

const main = fileURLToPath(new URL("./main.js", import.meta.url));
const ran = /^(\S+) ran (\S+) as run (\d+)$/;

class Processes {
  readonly #servers: string;
  readonly #running = new Map<string, ChildProcess>();
  readonly #stopped: ChildProcess[] = [];
  readonly #ticks = new Map<string, string>();
  readonly twice: string[] = [];
  #started = 0;

  constructor(servers: string) {
    this.#servers = servers;
  }

  start(): void {
    this.#started += 1;
    const name = `worker-${this.#started}`;
    const child = spawn(process.execPath, [main, name, this.#servers], { stdio: ["ignore", "pipe", "inherit"] });
    createInterface({ input: child.stdout }).on("line", (line) => this.#onLine(line));
    this.#running.set(name, child);
  }

  async kill(name: string): Promise<void> {
    const child = this.#take(name);
    const exit = once(child, "exit");
    child.kill("SIGKILL");
    await exit;
    this.start();
  }

  /** Until `wake`. */
  stop(name: string): void {
    const child = this.#take(name);
    child.kill("SIGSTOP");
    this.#stopped.push(child);
    this.#running.set(name, child);
  }

  wake(): void {
    for (const child of this.#stopped.splice(0)) child.kill("SIGCONT");
  }

  close(): void {
    this.wake();
    for (const child of this.#running.values()) child.kill("SIGKILL");
  }

  #take(name: string): ChildProcess {
    const child = this.#running.get(name);
    if (child === undefined) throw new Error(`${name} leads, and is not ours: is another instance running?`);
    this.#running.delete(name);
    return child;
  }

  #onLine(line: string): void {
    console.log(line);
    const tick = ran.exec(line)?.[2];
    if (tick === undefined) return;
    if (this.#ticks.has(tick)) this.twice.push(tick);
    this.#ticks.set(tick, line);
  }
}

/** The number of runs after each. */
async function* runsOf(client: Client): AsyncGenerator<number, void, undefined> {
  for await (const batch of client.subscribe(jobPath)) {
    for (const node of batch.type === "snapshot" ? batch.entries : batch.changes) {
      if (node.path === jobPath) yield parseState(new TextDecoder().decode(node.data)).runs;
    }
  }
}

/** Kills or stops the leader, in turns. */
async function disturb(client: Client, processes: Processes, kill: boolean): Promise<void> {
  processes.wake();
  const leader = await new Election(client, electionPath).leader();
  const name = new TextDecoder().decode(leader?.data);
  console.log(`${kill ? "kill" : "stop"} ${name}`);
  if (kill) await processes.kill(name);
  else processes.stop(name);
}

async function disturbOften(client: Client, processes: Processes, every: number, times: number): Promise<void> {
  let disturbed = 0;
  let next: number | undefined;
  for await (const runs of runsOf(client)) {
    next ??= runs + every;
    if (runs < next) continue;
    if (disturbed === times) return;
    await disturb(client, processes, disturbed % 2 === 0);
    disturbed += 1;
    next = runs + every;
  }
}

/** What is wrong with what has been run, judged by the tree. */
async function problemsOf(client: Client): Promise<{ readonly ticks: number; readonly problems: readonly string[] }> {
  const { outcomes } = await client.multiRead([
    { type: "get", path: jobPath },
    { type: "children", path: jobPath },
  ]);
  const [job, children] = outcomes.map((outcome) => outcome.result);
  if (job?.type !== "data" || children?.type !== "children") throw new Error("the job has no node");
  const { runs, last } = parseState(new TextDecoder().decode(job.data));
  const ticks = children.names.toSorted();
  const problems: string[] = [];
  if (runs !== ticks.length) problems.push(`${runs} runs of ${ticks.length} ticks`);
  if (last !== ticks.at(-1)) problems.push(`the last is ${ticks.at(-1)}, not ${last}`);
  for (const [i, tick] of ticks.slice(1).entries()) {
    const expected = nextTick(ticks[i] ?? "").toISOString();
    if (tick !== expected) problems.push(`${tick} instead of ${expected}`);
  }
  return { ticks: ticks.length, problems };
}

const [every = "5", times = "6", given] = process.argv.slice(2);
const ensemble = given === undefined ? await startEnsemble({ zookeeper: false }) : undefined;
const servers = given ?? ensemble?.urls.join(",") ?? "";
const processes = new Processes(servers);
process.once("exit", () => processes.close());
for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => process.exit(1));
const client = await connect(servers);
try {
  for (let i = 0; i < 3; i += 1) processes.start();
  await disturbOften(client, processes, Number(every), Number(times));
  const { ticks, problems } = await problemsOf(client);
  const all = [...problems, ...processes.twice.map((tick) => `${tick} ran twice`)];
  console.log(all.length === 0 ? `all ${ticks} ticks ran exactly once` : all.join("\n"));
  process.exitCode = all.length === 0 ? 0 : 1;
} finally {
  processes.close();
  await client.close();
  await ensemble?.close();
}
