/** Watches and sessions of the ZooKeeper port, in bytes: registration, order, what a reconnection brings, and renewal's truth. */
import t from "tap";
import { type Server, startServer } from "../../server/index.ts";
import { Body, type Event, type OpenOptions, openAcl, PortClient } from "./port-client.ts";

let server: Server;
let writer: PortClient;
t.before(async () => {
  server = await startServer({ logLevel: "silent" });
  await server.ready();
  writer = await open();
});
t.teardown(() => server.close());

async function open(options: OpenOptions = {}): Promise<PortClient> {
  const opened = await PortClient.open(server.zookeeper ?? "", options);
  t.teardown(() => opened.destroy());
  return opened;
}

const created = 1;
const deleted = 2;
const dataChanged = 3;
const childrenChanged = 4;

function told(events: readonly Event[]): (readonly [type: number, path: string | null])[] {
  return events.map(({ type, path }) => [type, path] as const);
}

/** What a client has been told once a later read of its has been answered. */
async function eventsOf(client: PortClient): Promise<Event[]> {
  await client.ask(9, new Body().text("/"));
  return client.events();
}

const addWatch = (client: PortClient, path: string, mode: number) => client.ask(106, new Body().text(path).int(mode));
const watcher = (client: PortClient, opcode: number, path: string, type: number) =>
  client.ask(opcode, new Body().text(path).int(type));

t.test("one-shot watches: exists on a missing node stays, getData and getChildren on one do not", async (t) => {
  const client = await open();
  await client.read(3, "/w", true);
  await client.read(4, "/w", true);
  await client.read(8, "/w", true);
  await writer.create("/w");
  await writer.create("/w/a");
  t.same(told(await eventsOf(client)), [[created, "/w"]]);
  await client.read(4, "/w", true);
  await client.read(3, "/w", true);
  await client.read(12, "/w", true);
  await writer.set("/w", "1");
  await writer.set("/w", "2");
  await writer.create("/w/b");
  await writer.create("/w/c");
  t.same(told(await eventsOf(client)), [
    [dataChanged, "/w"],
    [childrenChanged, "/w"],
  ]);
});

t.test("an event has its txn's zxid and comes before the reply of the write that caused it", async (t) => {
  const client = await open();
  await client.create("/own");
  await client.read(4, "/own", true);
  await client.read(8, "/", true);
  client.send(2, new Body().text("/own").int(-1));
  await client.until(() => client.packets.length === 3);
  t.same(
    client.packets.map(({ xid }) => xid),
    [-1, -1, 4],
  );
  const zxid = client.packets[2]?.zxid ?? 0;
  t.same(client.events(), [
    { type: deleted, path: "/own", zxid },
    { type: childrenChanged, path: "/", zxid },
  ]);
  client.destroy();
});

t.test("addWatch 106: persistent watches stay; a recursive one has no NodeChildrenChanged; one event for several", async (t) => {
  const client = await open();
  const answer = await addWatch(client, "/p", 0);
  t.same([answer.error, answer.int(), answer.left], [0, 0, 0], "on a missing node, and its body is an int");
  await addWatch(client, "/p", 1);
  await client.read(3, "/p", true);
  await writer.create("/p");
  await writer.create("/p/a");
  await writer.set("/p/a", "1");
  await writer.set("/p", "1");
  await writer.remove("/p/a");
  await writer.remove("/p");
  t.same(told(await eventsOf(client)), [
    [created, "/p"],
    [created, "/p/a"],
    [childrenChanged, "/p"],
    [dataChanged, "/p/a"],
    [dataChanged, "/p"],
    [deleted, "/p/a"],
    [childrenChanged, "/p"],
    [deleted, "/p"],
  ]);
  t.equal((await addWatch(client, "/p", 2)).error, -5);
});

t.test("checkWatches 17 and removeWatches 18: -121 where there is none; Any takes all", async (t) => {
  const client = await open();
  await writer.create("/cw");
  const [children, data, any, persistent, recursive] = [1, 2, 3, 4, 5];
  for (const type of [children, data, any, persistent, recursive]) {
    t.equal((await watcher(client, 17, "/cw", type)).error, -121);
    t.equal((await watcher(client, 18, "/cw", type)).error, -121);
  }
  await client.read(4, "/cw", true);
  await addWatch(client, "/cw", 1);
  const has = async () => {
    const found = [];
    for (const type of [children, data, any, persistent, recursive])
      if ((await watcher(client, 17, "/cw", type)).error === 0) found.push(type);
    return found;
  };
  t.same(await has(), [data, any, recursive]);
  t.equal((await watcher(client, 18, "/cw", data)).error, 0);
  t.same(await has(), [any, recursive]);
  t.equal((await watcher(client, 18, "/cw", any)).error, 0);
  t.same(await has(), []);
  await writer.set("/cw", "1");
  t.same(await eventsOf(client), []);
  t.equal((await watcher(client, 18, "/cw", 6)).error, -5);
});

t.test("a multi's events come in order, all before its reply; a closed session's ephemerals too", async (t) => {
  const client = await open();
  await addWatch(client, "/", 1);
  await client.multi([
    [1, new Body().text("/me").text("").acl(openAcl).int(0)],
    [1, new Body().text("/me/a").text("").acl(openAcl).int(0)],
    [2, new Body().text("/me/a").int(-1)],
    [5, new Body().text("/me").text("x").int(-1)],
  ]);
  t.same(told(client.events()), [
    [created, "/me"],
    [created, "/me/a"],
    [deleted, "/me/a"],
    [dataChanged, "/me"],
  ]);
  const other = await open();
  for (const path of ["/e2", "/e1"]) await other.create(path, "", 1);
  t.equal((await other.ask(-11)).error, 0);
  const events = (await eventsOf(client)).slice(2);
  t.same(told(events), [
    [deleted, "/e1"],
    [deleted, "/e2"],
  ]);
  t.equal(events[0]?.zxid, events[1]?.zxid, "under one zxid");
});

t.test("an event of a node that may not be read is not told", async (t) => {
  const client = await open();
  await addWatch(client, "/hidden", 1);
  await writer.create("/hidden", "", 0, [{ perms: 30, scheme: "world", id: "anyone" }]);
  await writer.set("/hidden", "1");
  await writer.create("/hidden/open");
  t.same(told(await eventsOf(client)), [[created, "/hidden/open"]]);
});

// ---- reconnection

interface Lists {
  readonly data?: readonly string[];
  readonly exist?: readonly string[];
  readonly child?: readonly string[];
  readonly persistent?: readonly string[];
  readonly recursive?: readonly string[];
}

/** setWatches 101, or 105 when persistent ones are among them. */
function setWatches(client: PortClient, zxid: number, lists: Lists) {
  const body = new Body()
    .long(zxid)
    .texts(lists.data ?? [])
    .texts(lists.exist ?? [])
    .texts(lists.child ?? []);
  const persistent = lists.persistent !== undefined || lists.recursive !== undefined;
  if (persistent) body.texts(lists.persistent ?? []).texts(lists.recursive ?? []);
  return client.ask(persistent ? 105 : 101, body, -8);
}

/** The session of a client whose connection broke, on a new one. */
function resume(client: PortClient, options: OpenOptions = {}): Promise<PortClient> {
  return open({ session: client.session, password: client.password, ...options });
}

t.test("setWatches 101: what changed meanwhile is told before the answer, the rest is registered", async (t) => {
  const before = await open();
  for (const path of ["/sw", "/sw-same", "/sw-gone", "/sw-kids"]) await writer.create(path);
  const { zxid } = await before.ask(9, new Body().text("/"));
  before.destroy();
  await writer.set("/sw", "1");
  await writer.remove("/sw-gone");
  await writer.create("/sw-new");
  await writer.create("/sw-kids/a");
  const client = await resume(before);
  const answer = await setWatches(client, zxid, {
    data: ["/sw", "/sw-same", "/sw-gone"],
    exist: ["/sw-new", "/sw-none"],
    child: ["/sw-kids", "/sw-same", "/sw-gone"],
  });
  t.same([answer.xid, answer.error, answer.left], [-8, 0, 0]);
  t.same(told(client.events()), [
    [dataChanged, "/sw"],
    [deleted, "/sw-gone"],
    [created, "/sw-new"],
    [childrenChanged, "/sw-kids"],
    [deleted, "/sw-gone"],
  ]);
  await writer.set("/sw-same", "1");
  await writer.create("/sw-same/a");
  await writer.create("/sw-none");
  t.same(told(await eventsOf(client)), [
    [dataChanged, "/sw-same"],
    [childrenChanged, "/sw-same"],
    [created, "/sw-none"],
  ]);
});

t.test("setWatches2 105: persistent watches are told all that they missed, in order, once, then go on", async (t) => {
  const before = await open();
  await addWatch(before, "/rp", 0);
  await addWatch(before, "/rr", 1);
  await writer.create("/rp");
  await writer.create("/rr");
  const seen = await before.ask(9, new Body().text("/"));
  t.equal(before.events().length, 2);
  before.destroy();
  await writer.create("/rp/a");
  await writer.set("/rp", "1");
  await writer.set("/rp", "2");
  await writer.create("/rr/x");
  await writer.create("/rr/x/y");
  await writer.remove("/rp/a");
  await writer.remove("/rr/x/y");
  const client = await resume(before);
  const answer = await setWatches(client, seen.zxid, { persistent: ["/rp"], recursive: ["/rr"] });
  t.equal(answer.error, 0);
  const missed = client.events();
  t.same(told(missed), [
    [childrenChanged, "/rp"],
    [dataChanged, "/rp"],
    [dataChanged, "/rp"],
    [created, "/rr/x"],
    [created, "/rr/x/y"],
    [childrenChanged, "/rp"],
    [deleted, "/rr/x/y"],
  ]);
  t.same(
    missed.map(({ zxid }) => zxid),
    missed.map(({ zxid }) => zxid).sort((a, b) => a - b),
  );
  await writer.set("/rr/x", "1");
  t.same(told(await eventsOf(client)), [[dataChanged, "/rr/x"]]);
});

t.test("a session is renewed with its password and the new timeout, its ephemerals stay, its old connection goes", async (t) => {
  const before = await open();
  await before.create("/renew-e", "", 1);
  const client = await resume(before, { timeoutMs: 4_000 });
  t.same([client.session, client.password, client.timeoutMs], [before.session, before.password, 4_000]);
  await before.until(() => false);
  t.ok(before.closed, "the other connection of the session is closed");
  t.equal((await client.read(3, "/renew-e")).stat().owner, client.session);
  t.same((await client.ask(103, new Body().text("/"))).texts(), ["/renew-e"]);
});

t.test("timeouts are clamped to what the server grants", async (t) => {
  t.equal((await open({ timeoutMs: 1 })).timeoutMs, 1_000);
  t.equal((await open({ timeoutMs: 2 ** 31 - 1 })).timeoutMs, 300_000);
});

t.test("a closed session cannot be renewed, and what is pipelined behind a failed renewal is not done", async (t) => {
  const before = await open();
  await before.ask(-11);
  await before.until(() => false);
  const again = PortClient.begin(server.zookeeper ?? "", { session: before.session, password: before.password });
  again.send(1, new Body().text("/behind").text("").acl(openAcl).int(0));
  await again.until(() => false);
  t.same([again.session, again.timeoutMs, again.closed, again.packets], [0, 0, true, []]);
  t.equal((await writer.read(3, "/behind")).error, -101);
});

t.test("a client that has seen more than this ensemble has: a known session is closed, an unknown one is told so", async (t) => {
  const before = await open();
  const ahead = await open({ session: before.session, password: before.password, lastZxid: 2 ** 50 });
  t.same([ahead.answered, ahead.closed], [false, true]);
  t.equal((await before.ask(9, new Body().text("/"))).error, 0, "and its connection goes on");
  const stranger = await open({ session: 0x1234567, lastZxid: 2 ** 50 });
  await stranger.until(() => false);
  t.same([stranger.answered, stranger.session, stranger.timeoutMs, stranger.closed], [true, 0, 0, true]);
});
