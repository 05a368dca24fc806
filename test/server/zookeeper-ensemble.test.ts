/** The ZooKeeper port of three servers: a session that moves, the config node, and read-only mode without a leader. */
import t from "tap";
import { type Ensemble, startEnsemble } from "../../server/index.ts";
import { Body, type OpenOptions, PortClient } from "./port-client.ts";

t.setTimeout(900_000);

let ensemble: Ensemble;
t.before(async () => {
  ensemble = await startEnsemble({ logLevel: "silent", zookeeperReadOnly: true, limits: { read_only_after_ms: 300 } });
});
t.teardown(() => ensemble.close());

function open(index: number, options: OpenOptions = {}): Promise<PortClient> {
  return PortClient.open(ensemble.zookeepers[index] ?? "", options);
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 10));
}

t.test("a session moves to another server with its ephemerals; the connection that it had is closed", async (t) => {
  const before = await open(0);
  const made = await before.create("/moved", "", 1);
  const client = await open(1, { session: before.session, password: before.password, lastZxid: made.zxid, timeoutMs: 7_000 });
  t.same([client.session, client.timeoutMs], [before.session, 7_000]);
  await before.until(() => false);
  t.ok(before.closed);
  t.equal((await client.read(3, "/moved")).stat().owner, client.session, "what it has seen, it sees again");
  t.equal((await client.set("/moved", "1")).error, 0);
  const third = await open(2, { session: client.session, password: client.password, timeoutMs: 7_000 });
  await client.until(() => false);
  t.ok(client.closed, "also when nothing but the place has changed");
  t.equal((await third.ask(-11)).error, 0);
  const gone = await open(0, { session: client.session, password: client.password });
  t.same([gone.answered, gone.session], [true, 0], "closed everywhere");
  const reader = await open(0);
  await reader.ask(9, new Body().text("/"));
  t.equal((await reader.read(3, "/moved")).error, -101, "and its ephemerals with it");
  reader.destroy();
});

t.test("sync is a barrier: what any server has answered is seen behind it", async (t) => {
  const clients = await Promise.all([0, 1, 2].map((index) => open(index)));
  for (let i = 0; i < 30; i += 1) {
    const [writer, reader] = [clients[i % 3], clients[(i + 1) % 3]];
    if (writer === undefined || reader === undefined) throw new Error("three clients");
    t.equal((await writer.create(`/barrier-${i}`)).error, 0);
    reader.send(9, new Body().text("/"));
    const xid = reader.send(3, new Body().text(`/barrier-${i}`).flag(false));
    await reader.reply(xid - 1);
    t.equal((await reader.reply(xid)).error, 0);
  }
  for (const client of clients) client.destroy();
});

t.test("the config node names the members, alike on all servers, and no client addresses", async (t) => {
  const texts = new Set<string | null>();
  for (const index of [0, 1, 2]) {
    const client = await open(index);
    texts.add((await client.read(4, "/zookeeper/config")).text());
    client.destroy();
  }
  t.equal(texts.size, 1);
  t.match([...texts][0], /^(server\.[123]=127\.0\.0\.1:(\d+):\2:participant\n){3}version=0$/);
});

t.test("without a leader, reads for those that asked for them, and -119 for the rest; with one again, goodbye", async (t) => {
  const [left = 0, ...others] = [0, 1, 2].filter((index) => index !== ensemble.leader());
  const leader = ensemble.leader() ?? 0;
  const writer = await open(left, { readOnly: true });
  t.equal(writer.readOnly, false, "with a leader the mode is off");
  const made = await writer.create("/ro", "data", 0);
  await writer.create("/ro-e", "", 1);
  await Promise.all([leader, ...others].map((index) => ensemble.kill(index)));
  await until(() => ensemble.server(left)?.status().readOnly === true);

  const reader = await open(left, { readOnly: true, lastZxid: made.zxid });
  t.equal(reader.readOnly, true);
  t.ok(reader.session > 0);
  t.equal((await reader.read(4, "/ro", true)).text(), "data");
  const create = await reader.create("/ro/x");
  t.same([create.error, create.left], [-119, 0]);
  t.same([(await reader.set("/ro", "x")).error, (await reader.remove("/ro")).error], [-119, -119]);
  t.equal((await reader.ask(9, new Body().text("/ro"))).error, -119, "sync");
  t.equal((await reader.multi([])).error, -119);
  t.equal((await reader.ask(11, new Body(), -2)).error, 0, "pings are answered");
  t.equal((await reader.ask(-11)).error, 0);
  await reader.until(() => false);
  t.ok(reader.closed, "closeSession closes");

  const ahead = await open(left, { readOnly: true, lastZxid: made.zxid + 1_000 });
  t.same([ahead.answered, ahead.closed], [false, true], "who has seen more is sent elsewhere");
  const wrong = await open(left, { readOnly: true, session: writer.session, password: Buffer.alloc(16, 1) });
  t.same([wrong.answered, wrong.closed], [false, true], "and nobody is told that a session has ended");
  const known = await open(left, { readOnly: true, session: writer.session, password: writer.password });
  t.same([known.session, known.readOnly], [writer.session, true]);

  await ensemble.restart(others[0] ?? 0);
  await known.until(() => false);
  t.ok(known.closed, "there is a leader again");
  const back = await open(left, { readOnly: true, session: writer.session, password: writer.password });
  t.same([back.session, back.readOnly], [writer.session, false]);
  t.equal((await back.read(3, "/ro-e")).stat().owner, writer.session, "the session and its ephemerals have lived on");
  back.destroy();
});
