/** A check that never fails proves nothing: each planted bug must be found within 200 seeds. */
import t from "tap";
import { setMutant } from "../../src/model/mutant.ts";
import { run } from "./swarm.ts";

t.setTimeout(1_200_000);

/** Each with the seed that is tried first: where it was last killed, which saves time and proves no less. */
const mutants: readonly (readonly [name: string, firstSeed: number])[] = [
  ["ack before fsync", 1],
  ["vote ignores zxid", 25],
  ["currentEpoch before history", 3],
  ["lease not shortened", 100],
  ["clock before inbox", 15],
];
const seedsMax = 200;

function killedBy(mutant: string, firstSeed: number): number | undefined {
  setMutant(mutant);
  try {
    for (let tried = 0; tried < seedsMax; tried += 1) {
      const seed = ((firstSeed - 1 + tried) % seedsMax) + 1;
      if (run({ seed, mode: "swarm", quick: true }).violation !== undefined) return seed;
    }
    return undefined;
  } finally {
    setMutant("");
  }
}

for (const [mutant, firstSeed] of mutants) {
  t.test(`mutant: ${mutant}`, { timeout: 900_000 }, (t) => {
    const seed = killedBy(mutant, firstSeed);
    t.ok(seed !== undefined, seed === undefined ? "it survived" : `killed by seed ${seed}`);
    t.end();
  });
}
