/** `Client` against a real server: every operation, values and errors, and what survives a broken connection. */
import t from "tap";
import type { ClientOptions } from "../../client/index.ts";
import { type Client, connect, type StreamBatch, toText, ZabraError } from "../../client/index.ts";
import { type Server, startServer } from "../../server/index.ts";
import { Gate, until } from "./gate.ts";

let server: Server;
let gate: Gate;
let client: Client;

const limits = { replies_per_session_max: 1_100, session_timeout_ms_min: 200, delete_recursive_nodes_max: 20 };

t.test("Client", async (t) => {
  t.before(async () => {
    server = await startServer({ limits });
    await server.ready();
  });
  t.after(() => server.close());

  t.beforeEach(async () => {
    gate = await Gate.make();
    client = await open();
  });
  t.afterEach(async () => {
    gate.open();
    await client.close();
  });

  function open(options: ClientOptions = {}): Promise<Client> {
    return connect(server.url, { dial: gate.dial, ...options });
  }

  function code(promise: Promise<unknown>): Promise<string> {
    return promise.then(
      () => "OK",
      (error: unknown) => (error instanceof ZabraError ? error.code : String(error)),
    );
  }

  async function take(stream: AsyncIterator<StreamBatch, undefined>): Promise<StreamBatch> {
    const { value } = await stream.next();
    if (value === undefined) throw new Error("the stream has ended");
    return value;
  }

  t.test("nodes: create, get, set, exists, children, delete", async (t) => {
    const created = await client.create("/n", "one");
    t.equal(created.path, "/n");
    t.equal(created.stat.czxid, created.zxid);
    const node = await client.get("/n");
    t.equal(node.text, "one");
    t.equal(node.level, "linearizable");
    t.equal((await client.get("/n", { level: "session" })).level, "session");
    t.equal((await client.set("/n", Uint8Array.of(1, 2), { version: 0 })).stat.version, 1);
    t.same((await client.get("/n", { level: { atLeast: client.lastZxid } })).data, Uint8Array.of(1, 2));
    await client.create("/n/a");
    t.equal((await client.create("/n/s-", undefined, { sequential: true })).path, "/n/s-0000000001");
    t.same([...(await client.children("/n")).names].sort(), ["a", "s-0000000001"]);
    t.equal(await client.countSubtree("/n"), 2);
    t.equal((await client.exists("/n"))?.numChildren, 2);
    t.equal(await client.exists("/no"), undefined);
    await client.delete("/n/a", { version: 0 });
    t.equal(await code(client.get("/n/a")), "NO_NODE");
  });

  t.test("errors", async (t) => {
    await client.create("/e", "x");
    const error = await client.set("/e", "y", { version: 7 }).catch((thrown: unknown) => thrown);
    t.ok(error instanceof ZabraError);
    t.match(error, { code: "BAD_VERSION", path: "/e", outcome: "failed", retryable: false });
    t.equal(await code(client.create("/e")), "NODE_EXISTS");
    t.equal(await code(client.create("e")), "BAD_ARGUMENTS");
    t.equal(await code(client.create("/e/../f")), "BAD_ARGUMENTS");
    t.equal(await code(client.create("/big", new Uint8Array(2 ** 20 + 1))), "LIMIT");
    t.equal(await code(client.get("/e", { timeoutMs: 0 })), "BAD_ARGUMENTS");
    t.equal(await code(client.get("/e", { signal: AbortSignal.abort() })), "ABORTED");
    t.equal(await code(client.create("/e/x/y")), "NO_NODE");
    t.equal(ZabraError.from(new Error("boom")).code, "CONNECTION_LOSS");
  });

  t.test("a megabyte of data", async (t) => {
    const data = new Uint8Array(2 ** 20).fill(7);
    const results = await Promise.all([client.create("/m1", data), client.create("/m2", data), client.create("/m3", "small")]);
    t.equal(results.length, 3);
    t.same((await client.get("/m2")).data?.length, 2 ** 20);
  });

  t.test("multi: branches, failures with codes; multiRead", async (t) => {
    await client.create("/t", "1");
    const done = await client.transaction().ifVersion("/t", 0).ifAbsent("/t/x").set("/t", "2").create("/t/x").commit();
    t.match(done, { branch: "then", outcomes: [{ code: "OK" }, { code: "OK", result: { path: "/t/x" } }] });
    const other = await client
      .transaction()
      .ifAbsent("/t/x")
      .create("/t/y")
      .otherwise((branch) => branch.delete("/t/x"))
      .commit();
    t.equal(other.branch, "otherwise");
    t.equal(await code(client.transaction().ifValue("/t", "1").delete("/t").commit()), "CONDITION_FAILED");
    const failed = await client
      .transaction()
      .set("/t", "3")
      .delete("/t/none")
      .commit()
      .catch((thrown: unknown) => thrown);
    t.match(failed, { code: "NO_NODE", codes: ["OK", "NO_NODE"] });
    const read = await client.multiRead([
      { type: "get", path: "/t" },
      { type: "exists", path: "/t/none" },
    ]);
    t.same(
      read.outcomes.map((outcome) => outcome.code),
      ["OK", "NO_NODE"],
    );
  });

  t.test("guards", async (t) => {
    const first = await client.create("/guard");
    await client.create("/guarded");
    await client.set("/guarded", "1", { guard: { path: "/guard", czxid: first.zxid } });
    await client.delete("/guard");
    await client.create("/guard");
    t.equal(await code(client.set("/guarded", "2", { guard: { path: "/guard", czxid: first.zxid } })), "FENCED");
  });

  t.test("list: pages, prefix, recursive; a subtree larger than one txn is deleted", async (t) => {
    await client.create("/l");
    await Promise.all(Array.from({ length: 60 }, (_, i) => client.create(`/l/n${String(i).padStart(3, "0")}`, String(i))));
    await Promise.all(Array.from({ length: 30 }, (_, i) => client.create(`/l/n007/${i}`)));
    const paths: string[] = [];
    for await (const entry of client.list("/l", { pageSize: 7, withData: true }))
      paths.push(`${entry.path} ${toText(entry.data)}`);
    t.equal(paths.length, 60);
    t.equal(paths[7], "/l/n007 7");
    const all: string[] = [];
    for await (const entry of client.list("/l", { recursive: true })) all.push(entry.path);
    t.equal(all.length, 90);
    const some = await client.listPage("/l", { prefix: "n01" });
    t.equal(some.entries.length, 10);
    const told: number[] = [];
    t.equal(await client.deleteRecursive("/l", { onProgress: (deleted) => told.push(deleted) }), 91);
    t.ok(told.length > 1 && told.at(-1) === 91, `${told}`);
    t.equal(await client.exists("/l"), undefined);
  });

  t.test("ACLs and identity", async (t) => {
    await client.addAuth("digest", "ann:secret");
    await client.create("/acl", "x", { acl: [{ scheme: "auth", id: "", perms: 31 }] });
    t.match((await client.getAcl("/acl")).acl[0], { scheme: "digest", perms: 31 });
    t.ok((await client.whoAmI()).some((identity) => identity.scheme === "digest"));
    const stranger = await open();
    t.equal(await code(stranger.get("/acl")), "NO_AUTH");
    await stranger.close();
    gate.break();
    t.equal((await client.get("/acl")).text, "x", "credentials go over every connection");
  });

  t.test("ephemerals go with their session; sync; getEphemerals", async (t) => {
    const other = await open();
    await other.create("/eph", undefined, { kind: "ephemeral" });
    t.same(await other.getEphemerals(), ["/eph"]);
    t.equal((await client.exists("/eph"))?.ephemeralOwner, other.session?.id);
    await other.close();
    t.ok((await client.sync()).zxid > 0);
    t.equal(await client.exists("/eph"), undefined);
    t.equal(await code(other.get("/")), "CLOSED");
  });

  t.test("chroot", async (t) => {
    await client.ensurePath("/app/one");
    const inside = client.within("/app/one");
    t.equal((await inside.create("/x", "1")).path, "/x");
    t.equal((await client.get("/app/one/x")).text, "1");
    const paths: string[] = [];
    for await (const entry of inside.list("/", { recursive: true })) paths.push(entry.path);
    t.same(paths, ["/x"]);
    const error = await inside.get("/none").catch((thrown: unknown) => thrown);
    t.match(error, { path: "/none" });
    const event = inside.watch("/x");
    await inside.get("/x");
    await client.set("/app/one/x", "2");
    t.match(await event, { type: "nodeDataChanged", path: "/x" });
    const stream = inside.subscribe("/x");
    t.match(await take(stream), { type: "snapshot", entries: [{ path: "/x" }] });
    await stream.return();
  });

  t.test("a broken connection: writes under way are applied once, and answered", async (t) => {
    await client.create("/count", "");
    const names = Array.from({ length: 200 }, (_, i) => i);
    const writes = names.map(async (i) => {
      if (i % 40 === 39) gate.break();
      const { stat } = await client.set("/count", String(i));
      return stat.version;
    });
    t.same(
      await Promise.all(writes),
      names.map((i) => i + 1),
    );
    t.equal((await client.exists("/count"))?.version, 200);
  });

  t.test("one-shot watches: told once; over a broken connection too, with what happened meanwhile", async (t) => {
    await client.create("/w", "1");
    const other = await connect(server.url);
    const created = client.watch("/w2");
    const children = client.watch("/w", "children");
    const gone = client.whenDeleted("/w2");
    await gone;
    const told: string[] = [];
    await client.get("/w", { watch: (event) => told.push(event.type) });
    gate.shut();
    await other.set("/w", "2");
    await other.create("/w2");
    await other.create("/w/c");
    gate.open();
    t.match(await created, { type: "nodeCreated", path: "/w2" });
    t.match(await children, { type: "nodeChildrenChanged", path: "/w" });
    await other.set("/w", "3");
    await client.sync();
    t.same(told, ["nodeDataChanged"]);
    const later: string[] = [];
    await client.get("/w", { watch: (event) => later.push(event.type) });
    await client.unwatch("/w");
    await other.set("/w", "4");
    await client.sync();
    t.same(later, []);
    await other.close();
  });

  t.test("subscribe: snapshot, then every change, over broken connections", async (t) => {
    await client.create("/s", "0");
    const other = await connect(server.url);
    const stream = client.subscribe("/s", { recursive: true });
    t.match(await take(stream), { type: "snapshot", entries: [{ path: "/s" }] });
    const values: string[] = [];
    const reading = (async () => {
      while (values.length < 100) {
        const batch = await take(stream);
        if (batch.type === "changes") for (const change of batch.changes) values.push(toText(change.data));
      }
    })();
    for (let i = 1; i <= 100; i += 1) {
      if (i % 25 === 0) gate.break();
      await other.set("/s", String(i));
    }
    await reading;
    t.same(
      values,
      Array.from({ length: 100 }, (_, i) => String(i + 1)),
    );
    const again = client.changes("/s", { fromZxid: (await other.exists("/s"))?.czxid ?? other.lastZxid });
    const batch = await take(again);
    t.ok(batch.type === "changes" && toText(batch.changes[0]?.data) === "1");
    await stream.return();
    await again.return();
    const stopped = new AbortController();
    const aborted = client.subscribe("/s", { signal: stopped.signal });
    await take(aborted);
    stopped.abort();
    t.equal(await code(aborted.next()), "ABORTED");
    await other.close();
  });

  t.test("states: suspended and back within the session; lost at the deadline, and a new session", async (t) => {
    const other = await open({ sessionTimeoutMs: 600 });
    const states: string[] = [];
    other.onState((state) => states.push(state.type));
    const first = other.session?.id;
    gate.break();
    await other.get("/");
    t.equal(other.session?.id, first);
    t.same(states, ["suspended", "connected"]);
    gate.shut();
    await until(() => states.includes("lost"));
    gate.open();
    await other.get("/");
    t.not(other.session?.id, first);
    t.same(states.slice(2), ["suspended", "lost", "connecting", "connected"]);
    await other.close();
  });

  t.test("a session goes on in another process", async (t) => {
    const first = await open();
    await first.create("/handed", undefined, { kind: "ephemeral" });
    const session = first.session;
    await first.close({ keepSession: true });
    const second = await open({ session: session === undefined ? undefined : { id: session.id, password: session.password } });
    t.equal(second.session?.id, session?.id);
    await second.set("/handed", "new");
    t.equal((await second.get("/handed")).text, "new");
    await second.close();
  });

  t.test("deadlines: a write that vanished is unknown; one never sent has failed", async (t) => {
    await client.create("/d");
    gate.swallow();
    const error = await client.set("/d", "x", { timeoutMs: 60 }).catch((thrown: unknown) => thrown);
    t.match(error, { code: "TIMEOUT", outcome: "unknown" });
    gate.shut();
    const never = await client.set("/d", "x", { timeoutMs: 60 }).catch((thrown: unknown) => thrown);
    t.match(never, { code: "TIMEOUT", outcome: "failed" });
    gate.open();
    await client.set("/d", "y");
    t.equal((await client.get("/d")).text, "y");
  });

  t.test("connect gives up", async (t) => {
    gate.shut();
    t.equal(await code(open({ connectTimeoutMs: 50 })), "TIMEOUT");
    t.equal(await code(open({ signal: AbortSignal.timeout(20) })), "ABORTED");
    gate.open();
  });
});
