/** Persistent ephemeral nodes against a real server: they come back, take nobody else's place, and leave nothing behind. */
import t from "tap";
import { PersistentEphemeral } from "../../../client/recipes/index.ts";
import { MovableClock, until } from "../gate.ts";
import { code, loseSession, World } from "./world.ts";

t.test("PersistentEphemeral", async (t) => {
  const world = await World.start(t);
  const other = await world.client();

  t.test("made with its parents, made again when deleted or when the session was lost, gone when closed", async (t) => {
    const one = await world.open();
    const node = new PersistentEphemeral(one.client, "/keep/a/node", "1");
    const states: string[] = [];
    node.onChange((state) => states.push(state));
    await node.ready();
    const first = (await other.get("/keep/a/node")).stat;
    t.equal(first.ephemeralOwner, one.client.session?.id);
    t.equal(node.czxid, first.czxid);
    await node.set("2");
    t.equal((await other.get("/keep/a/node")).text, "2");
    await other.delete("/keep/a/node");
    await until(() => node.czxid !== undefined && node.czxid > first.czxid);
    t.equal((await other.get("/keep/a/node")).text, "2");
    const before = node.czxid ?? 0;
    await loseSession(one);
    await until(() => node.czxid !== undefined && node.czxid > before);
    t.equal((await other.get("/keep/a/node")).stat.ephemeralOwner, one.client.session?.id);
    await node.close();
    t.equal(await other.exists("/keep/a/node"), undefined);
    t.equal(node.state, "ended");
    t.equal(await code(node.ready()), "CLOSED");
    t.same(states, ["held", "absent", "held", "absent", "held", "ended"]);
  });

  t.test("a node left by its own former session is replaced, without waiting for its expiry", async (t) => {
    const clock = new MovableClock();
    const one = await world.open({ sessionTimeoutMs: 60_000, clock });
    const node = new PersistentEphemeral(one.client, "/mine", "1");
    await node.ready();
    const before = await other.get("/mine");
    clock.aheadMs = 70_000;
    one.gate.break();
    await until(() => node.state !== "held");
    await node.ready();
    const after = await other.get("/mine");
    t.not(after.stat.ephemeralOwner, before.stat.ephemeralOwner);
    t.equal(after.stat.czxid, node.czxid);
    await node.close();
  });

  t.test("somebody else's node is waited for", async (t) => {
    await other.create("/theirs", "x", { kind: "ephemeral" });
    const node = new PersistentEphemeral(await world.client(), "/theirs", "y");
    await until(() => node.state === "waiting");
    t.equal(await code(node.ready({ timeoutMs: 30 })), "TIMEOUT");
    t.equal((await other.get("/theirs")).text, "x");
    await other.delete("/theirs");
    await node.ready();
    t.equal((await other.get("/theirs")).text, "y");
    await node.close();
  });

  t.test("data set while there is no node is that of the next", async (t) => {
    const one = await world.open();
    const node = new PersistentEphemeral(one.client, "/later", "1");
    await node.ready();
    one.gate.shut();
    const set = node.set("2");
    await other.delete("/later");
    one.gate.open();
    await set;
    await node.ready();
    await until(async () => (await other.exists("/later")) !== undefined);
    t.equal((await other.get("/later")).text, "2");
    await node.close();
  });

  t.test("data set while the session is being lost shows in the next", async (t) => {
    const one = await world.open();
    const node = new PersistentEphemeral(one.client, "/over", "1");
    await node.ready();
    one.gate.swallow();
    const set = node.set("2");
    await loseSession(one);
    await set;
    t.equal((await other.get("/over")).text, "2");
    t.equal(node.state, "held");
    await node.close();
  });

  t.test("too much data is refused at once, and that of before stays", async (t) => {
    const tooMuch = new Uint8Array(2 ** 20 + 1);
    const node = new PersistentEphemeral(await world.client(), "/much", "1");
    await node.ready();
    const before = node.czxid;
    t.equal(await code(node.set(tooMuch)), "LIMIT");
    await other.delete("/much");
    await until(() => node.czxid !== undefined && node.czxid !== before);
    t.equal((await other.get("/much")).text, "1");
    t.throws(() => new PersistentEphemeral(other, "/more", tooMuch), { code: "LIMIT" });
    await node.close();
  });

  t.test("a refusal that will not pass ends it; bad input is refused at once", async (t) => {
    await other.create("/leaf", "", { kind: "ephemeral" });
    const node = new PersistentEphemeral(other, "/leaf/child");
    t.equal(await code(node.ready()), "NO_CHILDREN_FOR_EPHEMERALS");
    t.throws(() => new PersistentEphemeral(other, "leaf"), { code: "BAD_ARGUMENTS" });
    const closed = await world.client();
    const kept = new PersistentEphemeral(closed, "/closing");
    await kept.ready();
    await closed.close();
    t.equal(await code(kept.ready()), "CLOSED");
    t.throws(() => new PersistentEphemeral(closed, "/closing"), { code: "CLOSED" });
    await kept.close();
  });
});
