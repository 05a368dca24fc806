/** Elections against a real server: terms, hand-overs, and observers that miss nobody. */
import t from "tap";
import { type Client, connect, toText } from "../../client/index.ts";
import { Election } from "../../client/recipes/index.ts";
import { type Server, startServer } from "../../server/index.ts";
import { Gate, until } from "./gate.ts";

const sessionTimeoutMs = 1_500;
const limits = { replies_per_session_max: 1_100, session_timeout_ms_min: 200 };

t.test("Election", async (t) => {
  let server: Server;
  let one: Client;
  let two: Client;
  let gate: Gate;
  let path = "";
  let count = 0;

  t.before(async () => {
    server = await startServer({ limits });
    await server.ready();
  });
  t.after(() => server.close());
  t.beforeEach(async () => {
    gate = await Gate.make();
    one = await connect(server.url, { sessionTimeoutMs, dial: gate.dial });
    two = await connect(server.url, { sessionTimeoutMs });
    count += 1;
    path = `/election/e${count}`;
  });
  t.afterEach(async () => {
    gate.open();
    await Promise.all([one.close(), two.close()]);
  });

  t.test("terms follow each other, with rising tokens; who leads is known", async (t) => {
    const a = new Election(one, path, { data: "a" });
    const b = new Election(two, path, { data: "b" });
    t.equal(await b.leader(), undefined);
    const first = await a.campaign();
    const second = b.campaign();
    await until(async () => (await a.candidates()).length === 2);
    t.equal(toText((await b.leader())?.data), "a");
    await first.resign();
    const term = await second;
    t.ok(term.token > first.token);
    t.ok(first.signal.aborted && !term.signal.aborted);
    t.equal(toText((await a.leader())?.data), "b");
    await term.resign();
  });

  t.test("a leader that is cut off stops at its deadline, before the next leads", async (t) => {
    const term = await new Election(one, path).campaign();
    const next = new Election(two, path).campaign();
    gate.shut();
    let stoppedFirst = false;
    term.signal.addEventListener("abort", () => {
      stoppedFirst = true;
    });
    const second = await next;
    t.ok(stoppedFirst);
    t.ok(second.token > term.token);
    await second.resign();
  });

  t.test("observe: every leader in order, over broken connections, none twice", async (t) => {
    const stop = new AbortController();
    const seen: string[] = [];
    const observing = (async () => {
      for await (const { leader, gap } of new Election(one, path).observe({ signal: stop.signal })) {
        t.equal(gap, false);
        seen.push(leader === undefined ? "-" : toText(leader.data));
      }
    })().catch(() => {});
    await until(() => seen.length === 1);
    const expected = ["-"];
    for (let i = 0; i < 12; i += 1) {
      if (i % 5 === 2) gate.break();
      const term = await new Election(two, path, { data: `${i}` }).campaign();
      await term.resign();
      expected.push(`${i}`, "-");
    }
    await until(() => seen.length >= expected.length);
    t.same(seen, expected);
    const first = await new Election(two, path, { data: "x" }).campaign();
    const second = new Election(two, path, { data: "y" }).campaign();
    await until(async () => (await new Election(two, path).candidates()).length === 2);
    await first.resign();
    await (await second).resign();
    await until(() => seen.length >= expected.length + 3);
    t.same(seen.slice(expected.length), ["x", "y", "-"], "a hand-over is one change");
    stop.abort();
    await observing;
  });
});
