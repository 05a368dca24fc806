/** Containers, TTL by cluster time (schedule 19), and the heap of due times. */
import t from "tap";
import { StateMachine } from "../../src/replica/state-machine.ts";
import { DueHeap } from "../../src/tree/due-heap.ts";
import { create, Harness, limits, must, remove, set } from "./harness.ts";

/** What the leader does at a reaping turn. */
function reap(harness: Harness, stampMs: number): string[] {
  harness.stampMs = stampMs;
  const txn = harness.machine.prepareReap(harness.machine.dueForReaping(stampMs, 100), harness.context());
  if (txn === undefined) return [];
  harness.enqueue(txn);
  harness.apply();
  return txn.body.type === "reap" ? txn.body.removed.map((node) => node.path) : [];
}

t.test("a TTL node goes when it is childless and unchanged for its TTL of cluster time", async (t) => {
  const harness = new Harness();
  const session = harness.session();
  harness.stampMs = 10_000;
  harness.write(session, create("/t", { kind: "ttl", ttlMs: 60_000 }));
  t.ok(harness.machine.needsStamps);
  t.same(reap(harness, 69_999), []);
  harness.write(session, set("/t", "y"));
  t.same(reap(harness, 129_998), [], "a new value starts the time anew");
  harness.write(session, create("/t/child"));
  t.same(reap(harness, 140_000), [], "not with a child");
  harness.write(session, remove("/t/child"));
  t.same(reap(harness, 140_000), ["/t"], "the child's coming and going is no change of the node");
  t.notOk(harness.machine.needsStamps);
  t.equal(harness.digest(), harness.recomputed());
});

t.test("schedule 19: leaders change every 50 s, nothing is written, and the TTL passes by logged stamps", async (t) => {
  const harness = new Harness();
  const session = harness.session();
  harness.write(session, create("/t", { kind: "ttl", ttlMs: 60_000 }));
  const begin = harness.machine.lastStampMs;
  for (let leader = 0; leader < 2; leader += 1) {
    harness.machine.resetOutstanding();
    // Its own monotonic clock tells nothing about the others': it counts from the last stamp.
    const base = harness.machine.lastPreparedStampMs;
    for (let elapsed = 10_000; elapsed <= 50_000; elapsed += 10_000) {
      harness.stampMs = base + elapsed;
      harness.enqueue(harness.machine.prepareStamp(harness.context()));
      harness.apply();
    }
  }
  t.equal(harness.machine.lastStampMs - begin, 100_000);
  t.same(reap(harness, harness.machine.lastStampMs), ["/t"]);
});

t.test("cluster time never falls, whatever the context says", async (t) => {
  const harness = new Harness();
  const session = harness.session();
  harness.stampMs = 5_000;
  harness.pipeline(session, create("/a"));
  harness.stampMs = 4_000;
  harness.pipeline(session, create("/b"));
  t.same(
    harness.queue.map((txn) => txn.stampMs),
    [5_000, 5_000],
  );
  t.equal(harness.machine.lastPreparedStampMs, 5_000);
  t.equal(harness.machine.lastStampMs, 1_000, "nothing is applied");
  harness.machine.resetOutstanding();
  t.equal(harness.machine.lastPreparedStampMs, 1_000);
});

t.test("a container goes when its last child has gone, not before it had one", async (t) => {
  const harness = new Harness();
  const session = harness.session();
  harness.write(session, create("/c", { kind: "container" }));
  t.same(reap(harness, 1_000_000), []);
  harness.write(session, create("/c/x"));
  harness.write(session, create("/c/y"));
  harness.write(session, remove("/c/x"));
  t.same(reap(harness, 1_000_000), []);
  harness.write(session, remove("/c/y"));
  t.same(reap(harness, 1_000_000), ["/c"]);
});

t.test("a reap is validated through the overlay", async (t) => {
  const harness = new Harness();
  const session = harness.session();
  for (const path of ["/c", "/d", "/t", "/u"])
    harness.write(session, create(path, path < "/t" ? { kind: "container" } : { kind: "ttl", ttlMs: 10 }));
  for (const path of ["/c/x", "/d/x"]) harness.write(session, create(path));
  for (const path of ["/c/x", "/d/x"]) harness.write(session, remove(path));
  harness.stampMs = 2_000;
  const due = harness.machine.dueForReaping(2_000, 100);
  t.same(due.sort(), ["/c", "/d", "/t", "/u"]);
  harness.pipeline(session, create("/c/late"));
  harness.pipeline(session, remove("/u"));
  const txn = must(harness.machine.prepareReap([...due, "/", "/none", "nonsense", "/zookeeper"], harness.context()));
  harness.enqueue(txn);
  t.match(txn.body, { type: "reap", removed: [{ path: "/d" }, { path: "/t" }] });
  t.equal(txn.body.type === "reap" && txn.body.removed.length, 2);
  harness.pipeline(session, create("/d/too-late"));
  t.same(
    harness.apply().map((outcome) => outcome.code),
    ["OK", "OK", "OK", "NO_NODE"],
  );
  t.equal(harness.machine.prepareReap(due, harness.context()), undefined, "nothing is left, and no zxid is used");
});

t.test("what is due comes again later when it was not reaped, and after a restart", async (t) => {
  const harness = new Harness();
  const session = harness.session();
  harness.write(session, create("/t", { kind: "ttl", ttlMs: 10 }));
  t.same(harness.machine.dueForReaping(2_000, 100), ["/t"]);
  t.same(harness.machine.dueForReaping(2_000, 100), []);
  t.same(harness.machine.dueForReaping(2_000 + limits.reap_interval_ms, 100), ["/t"]);
  harness.machine.writeRecords();
  const restarted = new StateMachine(harness.store, limits);
  t.ok(restarted.needsStamps);
  t.same(restarted.dueForReaping(1_005, 100), []);
  t.same(restarted.dueForReaping(2_000, 100), ["/t"]);
});

t.test("due nodes come in the order of their times, at most as many as wanted", async (t) => {
  const harness = new Harness();
  const session = harness.session();
  for (const ttlMs of [30, 10, 20]) harness.write(session, create(`/t${ttlMs}`, { kind: "ttl", ttlMs }));
  t.same(harness.machine.dueForReaping(5_000, 2), ["/t10", "/t20"]);
  t.same(harness.machine.dueForReaping(5_000, 2), ["/t30"]);
});

t.test("the heap agrees with a sorted list", async (t) => {
  const heap = new DueHeap();
  const model = new Map<string, number>();
  let seed = 1;
  const random = (below: number): number => (seed = (seed * 48_271) % 2_147_483_647) % below;
  for (let step = 0; step < 20_000; step += 1) {
    const path = `/${random(50)}`;
    if (random(3) === 0) {
      heap.remove(path);
      model.delete(path);
    } else {
      const due = random(20);
      heap.set(path, due);
      model.set(path, due);
    }
    const now = random(20);
    const first = [...model].filter(([, due]) => due <= now).sort((a, b) => a[1] - b[1] || (a[0] < b[0] ? -1 : 1))[0]?.[0];
    if (heap.firstDue(now) !== first || heap.size !== model.size)
      return t.fail(`step ${step}: ${heap.firstDue(now)} for ${first}`);
  }
  return t.pass();
});
