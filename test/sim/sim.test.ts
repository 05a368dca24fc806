/** The simulator's smoke test: whole worlds from fixed seeds, all checks on, and twice the same seed gives the same run. */
import t from "tap";
import { addReport, newSummary } from "./summary.ts";
import { type Mode, run } from "./swarm.ts";

t.setTimeout(900_000);

function seeds(
  mode: Mode,
  first: number,
  count: number,
): { failed: string[]; seen: ReadonlyMap<string, number>; evaluations: ReadonlyMap<string, number> } {
  const summary = newSummary();
  for (let seed = first; seed < first + count; seed += 1) addReport(summary, run({ seed, mode, quick: true, pace: "usual" }));
  const failed = summary.failed.map(
    (report) => `npm run sim -- --mode ${mode} --seed ${report.seed} --quick --trace: ${report.violation?.message ?? ""}`,
  );
  return { failed, seen: summary.marks, evaluations: summary.evaluations };
}

t.test("calm worlds", (t) => {
  const { failed, evaluations } = seeds("calm", 1, 4);
  t.same(failed, []);
  t.ok((evaluations.get("linearizable after another client's write") ?? 0) > 100, "linearizability was put to the test");
  t.end();
});

t.test("worlds with faults", (t) => {
  const { failed, seen, evaluations } = seeds("swarm", 1, 30);
  t.same(failed, []);
  for (const mark of [
    "established",
    "diff",
    "snap",
    "handover",
    "vote conflict",
    "lease fallback",
    "dedupe hit",
    "a session resumes",
  ])
    t.ok(seen.has(mark), `seen: ${mark}`);
  // Rare ones are asked of longer sets of runs alone (main.ts).
  const rare = new Set([
    "no server stops by itself",
    "what failed is in no log",
    "damage is found before it is used",
    "messages of old links do nothing",
    "an expiry is proposed inside the lease",
    "the session of a client that is gone ends",
    "one lease holder in true time",
    "expiry is not early",
    "epochs never fall",
    "a TTL node outlives its TTL",
    "what is due is reaped",
    "a session that is connected lives on in calm",
    "logs are trimmed to their history",
    "the same seed gives the same run",
  ]);

  const idle = [...evaluations].filter(([name, count]) => count === 0 && !rare.has(name)).map(([name]) => name);
  t.same(idle, [], "no check was vacuous");
  t.end();
});

t.test("an hour's worth of time", (t) => {
  const report = run({ seed: 2, mode: "swarm", quick: true, pace: "long" });
  t.equal(report.violation?.message, undefined);
  t.ok(report.longHaul && report.simulatedMs > 600_000, `${report.simulatedMs} ms`);
  for (const name of [
    "a session that is connected lives on in calm",
    "logs are trimmed to their history",
    "what is due is reaped",
  ])
    t.ok((report.evaluations.get(name) ?? 0) > 0, name);
  t.end();
});

t.test("the same seed gives the same run", (t) => {
  for (const seed of [3, 17]) {
    const first = run({ seed, mode: "swarm", quick: true });
    const second = run({ seed, mode: "swarm", quick: true });
    t.equal(second.hash, first.hash, "trace hash");
    t.equal(second.events, first.events, "events");
  }
  t.not(
    run({ seed: 4, mode: "swarm", quick: true }).hash,
    run({ seed: 5, mode: "swarm", quick: true }).hash,
    "other seeds give other runs",
  );
  t.end();
});
