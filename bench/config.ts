/**
 * 1,000 watchers of one configuration, each a client of its own, and how long after a write's call the last of them have the new value. A bad
 * value is written now and then, and must reach none. Three server processes, the writer and the watchers, in some processes, on one machine.
 * The first writes, before anything is compiled, are told apart.
 * `node dist/bench/config.js [--watchers 1000] [--processes 2] [--cold 10] [--writes 50] [--gap 200]`
 */
import { setTimeout as delay } from "node:timers/promises";
import { parseArgs } from "node:util";
import { connect } from "../client/index.ts";
import { cpuSeconds, ProcessEnsemble } from "../test/cluster/process-ensemble.ts";
import { machineMs } from "./support/watchers.ts";
import { WatchersProcess } from "./support/watchers-process.ts";

const { values } = parseArgs({
  options: {
    watchers: { type: "string", default: "1000" },
    processes: { type: "string", default: "2" },
    cold: { type: "string", default: "10" },
    writes: { type: "string", default: "50" },
    /** ms between writes. */
    gap: { type: "string", default: "200" },
  },
});
const watchers = Number(values.watchers);
const processes = Number(values.processes);
const cold = Number(values.cold);
const writes = Number(values.writes);
const path = "/config/bench";

function percentile(sorted: readonly number[], part: number): string {
  return (sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? Number.NaN).toFixed(1);
}

/** Of `watchers`, what the process `index` has. */
function shareOf(index: number): number {
  return Math.floor(((index + 1) * watchers) / processes) - Math.floor((index * watchers) / processes);
}

const ensemble = await ProcessEnsemble.start({ args: ["--log-level", "warn"] });
const writer = await connect(ensemble.urls);
await writer.ensurePath("/config");
await writer.create(path, "0");
const openedMs = performance.now();
const all = await Promise.all(Array.from({ length: processes }, (_, i) => WatchersProcess.open(ensemble.urls, shareOf(i), path)));
console.log(`${watchers} watchers in ${processes} processes opened in ${((performance.now() - openedMs) / 1_000).toFixed(1)} s`);
const cpu = (): number => ensemble.members.reduce((sum, { child }) => sum + cpuSeconds(child?.pid ?? 0), 0);

/** Writes the values from `first` on; when each was called. */
async function write(first: number, count: number): Promise<ReadonlyMap<number, number>> {
  const calledMs = new Map<number, number>();
  for (let value = first; value < first + count; value += 1) {
    if (value % 10 === 5) await writer.set(path, '"bad"');
    calledMs.set(value, machineMs());
    await writer.set(path, String(value));
    await Promise.all(all.map((some) => some.have(value)));
    await delay(Number(values.gap));
  }
  return calledMs;
}

/** False when a watcher missed a value, or saw a bad one. */
async function measure(name: string, first: number, count: number): Promise<boolean> {
  const cpuBefore = cpu();
  const calledMs = await write(first, count);
  const cpuUsed = cpu() - cpuBefore;
  const taken = await Promise.all(all.map((some) => some.take()));
  const bad = taken.reduce((sum, one) => sum + one.bad, 0);
  const latencies: number[] = [];
  for (const { seen } of taken) for (const [value, atMs] of seen) latencies.push(atMs - (calledMs.get(value) ?? Number.NaN));
  const sorted = latencies.sort((a, b) => a - b);
  const times = `p50 ${percentile(sorted, 0.5)}, p99 ${percentile(sorted, 0.99)}, max ${percentile(sorted, 1)}`;
  const seen = `${sorted.length} of ${watchers * count} seen, ${bad} bad`;
  console.log(`${name}: write to watcher, ms: ${times}; ${seen}; servers' CPU: ${cpuUsed.toFixed(2)} s for ${count} writes`);
  return bad === 0 && sorted.length >= watchers * count;
}

const coldGood = await measure("cold", 1, cold);
const good = (await measure("warm", cold + 1, writes)) && coldGood;
await Promise.all(all.map((some) => some.close()));
await writer.close();
await ensemble.close();
if (!good) process.exitCode = 1;
