/** A leader stopped for three seconds: others take over, and what it says on waking is not stale. With times: `long/pause.ts`. */
import t from "tap";
import { pauseLeader } from "./pause-leader.ts";
import { ProcessEnsemble } from "./process-ensemble.ts";

t.setTimeout(900_000);

for (const args of [[], ["--lease-reads", "off"]] as const) {
  t.test(args.length === 0 ? "with lease reads" : "without lease reads", async (t) => {
    const ensemble = await ProcessEnsemble.start({ args: ["--log-level", "warn", ...args] });
    t.teardown(() => ensemble.close());
    try {
      const report = await pauseLeader(ensemble, 3_000);
      t.same(report.problems, []);
      t.not(report.newLeader, report.leader);
      t.ok(report.answered + report.refused + report.closed > 0, "reads were waiting for it when it woke");
    } finally {
      if (!t.passing()) t.comment(await ensemble.diagnosis());
    }
  });
}
