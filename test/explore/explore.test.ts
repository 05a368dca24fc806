/** The exploration's short version: every place of one crash or partition on the way of three txns, and planted bugs found. */
import t from "tap";
import { setMutant } from "../../src/model/mutant.ts";
import { explore, play } from "./explore.ts";

t.setTimeout(900_000);

t.test("the same plan is the same run", async (t) => {
  const plan = [{ place: 3, kind: "crash", server: 3 }] as const;
  const first = play(plan);
  t.equal(first.violation, undefined);
  t.ok(first.hashes.length > 20, `${first.hashes.length} places`);
  t.same(play(plan), first);
});

t.test("a fault at each of the first places", async (t) => {
  const found = explore({ crashes: 1, partitions: 1, places: 1_000, runs: 60 });
  t.equal(found.violation, undefined);
  t.ok(found.states > 100, JSON.stringify(found));
});

for (const name of ["ack before fsync", "currentEpoch before history"]) {
  t.test(`planted: ${name}`, async (t) => {
    t.teardown(() => setMutant(""));
    setMutant(name);
    const found = explore({ crashes: 1, partitions: 0, places: 1_000, runs: 100 });
    t.not(found.violation, undefined);
    t.comment(`after ${found.runs} runs: ${found.violation?.split("\n")[0]}`);
  });
}
