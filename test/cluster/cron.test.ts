/**
 * The cron example: three processes, of which the leader is killed and stopped at random. It judges by the tree; this test also by what
 * the processes say. `npm run nemesis:cron` is the same for two minutes.
 */
import t from "tap";
import { runExample } from "../support/child.ts";

t.setTimeout(900_000);

t.test("every tick once, or interrupted, while leaders die and sleep", async (t) => {
  const { code, output } = await runExample(t, "cron/three", "5");
  const started = [...output.matchAll(/^worker-\d+ started run (\d+) of/gm)].map((match) => match[1]);
  t.equal(code, 0, "the tree shows every tick once");
  t.match(output, /^every tick ran once or is reported as interrupted, never two at a time$/m);
  t.equal(new Set(started).size, started.length, "no run was started twice");
  t.ok(started.length >= 3, `${started.length} ticks`);
  t.ok((output.match(/^(kill|stop) worker/gm)?.length ?? 0) >= 1, "leaders were disturbed");
  if (!t.passing()) t.comment(output);
});
