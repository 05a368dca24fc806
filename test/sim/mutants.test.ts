/** A check that never fails proves nothing: each planted bug must be found within 200 seeds. */
import t from "tap";
import { setMutant } from "../../src/model/mutant.ts";
import { run } from "./swarm.ts";

t.setTimeout(1_200_000);

const mutants = [
  "ack before fsync",
  "vote ignores zxid",
  "currentEpoch before history",
  "lease not shortened",
  "clock before inbox",
];
const seedsMax = 200;

function killedBy(mutant: string): number | undefined {
  setMutant(mutant);
  try {
    for (let seed = 1; seed <= seedsMax; seed += 1) {
      if (run({ seed, mode: "swarm", quick: true }).violation !== undefined) return seed;
    }
    return undefined;
  } finally {
    setMutant("");
  }
}

for (const mutant of mutants) {
  t.test(`mutant: ${mutant}`, { timeout: 900_000 }, (t) => {
    const seed = killedBy(mutant);
    t.ok(seed !== undefined, seed === undefined ? "it survived" : `killed by seed ${seed}`);
    t.end();
  });
}
