/** The work queue against a real server: every item done at least once, by one at a time, in order, the poisonous ones set aside. */
import t from "tap";
import { Heap } from "../../../client/recipes/heap.ts";
import { type Claim, WorkQueue } from "../../../client/recipes/index.ts";
import { until } from "../gate.ts";
import { code, loseSession, rejection, World } from "./world.ts";

t.test("WorkQueue", async (t) => {
  const world = await World.start(t);
  const other = await world.client();

  t.test("by priority, then in the order of putting; an id is there once", async (t) => {
    using queue = new WorkQueue(other, "/queues/order");
    for (const [text, priority] of [
      ["c", 500],
      ["d", 500],
      ["a", 1],
      ["e", 999],
      ["b", 499],
    ] as const)
      await queue.put(text, { priority });
    await queue.put("once", { id: "x", priority: 999 });
    await queue.put("twice", { id: "x", priority: 999 });
    let order = "";
    for (let i = 0; i < 6; i += 1) {
      const claim = await queue.take();
      order += `${claim.text} `;
      await claim.ack();
    }
    t.equal(order, "a b c d e once ");
    t.match(await queue.counts(), { items: 0, claimed: 0 });
  });

  t.test("many consumers over broken connections: each item once when nobody dies, never by two at a time", async (t) => {
    const gated = await Promise.all([world.open(), world.open(), world.open()]);
    const producer = new WorkQueue(other, "/queues/many");
    const stop = new AbortController();
    const done: string[] = [];
    const inside = new Set<string>();
    const work = async (claim: Claim): Promise<void> => {
      t.notOk(inside.has(claim.text));
      inside.add(claim.text);
      await other.sync();
      if (done.length % 15 === 7) gated[done.length % 3]?.gate.break();
      inside.delete(claim.text);
      done.push(claim.text);
    };
    const consuming = gated.map(({ client }) =>
      new WorkQueue(client, "/queues/many").consume(work, { signal: stop.signal, parallel: 2 }),
    );
    await Promise.all(Array.from({ length: 60 }, (_, i) => producer.put(`item ${i}`)));
    await until(async () => (await producer.counts()).items === 0);
    stop.abort();
    await Promise.all(consuming);
    t.equal(done.length, 60);
    t.equal(new Set(done).size, 60);
  });

  t.test("an item whose consumer loses its session waits again, and its old claim can do nothing", async (t) => {
    const one = await world.open();
    const queue = new WorkQueue(other, "/queues/lost");
    await queue.put("x");
    const claim = await new WorkQueue(one.client, "/queues/lost").take();
    t.equal(claim.attempts, 1);
    const taking = queue.take();
    await loseSession(one);
    const again = await taking;
    t.equal(again.attempts, 2);
    t.ok(again.token > claim.token);
    t.ok(claim.signal.aborted);
    t.equal(await code(claim.ack()), "FENCED");
    t.equal(await code(one.client.create("/late", "", { guard: claim.guard })), "FENCED");
    await again.ack();
    t.equal((await queue.counts()).items, 0);
    queue.close();
  });

  t.test("delays run by the cluster's time", async (t) => {
    using queue = new WorkQueue(other, "/queues/delay");
    await queue.put("later", { delayMs: 150, priority: 1 });
    await queue.put("now");
    t.match(await queue.counts(), { items: 2, delayed: 1 });
    t.equal((await queue.take()).text, "now");
    const later = await queue.take({ timeoutMs: 5_000 });
    t.match(later, { text: "later", attempts: 1 });
    await later.release();
    t.match(await queue.take(), { text: "later", attempts: 2 });
  });

  t.test("a poisonous item is set aside; a failing worker releases", async (t) => {
    const queue = new WorkQueue(other, "/queues/poison", { attemptsMax: 3 });
    await queue.put("poison");
    await queue.put("good", { priority: 900 });
    const stop = new AbortController();
    const failures: number[] = [];
    let good = false;
    const consuming = queue.consume(
      async (claim) => {
        if (claim.text === "poison") throw new Error("boom");
        good = true;
      },
      { signal: stop.signal, onError: (_, claim) => failures.push(claim.attempts) },
    );
    await until(() => good);
    stop.abort();
    await consuming;
    t.same(failures, [1, 2, 3]);
    t.match(await queue.counts(), { items: 0, dead: 1 });
    queue.close();
  });

  t.test("giving up leaves no claim; bad input is refused at once", async (t) => {
    const queue = new WorkQueue(other, "/queues/bad", { itemsMax: 2 });
    t.equal(await code(queue.take({ timeoutMs: 20 })), "TIMEOUT");
    await queue.put("1");
    await queue.put("2");
    t.match(await rejection(queue.put("3")), { code: "LIMIT", detail: "itemsMax is 2" });
    t.match(await rejection(queue.put("", { priority: 1_000 })), { code: "BAD_ARGUMENTS", detail: /priority/ });
    t.match(await rejection(queue.put("", { delayMs: 0 })), { code: "BAD_ARGUMENTS", detail: /delayMs/ });
    t.match(await rejection(queue.put("", { id: "a/b" })), { code: "BAD_ARGUMENTS", detail: /id/ });
    t.match(await rejection(queue.put(new Uint8Array(2 ** 20 + 1)).then(() => {})), { code: "LIMIT" });
    t.throws(() => new WorkQueue(other, "/q", { attemptsMax: 0 }), { code: "BAD_ARGUMENTS", detail: /attemptsMax/ });
    t.equal((await queue.counts()).claimed, 0);
    queue.close();
    const closed = await world.client();
    const late = new WorkQueue(closed, "/queues/bad");
    const waiting = code(
      late
        .take()
        .then((claim) => claim.ack())
        .then(() => late.take())
        .then((claim) => claim.ack())
        .then(() => late.take()),
    );
    await until(async () => (await queue.counts()).items === 0);
    await closed.close();
    t.equal(await waiting, "CLOSED");
    t.equal(await code(late.put("")), "CLOSED");
    t.equal(await code(late.take()), "CLOSED");
  });

  t.test("the heap, against sorting", async (t) => {
    const heap = new Heap<number>((a, b) => a < b);
    const values = Array.from({ length: 500 }, (_, i) => (i * 7919) % 263);
    for (const value of values) heap.push(value);
    const popped: number[] = [];
    while (heap.size > 0) popped.push(heap.pop() ?? -1);
    t.same(
      popped,
      values.toSorted((a, b) => a - b),
    );
    t.equal(heap.pop(), undefined);
  });
});
