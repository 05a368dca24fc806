/** Orders for places in the server: what is none is refused, and without one nothing happens. That servers die there: `test/cluster/nemesis.test.ts`. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import t from "tap";
import { armFailpoints, failpoint, failpoints } from "../../server/failpoint.ts";

t.test("names are told apart", async (t) => {
  t.equal(new Set(failpoints).size, failpoints.length);
  t.ok(failpoints.length > 80);
});

t.test("what is no order is refused, before anything is armed by it", async (t) => {
  for (const word of [
    "",
    "logAfterSync",
    "logAfterSync=stop",
    "nowhere=crash",
    "logAfterSync=pause",
    "logAfterSync=crash:5",
    "a=crash@-1",
  ])
    t.equal(armFailpoints(word), word, word);
  t.equal(armFailpoints(`logBeforeSync=pause:${600_001}`), "logBeforeSync=pause:600001");
  failpoint("logAfterSync");
});

t.test("an order holds for one hit", async (t) => {
  t.equal(armFailpoints("replyBeforeSend=error@2,voteBeforeSend=pause:30"), undefined);
  failpoint("replyBeforeSend");
  t.throws(() => failpoint("replyBeforeSend"), /failpoint replyBeforeSend/);
  failpoint("replyBeforeSend");
  const begunMs = performance.now();
  failpoint("voteBeforeSend");
  t.ok(performance.now() - begunMs >= 29);
  failpoint("replyAfterSend");
});

t.test("a server with a wrong order does not start", async (t) => {
  const directory = mkdtempSync(join(tmpdir(), "zabra-failpoint-"));
  t.teardown(() => rmSync(directory, { recursive: true, force: true }));
  const zabra = fileURLToPath(new URL("../../server/zabra.js", import.meta.url));
  const { status, stderr } = spawnSync(process.execPath, [zabra, "server", "--data-dir", directory], {
    encoding: "utf8",
    env: { ...process.env, ZABRA_FAILPOINTS: "nowhere=crash" },
  });
  t.equal(status, 78);
  t.match(stderr, /^zabra: ZABRA_FAILPOINTS: nowhere=crash is no NAME=crash, NAME=pause:MS or NAME=error/m);
});
