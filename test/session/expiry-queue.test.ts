/** Deadlines: never early, never lost, the longest expired first. */
import t from "tap";
import type { SessionId } from "../../src/model/zxid.ts";
import { ExpiryQueue } from "../../src/session/expiry-queue.ts";

const id = (value: number): SessionId => value as SessionId;

t.test("a session expires after its timeout, at most a bucket later", async (t) => {
  const queue = new ExpiryQueue(50);
  queue.touch(id(1), 1_000, 7);
  t.same(queue.expired(1_006, 10), []);
  t.same(queue.expired(1_049, 10), []);
  t.same(queue.expired(1_050, 10), [1]);
});

t.test("a touch moves the deadline on, never back", async (t) => {
  const queue = new ExpiryQueue(50);
  queue.touch(id(1), 1_000, 0);
  queue.touch(id(1), 1_000, 500);
  queue.touch(id(1), 100, 500);
  t.same(queue.expired(1_499, 10), []);
  t.same(queue.expired(1_500, 10), [1]);
});

t.test("an expired session stays until it is removed or touched", async (t) => {
  const queue = new ExpiryQueue(50);
  queue.touch(id(1), 100, 0);
  queue.touch(id(2), 100, 0);
  t.same(queue.expired(200, 10), [1, 2]);
  t.same(queue.expired(200, 10), [1, 2]);
  queue.remove(id(1));
  queue.touch(id(2), 100, 200);
  t.same(queue.expired(200, 10), []);
  t.same(queue.expired(300, 10), [2]);
  t.equal(queue.size, 1);
});

t.test("the longest expired come first, as many as wanted", async (t) => {
  const queue = new ExpiryQueue(50);
  for (const [session, timeout] of [
    [1, 900],
    [2, 100],
    [3, 500],
    [4, 100],
  ] as const)
    queue.touch(id(session), timeout, 0);
  t.same(queue.expired(10_000, 3), [2, 4, 3]);
  queue.clear();
  t.same(queue.expired(10_000, 3), []);
  queue.touch(id(5), 10, 20_000);
  t.same(queue.expired(20_049, 3), []);
  t.same(queue.expired(20_050, 3), [5]);
});

t.test("deadlines are put off, those of before and by no more than that", async (t) => {
  const queue = new ExpiryQueue(50);
  queue.touch(id(1), 1_000, 0);
  queue.putOff(600);
  queue.touch(id(2), 1_000, 600);
  t.same(queue.expired(1_599, 10), []);
  t.same(queue.expired(1_600, 10), [1, 2]);
  queue.touch(id(1), 1_000, 1_600);
  queue.putOff(70);
  queue.remove(id(2));
  t.same(queue.expired(2_669, 10), []);
  t.same(queue.expired(2_720, 10), [1]);
});

t.test("it agrees with a plain map of deadlines", async (t) => {
  const queue = new ExpiryQueue(20);
  const deadlines = new Map<number, number>();
  let seed = 7;
  const random = (below: number): number => (seed = (seed * 48_271) % 2_147_483_647) % below;
  let now = 0;
  for (let step = 0; step < 20_000; step += 1) {
    now += random(30);
    const session = 1 + random(20);
    if (random(10) === 0) {
      queue.remove(id(session));
      deadlines.delete(session);
    } else {
      const timeout = random(500);
      queue.touch(id(session), timeout, now);
      deadlines.set(session, Math.max(deadlines.get(session) ?? 0, Math.ceil((now + timeout) / 20) * 20));
    }
    const expected = [...deadlines].filter(([, deadline]) => deadline <= now).map(([each]) => each);
    const found = queue.expired(now, 100);
    if (found.length !== expected.length || !expected.every((each) => found.includes(id(each)))) return t.fail(`step ${step}`);
  }
  return t.pass();
});
