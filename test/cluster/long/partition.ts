/**
 * Every shape of partition between real servers, round after round:
 * `node dist/test/cluster/long/partition.js [--rounds 3] [--only ring,slow] [--seconds 3]`. Exit code 1 when anything was lost, stale
 * or unexplained, or a fault did not bite.
 */
import { parseArgs } from "node:util";
import { partitionRounds, partitions } from "../partition-rounds.ts";
import { PartitionedEnsemble } from "../partitioned-ensemble.ts";

const { values } = parseArgs({
  options: {
    rounds: { type: "string", default: "3" },
    only: { type: "string", default: Object.keys(partitions).join(",") },
    seconds: { type: "string", default: "3" },
  },
});
let failed = 0;

const ensemble = await PartitionedEnsemble.start({ args: ["--log-level", "warn"] });
try {
  await partitionRounds(ensemble, {
    rounds: Number(values.rounds),
    kinds: values.only.split(","),
    faultMs: Number(values.seconds) * 1_000,
    sessionTimeoutMs: 10_000,
    onRound: ({ round, partition, problems, acks, registerCalls, gapMs }) => {
      const verdict = problems.length === 0 ? "ok" : `${problems.length} PROBLEMS`;
      console.log(
        `round ${round}: ${partition.padEnd(16)} ${acks} acks, ${registerCalls} calls of the register, gap ${gapMs} ms  ${verdict}`,
      );
      for (const problem of problems.slice(0, 10)) console.log(`    ${problem}`);
      failed += problems.length;
    },
  });
} catch (error) {
  console.log(await ensemble.servers.diagnosis());
  throw error;
} finally {
  await ensemble.close();
}
console.log(
  failed === 0 ? "nothing lost, nothing applied twice, every register linearizable, no session expired" : `${failed} problems`,
);
process.exitCode = failed === 0 ? 0 : 1;
