/**
 * How long acknowledged writes stop when the leader is killed: one writer through the client library, one
 * write at a time; the gap between the last answer before and the first after. `npm run bench:failover -- [--runs 10] [--signal SIGKILL|SIGSTOP]`
 */
import { setTimeout as delay } from "node:timers/promises";
import { parseArgs } from "node:util";
import { connect } from "../client/index.ts";
import { ProcessEnsemble } from "../test/cluster/process-ensemble.ts";

const { values } = parseArgs({
  options: { runs: { type: "string", default: "10" }, signal: { type: "string", default: "SIGKILL" } },
});
const signal = values.signal === "SIGSTOP" ? "SIGSTOP" : "SIGKILL";
const ensemble = await ProcessEnsemble.start({ args: ["--log-level", "warn"] });
const gaps: number[] = [];
try {
  const client = await connect(ensemble.urls);
  await client.create("/failover", "x");
  for (let run = 0; run < Number(values.runs); run += 1) gaps.push(await once());
  await client.close();

  async function once(): Promise<number> {
    const leader = await ensemble.leader();
    let longest = 0;
    let last = performance.now();
    let running = true;
    const writer = (async () => {
      while (running) {
        await client.set("/failover", "x");
        const now = performance.now();
        longest = Math.max(longest, now - last);
        last = now;
      }
    })();
    await delay(1_000);
    longest = 0;
    await ensemble.signal(leader, signal);
    await delay(4_000);
    running = false;
    await writer;
    if (signal === "SIGSTOP") await ensemble.signal(leader, "SIGCONT");
    else ensemble.startServer(leader);
    await ensemble.waitServing();
    console.log(`leader ${leader} ${signal}: ${Math.round(longest)} ms`);
    return longest;
  }
} finally {
  await ensemble.close();
}
gaps.sort((a, b) => a - b);
console.log(
  `gaps: min ${Math.round(gaps[0] ?? 0)}, median ${Math.round(gaps[Math.floor(gaps.length / 2)] ?? 0)}, max ${Math.round(gaps.at(-1) ?? 0)} ms over ${gaps.length} runs`,
);
