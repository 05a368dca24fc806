/** The ZooKeeper port over TLS: who comes in, who does not, and that those who do not disturb nobody. */
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { connect as connectPlainly, type Socket } from "node:net";
import { type ConnectionOptions, connect, type TLSSocket } from "node:tls";
import { fileURLToPath } from "node:url";
import t from "tap";
import { type Server, startServer } from "../../server/index.ts";

/** Seen from dist/test/server. Of a hundred years; `stranger` is of another authority. */
function pem(name: string): string {
  return readFileSync(fileURLToPath(new URL(`../../../test/server/certificates/${name}`, import.meta.url)), "utf8");
}

const own = { cert: pem("server.pem"), key: pem("server.key") };
const client = { cert: pem("client.pem"), key: pem("client.key") };
const stranger = { cert: pem("stranger.pem"), key: pem("stranger.key") };
const connect45 = Buffer.from(`0000002d000000000000000000000000000027100000000000000000${"00000010"}${"00".repeat(17)}`, "hex");

let open: Server;
let closed: Server;
t.before(async () => {
  open = await startServer({ logLevel: "silent", zookeeperTls: own, zookeeperWords: ["conf", "cons"] });
  closed = await startServer({ logLevel: "silent", zookeeperTls: { ...own, ca: pem("ca.pem") }, zookeeperPort: false });
  await Promise.all([open.ready(), closed.ready()]);
});
t.teardown(() => Promise.all([open.close(), closed.close()]));

function portOf(server: Server): number {
  return Number(server.zookeeperTls?.split(":")[1]);
}

function dial(server: Server, options: ConnectionOptions = {}): TLSSocket {
  const socket = connect({ host: "127.0.0.1", port: portOf(server), ca: pem("ca.pem"), ...options });
  t.teardown(() => socket.destroy());
  return socket;
}

/** What comes until the end, or `bytesMax` bytes. */
function received(socket: Socket, bytesMax = Infinity): Promise<Buffer> {
  return new Promise((resolve) => {
    let bytes = Buffer.alloc(0);
    socket.on("data", (chunk: Buffer) => {
      bytes = Buffer.concat([bytes, chunk]);
      if (bytes.length >= bytesMax) resolve(bytes);
    });
    socket.on("error", () => {});
    socket.on("close", () => resolve(bytes));
  });
}

async function ask(socket: Socket, question: Buffer | string, bytesMax?: number): Promise<Buffer> {
  const answer = received(socket, bytesMax);
  socket.write(question);
  return answer;
}

const connectedBytes = 4 + 37;

t.test("a session, and four-letter words, as on the plain port", async (t) => {
  const socket = dial(open);
  await once(socket, "secureConnect");
  t.ok(socket.authorized);
  const answer = await ask(socket, connect45, connectedBytes);
  t.equal(answer.readInt32BE(8), 10_000);
  t.ok(answer.readBigInt64BE(12) > 0n);
  t.equal((await ask(dial(open), "ruok")).toString(), "imok");
  t.match((await ask(dial(open), "conf")).toString(), `secureClientPort=${portOf(open)}\n`);
  const connections = (await ask(dial(open), "cons")).toString();
  t.match(connections, `/127.0.0.1:${socket.localPort}[1]`);
});

t.test("TLS 1.1 is refused", async (t) => {
  const socket = dial(open, { minVersion: "TLSv1.1", maxVersion: "TLSv1.1", ciphers: "DEFAULT@SECLEVEL=0" });
  const [error] = await once(socket, "error");
  t.match(error, { code: /PROTOCOL/ });
});

t.test("a plain client on the port is cut off, and harms nobody", async (t) => {
  const served = dial(open);
  await ask(served, connect45, connectedBytes);
  for (const question of [connect45, "ruok", "", "\x16\x03\x01\xff\xff"]) {
    const socket = connectPlainly(portOf(open), "127.0.0.1");
    const answer = received(socket);
    socket.end(question);
    // Nothing that is not TLS: an alert at most.
    t.ok([undefined, 21].includes((await answer)[0]));
  }
  t.equal((await ask(served, Buffer.from("00000008fffffffe0000000b", "hex"), 20)).length, 20);
});

t.test("an authority given: its clients come in, strangers and the nameless do not", async (t) => {
  t.equal(closed.zookeeper, undefined);
  t.equal((await ask(dial(closed, client), connect45, connectedBytes)).length, connectedBytes);
  t.equal((await ask(dial(closed, stranger), connect45)).length, 0);
  t.equal((await ask(dial(closed), "ruok")).length, 0);
  t.equal((await ask(dial(closed, client), "ruok")).toString(), "imok");
});

t.test("handshakes that do not go on: no more than 256, and then there is room again", async (t) => {
  const silent = await Promise.all(
    Array.from({ length: 256 }, async () => {
      const socket = connectPlainly(portOf(open), "127.0.0.1");
      await once(socket, "connect");
      return socket;
    }),
  );
  t.teardown(() => {
    for (const socket of silent) socket.destroy();
  });
  t.equal((await ask(dial(open), "ruok")).length, 0);
  const ended = silent.slice(0, 8).map((socket) => received(socket.end()));
  t.same(await Promise.all(ended), Array(8).fill(Buffer.alloc(0)));
  t.equal((await ask(dial(open), "ruok")).toString(), "imok");
});
