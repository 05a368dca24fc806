/**
 * Seeds on several cores: worker threads that each ask for the next seed, run it and hand its report back.
 * What a seed does is its own; the order in which reports come in depends on the machine. With one job all
 * happens in this thread. Reports are plain values, so that they can cross.
 */
import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads";
import { setMutant } from "../../src/model/mutant.ts";
import { type RunOptions, type RunReport, run } from "./swarm.ts";

export type SeedOptions = Omit<RunOptions, "seed" | "trace" | "replay">;

export interface Jobs {
  readonly jobs: number;
  readonly first: number;
  readonly seeds: number;
  readonly options: SeedOptions;
  readonly mutant: string;
  /** Called with each report; false ends the set. */
  readonly each: (report: RunReport) => boolean;
}

export async function runJobs(set: Jobs): Promise<void> {
  const jobs = Math.min(set.jobs, set.seeds);
  if (jobs <= 1) return runHere(set);
  let next = set.first;
  let going = true;
  const take = (): number | undefined => {
    if (!going || next >= set.first + set.seeds) return undefined;
    next += 1;
    return next - 1;
  };
  const give = (report: RunReport): void => {
    if (going) going = set.each(report);
  };
  await Promise.all(Array.from({ length: jobs }, () => runWorker(set, take, give)));
}

function runHere(set: Jobs): void {
  setMutant(set.mutant);
  for (let seed = set.first; seed < set.first + set.seeds; seed += 1) {
    if (!set.each(run({ ...set.options, seed }))) return;
  }
}

function runWorker(set: Jobs, take: () => number | undefined, give: (report: RunReport) => void): Promise<void> {
  const worker = new Worker(new URL(import.meta.url), {
    workerData: { options: set.options, mutant: set.mutant },
    // Worlds are made and thrown away: with room for the young, fewer of them are copied.
    resourceLimits: { maxYoungGenerationSizeMb: 64 },
  });
  return new Promise((resolve, reject) => {
    const ask = (): void => {
      const seed = take();
      if (seed === undefined) void worker.terminate().then(() => resolve());
      else worker.postMessage(seed);
    };
    worker.on("message", (report: RunReport) => {
      give(report);
      ask();
    });
    worker.on("error", reject);
    ask();
  });
}

interface WorkerData {
  readonly options: SeedOptions;
  readonly mutant: string;
}

if (!isMainThread && parentPort !== null) {
  const port = parentPort;
  const { options, mutant } = workerData as WorkerData;
  setMutant(mutant);
  port.on("message", (seed: number) => port.postMessage(run({ ...options, seed })));
}
