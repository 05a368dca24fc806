/** Every schedule, for its seeds: no check may fail, and what the schedule is about must have happened. */
import t from "tap";
import { setMutant } from "../../../src/model/mutant.ts";
import { schedules } from "./all.ts";

t.setTimeout(1_200_000);

for (const schedule of schedules) {
  t.test(schedule.name, { timeout: 300_000 }, (t) => {
    const seen = new Set<string>();
    for (let seed = 1; seed <= schedule.seeds; seed += 1) {
      try {
        for (const what of schedule.play(seed)) seen.add(what);
      } catch (error) {
        t.fail(
          `seed ${seed}: ${error instanceof Error ? error.message : String(error)} — replay: npx tsx test/sim/scenario/play.ts "${schedule.name}" ${seed}`,
        );
      }
    }
    for (const what of schedule.mustSee) t.ok(seen.has(what), `seen: ${what}`);
    t.end();
  });
}

t.test("the scripted schedules kill their mutants", { timeout: 300_000 }, (t) => {
  const kills = (mutant: string, name: string): boolean => {
    const schedule = schedules.find((one) => one.name.startsWith(name));
    setMutant(mutant);
    try {
      for (let seed = 1; seed <= 20; seed += 1) schedule?.play(seed);
      return false;
    } catch {
      return true;
    } finally {
      setMutant("");
    }
  };
  t.ok(kills("clock before inbox", "21 "), "clock before inbox");
  t.ok(kills("ack before fsync", "6 "), "ack before fsync");
  t.ok(kills("a generation dies with its leader", "11b "), "a generation dies with its leader");
  t.end();
});
