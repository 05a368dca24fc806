/** A failing run is made smaller without losing what fails, and told in few lines. */
import t from "tap";
import { setMutant } from "../../src/model/mutant.ts";
import { shrink } from "./shrink.ts";
import { run } from "./swarm.ts";

t.setTimeout(900_000);

t.test("a planted bug's run shrinks to a story", (t) => {
  setMutant("NEWLEADER acked before the history is durable");
  t.teardown(() => setMutant(""));
  for (let seed = 1; seed <= 20; seed += 1) {
    const options = { seed, mode: "swarm", quick: true } as const;
    const failed = run(options);
    const steps = failed.records.filter((record) => record.kinds.length > 0).length;
    if (failed.violation === undefined || steps < 3) continue;
    const same = run({ ...options, replay: { records: failed.records, skip: new Set() } });
    t.equal(same.hash, failed.hash, "a replay is the same run");
    const short = shrink(options, failed, 16);
    t.ok(short.after < short.before, `from ${short.before} to ${short.after} steps`);
    t.ok(short.story.length <= 40);
    t.match(short.story.at(-1), failed.violation.check);
    return void t.end();
  }
  t.fail("no seed fails after three faults");
  t.end();
});
