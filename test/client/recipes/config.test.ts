/** Configurations against a real server: typed, hot, never bad, written whole, with a way back. */
import t from "tap";
import { z } from "zod";
import { ConfigStore, differences, type StandardSchema, watchConfig } from "../../../client/recipes/index.ts";
import { productionLimits } from "../../../src/model/limits.ts";
import { until } from "../gate.ts";
import { code, loseSession, rejection, World } from "./world.ts";

const schema = z.object({ port: z.number().int().min(1), host: z.string().default("localhost") });

t.test("configurations", async (t) => {
  const world = await World.start(t);
  const other = await world.client();

  t.test("watch: typed, hot, over broken connections and a lost session", async (t) => {
    const one = await world.open();
    await other.ensurePath("/config");
    await other.create("/config/app", '{"port":1}');
    const config = await watchConfig(one.client, "/config/app", schema);
    const port: number = config.value.port;
    t.same([port, config.value.host], [1, "localhost"]);
    t.equal(config.zxid > 0, true);
    const told: number[][] = [];
    config.onChange((value, before) => told.push([before.port, value.port]));
    one.gate.break();
    await other.set("/config/app", '{"port":2}');
    await config.when((value) => value.port === 2);
    await Promise.all([loseSession(one), other.set("/config/app", '{"port":3}')]);
    await config.when((value) => value.port === 3);
    t.same(told, [
      [1, 2],
      [2, 3],
    ]);
    config.close();
    t.equal(config.value.port, 3);
    t.equal(await code(config.when(() => false)), "CLOSED");
  });

  t.test("a bad value reaches nobody, and says what is wrong; the last good one stays", async (t) => {
    await other.create("/config/bad", '{"port":1}');
    const config = await watchConfig(other, "/config/bad", schema);
    const values: number[] = [];
    const errors: string[] = [];
    config.onChange((value) => values.push(value.port));
    config.onError((error) => errors.push(`${error.code} ${error.detail}`));
    await other.set("/config/bad", '{"port":"x"}');
    await until(() => errors.length === 1);
    t.match(errors[0], /^BAD_ARGUMENTS the value does not fit: port: .*number/);
    t.equal(config.error?.path, "/config/bad");
    await other.set("/config/bad", "{port");
    await until(() => errors.length === 2);
    await other.delete("/config/bad");
    await until(() => errors.length === 3);
    t.match(errors[2], /^NO_NODE/);
    t.equal(config.value.port, 1);
    await other.create("/config/bad", '{"port":5}');
    await config.when((value) => value.port === 5);
    t.equal(config.error, undefined);
    t.same(values, [5]);
    config.close();
  });

  t.test("opening: the tree's value, else the history's, else the fallback, else a refusal that names the cause", async (t) => {
    t.match(await rejection(watchConfig(other, "/config/none", schema)), { code: "NO_NODE", path: "/config/none" });
    const fallback = await watchConfig(other, "/config/none", schema, { fallback: { port: 9, host: "f" } });
    t.match(fallback, { value: { port: 9 }, zxid: 0, error: { code: "NO_NODE" } });
    await other.create("/config/none", '{"port":0}');
    t.match(await rejection(watchConfig(other, "/config/none", schema)), { code: "BAD_ARGUMENTS", detail: /port/ });
    fallback.close();
    const store = new ConfigStore(other, "/config/past", { schema });
    await store.apply({ port: 7 });
    await other.set("/config/past", '{"port":-1}');
    const past = await watchConfig(other, "/config/past", schema);
    t.match(past, { value: { port: 7 }, zxid: 0, error: { code: "BAD_ARGUMENTS" } });
    await store.apply({ port: 8 });
    await past.when((value) => value.port === 8);
    past.close();
  });

  t.test("slow and broken validators: an older value never comes after a newer", async (t) => {
    await other.create("/config/slow", "1");
    const gates: (() => void)[] = [];
    let slow = false;
    const validator: StandardSchema<number> = {
      "~standard": {
        version: 1,
        vendor: "test",
        validate: async (value) => {
          if (value === 13) throw new Error("unlucky");
          if (slow) await new Promise<void>((resolve) => gates.push(resolve));
          return { value: Number(value) };
        },
      },
    };
    const config = await watchConfig(other, "/config/slow", validator);
    slow = true;
    const values: number[] = [];
    config.onChange((value) => values.push(value));
    await other.set("/config/slow", "2");
    await until(() => gates.length === 1);
    for (const value of ["3", "4", "5"]) await other.set("/config/slow", value);
    gates.shift()?.();
    await until(() => gates.length === 1);
    gates.shift()?.();
    await config.when((value) => value === 5);
    t.same(values, [2, 5]);
    await other.set("/config/slow", "13");
    await until(() => config.error !== undefined);
    t.match(config.error?.detail, /the validator failed: unlucky/);
    config.close();
  });

  t.test("keys: many in one step, each bad one named", async (t) => {
    const store = new ConfigStore(other, "/config/keys", { keys: true });
    await store.apply({ a: 0, b: 0 });
    const both = z.object({ a: z.number(), b: z.number() });
    const config = await watchConfig(other, "/config/keys", both, { keys: true });
    const seen: string[] = [];
    config.onChange(({ a, b }) => seen.push(`${a} ${b}`));
    for (let i = 1; i <= 20; i += 1) await store.apply({ a: i, b: -i });
    await config.when(({ a }) => a === 20);
    t.ok(
      seen.every((pair) => Number(pair.split(" ")[0]) === -Number(pair.split(" ")[1])),
      "never half of a write",
    );
    await other.set("/config/keys/a", "x");
    await until(() => config.error !== undefined);
    t.equal(config.error?.path, "/config/keys/a");
    t.equal(config.value.a, 20);
    await store.apply({ a: 1 });
    await until(() => config.error?.detail.includes("b:") === true);
    t.same(await store.read(), { a: 1 });
    t.match((await store.history()).slice(-2), [
      { note: "written without the recipe", value: { a: "x", b: -20 } },
      { value: { a: 1 } },
    ]);
    config.close();
  });

  t.test("store: differences, history of the last N, rollback", async (t) => {
    const store = new ConfigStore(other, "/config/store/deep", { keep: 3, schema: z.object({ n: z.number() }) });
    for (let n = 0; n < 6; n += 1) await store.apply({ n }, { note: `n ${n}` });
    const history = await store.history();
    t.match(history, [{ value: { n: 3 } }, { value: { n: 4 } }, { value: { n: 5 }, note: "n 5" }]);
    const before = (await other.get("/config/store/deep")).stat.mzxid;
    t.equal(await store.apply({ n: 5 }), before, "nothing to do is nothing done");
    t.equal((await store.rollback()).revision, history[1]?.revision);
    t.same(await store.read(), { n: 4 });
    await store.rollback(history[2]?.revision);
    t.same(await store.read(), { n: 5 });
    t.match(await rejection(store.rollback(0)), { code: "NO_NODE", detail: /revision 0 is not kept; kept are: \d+/ });
    const plan = await store.plan({ n: 6 });
    t.same(plan.differences, [{ type: "changed", at: "n", before: 5, after: 6 }]);
    t.same(await store.read(), { n: 5 }, "a plan writes nothing");
    await store.apply({ n: 7 });
    t.equal(await code(plan.commit()), "CONDITION_FAILED");
    t.match(await rejection(store.apply({ n: "x" })), { code: "BAD_ARGUMENTS", detail: /n: / });
  });

  t.test("many writers at once: each value is in the history once, in the order of the writes", async (t) => {
    const writers = await Promise.all([world.client(), world.client(), world.client()]);
    const writing = writers.map(async (client, w) => {
      const store = new ConfigStore(client, "/config/many", { keep: 100 });
      for (let i = 0; i < 5; i += 1) await store.apply({ w, i });
    });
    await Promise.all(writing);
    const store = new ConfigStore(other, "/config/many");
    const values = (await store.history()).map((one) => JSON.stringify(one.value));
    t.equal(values.length, 15);
    t.equal(new Set(values).size, 15);
    t.equal(values.at(-1), JSON.stringify(await store.read()));
  });

  t.test("differences", async (t) => {
    t.same(differences({ a: 1, b: 2 }, { b: 2, a: 1 }), []);
    t.same(
      differences({ a: [1, 2], b: { c: 1 }, d: 1 }, { a: [1], b: { c: 2 }, e: null }).map((one) => `${one.type} ${one.at}`),
      ["removed a.1", "changed b.c", "removed d", "added e"],
    );
    t.same(differences(undefined, { a: 1 }), [{ type: "added", at: "", before: undefined, after: { a: 1 } }]);
    t.same(differences([], {}), [{ type: "changed", at: "", before: [], after: {} }]);
  });

  t.test("bad input is refused at once, by name", async (t) => {
    t.throws(() => new ConfigStore(other, "x"), { code: "BAD_ARGUMENTS", detail: /start with/ });
    t.throws(() => new ConfigStore(other, "/x", { keep: 0 }), { code: "BAD_ARGUMENTS", detail: /keep/ });
    const store = new ConfigStore(other, "/config/refused", { keys: true });
    t.match(await rejection(store.apply([])), { code: "BAD_ARGUMENTS", detail: /must be an object/ });
    t.match(await rejection(store.apply({ "a/b": 1 })), { code: "BAD_ARGUMENTS", detail: /key "a\/b"/ });
    t.match(await rejection(store.apply({ a: 1n })), { code: "BAD_ARGUMENTS", detail: /no JSON/ });
    t.match(await rejection(store.apply({ a: "x".repeat(2 ** 20) })), { code: "LIMIT" });
    t.match(
      await rejection(
        store.apply(Object.fromEntries(Array.from({ length: productionLimits.multi_operations_max }, (_, i) => [`k${i}`, i]))),
      ),
      {
        code: "LIMIT",
        detail: /multi_operations_max/,
      },
    );
    t.equal(await code(store.rollback()), "NO_NODE");
    t.match(await rejection(watchConfig(other, "/config/app", {} as StandardSchema)), { detail: /Standard Schema/ });
    const closed = await world.client();
    await closed.close();
    t.equal(await code(watchConfig(closed, "/config/app", schema)), "CLOSED");
    t.throws(() => new ConfigStore(closed, "/config/app"), { code: "CLOSED" });
  });
});
