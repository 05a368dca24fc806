/**
 * The long version of `pause.test.ts`: the leader sleeps for 10 s, and a new one must serve within 2 s.
 * `node dist/test/cluster/long/pause.js [--rounds 3] [--seconds 10]`. Exit code 1 when something was stale or late.
 */
import { parseArgs } from "node:util";
import { pauseLeader } from "../pause-leader.ts";
import { ProcessEnsemble } from "../process-ensemble.ts";

const { values } = parseArgs({
  options: { rounds: { type: "string", default: "3" }, seconds: { type: "string", default: "10" } },
});
const serviceMsMax = 2_000;
let failed = false;

const ensemble = await ProcessEnsemble.start({ args: ["--log-level", "warn"] });
try {
  for (let round = 1; round <= Number(values.rounds); round += 1) {
    const { leader, newLeader, serviceMs, answered, refused, closed, problems } = await pauseLeader(
      ensemble,
      Number(values.seconds) * 1_000,
    );
    console.log(
      `round ${round}: leader ${leader} slept ${values.seconds} s; server ${newLeader} served after ${serviceMs} ms; reads that waited for the sleeper: ${answered} answered with the new data, ${refused} refused, ${closed} unanswered`,
    );
    for (const problem of problems.slice(0, 10)) console.log(`    ${problem}`);
    if (problems.length > 0 || serviceMs > serviceMsMax) failed = true;
  }
} catch (error) {
  console.log(await ensemble.diagnosis());
  throw error;
} finally {
  await ensemble.close();
}
console.log(failed ? "FAILED" : "nothing stale, and always served within 2 s");
process.exitCode = failed ? 1 : 0;
