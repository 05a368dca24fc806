/** Tests the lock of `leader-flag.ts` under a partition, in virtual time: `node --test dist/examples/testing/`. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { virtualEnsemble } from "zabra/testing";
import { LeaderFlag } from "./leader-flag.ts";

for (let seed = 1; seed <= 5; seed += 1) {
  test(`a leader that is cut off lowers its flag before another raises one, seed ${seed}`, async () => {
    const ensemble = virtualEnsemble({ seed, servers: 3 });
    await ensemble.run(async () => {
      const one = await ensemble.client({ sessionTimeoutMs: 2_000 });
      const two = await ensemble.client({ sessionTimeoutMs: 2_000 });
      const [flag, other] = [new LeaderFlag(one, "/leader"), new LeaderFlag(two, "/leader")];
      await flag.raise();
      ensemble.partition([one, await ensemble.leader()]); // away from the majority, together
      const raised = other.raise();
      await ensemble.sleep(1_000);
      assert.ok(flag.raised && !other.raised, "a second without connection costs nothing");
      await raised;
      assert.ok(!flag.raised && other.raised);
    });
  });
}
