/** The example of `zabra/testing` passes, in the size that it promises. */
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import t from "tap";

const root = fileURLToPath(new URL("../../..", import.meta.url));

t.test("a user's lock under a scripted partition", async (t) => {
  const source = readFileSync(`${root}/examples/testing/leader-flag.test.ts`, "utf8");
  t.ok(source.split("\n").length <= 30, "under 30 lines");
  const run = spawnSync(process.execPath, ["--test", `${root}/dist/examples/testing/leader-flag.test.js`], { encoding: "utf8" });
  t.equal(run.status, 0, "it passes", { output: run.stdout + run.stderr });
  t.match(run.stdout, /pass 5/);
});
