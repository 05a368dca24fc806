/** What failed once does not fail again. */
import t from "tap";
import { schedules } from "../scenario/all.ts";
import { run } from "../swarm.ts";
import { regressions } from "./seeds.ts";

t.setTimeout(900_000);

for (const { seed, what, scenario, pace } of regressions) {
  t.test(`${seed}: ${what}`, (t) => {
    t.equal(run({ seed, mode: "swarm", quick: true, pace: pace ?? "usual", buggify: false }).violation?.message, undefined);
    if (scenario !== undefined)
      t.ok(
        schedules.some((one) => one.name === scenario),
        scenario,
      );
    t.end();
  });
}
