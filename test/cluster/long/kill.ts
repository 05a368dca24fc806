/**
 * The long version of `kill.test.ts`, at default settings (sessions of 10 s), with times:
 * `node dist/test/cluster/long/kill.js [--rounds 20] [--only leader,all]`. Exit code 1 when anything was lost.
 */
import { parseArgs } from "node:util";
import { type Kill, killRounds, kills } from "../kill-rounds.ts";
import { ProcessEnsemble } from "../process-ensemble.ts";

const { values } = parseArgs({ options: { rounds: { type: "string", default: "20" }, only: { type: "string", default: "" } } });
const kinds = kills.filter((kill) => values.only === "" || values.only.split(",").includes(kill));
const gaps = new Map<Kill, number[]>(kinds.map((kill) => [kill, []]));
let failed = 0;

const ensemble = await ProcessEnsemble.start({ args: ["--log-level", "warn"] });
try {
  await killRounds(ensemble, {
    rounds: Number(values.rounds),
    sessionTimeoutMs: 10_000,
    writeMs: 1_000,
    downMs: 500,
    kinds,
    onRound: ({ round, kill, victims, problems, acks, gapMs, writerGapMs }) => {
      gaps.get(kill)?.push(gapMs);
      console.log(
        `round ${round}: ${kill.padEnd(8)} (${victims.join(", ")})  ${String(acks).padStart(6)} acks  gap ${String(gapMs).padStart(5)} ms, of one writer ${String(writerGapMs).padStart(5)} ms  ${problems.length === 0 ? "ok" : `${problems.length} PROBLEMS`}`,
      );
      for (const problem of problems.slice(0, 10)) console.log(`    ${problem}`);
      if (problems.length > 0) console.log(ensemble.outputs());
      failed += problems.length;
    },
  });
} catch (error) {
  console.log(await ensemble.diagnosis());
  throw error;
} finally {
  await ensemble.close();
}
for (const [kill, all] of gaps) {
  all.sort((a, b) => a - b);
  console.log(
    `${kill.padEnd(8)} gap between acknowledged writes: min ${all[0]}, median ${all[all.length >> 1]}, max ${all.at(-1)} ms over ${all.length} rounds`,
  );
}
console.log(failed === 0 ? "nothing lost, nothing applied twice, no session expired" : `${failed} problems`);
process.exitCode = failed === 0 ? 0 : 1;
