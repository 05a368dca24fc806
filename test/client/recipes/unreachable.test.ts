/** A process that stops while no server can be reached: whatever a recipe holds is given back with the session, and nobody waits for the servers to return. */
import t from "tap";
import {
  DoubleBarrier,
  LeaderLease,
  Lock,
  MultiLock,
  ownShards,
  Party,
  register,
  Semaphore,
  WorkQueue,
} from "../../../client/recipes/index.ts";
import { until } from "../gate.ts";
import { code, type Gated, World } from "./world.ts";

/** One of each, and how it ends. */
async function holdAll({ client }: Gated): Promise<ReadonlyMap<string, () => Promise<unknown>>> {
  const queue = new WorkQueue(client, "/queue");
  await queue.put("work");
  const [lock, semaphore, multi, lease, party, instance, shards, inside, claim] = await Promise.all([
    new Lock(client, "/lock").acquire(),
    new Semaphore(client, "/semaphore", 2).acquire(),
    new MultiLock(client, ["/locks/a", "/locks/b"]).acquire(),
    new LeaderLease(client, "/lease", 1_000).campaign(),
    new Party(client, "/party").join({ name: "one" }),
    register(client, "service", { id: "one" }),
    ownShards(client, "/shards", { shards: ["a", "b"], name: "one", settleMs: 0 }),
    new DoubleBarrier(client, "/double", 1).enter(),
    queue.take(),
  ]);
  await shards.when((own) => own.size === 2);
  return new Map<string, () => Promise<unknown>>([
    ["lock", () => lock.release()],
    ["semaphore", () => semaphore.release()],
    ["multi-lock", () => multi.release()],
    ["leader lease", () => lease.resign()],
    ["party", () => party.leave()],
    ["registry", () => instance.close()],
    ["shards", () => shards.close()],
    ["double barrier", () => inside.leave({ timeoutMs: 300 })],
    ["work queue", () => claim.release()],
  ]);
}

t.test("who stops while no server can be reached", { timeout: 30_000 }, async (t) => {
  const world = await World.start(t);
  const other = await world.client();

  for (const when of ["before its session is lost", "after its session was lost"]) {
    t.test(when, async (t) => {
      const one = await world.open();
      const held = await holdAll(one);
      one.gate.shut();
      await until(() => one.client.state.type !== "connected" && (when.startsWith("before") || one.client.session === undefined));
      for (const [what, ended] of await Promise.all([...held].map(async ([what, end]) => [what, await code(end())] as const)))
        t.equal(ended, what === "double barrier" ? "TIMEOUT" : "OK", what);
      one.gate.open();
      await until(() => one.client.state.type === "connected");
      await one.client.sync("/");
      t.equal(await other.exists("/party/one"), undefined, "nor does it come back");
      t.equal(await other.exists("/services/service/one"), undefined);
      await other.deleteRecursive("/queue");
      await one.client.close();
    });
  }
});
