/** Registration and discovery against a real server: who is listed, in what state, and who is chosen. */
import t from "tap";
import { discover, type Instance, register } from "../../../client/recipes/index.ts";
import { MovableClock, until } from "../gate.ts";
import { code, loseSession, rejection, World } from "./world.ts";

const ids = (instances: readonly Instance[]): string => instances.map((one) => `${one.id}:${one.status}`).join(" ");

t.test("the registry", async (t) => {
  const world = await World.start(t);
  const other = await world.client();

  t.test("instances come, change, drain and go; the list lives on through broken connections and lost sessions", async (t) => {
    const one = await world.open();
    const looker = await world.open();
    const shop = await discover(looker.client, "shop");
    t.equal(shop.instances.length, 0);
    t.equal(shop.choose(), undefined);
    const a = await register(one.client, "shop", { id: "a", payload: { url: "x" } });
    const b = await register(other, "shop", { id: "b", weight: 3 });
    await until(() => shop.instances.length === 2);
    t.match(shop.instances, [
      { id: "a", payload: { url: "x" }, weight: 1 },
      { id: "b", weight: 3 },
    ]);
    looker.gate.break();
    await b.drain();
    await until(() => ids(shop.instances) === "a:up b:draining");
    t.equal(shop.choose()?.id, "a");
    await b.resume();
    await b.update({ weight: 5, payload: 1 });
    await until(() => shop.instances[1]?.weight === 5 && shop.instances[1]?.status === "up");
    t.equal(await code(b.update({ payload: "x".repeat(2 ** 20) })), "LIMIT");
    await b.update({ zone: "a" });
    await until(() => shop.instances[1]?.zone === "a");
    t.equal(shop.instances[1]?.payload, 1, "what was refused is not said later");
    const before = shop.instances[0]?.czxid;
    await Promise.all([loseSession(one), loseSession(looker)]);
    await until(() => shop.instances.length === 2 && shop.instances[0]?.czxid !== before && !shop.stale);
    t.equal(shop.instances[0]?.path, a.path);
    await a.close();
    await until(() => ids(shop.instances) === "b:up");
    t.equal(await code(a.drain()), "CLOSED");
    await b.close();
    shop.close();
  });

  t.test("without a connection the list stays", async (t) => {
    const looker = await world.open();
    const a = await register(other, "stays", { id: "a" });
    const found = await discover(looker.client, "stays");
    looker.gate.shut();
    await until(() => found.stale);
    t.equal(found.choose()?.id, "a");
    await a.close();
    t.equal(found.choose()?.id, "a");
    looker.gate.open();
    await until(() => found.instances.length === 0);
    t.match(await rejection(found.use({ timeoutMs: 20 })), { code: "TIMEOUT" });
    found.close();
  });

  t.test("health: so many answers in a row change the status; silence and errors are no", async (t) => {
    let answer: () => boolean | Promise<boolean> = () => true;
    let asked = 0;
    const health = (): boolean | Promise<boolean> => {
      asked += 1;
      return answer();
    };
    const found = await discover(other, "health");
    const a = await register(other, "health", { id: "a", health, healthMs: 10, healthThreshold: 2 });
    t.equal(asked, 1, "asked before it is listed");
    await until(() => ids(found.instances) === "a:up");
    let flap = 0;
    answer = () => (flap += 1) % 2 === 0;
    await until(() => flap >= 6);
    t.equal(a.status, "up", "one bad answer at a time changes nothing");
    answer = () => {
      throw new Error("down");
    };
    await until(() => ids(found.instances) === "a:unhealthy");
    t.equal(found.choose()?.id, "a", "better a sick one than none");
    const b = await register(other, "health", { id: "b" });
    await until(() => found.instances.length === 2);
    t.equal(found.choose()?.id, "b");
    answer = () => true;
    await until(() => ids(found.instances) === "a:up b:up");
    answer = () => new Promise(() => {});
    await until(() => ids(found.instances) === "a:unhealthy b:up");
    await Promise.all([a.close(), b.close()]);
    const sick = await register(other, "health", { id: "c", health: () => false });
    t.equal(sick.status, "unhealthy");
    await sick.close();
    found.close();
  });

  t.test("choosing: in turns by weight, least used, sticky by key, near first, without some", async (t) => {
    const registered = await Promise.all([
      register(other, "choose", { id: "a", weight: 1, zone: "x" }),
      register(other, "choose", { id: "b", weight: 2, zone: "y" }),
      register(other, "choose", { id: "c", weight: 0, zone: "y" }),
    ]);
    const found = await discover(other, "choose");
    const turns = (n: number): string => Array.from({ length: n }, () => found.choose()?.id).join("");
    t.equal(turns(6), "babbab");
    const uses = [];
    for (let i = 0; i < 3; i += 1) uses.push(await found.use({ strategy: "leastUsed" }));
    t.same(uses.map((use) => use.instance.id).sort(), ["a", "b", "b"]);
    for (const use of uses.filter((one) => one.instance.id === "a")) use.release();
    t.equal((await found.use({ strategy: "leastUsed" })).instance.id, "a");
    const keys = Array.from({ length: 300 }, (_, i) => `key ${i}`);
    const before = keys.map((key) => found.choose({ key })?.id);
    t.same(
      keys.map((key) => found.choose({ key })?.id),
      before,
      "the same for the same key",
    );
    const share = before.filter((id) => id === "b").length / keys.length;
    t.ok(share > 0.58 && share < 0.75, `b has two thirds: ${share}`);
    const d = await register(other, "choose", { id: "d" });
    await until(() => found.instances.length === 4);
    const after = keys.map((key) => found.choose({ key })?.id);
    t.ok(
      after.every((id, i) => id === before[i] || id === "d"),
      "only keys that the newcomer wins move",
    );
    const near = await discover(other, "choose", { zone: "x" });
    t.same([near.choose()?.id, near.choose()?.id], ["a", "a"]);
    t.equal(near.choose({ exclude: new Set(["a", "b", "d"]) })?.id, "c", "weight 0: only when there is nothing else");
    t.equal(near.choose({ exclude: new Set(["a", "b", "c", "d"]) }), undefined);
    t.throws(() => near.choose({ strategy: "sticky" }), { code: "BAD_ARGUMENTS", detail: /key/ });
    await Promise.all([...registered, d].map((one) => one.close()));
    near.close();
    found.close();
  });

  t.test("the same id twice: the second waits; one's own former session is replaced", async (t) => {
    const clock = new MovableClock();
    const one = await world.open({ sessionTimeoutMs: 60_000, clock });
    const a = await register(one.client, "twice", { id: "a", payload: 1 });
    t.equal(await code(register(other, "twice", { id: "a", timeoutMs: 30 })), "TIMEOUT");
    clock.aheadMs = 70_000;
    one.gate.break();
    const found = await discover(other, "twice");
    const before = found.instances[0]?.czxid ?? 0;
    await until(() => (found.instances[0]?.czxid ?? 0) > before);
    await a.close();
    found.close();
  });

  t.test("bad input is refused at once, by name; foreign nodes are no instances", async (t) => {
    const refused = async (options: object, detail: RegExp): Promise<void> => {
      t.match(await rejection(register(other, "bad", options)), { code: "BAD_ARGUMENTS", detail });
    };
    await refused({ weight: -1 }, /weight must be a number from 0 to 1000/);
    await refused({ weight: Number.NaN }, /weight/);
    await refused({ id: "a/b" }, /id "a\/b"/);
    await refused({ id: "x".repeat(2_000) }, /path_bytes_max/);
    await refused({ zone: "" }, /zone/);
    await refused({ payload: () => 1 }, /payload/);
    await refused({ healthMs: 1 }, /healthMs/);
    await refused({ root: "services" }, /start with/);
    t.match(await rejection(register(other, ".bad")), { detail: /service/ });
    t.match(await rejection(register(other, "bad", { payload: "x".repeat(2 ** 20) })), { code: "LIMIT" });
    await other.ensurePath("/services/foreign/x");
    t.same((await discover(other, "foreign")).instances, []);
    const closed = await world.client();
    await closed.close();
    t.equal(await code(register(closed, "bad")), "CLOSED");
    t.equal(await code(discover(closed, "bad")), "CLOSED");
  });
});
