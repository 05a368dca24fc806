/** The simulator's own parts: random streams, the order of events, clocks, and what connections promise. */
import t from "tap";
import { SimClock } from "./clock.ts";
import { calmNetwork, Network } from "./network.ts";
import { Random } from "./random.ts";
import { Scheduler } from "./scheduler.ts";

t.test("random streams are independent of each other's draws", (t) => {
  const a = new Random(7);
  const b = new Random(7);
  for (let i = 0; i < 10; i += 1) b.next();
  t.equal(a.fork("net").next(), b.fork("net").next());
  t.not(a.fork("net").next(), a.fork("disk").next());
  const values = Array.from({ length: 1_000 }, () => a.below(10));
  for (let digit = 0; digit < 10; digit += 1) t.ok(values.filter((v) => v === digit).length > 50, `${digit} is drawn`);
  t.end();
});

t.test("events run in order of time, then of scheduling", (t) => {
  const scheduler = new Scheduler();
  const random = new Random(1);
  const seen: number[] = [];
  for (let i = 0; i < 500; i += 1) {
    const time = random.below(50);
    scheduler.at(time, () => seen.push(time * 1_000 + i));
  }
  scheduler.runUntil(100);
  t.same(
    seen,
    [...seen].sort((x, y) => x - y),
  );
  t.equal(scheduler.now, 100);
  t.end();
});

t.test("a suspended machine's monotonic clock stands still, its boot clock does not", (t) => {
  const clock = new SimClock(0, 1.01, 1_000, 5_000);
  t.equal(clock.monotonic(100), 1_101);
  clock.suspend(100);
  t.equal(clock.now(600).monotonicMs, 1_101);
  t.equal(clock.now(600).bootMs, 1_606);
  clock.resume(600);
  t.equal(clock.now(700).monotonicMs, 1_202);
  t.equal(Math.round(clock.trueAt(1_202)), 700);
  const before = clock.now(700).wallMs;
  clock.jumpWall(-3_600_000);
  t.equal(clock.now(700).wallMs, before - 3_600_000);
  t.end();
});

t.test("a connection gives a prefix of what was sent, in order, over cuts, and nothing after its loss", (t) => {
  for (let seed = 1; seed <= 50; seed += 1) {
    const scheduler = new Scheduler();
    const random = new Random(seed);
    const network = new Network(scheduler, random, { ...calmNetwork, jitterMs: 5, deadMinMs: 20, deadMaxMs: 60 });
    const connection = network.connect(1, 2, 0, 1);
    const got: number[] = [];
    let lost = false;
    connection.handlers[0] = { message: () => undefined, lost: () => undefined };
    connection.handlers[1] = {
      message: (payload) => {
        t.notOk(lost, "nothing after lost");
        got.push(payload as number);
      },
      lost: () => {
        lost = true;
      },
    };
    for (let i = 0; i < 100; i += 1) scheduler.at(i, () => network.send(connection, 0, i));
    scheduler.at(random.below(60), () => network.block(1, 2));
    scheduler.at(60 + random.below(30), () => network.unblock(1, 2));
    if (seed % 3 === 0) scheduler.at(80, () => network.breakBoth(connection));
    scheduler.runUntil(1_000);
    t.same(
      got,
      Array.from({ length: got.length }, (_, i) => i),
      `seed ${seed}: a prefix, in order`,
    );
    t.ok(lost || got.length === 100, "all arrives unless the connection is lost");
  }
  t.end();
});

t.test("an orderly close comes after the data before it", (t) => {
  const scheduler = new Scheduler();
  const network = new Network(scheduler, new Random(3), { ...calmNetwork, jitterMs: 10 });
  const connection = network.connect(1, 2, 0, 0);
  const seen: string[] = [];
  connection.handlers[1] = { message: (payload) => seen.push(String(payload)), lost: () => seen.push("lost") };
  network.send(connection, 0, "a");
  network.send(connection, 0, "b");
  network.close(connection, 0);
  scheduler.runUntil(100);
  t.same(seen, ["a", "b", "lost"]);
  t.end();
});
