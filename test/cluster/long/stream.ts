/**
 * The long version of `stream.test.ts`: `node dist/test/cluster/long/stream.js [--changes 100000] [--cuts 50] [--restarts 10]`.
 * Exit code 1 when a change was missing, doubled or out of order.
 */
import { parseArgs } from "node:util";
import { ProcessEnsemble } from "../process-ensemble.ts";
import { streamCuts } from "../stream-cuts.ts";

const { values } = parseArgs({
  options: {
    changes: { type: "string", default: "100000" },
    cuts: { type: "string", default: "50" },
    restarts: { type: "string", default: "10" },
  },
});
const ensemble = await ProcessEnsemble.start({ args: ["--log-level", "warn"] });
try {
  const begunMs = performance.now();
  const { received, cuts, restarts, connections, problems } = await streamCuts(ensemble, {
    changes: Number(values.changes),
    cuts: Number(values.cuts),
    restarts: Number(values.restarts),
  });
  const seconds = Math.round((performance.now() - begunMs) / 100) / 10;
  console.log(
    `${received} changes received in ${seconds} s over ${cuts} cuts and ${restarts} restarts; connections to each server: ${connections.join(", ")}`,
  );
  for (const problem of problems.slice(0, 20)) console.log(`    ${problem}`);
  console.log(problems.length === 0 ? "every change once, in order" : `${problems.length} PROBLEMS`);
  process.exitCode = problems.length === 0 ? 0 : 1;
} catch (error) {
  console.log(await ensemble.diagnosis());
  throw error;
} finally {
  await ensemble.close();
}
