/**
 * A check that never fails proves nothing. Six planted bugs a day, by turns, each first with the seed that
 * is known to show it; `npm run mutants` plays them all. And the five that a first simulator must find.
 */
import t from "tap";
import { kill, type Mutant, mutants } from "./mutants.ts";

t.setTimeout(900_000);

const seedsMax = 200;
const aDay = 6;
const always = [
  "ack before fsync",
  "vote ignores zxid",
  "lease not shortened",
  "currentEpoch before history",
  "clock before inbox",
];
const groups = Math.ceil(mutants.length / aDay);
const today = Math.floor(Date.now() / 86_400_000) % groups;

const wanted = new Set<Mutant>(mutants.filter((mutant) => always.includes(mutant.name)));
for (const mutant of mutants.slice(today * aDay, (today + 1) * aDay)) wanted.add(mutant);

t.comment(`group ${today} of ${groups}`);
for (const mutant of wanted) {
  t.test(`${mutant.from}: ${mutant.name}`, (t) => {
    const found = kill(mutant, seedsMax);
    t.ok(found !== undefined, found === undefined ? "it survived" : `killed by ${found.by}, ${found.tried} tried`);
    t.end();
  });
}

t.test("each has a name and a place of its own", (t) => {
  t.equal(new Set(mutants.map((mutant) => mutant.name)).size, mutants.length);
  for (let i = 1; i <= 40; i += 1)
    t.ok(
      mutants.some((mutant) => mutant.from.split(", ").includes(`M${i}`)),
      `M${i}`,
    );
  for (let i = 1; i <= 26; i += 1)
    t.ok(
      mutants.some((mutant) => mutant.from.split(", ").includes(`S${i}`)),
      `S${i}`,
    );
  t.end();
});
