/**
 * A cron job that any number of processes share: one of them leads and runs the ticks; when it dies, another goes on after the last tick
 * that was started. What a tick does here is written into Zabra, guarded by the leader's term, so a former leader that wakes up late changes
 * nothing. Work elsewhere is as safe only if what it changes checks the token.
 */
import { Cron } from "croner";
import type { Client } from "zabra";
import { CronJob, type CronRun, type Tick } from "zabra/recipes";

export const jobPath = "/cron/report";
export const effectsPath = "/cron-effects";
/** How long a tick's work takes, ms. */
const workMs = 250;
const runsKept = 10_000;

const schedule = new Cron("* * * * * *", { timezone: "UTC" });

export function nextTick(afterMs: number): number | undefined {
  return schedule.nextRun(new Date(afterMs))?.getTime();
}

export function makeJob(client: Client, name: string, say: (line: string) => void): CronJob {
  return new CronJob(client, jobPath, {
    name,
    next: nextTick,
    missed: "all",
    keep: runsKept,
    run: (tick) => work(client, tick),
    onEvent: (event) => {
      if (event.type === "leads") say(`${name} leads with token ${event.token}`);
      else if (event.type === "follows") say(`${name} no longer leads: ${event.error?.message ?? ""}`);
      else if (event.type !== "skipped") say(`${name} ${lineOf(event.type, event.run)}`);
    },
  });
}

function lineOf(what: string, { atMs, run, status }: CronRun): string {
  return `${what} run ${run} of ${new Date(atMs).toISOString()}${what === "ended" ? ` ${status}` : ""}`;
}

/** The job itself: a beginning and an end that others can see. */
async function work(client: Client, { run, guard, signal }: Tick): Promise<string> {
  await client.create(`${effectsPath}/${run}-begin`, undefined, { guard, signal });
  await client.sleep(workMs, { signal });
  await client.create(`${effectsPath}/${run}-end`, undefined, { guard, signal });
  return `report ${run}`;
}
