/**
 * `kill -9` of real servers under continuous writes: nothing acknowledged is lost, nothing is applied twice,
 * every call ends with its answer, no session expires. Twenty rounds with times: `long/kill.ts`.
 */
import t from "tap";
import { type KillReport, killRounds } from "./kill-rounds.ts";
import { ProcessEnsemble } from "./process-ensemble.ts";

t.setTimeout(900_000);

t.test("three rounds", async (t) => {
  const ensemble = await ProcessEnsemble.start({ args: ["--log-level", "warn"] });
  t.teardown(() => ensemble.close());
  const onRound = ({ round, kill, victims, problems }: KillReport): void => {
    t.same(problems.slice(0, 5), [], `round ${round}: ${kill} killed (server ${victims.join(", ")})`);
  };
  try {
    // Generous: what is asserted here must not depend on the speed of the machine.
    await killRounds(ensemble, { rounds: 3, sessionTimeoutMs: 60_000, onRound });
  } finally {
    if (!t.passing()) t.comment(await ensemble.diagnosis());
  }
});
