/** What every recipe refuses at once, without a word to the servers: a closed client, a path that is none, a wait that is none. None is left out. */
import t from "tap";
import { type Client, ZabraError } from "../../../client/index.ts";
import * as recipes from "../../../client/recipes/index.ts";
import { type VirtualEnsemble, virtualEnsemble } from "../../sim/testing.ts";

const {
  AtomicValue,
  Barrier,
  ConfigStore,
  Counter,
  CronJob,
  DoubleBarrier,
  Election,
  everyMs,
  LeaderLease,
  Lock,
  MultiLock,
  Party,
  PersistentEphemeral,
  ReadWriteLock,
  Semaphore,
  WorkQueue,
} = recipes;

const schema: recipes.StandardSchema<unknown> = {
  "~standard": { version: 1, vendor: "test", validate: (value) => ({ value }) },
};
const work = async (): Promise<boolean> => true;
const commits: recipes.ParticipantWork = { prepare: work, commit: async () => {}, abort: async () => {} };
const cronOptions: recipes.CronJobOptions = { next: everyMs(1_000), run: async () => "" };

/** Each that takes a client. */
const begun: Readonly<Record<string, (client: Client, path: string) => unknown>> = {
  AtomicValue: (client, path) => new AtomicValue(client, path),
  Barrier: (client, path) => new Barrier(client, path),
  ConfigStore: (client, path) => new ConfigStore(client, path),
  Counter: (client, path) => new Counter(client, path),
  CronJob: (client, path) => new CronJob(client, path, cronOptions),
  DoubleBarrier: (client, path) => new DoubleBarrier(client, path, 2),
  Election: (client, path) => new Election(client, path),
  LeaderLease: (client, path) => new LeaderLease(client, path, 1_000),
  Lock: (client, path) => new Lock(client, path),
  MultiLock: (client, path) => new MultiLock(client, [path]),
  Party: (client, path) => new Party(client, path),
  PersistentEphemeral: (client, path) => new PersistentEphemeral(client, path),
  ReadWriteLock: (client, path) => new ReadWriteLock(client, path),
  Semaphore: (client, path) => new Semaphore(client, path, 1),
  WorkQueue: (client, path) => new WorkQueue(client, path),
  cacheChildren: (client, path) => recipes.cacheChildren(client, path),
  cacheNode: (client, path) => recipes.cacheNode(client, path),
  cacheTree: (client, path) => recipes.cacheTree(client, path),
  discover: (client, path) => recipes.discover(client, "service", { root: path }),
  ownShards: (client, path) => recipes.ownShards(client, path, { shards: ["a"] }),
  participate: (client, path) => recipes.participate(client, path, "a", commits),
  register: (client, path) => recipes.register(client, "service", { root: path }),
  transact: (client, path) => recipes.transact(client, path, { participants: ["a"] }),
  watchConfig: (client, path) => recipes.watchConfig(client, path, schema),
  withLock: (client, path) => recipes.withLock(client, path, work),
};

/** What those hand out, and what takes no client. */
const others = [
  ...["Cache", "Claim", "Config", "Discovery", "Grant", "Inside", "LeaseTerm", "Membership", "MultiGrant"],
  ...["Registration", "ShardOwner", "SharedGrant", "Term", "differences", "everyMs"],
];

type Call = (options: recipes.WaitOptions) => Promise<unknown>;

/** Each call of a recipe that waits for others, or for an answer. */
function callsOf(client: Client): Readonly<Record<string, Call>> {
  const [value, barrier, store] = [new AtomicValue(client, "/v"), new Barrier(client, "/b"), new ConfigStore(client, "/c")];
  const [lock, readWrite, semaphore] = [new Lock(client, "/l"), new ReadWriteLock(client, "/rw"), new Semaphore(client, "/s", 1)];
  const [multi, election, lease] = [
    new MultiLock(client, ["/m"]),
    new Election(client, "/e"),
    new LeaderLease(client, "/ll", 500),
  ];
  const [party, queue, double] = [new Party(client, "/p"), new WorkQueue(client, "/q"), new DoubleBarrier(client, "/d", 2)];
  return {
    "AtomicValue.replace": (options) => value.replace(undefined, "1", options),
    "AtomicValue.update": (options) => value.update(() => "1", options),
    "Barrier.remove": (options) => barrier.remove(options),
    "Barrier.set": (options) => barrier.set(options),
    "Barrier.wait": (options) => barrier.wait(options),
    "ConfigStore.apply": (options) => store.apply({}, options),
    "Counter.add": (options) => new Counter(client, "/n").add(1, options),
    "DoubleBarrier.enter": (options) => double.enter(options),
    "Election.campaign": (options) => election.campaign(options),
    "LeaderLease.campaign": (options) => lease.campaign(options),
    "LeaderLease.tryCampaign": (options) => lease.tryCampaign(options),
    "Lock.acquire": (options) => lock.acquire(options),
    "Lock.tryAcquire": (options) => lock.tryAcquire(options),
    "Lock.withLock": (options) => lock.withLock(work, options),
    "MultiLock.acquire": (options) => multi.acquire(options),
    "MultiLock.tryAcquire": (options) => multi.tryAcquire(options),
    "MultiLock.withLock": (options) => multi.withLock(work, options),
    "Party.join": (options) => party.join(options),
    "Party.members": (options) => party.members(options),
    "ReadWriteLock.read": (options) => readWrite.read(options),
    "ReadWriteLock.tryRead": (options) => readWrite.tryRead(options),
    "ReadWriteLock.tryWrite": (options) => readWrite.tryWrite(options),
    "ReadWriteLock.withRead": (options) => readWrite.withRead(work, options),
    "ReadWriteLock.withWrite": (options) => readWrite.withWrite(work, options),
    "ReadWriteLock.write": (options) => readWrite.write(options),
    "Semaphore.acquire": (options) => semaphore.acquire(options),
    "Semaphore.tryAcquire": (options) => semaphore.tryAcquire(options),
    "Semaphore.withLease": (options) => semaphore.withLease(work, options),
    "WorkQueue.counts": (options) => queue.counts(options),
    "WorkQueue.put": (options) => queue.put("1", options),
    "WorkQueue.take": (options) => queue.take(options),
    reentrant: (options) => new Lock(client, "/l", { reentrant: true }).acquire(options),
    transact: (options) => recipes.transact(client, "/t", { participants: ["a"], ...options }),
    "use of a service": (options) => recipes.discover(client, "service").then((found) => found.use(options)),
  };
}

/** The code that it ends with, and how long that took. */
async function refusal(ensemble: VirtualEnsemble, run: () => unknown): Promise<string> {
  const startMs = ensemble.nowMs;
  try {
    await run();
    return "none";
  } catch (error) {
    const code = error instanceof ZabraError ? error.code : String(error);
    return ensemble.nowMs === startMs ? code : `${code} after ${ensemble.nowMs - startMs} ms`;
  }
}

t.test("no recipe is left out", async (t) => {
  t.same(Object.keys(recipes).toSorted(), [...Object.keys(begun), ...others].toSorted());
});

t.test("refusals", (t) => {
  const ensemble = virtualEnsemble({ seed: 6 });
  return ensemble.run(async () => {
    const client = await ensemble.client();
    for (const path of ["", "no/slash", "/a//b", "/a/../b", `/${"x".repeat(1_024)}`])
      for (const [name, begin] of Object.entries(begun))
        t.equal(await refusal(ensemble, () => begin(client, path)), "BAD_ARGUMENTS", `${name} at ${path.slice(0, 20)}`);

    for (const [name, call] of Object.entries(callsOf(client)).filter(([name]) => !name.startsWith("use of")))
      for (const timeoutMs of [0, -1, Number.NaN])
        t.equal(await refusal(ensemble, () => call({ timeoutMs })), "BAD_ARGUMENTS", `${name} within ${timeoutMs} ms`);

    const calls = callsOf(client);
    const job = new CronJob(client, "/job", cronOptions);
    const queue = new WorkQueue(client, "/queue");
    await client.close();
    for (const [name, begin] of Object.entries(begun))
      t.equal(await refusal(ensemble, () => begin(client, "/a")), "CLOSED", `${name} of a closed client`);
    for (const [name, call] of Object.entries(calls))
      t.equal(await refusal(ensemble, () => call({})), "CLOSED", `${name} after the client was closed`);
    t.equal(await refusal(ensemble, () => job.serve()), "CLOSED", "CronJob.serve");
    t.equal(await refusal(ensemble, () => queue.consume(work)), "CLOSED", "WorkQueue.consume");
  });
});
