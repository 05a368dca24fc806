/** Three of the partitions of `npm run nemesis:partition`, briefly; and that the judge of the register sees a stale read. */
import t from "tap";
import type { Client } from "../../client/index.ts";
import { partitionRounds } from "./partition-rounds.ts";
import { PartitionedEnsemble } from "./partitioned-ensemble.ts";
import { RegisterLoad } from "./register-load.ts";

t.setTimeout(900_000);

t.test("nothing is lost or stale while the network between servers is parted", async (t) => {
  const ensemble = await PartitionedEnsemble.start({ args: ["--log-level", "warn"] });
  t.teardown(() => ensemble.close());
  const seen: string[] = [];
  await partitionRounds(ensemble, {
    rounds: 1,
    kinds: ["isolatedLeader", "ring", "flapping"],
    faultMs: 500,
    writers: 3,
    sessionTimeoutMs: 4_000,
    onRound: ({ partition, problems }) => {
      seen.push(partition);
      t.same(problems, [], partition);
    },
  });
  t.same(seen, ["isolatedLeader", "ring", "flapping"]);
});

t.test("a register that goes back is found out", async (t) => {
  let reads = 0;
  const bytes = (text: string): Uint8Array => Buffer.from(text);
  // Not a server: a client that answers out of date, which no server of ours does.
  const stale = {
    ensurePath: async () => {},
    create: async () => ({}),
    set: async () => ({}),
    get: async () => {
      reads += 1;
      return { data: bytes("v1") };
    },
  } as unknown as Client;
  const register = await RegisterLoad.begin("/registers/stale", [stale], 0);
  while (reads < 6) await new Promise((resolve) => setImmediate(resolve));
  await register.end();
  t.match(register.problem(), /no order explains/);
});
