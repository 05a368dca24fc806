/** A process that stops while no server can be reached: whatever a recipe holds is given back with the session, and nobody waits for the servers to return. */
import t from "tap";
import type { Client } from "../../../client/index.ts";
import {
  CronJob,
  DoubleBarrier,
  Election,
  everyMs,
  LeaderLease,
  Lock,
  MultiLock,
  ownShards,
  Party,
  PersistentEphemeral,
  participate,
  ReadWriteLock,
  register,
  Semaphore,
  transact,
  WorkQueue,
} from "../../../client/recipes/index.ts";
import { virtualEnsemble } from "../../sim/testing.ts";
import { code } from "./world.ts";

const sessionTimeoutMs = 1_000;

/** One of each, and how it ends. */
async function holdAll(client: Client): Promise<ReadonlyMap<string, () => Promise<unknown>>> {
  const queue = new WorkQueue(client, "/queue");
  await queue.put("work");
  const [lock, write, semaphore, multi, term, lease, party, instance, shards, inside, claim] = await Promise.all([
    new Lock(client, "/lock").acquire(),
    new ReadWriteLock(client, "/read-write").write(),
    new Semaphore(client, "/semaphore", 2).acquire(),
    new MultiLock(client, ["/locks/a", "/locks/b"]).acquire(),
    new Election(client, "/election").campaign(),
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
    ["read/write lock", () => write.release()],
    ["semaphore", () => semaphore.release()],
    ["multi-lock", () => multi.release()],
    ["election", () => term.resign()],
    ["leader lease", () => lease.resign()],
    ["party", () => party.leave()],
    ["registry", () => instance.close()],
    ["shards", () => shards.close()],
    ["double barrier", () => inside.leave({ timeoutMs: 2 * sessionTimeoutMs })],
    ["work queue", () => claim.release()],
  ]);
}

for (const when of ["before its session is lost", "after its session was lost"])
  t.test(`who stops while no server can be reached, ${when}`, (t) => {
    const ensemble = virtualEnsemble({ seed: 3 });
    return ensemble.run(async () => {
      const [one, other] = [await ensemble.client({ sessionTimeoutMs }), await ensemble.client()];
      const ends = await holdAll(one);
      const heal = ensemble.partition([one]);
      await ensemble.until(() => (when.startsWith("before") ? one.state.type !== "connected" : one.session === undefined));
      const told = await Promise.all([...ends].map(async ([what, end]) => [what, await code(end())] as const));
      t.equal(one.session, undefined, "all has ended, and no server was reached");
      for (const [what, ended] of told) t.equal(ended, what === "double barrier" ? "TIMEOUT" : "OK", what);
      heal();
      await ensemble.until(() => one.state.type === "connected");
      await one.sync();
      t.same(await one.getEphemerals(), [], "nor does anything come back");
      t.equal(await other.exists("/party/one"), undefined);
      t.equal(await other.exists("/services/service/one"), undefined);
    });
  });

t.test("what was begun while no server can be reached ends, and leaves nothing", (t) => {
  const ensemble = virtualEnsemble({ seed: 4 });
  return ensemble.run(async () => {
    const one = await ensemble.client({ sessionTimeoutMs });
    const heal = ensemble.partition([one]);
    await ensemble.until(() => one.state.type !== "connected");
    const early = new PersistentEphemeral(one, "/early");
    await early.close();
    t.equal(one.session, undefined, "asked for in a session, it ends with that session");
    const atMs = ensemble.nowMs;
    const late = new PersistentEphemeral(one, "/late");
    await ensemble.sleep(1);
    await late.close();
    t.equal(ensemble.nowMs, atMs + 1, "nothing was asked for without one");
    heal();
    await ensemble.until(() => one.state.type === "connected");
    await one.sync();
    t.same(await one.getEphemerals(), []);
  });
});

t.test("who serves until it is told to stop stops also while no server can be reached", (t) => {
  const ensemble = virtualEnsemble({ seed: 5 });
  return ensemble.run(async () => {
    for (const when of ["in its session", "without a session"]) {
      const one = await ensemble.client({ sessionTimeoutMs, callTimeoutMs: 3_000 });
      const other = await ensemble.client();
      const stop = new AbortController();
      const never = new Promise<never>((_, reject) => stop.signal.addEventListener("abort", () => reject(new Error("stopped"))));
      let running = 0;
      const work = (): Promise<never> => {
        running += 1;
        return never;
      };
      const wallMs = (): number => ensemble.nowMs;
      const job = new CronJob(one, `/cron ${when}`, { next: everyMs(100), run: work, wallMs });
      const idle = new CronJob(one, `/idle ${when}`, { next: () => undefined, run: work, wallMs });
      const commits = { prepare: async () => true, commit: work, abort: work };
      const queue = new WorkQueue(one, `/queue ${when}`);
      const serving = [
        job.serve({ signal: stop.signal }),
        idle.serve({ signal: stop.signal }),
        participate(one, `/commits ${when}`, "a", commits, { signal: stop.signal }),
        queue.consume(work, { signal: stop.signal }),
      ];
      await queue.put("work");
      await transact(other, `/commits ${when}`, { participants: ["a"] });
      await ensemble.until(() => running === 3);
      ensemble.partition([one]);
      await ensemble.until(() => (when === "in its session" ? one.state.type !== "connected" : one.session === undefined));
      stop.abort();
      const told = await Promise.all(serving.map(code));
      t.same(told, ["OK", "OK", "OK", "OK"], when);
      t.not(one.state.type, "connected", "and no server was reached");
      ensemble.heal();
    }
  });
});
