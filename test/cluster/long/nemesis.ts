/**
 * `npm run nemesis -- [--seed 1] [--rounds 20 | --seconds 60] [--servers 3] [--faults kill,pause,isolate-leader] [--loads registers,locks]
 * [--at-once 3] [--in-turn] [--hosts] [--record FILE] [--list]`: real servers under every load and combined faults. Exit code 1 when anything was lost, doubled,
 * stale or unexplained, or a fault did not bite. The last lines are totals, in JSON, for `docs/testing.md`.
 */
import { parseArgs } from "node:util";
import { writeRecord } from "../../support/run-record.ts";
import { catalogue, faultsBy } from "../fault/catalogue.ts";
import { loads } from "../load/all.ts";
import { NamespacedEnsemble } from "../namespaced-ensemble.ts";
import { Nemesis, type NemesisReport, type RoundReport } from "../nemesis.ts";

const { values } = parseArgs({
  options: {
    seed: { type: "string" },
    rounds: { type: "string" },
    seconds: { type: "string" },
    servers: { type: "string", default: "3" },
    faults: { type: "string", default: "" },
    loads: { type: "string", default: Object.keys(loads).join(",") },
    "at-once": { type: "string", default: "3" },
    "in-turn": { type: "boolean", default: false },
    hold: { type: "string", default: "300,3000" },
    session: { type: "string", default: "15000" },
    hosts: { type: "boolean", default: false },
    record: { type: "string" },
    list: { type: "boolean", default: false },
  },
});

if (values.list) {
  for (const { kind, name } of catalogue) console.log(`${kind.padEnd(10)} ${name}`);
  console.log(`loads: sets, ${Object.keys(loads).join(", ")}`);
} else await play();

async function play(): Promise<void> {
  const seed = Number(values.seed ?? Date.now() % 1_000_000);
  const rounds = values.rounds === undefined ? (values.seconds === undefined ? 20 : undefined) : Number(values.rounds);
  const untilMs = performance.now() + Number(values.seconds ?? Number.POSITIVE_INFINITY) * 1_000;
  const [min = 300, max = 3_000] = values.hold.split(",").map(Number);
  console.log(`seed ${seed}, ${values.servers} servers`);
  const nemesis = await Nemesis.start({
    seed,
    servers: Number(values.servers),
    hosts: values.hosts && isPossible(NamespacedEnsemble.missing()),
    faults: faultsBy(values.faults),
    loads: values.loads.split(",").filter((name) => name !== ""),
    atOnce: Number(values["at-once"]),
    inTurn: values["in-turn"],
    holdMs: [min, max],
    sessionTimeoutMs: Number(values.session),
    roundsOfStint: 10,
    goesOn: (played) => (rounds === undefined || played < rounds) && performance.now() < untilMs,
    onRound: show,
    onSkip: (fault, why) => console.log(`SKIPPED ${fault}: ${why}`),
  });
  try {
    const report = await nemesis.run();
    for (const problem of report.problems.slice(0, 50)) console.log(`PROBLEM ${problem}`);
    if (report.problems.length > 0) console.log(await nemesis.servers.diagnosis());
    console.log(JSON.stringify({ seed, servers: Number(values.servers), ...report, problems: report.problems.length }));
    console.log(report.problems.length === 0 ? "nothing lost, doubled, stale or unexplained, and every fault bit" : "FAILED");
    record(report);
    process.exitCode = report.problems.length === 0 ? 0 : 1;
  } catch (error) {
    console.log(await nemesis.servers.diagnosis());
    throw error;
  } finally {
    await nemesis.close();
  }
}

function record({ rounds, seconds, kinds, faults, calls, leaderChanges, problems }: NemesisReport): void {
  const acknowledged = Object.values(calls).reduce((sum, count) => sum + count, 0);
  const figures = { rounds, ...kinds, "leader changes": leaderChanges, calls: acknowledged };
  writeRecord(values.record, { what: "real servers", seconds, violations: problems.length, figures, kinds: faults }, "nemesis");
}

function isPossible(missing: string | undefined): boolean {
  if (missing !== undefined) console.log(`SKIPPED --hosts: ${missing}; proxies are the network instead`);
  return missing === undefined;
}

function show({ round, faults, heldMs, endMs, backMs, calls, problems }: RoundReport): void {
  console.log(
    `round ${round}: ${faults.join(" + ") || "nobody to strike"}; held ${heldMs} ms, ended in ${endMs} ms, back in ${backMs} ms, ${calls} writes`,
  );
  for (const problem of problems) console.log(`    PROBLEM ${problem}`);
}
