/**
 * A cron job that any number of processes share. One of them leads and runs the ticks; when it dies,
 * another goes on after the last tick that was run, so none is left out.
 *
 * Each tick runs exactly once. Running it is one txn: it creates the tick's node, moves the job's state
 * on, and is guarded by the leader's term. A former leader that wakes up late is refused (FENCED), and a
 * txn whose reply got lost is sent again by the client and applied once. Work whose effect is outside of
 * Zabra can be as safe only if what it changes checks the token: see `work`.
 */
import { setTimeout as delay } from "node:timers/promises";
import { Cron } from "croner";
import { type Client, unless, ZabraError } from "zabra";
import { Election, type Term } from "zabra/recipes";

export const jobPath = "/cron/report";
export const electionPath = "/cron/report-leader";
export const schedule = new Cron("* * * * * *", { timezone: "UTC" });

const tickTtlMs = 24 * 60 * 60 * 1_000;

/** The data of the job's node. */
export interface JobState {
  /** The last tick that was run. */
  readonly last: string;
  /** How many were. */
  readonly runs: number;
}

/** Campaigns, leads, and campaigns again when the term has ended. Returns when the client is closed. */
export async function runJob(client: Client, name: string, say: (line: string) => void): Promise<void> {
  const election = new Election(client, electionPath, { data: name });
  while (client.state.type !== "closed") {
    const term = await election.campaign();
    say(`${name} leads with token ${term.token}`);
    try {
      await lead(client, term, (tick, runs) => say(`${name} ran ${tick} as run ${runs}`));
    } catch (error) {
      if (!term.signal.aborted && !(error instanceof ZabraError)) throw error;
      say(`${name} no longer leads: ${error instanceof Error ? error.message : error}`);
    } finally {
      await term.resign();
    }
  }
}

async function lead(client: Client, term: Term, ran: (tick: string, runs: number) => void): Promise<never> {
  for (let { state, version } = await readJob(client); ; version += 1) {
    const due = nextTick(state.last);
    await delay(Math.max(0, due.getTime() - Date.now()), undefined, { signal: term.signal });
    state = { last: due.toISOString(), runs: state.runs + 1 };
    await runTick(client, term, state, version);
    ran(state.last, state.runs);
  }
}

async function runTick(client: Client, term: Term, state: JobState, version: number): Promise<void> {
  await client
    .transaction()
    .create(`${jobPath}/${state.last}`, work(state.last, term.token), { kind: "ttl", ttlMs: tickTtlMs })
    .set(jobPath, JSON.stringify(state), version)
    .commit({ guard: term.guard });
}

/** The job itself. A job that writes elsewhere would pass the token along, for the other side to refuse a lower one. */
function work(tick: string, token: number): string {
  return `report of ${tick}, token ${token}`;
}

/** The state to go on from. The very first leader starts the job now. */
async function readJob(client: Client): Promise<{ readonly state: JobState; readonly version: number }> {
  const found = await unless("NO_NODE", client.get(jobPath));
  if (found !== undefined) return { state: parseState(found.text), version: found.stat.version };
  const state: JobState = { last: new Date().toISOString(), runs: 0 };
  await client.ensurePath("/cron");
  const created = await unless("NODE_EXISTS", client.create(jobPath, JSON.stringify(state)));
  return created === undefined ? readJob(client) : { state, version: 0 };
}

export function parseState(text: string): JobState {
  return JSON.parse(text) as JobState;
}

export function nextTick(after: string): Date {
  const next = schedule.nextRun(new Date(after));
  if (next === null) throw new Error("the schedule has no further tick");
  return next;
}
