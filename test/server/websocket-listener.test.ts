/** Frames that a client must not send: each closes that connection, and the server goes on. */
import t from "tap";
import { WebSocket } from "ws";
import { type Server, startServer } from "../../server/index.ts";
import { NativeClient } from "./native-client.ts";

const limits = { outstanding_per_connection_max: 900 };
let server: Server;
t.before(async () => {
  server = await startServer({ logLevel: "silent", limits });
  await server.ready();
});
t.teardown(() => server.close());

/** Resolves with the close code. */
function offend(act: (socket: WebSocket) => void): Promise<number> {
  return new Promise((resolve, reject) => {
    const socket = new WebSocket(`${server.url}/v1`, "zabra.v1");
    t.teardown(() => socket.terminate());
    socket.on("open", () => act(socket));
    socket.on("close", (code) => resolve(code));
    socket.on("error", (error) => {
      if (socket.readyState === WebSocket.CONNECTING) reject(error);
    });
  });
}

const offences: readonly (readonly [title: string, codes: readonly number[], act: (socket: WebSocket) => void])[] = [
  ["a text frame", [1006], (socket) => socket.send("hello")],
  ["a frame that is no protobuf", [1006], (socket) => socket.send(Buffer.from("ffffffffffff", "hex"))],
  ["a request before connect", [1006], (socket) => socket.send(Buffer.from("0a040a000000", "hex"))],
  ["a frame over the limit", [1009, 1006], (socket) => socket.send(Buffer.alloc((1 << 20) + 200_000))],
  [
    "a message in very many fragments",
    [1008],
    (socket) => {
      for (let i = 0; i < 200; i += 1) socket.send(Buffer.alloc(1), { fin: false });
    },
  ],
];
for (const [title, codes, act] of offences) {
  t.test(`closed: ${title}`, async (t) => {
    const code = await offend(act);
    t.ok(codes.includes(code), `close code ${code}`);
    const client = await NativeClient.connect(server.url);
    t.match(await client.read({ type: "whoAmI" }), { type: "identities" });
    client.close();
  });
}

t.test("compression is not agreed to", async (t) => {
  const socket = new WebSocket(`${server.url}/v1`, "zabra.v1", { perMessageDeflate: true });
  await new Promise((resolve) => socket.on("open", resolve));
  t.equal(socket.extensions, "");
  socket.terminate();
});

t.test("data of the largest size fits a frame", async (t) => {
  const client = await NativeClient.connect(server.url);
  await client.create("/large", "x".repeat(1 << 20));
  t.equal((await client.get("/large")).length, 1 << 20);
  client.close();
});
