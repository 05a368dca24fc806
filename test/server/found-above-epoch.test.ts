/** `--found-above-epoch`: a fresh ensemble's zxids go on above those of the service that it replaces. */
import t from "tap";
import { connect } from "../../client/index.ts";
import { startEnsemble, startServer } from "../../server/index.ts";
import { epochOf } from "../../src/model/zxid.ts";
import type { Halt } from "../../src/replica/effects.ts";

t.setTimeout(900_000);

t.test("the first epoch is above it, and an ensemble keeps its epoch", async (t) => {
  const directory = t.testdir();
  const start = (foundAboveEpoch: number, onHalt?: (halt: Halt) => void) =>
    startServer({ directory, foundAboveEpoch, ...(onHalt === undefined ? {} : { onHalt }) });
  const first = await start(700);
  await first.ready();
  t.equal(first.status().epoch, 701);
  const client = await connect(first.url);
  t.equal(epochOf((await client.create("/a")).stat.czxid), 701);
  await client.close();
  await first.close();
  const second = await start(700);
  await second.ready();
  t.equal(second.status().epoch, 702, "the same flag does no harm at a restart");
  await second.close();
  const halted = new Promise<Halt>((resolve) => {
    void start(5_000, resolve).then((server) => t.teardown(() => server.kill()));
  });
  const { exitCode, reason } = await halted;
  t.equal(exitCode, 78);
  t.match(reason, /--found-above-epoch 5000: this ensemble is founded already, and its epoch is 702/);
});

t.test("three servers", async (t) => {
  const ensemble = await startEnsemble({ foundAboveEpoch: 40 });
  t.teardown(() => ensemble.close());
  await ensemble.ready();
  const client = await connect(ensemble.urls);
  t.ok(epochOf((await client.create("/a")).zxid) > 40);
  await client.close();
});
