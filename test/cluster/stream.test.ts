/** A stream over a changing subtree, its client cut off ten times and three servers restarted: every change once, in order. */
import t from "tap";
import { ProcessEnsemble } from "./process-ensemble.ts";
import { streamCuts } from "./stream-cuts.ts";

t.setTimeout(900_000);

t.test("5,000 changes, ten cuts, three restarts", async (t) => {
  const ensemble = await ProcessEnsemble.start({ args: ["--log-level", "warn"] });
  t.teardown(() => ensemble.close());
  try {
    const { problems, received, connections } = await streamCuts(ensemble, { changes: 5_000, cuts: 10, restarts: 3 });
    t.same(problems.slice(0, 5), []);
    t.ok(received >= 5_000);
    t.ok(connections.reduce((sum, count) => sum + count) > 10, `connections to each server: ${connections.join(", ")}`);
    t.ok(
      connections.every((count) => count > 0),
      "it went on at every server",
    );
  } finally {
    if (!t.passing()) t.comment(await ensemble.diagnosis());
  }
});
