/** Every operation of the ZooKeeper port, with each of its errors, in bytes. */
import t from "tap";
import { type Server, startServer } from "../../server/index.ts";
import { NativeClient } from "./native-client.ts";
import { type AclEntry, Body, createBody, openAcl, type Packet, PortClient } from "./port-client.ts";

let server: Server;
let client: PortClient;
const superDigest = "super:xQJmxLMiHGwaqBvst5y6rkB6HQs=";
t.before(async () => {
  server = await startServer({ logLevel: "silent", superDigest, limits: { ephemerals_per_session_max: 50 } });
  await server.ready();
  client = await open();
});
t.teardown(() => server.close());

async function open(): Promise<PortClient> {
  const opened = await PortClient.open(server.zookeeper ?? "");
  t.teardown(() => opened.destroy());
  return opened;
}

const digestOfUp = "u:Jq7wMyA/w2Vd5WIDAKdu4OIIFEQ=";
const upOnly = (perms: number): readonly AclEntry[] => [{ perms, scheme: "digest", id: digestOfUp }];
const noNode = -101;
const noAuth = -102;
const badVersion = -103;
const badArguments = -8;

/** Error numbers of several calls. */
async function errors(...calls: readonly Promise<{ error: number }>[]): Promise<number[]> {
  return (await Promise.all(calls)).map((packet) => packet.error);
}

t.test("create 1 answers the path, create2 15 a Stat besides; a node starts as ZooKeeper's does", async (t) => {
  const created = await client.create("/c", "abc");
  t.equal(created.text(), "/c");
  t.equal(created.left, 0);
  const other = await client.create("/c2", null, 0, openAcl, 15);
  t.equal(other.text(), "/c2");
  const stat = other.stat();
  t.equal(other.left, 0);
  t.match(stat, { czxid: other.zxid, mzxid: other.zxid, pzxid: other.zxid, version: 0, cversion: 0, aversion: 0 });
  t.match(stat, { owner: 0, dataLength: 0, numChildren: 0, mtime: stat.ctime });
  const data = await client.read(4, "/c2");
  t.equal(data.bytes(), null, "null data stays null");
});

t.test("create's errors, in ZooKeeper's order, and each has a zxid of its own", async (t) => {
  await client.create("/plain", "x", 0, openAcl);
  await client.create("/closed", "x", 0, upOnly(31));
  await client.create("/eph", "x", 1);
  const cases: readonly (readonly [what: string, code: number, call: () => Promise<{ error: number; zxid: number }>])[] = [
    ["unknown flags", badArguments, () => client.create("/no/parent", "x", 7, [])],
    ["TTL flags by create", badArguments, () => client.create("/t", "x", 5)],
    ["no slash", badArguments, () => client.create("plain", "x", 0, [])],
    ["a NUL", badArguments, () => client.create("/a\0b", "x", 0, [])],
    ["an empty ACL before the parent", -114, () => client.create("/no/parent", "x", 0, [])],
    ["auth without any", -114, () => client.create("/n", "x", 0, [{ perms: 31, scheme: "auth", id: "" }])],
    ["an unknown scheme", -114, () => client.create("/n", "x", 0, [{ perms: 31, scheme: "none", id: "" }])],
    ["a digest that is none", -114, () => client.create("/n", "x", 0, [{ perms: 31, scheme: "digest", id: "u" }])],
    ["no parent before the path's syntax", noNode, () => client.create("/none/", "x", 0)],
    ["not permitted before it exists", noAuth, () => client.create("/closed/x", "x")],
    ["a path that ends with a slash", badArguments, () => client.create("/plain/", "x")],
    ["a dot", badArguments, () => client.create("/plain/..", "x")],
    ["it exists", -110, () => client.create("/plain", "x")],
    ["the root exists", -110, () => client.create("/", "x")],
    ["the parent is ephemeral", -108, () => client.create("/eph/x", "x")],
  ];
  let zxid = 0;
  for (const [what, code, call] of cases) {
    const reply = await call();
    t.equal(reply.error, code, what);
    t.ok(reply.zxid > zxid, `${what}: a zxid of its own`);
    zxid = reply.zxid;
  }
});

t.test("sequence numbers count creates alone; Stat.cversion counts deletes besides", async (t) => {
  await client.create("/seq");
  t.equal((await client.create("/seq/n-", "", 2)).text(), "/seq/n-0000000000");
  await client.create("/seq/plain");
  await client.remove("/seq/plain");
  t.equal((await client.create("/seq/", "", 3)).text(), "/seq/0000000002", "a trailing slash is good for a sequence");
  const stat = (await client.read(3, "/seq")).stat();
  t.match(stat, { cversion: 4, numChildren: 2, version: 0 });
  const eph = (await client.read(3, "/seq/0000000002")).stat();
  t.equal(eph.owner, client.session);
  t.equal(stat.pzxid, eph.czxid);
});

t.test("createContainer 19 and createTTL 21 answer as create2; their owner is 0 on the wire", async (t) => {
  const container = await client.create("/container", "", 4, openAcl, 19);
  t.equal(container.text(), "/container");
  t.equal(container.stat().owner, 0);
  const ttl = (path: string, flags: number, ms: number) => client.ask(21, createBody(path, "", flags).long(ms));
  const created = await ttl("/ttl", 5, 60_000);
  t.equal(created.text(), "/ttl");
  t.equal(created.stat().owner, 0);
  t.equal((await ttl("/ttl/s-", 6, 60_000)).text(), "/ttl/s-0000000000", "TTL nodes may have children");
  t.equal((await client.create("/container/x")).error, 0);
  t.equal((await ttl("/plain-by-ttl", 0, -1)).text(), "/plain-by-ttl");
  t.same(await errors(ttl("/t1", 5, 0), ttl("/t1", 5, 2 ** 40), ttl("/t1", 0, 0), ttl("/t1", 1, 5), ttl("/t1", 9, 5)), [
    ...new Array(5).fill(badArguments),
  ]);
  t.equal((await ttl("/t1", 5, 2 ** 40 - 1)).error, 0);
});

t.test("delete 2", async (t) => {
  await client.create("/d");
  await client.create("/d/child");
  await client.create("/closed-d", "", 0, upOnly(31));
  t.same(
    await errors(
      client.remove("/"),
      client.remove("/zookeeper"),
      client.remove("/zookeeper/config"),
      client.remove("/zookeeper/quota"),
      client.remove("d"),
      client.remove("/none/x"),
      client.remove("/closed-d/none"),
      client.remove("/none"),
      client.remove("/d", 3),
      client.remove("/d"),
      client.remove("/d/child", 0),
      client.remove("/d", -1),
    ),
    [badArguments, badArguments, badArguments, badArguments, badArguments, noNode, noAuth, noNode, badVersion, -111, 0, 0],
  );
  t.equal((await client.remove("/closed-d")).error, 0, "DELETE is asked of the parent alone");
});

t.test("exists 3, getData 4, getChildren 8 and 12", async (t) => {
  await client.create("/r", "data");
  for (const name of ["c", "a", "b"]) await client.create(`/r/${name}`);
  await client.create("/r-closed", "", 0, upOnly(31));
  const data = await client.read(4, "/r");
  t.equal(data.text(), "data");
  const stat = data.stat();
  t.match(stat, { dataLength: 4, numChildren: 3, cversion: 3 });
  t.same((await client.read(3, "/r")).stat(), stat);
  const names = await client.read(8, "/r");
  t.same(names.texts(), ["a", "b", "c"]);
  t.equal(names.left, 0);
  const both = await client.read(12, "/r");
  t.same([both.texts(), both.stat()], [["a", "b", "c"], stat]);
  for (const opcode of [3, 4, 8, 12]) {
    const missing = await client.read(opcode, "/r/none");
    t.equal(missing.error, noNode);
    t.equal(missing.left, 0, "an error has no body");
    t.same(await errors(client.read(opcode, "/r-closed"), client.read(opcode, "nonsense//")), [noAuth, noNode]);
  }
  t.equal((await client.read(3, "/a\0b")).error, badArguments);
});

t.test("setData 5: order of its errors, and Stat after the change", async (t) => {
  await client.create("/s", "1");
  await client.create("/s-closed", "", 0, upOnly(1));
  t.same(
    await errors(
      client.set("s", "x"),
      client.set("/s/none", "x"),
      client.set("/s-closed", "x", 9),
      client.set("/s", "x", 1),
      client.set("/s", "2", 0),
    ),
    [badArguments, noNode, noAuth, badVersion, 0],
  );
  const set = await client.set("/s", null, 1);
  t.match(set.stat(), { version: 2, mzxid: set.zxid, dataLength: 0 });
});

t.test("getACL 6 and setACL 7: READ or ADMIN, digests hidden without ADMIN, versions are the ACL's", async (t) => {
  const acl: readonly AclEntry[] = [
    { perms: 1, scheme: "world", id: "anyone" },
    { perms: 31, scheme: "digest", id: digestOfUp },
  ];
  await client.create("/acl", "", 0, acl);
  const get = (who: PortClient, path = "/acl") => who.ask(6, new Body().text(path));
  const set = (who: PortClient, entries: readonly AclEntry[], version: number, path = "/acl") =>
    who.ask(7, new Body().text(path).acl(entries).int(version));
  t.same((await get(client)).acl(), [acl[0], { perms: 31, scheme: "digest", id: "u:x" }]);
  t.equal((await set(client, openAcl, -1)).error, noAuth);
  const owner = await open();
  t.equal((await owner.auth("digest", "u:p")).error, 0);
  t.same((await get(owner)).acl(), acl);
  t.same(
    await errors(
      set(owner, openAcl, 0, "acl"),
      set(owner, [], 0, "/acl/none"),
      set(owner, openAcl, 0, "/acl/none"),
      set(owner, openAcl, 1),
    ),
    [badArguments, -114, noNode, badVersion],
  );
  const changed = await set(owner, [{ perms: 31, scheme: "auth", id: "" }], 0);
  t.match(changed.stat(), { aversion: 1, version: 0 });
  t.same((await get(owner)).acl(), upOnly(31), "auth stands for who asked");
  t.same(await errors(get(client), get(client, "/none")), [noAuth, noNode]);
});

t.test("sync 9 echoes its path, whatever it is; check 13 alone is refused and ends the connection", async (t) => {
  t.equal((await client.ask(9, new Body().text("/not/there"))).text(), "/not/there");
  for (const opcode of [13, 20, 0, 10, 71, 500, -10]) {
    const other = await open();
    const refused = await other.ask(opcode, new Body().text("/c").int(-1));
    t.same([refused.error, refused.zxid, refused.left], [-6, -1, 0], `${opcode}`);
    await other.until(() => false);
    t.ok(other.closed);
  }
  t.equal((await client.read(3, "/c")).error, 0, "nor has 20 removed anything");
});

t.test("multi 14: one zxid, each operation on the outcome of those before it", async (t) => {
  const multi = await client.multi([
    [1, createBody("/m", "", 0)],
    [15, createBody("/m/a", "1", 0)],
    [19, createBody("/m/container", "", 4)],
    [21, createBody("/m/ttl", "", 5).long(1_000)],
    [13, new Body().text("/m/a").int(0)],
    [5, new Body().text("/m/a").text("2").int(0)],
    [2, new Body().text("/m/ttl").int(-1)],
  ]);
  t.equal(multi.error, 0);
  const results = multi.results();
  t.same(
    results.map(({ type, error }) => [type, error]),
    [1, 15, 15, 15, 13, 5, 2].map((type) => [type, 0]),
  );
  t.equal(multi.left, 0);
  t.match(results[5]?.value, { version: 1, czxid: multi.zxid, mzxid: multi.zxid });
  t.same((await client.multi([])).results(), [], "an empty one is legal");
});

t.test("a failed multi has error 0 in its header, and changes nothing, not even a counter", async (t) => {
  await client.create("/mf");
  const failed = await client.multi([
    [1, createBody("/mf/s-", "", 2)],
    [13, new Body().text("/mf").int(5)],
    [2, new Body().text("/mf").int(-1)],
  ]);
  t.equal(failed.error, 0);
  t.same(
    failed.results().map(({ type, value }) => [type, value]),
    [
      [-1, 0],
      [-1, badVersion],
      [-1, -2],
    ],
  );
  t.equal((await client.create("/mf/s-", "", 2)).text(), "/mf/s-0000000000");
  const flags = await client.multi([
    [1, createBody("/mf/x", "", 0)],
    [1, createBody("/mf/y", "", 9)],
  ]);
  t.same([flags.error, flags.left], [-5, 0], "flags that nobody knows make all of it unreadable");
  const mixed = await client.multi([
    [1, createBody("/mf/x", "", 0)],
    [4, new Body().text("/mf").flag(false)],
  ]);
  t.same([mixed.error, mixed.left], [-5, 0]);
  t.equal((await client.read(3, "/mf/x")).error, noNode);
});

t.test("multiRead 22: each read by itself, all at one zxid, no watches", async (t) => {
  await client.create("/mr", "data");
  await client.create("/mr/a");
  const read = await client.multi(
    [
      [4, new Body().text("/mr").flag(true)],
      [4, new Body().text("/mr/none").flag(true)],
      [8, new Body().text("/mr").flag(true)],
    ],
    22,
  );
  const [data, missing, names] = read.results();
  t.match(data, { type: 4, error: 0, value: ["data"] });
  t.same(missing, { type: -1, error: noNode, value: noNode });
  t.same(names, { type: 8, error: 0, value: ["a"] });
  await client.set("/mr", "other");
  await client.create("/mr/b");
  t.same(client.events(), []);
  t.equal((await client.multi([[1, createBody("/mr/x", "", 0)]], 22)).error, -5);
});

t.test("reconfig 16: a version, arguments, then the right to, and it cannot be done", async (t) => {
  const joining = "server.9=a:1:2;3";
  const ask = (of: PortClient, joining: string, version = -1): Promise<Packet> =>
    of.ask(16, new Body().text(joining).text(null).text(null).long(version));
  t.same(await errors(ask(client, "some thing", 7), ask(client, "some thing"), ask(client, joining, 0)), [-103, -8, -102]);
  const admin = await open();
  await admin.auth("digest", "super:admin");
  const [before, refused, config] = await Promise.all([
    admin.set("/c", "x"),
    ask(admin, joining),
    admin.read(4, "/zookeeper/config"),
  ]);
  t.equal(refused.error, -123);
  t.ok(refused.zxid > before.zxid, "among the session's writes");
  t.equal(config.bytes(), null);
  t.same(await errors(ask(admin, "some thing"), ask(admin, joining, 1)), [-8, -103]);
});

t.test("sasl 102 where it is not set up is an empty token, as in ZooKeeper", async (t) => {
  const sasl = await client.ask(102, new Body().bytes(Buffer.from("x")));
  t.same([sasl.error, sasl.zxid, sasl.bytes(), sasl.left], [0, 0, null, 0]);
  t.equal((await client.create("/sasl", "", 0, [{ perms: 31, scheme: "sasl", id: "bob" }])).error, -114);
});

t.test("getEphemerals 103: those of the session, by a plain prefix", async (t) => {
  const other = await open();
  for (const path of ["/ge-a", "/ge-ab", "/ge-b"]) await other.create(path, "", 1);
  const get = async (prefix: string | null) => (await other.ask(103, new Body().text(prefix))).texts();
  t.same(await get("/ge-a"), ["/ge-a", "/ge-ab"]);
  for (const prefix of ["/", "", null]) t.same(await get(prefix), ["/ge-a", "/ge-ab", "/ge-b"]);
  t.same(await get("/none"), []);
});

t.test("getAllChildrenNumber 104 counts all below, the predefined nodes too", async (t) => {
  await client.create("/n");
  await client.create("/n/a");
  await client.create("/n/a/b");
  const count = async (path: string) => (await client.ask(104, new Body().text(path))).int();
  t.equal(await count("/n"), 2);
  const before = await count("/");
  await client.remove("/n/a/b");
  t.equal(await count("/"), before - 1);
  t.equal(await count("/zookeeper"), 2);
  await client.create("/n-closed", "", 0, upOnly(31));
  const ask = (path: string) => client.ask(104, new Body().text(path));
  t.same(await errors(ask("/n/none"), ask("/n-closed")), [noNode, noAuth]);
});

t.test("auth 100 and whoAmI 107: identities add up, the super user passes every ACL", async (t) => {
  const other = await open();
  await client.create("/su", "secret", 0, upOnly(31));
  const who = async () => {
    const packet = await other.ask(107);
    return Array.from({ length: packet.int() }, () => [packet.text(), packet.text()]);
  };
  t.same(await who(), [["ip", "127.0.0.1"]]);
  t.equal((await other.read(4, "/su")).error, noAuth);
  const auth = await other.auth("digest", "v:w");
  t.same([auth.xid, auth.zxid, auth.error, auth.left], [-4, 0, 0, 0]);
  t.equal((await other.auth("digest", "super:admin")).error, 0);
  t.same(await who(), [
    ["ip", "127.0.0.1"],
    ["digest", "v"],
    ["super", ""],
    ["digest", "super"],
  ]);
  t.equal((await other.read(4, "/su")).text(), "secret");
  const refused = await open();
  t.equal((await refused.auth("nonsense", "x")).error, -115);
  await refused.until(() => false);
  t.ok(refused.closed);
});

t.test("a hard quota, set as zkCli sets it, binds both protocols; its stats node shows the usage", async (t) => {
  await client.create("/qt", "12345");
  await client.create("/zookeeper/quota/qt", null);
  await client.create("/zookeeper/quota/qt/zookeeper_stats", "count=-1,bytes=-1");
  await client.create("/zookeeper/quota/qt/zookeeper_limits", "count=-1,bytes=-1=;byteHardLimit=10;countHardLimit=2");
  t.equal((await client.create("/qt/a", "1234")).error, 0);
  t.same(await errors(client.create("/qt/b"), client.set("/qt", "1234567"), client.set("/qt", "123456")), [-125, -125, 0]);
  const multi = await client.multi([
    [2, new Body().text("/qt/a").int(-1)],
    [1, createBody("/qt/c", "", 0)],
    [1, createBody("/qt/d", "", 0)],
  ]);
  t.same(
    multi.results().map(({ value }) => value),
    [0, 0, -125],
  );
  const native = await NativeClient.connect(server.url);
  const [refused] = await native.ask([
    native.message(
      { type: "create", path: "/qt/n", data: undefined, kind: "persistent", sequential: false, ttlMs: 0, acl: openAcl },
      true,
    ),
  ]);
  t.equal(refused?.outcome.code, "QUOTA_EXCEEDED");
  t.equal(await native.get("/zookeeper/quota/qt/zookeeper_stats"), "count=2,bytes=10");
  native.close();
  const stats = await client.read(4, "/zookeeper/quota/qt/zookeeper_stats");
  t.equal(stats.text(), "count=2,bytes=10");
  t.equal(stats.stat().dataLength, 16);
  await client.remove("/zookeeper/quota/qt/zookeeper_limits");
  t.equal((await client.create("/qt/b")).error, 0);
});

t.test("a maximal value goes in and comes out through both protocols, within the client's frame", async (t) => {
  const most = Buffer.alloc(1 << 20, "x");
  await client.create("/most");
  t.equal((await client.set("/most", most)).error, 0);
  t.equal((await client.set("/most", Buffer.alloc(most.length + 1))).error, badArguments, "one byte more is refused");
  const data = await client.read(4, "/most");
  t.same([data.error, data.left], [-5, 0], "more than a Java client's jute.maxbuffer, so an error, and the connection lives");
  const native = await NativeClient.connect(server.url);
  t.equal((await native.get("/most")).length, most.length);
  const [created] = await native.ask([
    native.message(
      { type: "create", path: "/most2", data: most, kind: "persistent", sequential: false, ttlMs: 0, acl: openAcl },
      true,
    ),
  ]);
  t.equal(created?.outcome.code, "OK");
  native.close();
  const fits = Buffer.alloc(0xf_ffff - 88, "y");
  await client.set("/most", fits);
  t.ok((await client.read(4, "/most")).bytes()?.equals(fits), "what Java clients can read is read");
});
