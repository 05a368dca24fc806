/**
 * Every kind of fault on real servers, alone and combined, under every load: nothing acknowledged is lost, doubled or stale, no session of a
 * client that lives is lost, and each fault bit. At random and for long: `npm run nemesis`.
 */
import t from "tap";
import { faultsBy } from "./fault/catalogue.ts";
import { loads } from "./load/all.ts";
import { Nemesis, type RoundReport } from "./nemesis.ts";

t.setTimeout(900_000);

/** A round each; several faults are at work at the same time. */
const rounds = [
  ["kill-leader"],
  ["isolate-leader"],
  ["pause-leader", "slow-links"],
  ["log-sync-error", "at-ackBeforeSend-2"],
  ["at-epochBeforeRename-2-all"],
  ["one-way-ring", "flapping-clients"],
  ["pause-follower", "kill-leader", "store-sync-error"],
  ["kill-all", "swizzle"],
];

t.test("kills, pauses, partitions, disks that fail and deaths at named places", async (t) => {
  const skipped: string[] = [];
  const seen: string[] = [];
  const nemesis = await Nemesis.start({
    servers: 3,
    seed: 1,
    faults: faultsBy(rounds.flat().join(",")),
    script: rounds,
    loads: Object.keys(loads),
    atOnce: 3,
    holdMs: [300, 900],
    // Generous: what is asserted here must not depend on the speed of the machine.
    sessionTimeoutMs: 30_000,
    roundsOfStint: rounds.length,
    slowness: 2,
    goesOn: (played) => played < rounds.length,
    onRound: ({ round, faults, problems }: RoundReport) => {
      seen.push(...faults);
      t.same(problems, [], `round ${round}: ${faults.join(" + ")}`);
    },
    onSkip: (fault, why) => skipped.push(`${fault}: ${why}`),
  });
  t.teardown(() => nemesis.close());
  try {
    const { problems, kinds } = await nemesis.run();
    t.same(problems.slice(0, 10), []);
    for (const kind of ["kill", "pause", "partition", "link", "failpoint"]) t.ok((kinds[kind] ?? 0) > 0, kind);
    const skip = skipped.length > 0 && skipped.join("; ");
    t.test("disks failed", { skip }, async (t) => t.equal(kinds["disk"], 2));
  } finally {
    if (!t.passing()) t.comment(await nemesis.servers.diagnosis());
  }
});
