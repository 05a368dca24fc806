/**
 * 1,000 watchers of one configuration, each a client of its own, and how long after a write's answer the last of them have the new value. A bad
 * value is written now and then, and must reach none. Three server processes, the writer and the watchers on one machine.
 * The first writes, before anything is compiled, are told apart.
 * `node dist/bench/config.js [--watchers 1000] [--cold 10] [--writes 50] [--gap 200]`
 */
import { setTimeout as delay } from "node:timers/promises";
import { parseArgs } from "node:util";
import { type Client, connect } from "../client/index.ts";
import { type Config, type StandardSchema, watchConfig } from "../client/recipes/index.ts";
import { cpuSeconds, ProcessEnsemble } from "../test/cluster/process-ensemble.ts";

const { values } = parseArgs({
  options: {
    watchers: { type: "string", default: "1000" },
    cold: { type: "string", default: "10" },
    writes: { type: "string", default: "50" },
    /** ms between writes. */
    gap: { type: "string", default: "200" },
  },
});
const watchers = Number(values.watchers);
const cold = Number(values.cold);
const writes = Number(values.writes);
const path = "/config/bench";
const openAtOnce = 50;

const schema: StandardSchema<number> = {
  "~standard": {
    version: 1,
    vendor: "bench",
    validate: (value) => (typeof value === "number" ? { value } : { issues: [{ message: "no number" }] }),
  },
};

class Watchers {
  readonly #clients: Client[] = [];
  readonly #configs: Config<number>[] = [];
  /** When the write of each value was called. */
  readonly calledMs: number[] = [];
  /** From the call of the write to the value at a watcher. */
  latencies: number[] = [];
  bad = 0;

  async open(urls: readonly string[]): Promise<void> {
    for (let i = 0; i < watchers; i += openAtOnce)
      await Promise.all(Array.from({ length: Math.min(openAtOnce, watchers - i) }, (_, j) => this.#openOne(urls, i + j)));
  }

  async #openOne(urls: readonly string[], index: number): Promise<void> {
    const client = await connect(urls[index % urls.length] ?? "", { sessionTimeoutMs: 60_000 });
    const config = await watchConfig(client, path, schema);
    config.onChange((value) => {
      if (typeof value !== "number") this.bad += 1;
      const since = this.calledMs[value];
      if (since !== undefined) this.latencies.push(performance.now() - since);
    });
    this.#clients.push(client);
    this.#configs.push(config);
  }

  allHave(value: number): boolean {
    return this.#configs.every((config) => config.value === value);
  }

  async close(): Promise<void> {
    await Promise.all(this.#clients.map((client) => client.close({ keepSession: true })));
  }
}

function percentile(sorted: readonly number[], part: number): string {
  return (sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? Number.NaN).toFixed(1);
}

const ensemble = await ProcessEnsemble.start({ args: ["--log-level", "warn"] });
const writer = await connect(ensemble.urls);
await writer.ensurePath("/config");
await writer.create(path, "0");
const all = new Watchers();
const openedMs = performance.now();
await all.open(ensemble.urls);
console.log(`${watchers} watchers opened in ${((performance.now() - openedMs) / 1_000).toFixed(1)} s`);
const cpu = (): number => ensemble.members.reduce((sum, { child }) => sum + cpuSeconds(child?.pid ?? 0), 0);

/** Values from `first` on; false when a watcher missed one, or saw a bad one. */
async function measure(name: string, first: number, count: number): Promise<boolean> {
  all.latencies = [];
  const cpuBefore = cpu();
  for (let value = first; value < first + count; value += 1) {
    if (value % 10 === 5) await writer.set(path, '"bad"');
    all.calledMs[value] = performance.now();
    await writer.set(path, String(value));
    while (!all.allHave(value)) await delay(2);
    await delay(Number(values.gap));
  }
  const sorted = all.latencies.toSorted((a, b) => a - b);
  const times = `p50 ${percentile(sorted, 0.5)}, p99 ${percentile(sorted, 0.99)}, max ${percentile(sorted, 1)}`;
  const seen = `${sorted.length} of ${watchers * count} seen, ${all.bad} bad`;
  console.log(
    `${name}: write to watcher, ms: ${times}; ${seen}; servers' CPU: ${(cpu() - cpuBefore).toFixed(2)} s for ${count} writes`,
  );
  return all.bad === 0 && sorted.length >= watchers * count;
}

const coldGood = await measure("cold", 1, cold);
const good = (await measure("warm", cold + 1, writes)) && coldGood;
await all.close();
await writer.close();
await ensemble.close();
if (!good) process.exitCode = 1;
