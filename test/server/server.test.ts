/** Whole servers over real sockets and disks: one, three, a killed leader, a restart, a clean stop. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import t from "tap";
import { startEnsemble, startServer } from "../../server/index.ts";
import { NativeClient } from "./native-client.ts";

const logLevel = "silent" as const;
/** Fewer than the default, so that the reply table holds them all. */
const limits = { outstanding_per_connection_max: 900 };

t.test("one server: what was created is read, also after a restart", async (t) => {
  const directory = mkdtempSync(join(tmpdir(), "zabra-test-"));
  t.teardown(() => rmSync(directory, { recursive: true, force: true }));
  const first = await startServer({ directory, logLevel, limits });
  await first.ready();
  const client = await NativeClient.connect(first.url);
  await client.create("/a", "one");
  t.equal(await client.get("/a"), "one");
  await t.rejects(startServer({ directory, logLevel, limits }), /in use/, "a second server on the same directory is refused");
  await first.close();
  await client.whenClosed();
  t.ok(
    client.received.some((message) => message.type === "goaway"),
    "clients are told to go",
  );

  const second = await startServer({ directory, logLevel, limits });
  t.teardown(() => second.close());
  await second.ready();
  const again = await NativeClient.connect(second.url);
  t.equal(await again.get("/a"), "one");
  again.close();
});

t.test("one server: requests of one frame are answered in one frame", async (t) => {
  const server = await startServer({ logLevel, limits });
  t.teardown(() => server.close());
  await server.ready();
  const client = await NativeClient.connect(server.url);
  const before = client.frames.length;
  const reads = Array.from({ length: 50 }, () => client.message({ type: "exists", path: "/", watch: false }, false));
  const replies = await client.ask(reads);
  t.ok(replies.every((reply) => reply.outcome.code === "OK"));
  t.equal(client.frames.length - before, 1);
  client.close();
});

t.test("one server: more requests than may be outstanding are all answered, in order", async (t) => {
  const server = await startServer({ logLevel, limits: { outstanding_per_connection_max: 10 } });
  t.teardown(() => server.close());
  await server.ready();
  const client = await NativeClient.connect(server.url);
  const requests = Array.from({ length: 500 }, () => client.message({ type: "delete", path: "/none", version: -1 }, true));
  const replies = await client.ask(requests);
  t.same(
    replies.map((reply) => reply.xid),
    requests.map((request) => request.xid),
  );
  t.ok(replies.every((reply) => reply.outcome.code === "NO_NODE"));
  client.close();
});

t.test("one server: a session is resumed with its password alone", async (t) => {
  const server = await startServer({ logLevel, limits });
  t.teardown(() => server.close());
  await server.ready();
  const first = await NativeClient.open(server.url);
  const { session, password } = await first.handshake(0, new Uint8Array(0));
  first.close();
  const thief = await NativeClient.open(server.url);
  await t.rejects(thief.handshake(session, new Uint8Array(16)), /AUTH_FAILED/);
  await thief.whenClosed();
  const owner = await NativeClient.open(server.url);
  const resumed = await owner.handshake(session, password);
  t.equal(resumed.resumed, true);
  t.equal(resumed.session, session);
  t.same(Buffer.from(resumed.password), Buffer.from(password));
  owner.close();
});

t.test("three servers: written at one, read at the others; a killed leader is replaced and comes back", async (t) => {
  const ensemble = await startEnsemble({ logLevel, limits });
  t.teardown(() => ensemble.close());
  const leader = ensemble.leader();
  t.ok(leader !== undefined);
  const clients = await Promise.all(ensemble.urls.map((url) => NativeClient.connect(url)));
  await clients[0]?.create("/a", "one");
  for (const client of clients) t.equal(await client.get("/a"), "one");
  for (const client of clients) client.close();

  await ensemble.kill(leader ?? 0);
  const survivor = ((leader ?? 0) + 1) % 3;
  await until(() => ensemble.leader() !== undefined);
  const client = await NativeClient.connect(ensemble.urls[survivor] ?? "");
  await client.create("/b", "two");
  client.close();

  await ensemble.restart(leader ?? 0);
  await ensemble.ready();
  const back = await NativeClient.connect(ensemble.urls[leader ?? 0] ?? "");
  t.equal(await back.get("/b"), "two");
  back.close();
});

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 5));
}
