/** Counters, atomic values, barriers and parties against a real server. */
import t from "tap";
import { AtomicValue, Barrier, Counter, DoubleBarrier, type Inside, Party } from "../../../client/recipes/index.ts";
import { until } from "../gate.ts";
import { code, loseSession, rejection, World } from "./world.ts";

t.setTimeout(900_000);

t.test("small recipes", async (t) => {
  const world = await World.start(t);
  const other = await world.client();

  t.test("counter: every acknowledged addition counts once, over broken connections", async (t) => {
    const one = await world.open();
    const counters = [one.client, other].map((client) => new Counter(client, "/counters/a/c"));
    t.equal(await counters[0]?.get(), 0);
    const adding = counters.map(async (counter) => {
      for (let i = 0; i < 20; i += 1) {
        if (i % 6 === 3) one.gate.break();
        await counter.add(i % 2 === 0 ? 2 : -1);
      }
    });
    await Promise.all(adding);
    t.equal(await counters[0]?.get(), 20);
    t.equal((await other.get("/counters/a/c")).text, "20");
    t.match(await rejection(new Counter(other, "/counters/a/c").add(0.5)), {
      code: "BAD_ARGUMENTS",
      detail: /n must be a whole/,
    });
    t.match(await rejection(new Counter(other, "/counters/a/c").add(Number.MAX_SAFE_INTEGER)), { code: "LIMIT" });
    await other.create("/counters/text", "x");
    t.match(await rejection(new Counter(other, "/counters/text").get()), { code: "BAD_ARGUMENTS", detail: /no count but "x"/ });
  });

  t.test("atomic value: a node that was deleted and made anew is not taken for the old one", async (t) => {
    const value = new AtomicValue(other, "/atomic");
    t.equal(await value.replace(undefined, "1"), true);
    t.equal(await value.replace(undefined, "2"), false);
    const before = await value.get();
    await other.delete("/atomic");
    await other.create("/atomic", "1");
    t.equal(await value.replace(before, "2"), false);
    t.match(await value.update((old) => `${old?.text}+`), { before: { text: "1" } });
    t.equal((await value.get())?.text, "1+");
    t.match(await value.update(() => undefined).then(() => value.get()), { data: undefined });
  });

  t.test("atomic value: a write that its deadline ends has an unknown outcome, and is not tried again", async (t) => {
    const one = await world.open();
    const value = new AtomicValue(one.client, "/unknown");
    await value.update(() => "1");
    let calls = 0;
    const update = value.update(
      () => {
        calls += 1;
        one.gate.swallow();
        return "2";
      },
      { timeoutMs: 100 },
    );
    t.match(await rejection(update), { code: "TIMEOUT", outcome: "unknown", path: "/unknown" });
    t.equal(calls, 1);
  });

  t.test("barrier: held while set, over a lost session", async (t) => {
    const one = await world.open();
    const barrier = new Barrier(other, "/barriers/b");
    t.same([await barrier.set(), await barrier.set()], [true, false]);
    const waiting = new Barrier(one.client, "/barriers/b").wait();
    t.equal(await code(new Barrier(one.client, "/barriers/b").wait({ timeoutMs: 20 })), "TIMEOUT");
    await loseSession(one);
    t.same([await barrier.remove(), await barrier.remove()], [true, false]);
    await waiting;
    await barrier.wait();
    t.equal(await code(barrier.wait({ signal: AbortSignal.abort() })), "ABORTED");
    t.throws(() => new Barrier(other, "b"), { code: "BAD_ARGUMENTS" });
  });

  t.test("double barrier: in together, out together, round after round", async (t) => {
    const clients = await Promise.all([world.client(), world.client(), world.client()]);
    const inRound = new Map<number, number>();
    const problems: string[] = [];
    const play = async (client: (typeof clients)[number]): Promise<void> => {
      const barrier = new DoubleBarrier(client, "/double/a", 3);
      for (let round = 0; round < 4; round += 1) {
        const inside = await barrier.enter();
        inRound.set(round, (inRound.get(round) ?? 0) + 1);
        await client.sync();
        await inside.leave();
        if (inRound.get(round) !== 3) problems.push(`out of round ${round} before all were in`);
      }
    };
    await Promise.all(clients.map(play));
    t.same(problems, []);
    t.same(
      [...inRound],
      [0, 1, 2, 3].map((round) => [round, 3]),
    );
  });

  t.test("double barrier: one who comes too late, one who gives up, one who dies inside", async (t) => {
    const dying = await world.open();
    const path = "/double/b";
    t.equal(await code(new DoubleBarrier(other, path, 2).enter({ timeoutMs: 30 })), "TIMEOUT");
    const [mine, theirs] = await Promise.all([
      new DoubleBarrier(other, path, 2).enter(),
      new DoubleBarrier(dying.client, path, 2).enter(),
    ]);
    let late: Inside | undefined;
    const entering = new DoubleBarrier(other, path, 2).enter().then((inside) => (late = inside));
    await until(async () => (await other.children(path)).names.length === 4);
    const leaving = mine.leave();
    dying.gate.shut();
    await leaving;
    t.equal(theirs.signal.aborted, true);
    t.equal(late, undefined);
    dying.gate.open();
    const last = await new DoubleBarrier(other, path, 2).enter();
    await entering;
    await Promise.all([late?.leave(), last.leave()]);
    t.throws(() => new DoubleBarrier(other, path, 0), { code: "BAD_ARGUMENTS", detail: /count/ });
  });

  t.test("party: members come, change and go, and come back as one", async (t) => {
    const one = await world.open();
    const party = new Party(other, "/party/a");
    const a = await party.join({ name: "a", data: "1" });
    const b = await new Party(one.client, "/party/a").join({ name: "b" });
    await a.when((members) => members.length === 2);
    t.match(a.members, [
      { name: "a", text: "1" },
      { name: "b", text: "" },
    ]);
    await b.set("2");
    await a.when((members) => members[1]?.text === "2");
    const counts: number[] = [];
    a.onChange((members) => counts.push(members.filter((one) => one.name === "b").length));
    await loseSession(one);
    await until(() => b.present);
    await a.when((members) => members.length === 2);
    t.ok(
      counts.every((count) => count <= 1),
      "never twice",
    );
    await b.leave();
    await a.when((members) => members.length === 1);
    t.equal(await code(b.set("3")), "CLOSED");
    t.equal((await party.members()).length, 1);
    t.match(await rejection(party.join({ name: "a/b" })), { code: "BAD_ARGUMENTS", detail: /name "a\/b"/ });
    await a.leave();
    const closed = await world.client();
    const late = new Party(closed, "/party/a");
    await closed.close();
    t.equal(await code(late.join()), "CLOSED");
  });
});
