/**
 * End-to-end: three server processes and this generator on one machine, native protocol. Prints
 * operations/s, p50 and p99, and the servers' CPU seconds per 100,000 operations.
 * `node dist/bench/cluster.js [--seconds 4] [--only 64x64] [--level session|linearizable] [--profile DIR]`
 */
import { setTimeout as delay } from "node:timers/promises";
import { parseArgs } from "node:util";
import { cpuSeconds, ProcessEnsemble } from "../test/cluster/process-ensemble.ts";
import { LoadConnection } from "./support/connection.ts";
import { Histogram } from "./support/histogram.ts";

const { values } = parseArgs({
  options: {
    seconds: { type: "string", default: "4" },
    only: { type: "string", default: "" },
    level: { type: "string", default: "session" },
    keys: { type: "string", default: "1000" },
    profile: { type: "string", default: "" },
    timeline: { type: "boolean", default: false },
  },
});
const seconds = Number(values.seconds);
const keys = Number(values.keys);
const shapes = [
  [1, 1],
  [1, 64],
  [16, 1],
  [16, 64],
  [64, 1],
  [64, 64],
].filter(([c, d]) => values.only === "" || values.only === `${c}x${d}`) as [number, number][];
const payload = new Uint8Array(100).fill(120);

interface Figures {
  readonly operations: number;
  readonly latencies: Histogram;
  readonly seconds: number;
  readonly cpu: number;
}

async function run(
  ensemble: ProcessEnsemble,
  connections: LoadConnection[],
  depth: number,
  issue: (connection: LoadConnection, n: number) => void,
): Promise<Figures> {
  let latencies = new Histogram();
  let n = 0;
  let running = true;
  const errors = new Map<string, number>();
  for (const connection of connections) {
    connection.onReply = (reply, latencyMs) => {
      if (reply.outcome.code !== "OK") errors.set(reply.outcome.code, (errors.get(reply.outcome.code) ?? 0) + 1);
      latencies.add(latencyMs);
      if (running) issue(connection, n++);
    };
    connection.cork();
    for (let i = 0; i < depth; i += 1) issue(connection, n++);
    connection.uncork();
  }
  await delay(1_000);
  latencies = new Histogram();
  const cpuBefore = totalCpu(ensemble);
  const startMs = performance.now();
  const timeline = values.timeline
    ? setInterval(() => console.log(`    ${Math.round(performance.now() - startMs)} ms: ${latencies.count}`), 250)
    : undefined;
  await delay(seconds * 1_000);
  clearInterval(timeline);
  const figures = {
    operations: latencies.count,
    latencies,
    seconds: (performance.now() - startMs) / 1_000,
    cpu: totalCpu(ensemble) - cpuBefore,
  };
  running = false;
  await delay(300);
  for (const [code, count] of errors) console.log(`  ${count} operations failed with ${code}`);
  return figures;
}

function totalCpu(ensemble: ProcessEnsemble): number {
  return ensemble.members.reduce((sum, member) => sum + cpuSeconds(ensemble.pid(member.id)), 0);
}

function print(what: string, shape: readonly [number, number], figures: Figures): void {
  const rate = Math.round(figures.operations / figures.seconds);
  const cpu = (figures.cpu / figures.operations) * 100_000;
  const p50 = figures.latencies.percentile(0.5).toFixed(2);
  const p99 = figures.latencies.percentile(0.99).toFixed(2);
  console.log(
    `${what.padEnd(26)} c${String(shape[0]).padEnd(3)} d${String(shape[1]).padEnd(3)} ${String(rate).padStart(8)}/s  p50 ${p50.padStart(7)} ms  p99 ${p99.padStart(7)} ms  CPU ${cpu.toFixed(2)} s/100k`,
  );
}

async function prepare(ensemble: ProcessEnsemble): Promise<void> {
  const connection = await LoadConnection.open(ensemble.urls[0] ?? "");
  await new Promise<void>((resolve) => {
    const acl = [{ perms: 31, scheme: "world", id: "anyone" }];
    const base = { type: "create", kind: "persistent", sequential: false, ttlMs: 0, acl } as const;
    let created = 0;
    connection.onReply = () => {
      if (created === keys) resolve();
      else connection.write({ ...base, path: `/bench/${created++}`, data: payload });
    };
    connection.write({ ...base, path: "/bench", data: undefined });
  });
  connection.close();
}

const profile = values.profile === "" ? [] : ["--cpu-prof", `--cpu-prof-dir=${values.profile}`];
const ensemble = await ProcessEnsemble.start({ args: ["--log-level", "warn"], nodeArgs: profile });
try {
  await prepare(ensemble);
  const paths = Array.from({ length: keys }, (_, i) => `/bench/${i}`);
  for (const shape of shapes) {
    const connections = await Promise.all(
      Array.from({ length: shape[0] }, (_, i) => LoadConnection.open(ensemble.urls[i % 3] ?? "")),
    );
    print(
      "set 100 B",
      shape,
      await run(ensemble, connections, shape[1], (c, n) =>
        c.write({ type: "setData", path: paths[n % keys] ?? "", data: payload, version: -1 }),
      ),
    );
    for (const connection of connections) connection.level = values.level === "linearizable" ? "linearizable" : "session";
    print(
      `get 100 B (${values.level})`,
      shape,
      await run(ensemble, connections, shape[1], (c, n) =>
        c.read({ type: "getData", path: paths[n % keys] ?? "", watch: false }),
      ),
    );
    for (const connection of connections) connection.close();
  }
} finally {
  if (profile.length > 0) for (const member of ensemble.members) await ensemble.signal(member.id, "SIGTERM");
  await ensemble.close();
}
