/** Plays scenarios as tests: no check may fail, and what a scenario is about must have happened over its seeds. */
import t from "tap";
import type { Schedule } from "./schedules.ts";

export function playAll(scenarios: readonly Schedule[]): void {
  t.setTimeout(900_000);
  for (const scenario of scenarios) {
    t.test(scenario.name, (t) => {
      const seen = new Set<string>();
      for (let seed = 1; seed <= scenario.seeds; seed += 1) {
        try {
          for (const what of scenario.play(seed)) seen.add(what);
        } catch (error) {
          t.fail(
            `seed ${seed}: ${error instanceof Error ? error.message : String(error)} — replay: npx tsx test/sim/scenario/play.ts "${scenario.name}" ${seed}`,
          );
        }
      }
      for (const what of scenario.mustSee) t.ok(seen.has(what), `seen: ${what}`);
      t.end();
    });
  }
}
