/**
 * 50 contenders on one lock: 15 s in which all code is compiled, 20 s of calm, then 60 s in which a server, the leader every other time, is killed every 5 s:
 *
 *     node dist/test/cluster/long/locks.js [--contenders 50] [--warm 15] [--calm 20] [--seconds 60] [--every 5] [--peer]
 *
 * Mutual exclusion is judged by tokens at a Redis server when there is one on the PATH. `--peer` runs Redlock's lock in the calm as well, for comparison.
 * Exit code 1 when two held at once, somebody starved, or a contender was left in the queue.
 */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { setTimeout as delay } from "node:timers/promises";
import { parseArgs } from "node:util";
import { Redis } from "ioredis";
import { type ContentionReport, contend, MemoryResource, RedisResource, type Resource } from "../lock-contention.ts";
import { freePorts, ProcessEnsemble } from "../process-ensemble.ts";
import { contendByRedlock } from "../redlock-contention.ts";

const { values } = parseArgs({
  options: {
    contenders: { type: "string", default: "50" },
    warm: { type: "string", default: "15" },
    calm: { type: "string", default: "20" },
    seconds: { type: "string", default: "60" },
    every: { type: "string", default: "5" },
    peer: { type: "boolean", default: false },
  },
});
const contenders = Number(values.contenders);

interface RunningRedis {
  readonly redis: Redis;
  readonly child: ChildProcess;
}

async function startRedis(): Promise<RunningRedis | undefined> {
  if (spawnSync("redis-server", ["--version"]).error !== undefined) return undefined;
  const [port = 0] = await freePorts(1);
  const args = ["--port", String(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"];
  const child = spawn("redis-server", args, { stdio: "ignore" });
  const redis = new Redis({ port, host: "127.0.0.1", retryStrategy: () => 20, maxRetriesPerRequest: null });
  redis.on("error", () => {});
  await redis.ping();
  return { redis, child };
}

function show(name: string, report: ContentionReport): boolean {
  const { handovers, seconds, turns, longestWaitMs, lost, refused, problems } = report;
  const median = turns[turns.length >> 1] ?? 0;
  console.log(
    `${name}: ${(handovers / seconds).toFixed(0)} hand-overs/s over ${seconds.toFixed(1)} s; turns of ${turns.length} contenders: min ${turns[0]}, median ${median}, max ${turns.at(-1)}; longest wait ${longestWaitMs.toFixed(0)} ms; ${lost} grants lost, ${refused} late writes refused`,
  );
  for (const problem of problems.slice(0, 20)) console.log(`    PROBLEM ${problem}`);
  const starved = (turns[0] ?? 0) * 2 < median;
  if (starved) console.log("    PROBLEM a contender had less than half of the median's turns");
  return problems.length === 0 && !starved;
}

const ensemble = await ProcessEnsemble.start({ args: ["--log-level", "warn"] });
const running = await startRedis();
console.log(
  running === undefined ? "no redis-server on the PATH: tokens are checked in memory" : "tokens are checked by a real Redis",
);
let good = true;
let kills = 0;
try {
  const resource: Resource = running === undefined ? new MemoryResource() : new RedisResource(running.redis);
  const options = { urls: ensemble.urls, contenders, sessionTimeoutMs: 5_000, resource };
  good = show("warming up", await contend(options, Number(values.warm) * 1_000, 60_000, async () => {})) && good;
  good = show("calm", await contend(options, Number(values.calm) * 1_000, 60_000, async () => {})) && good;
  if (values.peer && running !== undefined)
    show("Redlock, calm", await contendByRedlock(running.redis, contenders, Number(values.calm) * 1_000));
  const report = await contend(options, Number(values.seconds) * 1_000, Number(values.every) * 1_000, async (round) => {
    const leader = await ensemble.leader();
    const victim = round % 2 === 0 ? leader : (leader % 3) + 1;
    await ensemble.signal(victim, "SIGKILL");
    await delay(300);
    ensemble.startServer(victim);
    kills += 1;
  });
  good = show(`with ${kills} kills`, report) && good;
} catch (error) {
  console.log(await ensemble.diagnosis());
  throw error;
} finally {
  running?.redis.disconnect();
  running?.child.kill("SIGKILL");
  await ensemble.close();
}
console.log(good ? "never two at once, nobody starved, nobody left behind" : "FAILED");
process.exitCode = good ? 0 : 1;
