/** A few contenders on one lock while servers are killed. Long, with Redis: `npm run nemesis:locks`. */
import t from "tap";
import { contend, MemoryResource } from "./lock-contention.ts";
import { ProcessEnsemble } from "./process-ensemble.ts";

t.setTimeout(900_000);

t.test("one holds at a time, all have turns, and none is left in the queue, while servers are killed", async (t) => {
  const ensemble = await ProcessEnsemble.start({ args: ["--log-level", "warn"] });
  t.teardown(() => ensemble.close());
  const options = { urls: ensemble.urls, contenders: 8, sessionTimeoutMs: 4_000, resource: new MemoryResource() };
  const report = await contend(options, 1_500, 500, async (round) => {
    const victim = round === 0 ? await ensemble.leader() : ((await ensemble.leader()) % 3) + 1;
    await ensemble.signal(victim, "SIGKILL");
    ensemble.startServer(victim);
    await ensemble.waitServing();
  });
  t.same(report.problems, []);
  t.ok((report.turns[0] ?? 0) > 0, "nobody starved");
});
