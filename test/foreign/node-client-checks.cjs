// What an unmodified node-zookeeper-client (44-byte handshakes, no create2) must see at our ZooKeeper ports.
//
// Run by node-client.foreign.ts with the client's directory and the ensemble's HOST:PORT,… as its arguments.
// Prints one JSON line {"name", "error"} a check; {"kill": "HOST:PORT"} asks for that server's end, which a
// line on standard input confirms.
"use strict";
const assert = require("node:assert/strict");
const { once } = require("node:events");
const { promisify } = require("node:util");
const [, , directory, hosts] = process.argv;
const zookeeper = require(directory);
const { ACL, CreateMode, Event, Exception, Id, Permission } = zookeeper;

const waitMs = 15_000;
const clients = [];

function say(line) {
  process.stdout.write(`${JSON.stringify(line)}\n`);
}

/** The client's callbacks as promises. */
function wrap(raw) {
  const wrapped = { raw };
  for (const name of [
    "create",
    "remove",
    "exists",
    "getChildren",
    "getData",
    "setData",
    "getACL",
    "setACL",
    "mkdirp",
    "removeRecursive",
  ])
    wrapped[name] = promisify(raw[name].bind(raw));
  // Two results: those that are asked for come as a pair.
  const pair =
    (method) =>
    (...words) =>
      new Promise((resolve, reject) => {
        raw[method](...words, (error, value, stat) => (error ? reject(error) : resolve([value, stat])));
      });
  wrapped.data = pair("getData");
  wrapped.children = pair("getChildren");
  wrapped.acl = pair("getACL");
  return wrapped;
}

async function client(timeoutMs = 8_000) {
  const raw = zookeeper.createClient(hosts, { sessionTimeout: timeoutMs, spinDelay: 50, retries: 3 });
  clients.push(raw);
  raw.connect();
  await within(once(raw, "connected"), "connected");
  return wrap(raw);
}

async function within(promise, what) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`waited in vain: ${what}`)), waitMs);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** A watcher function whose events can be awaited. */
function watcher() {
  const events = [];
  let wake = () => {};
  const watch = (event) => {
    events.push(event);
    wake();
  };
  watch.next = () =>
    within(
      (async () => {
        while (events.length === 0) await new Promise((resolve) => (wake = resolve));
        return events.shift();
      })(),
      "an event",
    );
  watch.count = () => events.length;
  return watch;
}

async function fails(promise, code) {
  const error = await promise.then(
    () => undefined,
    (problem) => problem,
  );
  assert.equal(error?.getCode?.(), code, `${error}`);
}

const bytes = (text) => Buffer.from(text);

const checks = {
  "create, read, change, delete": async (a) => {
    assert.equal(await a.create("/n", bytes("one")), "/n");
    let [data, stat] = await a.data("/n");
    assert.equal(String(data), "one");
    assert.equal(stat.version, 0);
    assert.equal(stat.dataLength, 3);
    stat = await a.setData("/n", bytes("two"), 0);
    assert.equal(stat.version, 1);
    assert.deepEqual(stat.czxid.length, 8);
    [data] = await a.data("/n");
    assert.equal(String(data), "two");
    await fails(a.setData("/n", bytes("x"), 0), Exception.BAD_VERSION);
    await fails(a.create("/n"), Exception.NODE_EXISTS);
    await fails(a.create("/none/x"), Exception.NO_NODE);
    await a.create("/n/child");
    await fails(a.remove("/n"), Exception.NOT_EMPTY);
    await a.removeRecursive("/n");
    assert.equal(await a.exists("/n"), null);
    await fails(a.data("/n"), Exception.NO_NODE);
  },
  "node kinds": async (a, b) => {
    await a.mkdirp("/kinds/deep/er");
    const first = await a.create("/kinds/s-", CreateMode.PERSISTENT_SEQUENTIAL);
    const second = await a.create("/kinds/s-", CreateMode.EPHEMERAL_SEQUENTIAL);
    assert.deepEqual([first, second], ["/kinds/s-0000000001", "/kinds/s-0000000002"]);
    await a.create("/kinds/e", CreateMode.EPHEMERAL);
    await fails(a.create("/kinds/e/x"), Exception.NO_CHILDREN_FOR_EPHEMERALS);
    const stat = await b.exists("/kinds/e");
    assert.deepEqual(stat.ephemeralOwner, a.raw.getSessionId());
    const [names, parent] = await b.children("/kinds");
    assert.deepEqual(names.sort(), ["deep", "e", "s-0000000001", "s-0000000002"]);
    assert.equal(parent.numChildren, 4);
  },
  "one-shot watches": async (a, b) => {
    const [data, child, exists] = [watcher(), watcher(), watcher()];
    await a.create("/w");
    await a.data("/w", data);
    await a.children("/w", child);
    a.raw.exists("/w/later", exists, () => {});
    await b.create("/w/later");
    assert.equal((await exists.next()).getType(), Event.NODE_CREATED);
    assert.equal((await child.next()).getType(), Event.NODE_CHILDREN_CHANGED);
    await b.setData("/w", bytes("new"));
    const event = await data.next();
    assert.deepEqual([event.getType(), event.getPath()], [Event.NODE_DATA_CHANGED, "/w"]);
    await b.setData("/w", bytes("newer"));
    await a.data("/w");
    assert.equal(data.count(), 0, "a one-shot watch told twice");
  },
  transactions: async (a) => {
    const commit = (transaction) => new Promise((resolve) => transaction.commit((error, results) => resolve([error, results])));
    const whole = a.raw
      .transaction()
      .create("/t")
      .create("/t/x", bytes("1"))
      .setData("/t/x", bytes("2"))
      .check("/t/x")
      .remove("/t/x");
    const [error, results] = await commit(whole);
    assert.equal(error, null);
    assert.equal(results.length, 5);
    const [problem] = await commit(a.raw.transaction().create("/t/y").remove("/t/none"));
    assert.equal(problem.getCode(), Exception.NO_NODE);
    assert.equal(await a.exists("/t/y"), null, "half of a transaction was done");
  },
  "ACLs and identities": async (a, b) => {
    const own = [new ACL(Permission.ALL, new Id("auth", ""))];
    a.raw.addAuthInfo("digest", bytes("u:p"));
    await a.create("/locked", bytes("secret"), own);
    const [acl] = await a.acl("/locked");
    assert.equal(acl[0].id.id, "u:Jq7wMyA/w2Vd5WIDAKdu4OIIFEQ=");
    await fails(b.data("/locked"), Exception.NO_AUTH);
    b.raw.addAuthInfo("digest", bytes("u:p"));
    assert.equal(String((await b.data("/locked"))[0]), "secret");
    await b.setACL("/locked", ACL.READ_ACL_UNSAFE, -1);
    await fails(b.setData("/locked", bytes("x")), Exception.NO_AUTH);
  },
  "many requests at once": async (a) => {
    await a.create("/many");
    const names = await Promise.all(Array.from({ length: 300 }, () => a.create("/many/n-", CreateMode.EPHEMERAL_SEQUENTIAL)));
    assert.equal(new Set(names).size, 300);
    const [found] = await a.children("/many");
    assert.equal(found.length, 300);
  },
  "a session that closes takes its ephemerals along": async (a) => {
    const other = await client();
    const gone = watcher();
    await other.create("/leaving", CreateMode.EPHEMERAL);
    assert.ok(await new Promise((resolve) => a.raw.exists("/leaving", gone, (_, stat) => resolve(stat))));
    other.raw.close();
    assert.equal((await gone.next()).getType(), Event.NODE_DELETED);
  },
};

/** Across a server's end: the session goes on elsewhere, its ephemeral and its watches with it. */
async function acrossAKill(a, b) {
  await a.create("/held", CreateMode.EPHEMERAL);
  await a.create("/watched", bytes("before"));
  const data = watcher();
  await a.data("/watched", data);
  const session = String(a.raw.getSessionId().toString("hex"));
  const socket = a.raw.connectionManager.socket;
  const lost = once(a.raw, "disconnected");
  const answer = once(process.stdin, "data");
  say({ kill: `${socket.remoteAddress}:${socket.remotePort}` });
  await within(answer, "the kill");
  await within(lost, "disconnected");
  if (a.raw.getState() !== zookeeper.State.SYNC_CONNECTED) await within(once(a.raw, "connected"), "connected again");
  assert.equal(a.raw.getSessionId().toString("hex"), session);
  let written = false;
  // b may have been at the same server.
  for (let i = 0; i < 100 && !written; i += 1) {
    written = await b.setData("/watched", bytes("after")).then(
      () => true,
      () => new Promise((resolve) => setTimeout(resolve, 100)).then(() => false),
    );
  }
  assert.equal((await data.next()).getType(), Event.NODE_DATA_CHANGED);
  assert.deepEqual((await a.exists("/held")).ephemeralOwner.toString("hex"), session);
}

async function check(name, run, a, b) {
  try {
    await run(a, b);
    say({ name });
  } catch (error) {
    say({ name, error: String(error?.stack ?? error) });
  }
}

async function main() {
  const [a, b] = [await client(), await client()];
  for (const [name, run] of Object.entries(checks)) await check(name, run, a, b);
  await check("a session lives through its server's end", acrossAKill, await client(), await client());
  for (const raw of clients) raw.close();
  process.exit(0);
}

main();
