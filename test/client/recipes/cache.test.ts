/** Caches against a real server: every change once, over broken connections and lost sessions, never empty for want of a reading. */
import t from "tap";
import { cacheChildren, cacheNode, cacheTree } from "../../../client/recipes/index.ts";
import { until } from "../gate.ts";
import { code, loseSession, rejection, World } from "./world.ts";

t.test("caches", async (t) => {
  const world = await World.start(t);
  const other = await world.client();

  t.test("a tree, followed over broken connections and a lost session", async (t) => {
    const one = await world.open();
    await other.ensurePath("/tree/a/b");
    const cache = await cacheTree(one.client, "/tree");
    t.same([...cache.nodes()].map((node) => node.path).sort(), ["/tree", "/tree/a", "/tree/a/b"]);
    const told: string[] = [];
    cache.onChange((changes) => {
      for (const { type, path, node, before } of changes)
        told.push(`${type} ${path} ${before?.text ?? "-"} ${node?.text ?? "-"}`);
    });
    await other.create("/tree/a/c", "1");
    one.gate.break();
    await other.set("/tree/a/c", "2");
    await cache.when(() => cache.get("/tree/a/c")?.text === "2");
    await Promise.all([loseSession(one), other.delete("/tree/a/c")]);
    await other.create("/tree/d", "x");
    await cache.when(() => cache.get("/tree/d") !== undefined);
    t.equal(cache.get("/tree/a/c"), undefined);
    t.same(told, ["created /tree/a/c - 1", "dataChanged /tree/a/c 1 2", "deleted /tree/a/c 2 -", "created /tree/d - x"]);
    cache.close();
    t.equal(cache.get("/tree/d")?.text, "x", "what is held stays readable");
    t.equal(await code(cache.when(() => false)), "CLOSED");
  });

  t.test("fifty wait on one cache, under one signal, and no leak is suspected", async (t) => {
    const warnings: string[] = [];
    const onWarning = ({ name }: Error): void => void warnings.push(name);
    process.on("warning", onWarning);
    const cache = await cacheNode(other, "/many");
    const { signal } = new AbortController();
    const waits = Array.from({ length: 50 }, () => cache.when(() => cache.node !== undefined, { signal }));
    const calls = Array.from({ length: 50 }, () => other.exists("/", { signal }));
    await Promise.all([...calls, other.create("/many", undefined, { signal })]);
    await Promise.all(waits);
    await new Promise((resolve) => setImmediate(resolve));
    process.off("warning", onWarning);
    t.same(warnings, []);
    cache.close();
  });

  t.test("each of those who wait under one signal is told when it fires", async (t) => {
    const cache = await cacheNode(other, "/never");
    const stop = new AbortController();
    const codes = Array.from({ length: 20 }, () => code(cache.when(() => false, { signal: stop.signal })));
    const call = code(other.sleep(60_000, { signal: stop.signal }));
    stop.abort();
    t.same(new Set([...(await Promise.all(codes)), await call]), new Set(["ABORTED"]));
    t.equal(await code(other.exists("/", { signal: stop.signal })), "ABORTED");
    cache.close();
  });

  t.test("a txn is one step of the state", async (t) => {
    await other.ensurePath("/pair");
    const cache = await cacheChildren(other, "/pair");
    const sizes: number[] = [];
    cache.onChange(() => sizes.push(cache.size));
    await other.transaction().create("/pair/x").create("/pair/y").commit();
    await cache.when(() => cache.size === 3);
    t.same(sizes, [3]);
    cache.close();
  });

  t.test("one node, that comes and goes; its children are not held", async (t) => {
    const cache = await cacheNode(other, "/single");
    t.equal(cache.node, undefined);
    await other.create("/single", "1");
    await other.create("/single/child");
    await other.set("/single", "2");
    await cache.when(() => cache.node?.text === "2");
    t.equal(cache.size, 1);
    const first = cache.node?.stat.czxid;
    await other.transaction().delete("/single/child").delete("/single").create("/single", "3").commit();
    await cache.when(() => cache.node?.text === "3");
    t.not(cache.node?.stat.czxid, first);
    cache.close();
  });

  t.test("without a connection: stale, not empty", async (t) => {
    const one = await world.open();
    await other.ensurePath("/stale/a");
    const cache = await cacheChildren(one.client, "/stale");
    t.equal(cache.stale, false);
    one.gate.shut();
    await until(() => cache.stale);
    t.equal(cache.size, 2);
    one.gate.open();
    await until(() => !cache.stale);
    cache.close();
  });

  t.test("a listener that throws harms nobody", async (t) => {
    const cache = await cacheNode(other, "/thrower");
    const uncaught: unknown[] = [];
    const keep = (error: unknown): unknown => uncaught.push(error);
    process.once("uncaughtException", keep);
    cache.onChange(() => {
      throw new Error("mine");
    });
    await other.create("/thrower");
    await cache.when(() => cache.node !== undefined);
    await until(() => uncaught.length === 1);
    t.match(uncaught[0], { message: "mine" });
    cache.close();
  });

  t.test("bad input and limits are refused at once, by name", async (t) => {
    t.match(await rejection(cacheTree(other, "tree")), { code: "BAD_ARGUMENTS", detail: /start with/ });
    t.match(await rejection(cacheTree(other, "/tree", { nodesMax: 0 })), { code: "BAD_ARGUMENTS", detail: /nodesMax/ });
    t.match(await rejection(cacheTree(other, "/tree", { nodesMax: 1 })), { code: "LIMIT", detail: "nodesMax is 1" });
    t.match(await rejection(cacheTree(other, "/tree", { timeoutMs: -1 })), { code: "BAD_ARGUMENTS", detail: /timeoutMs/ });
    t.equal(await code(cacheTree(other, "/tree", { signal: AbortSignal.abort() })), "ABORTED");
    const closed = await world.client();
    const cache = await cacheTree(closed, "/tree");
    await closed.close();
    t.equal(cache.signal.reason.code, "CLOSED");
    t.equal(await code(cacheTree(closed, "/tree")), "CLOSED");
  });
});
