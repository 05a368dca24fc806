/** The ZooKeeper port of a running server, spoken to in raw bytes (vectors of the reference, made with kazoo's serializer). */
import { connect, type Socket } from "node:net";
import t from "tap";
import { type Server, startServer } from "../../server/index.ts";
import { FrameDecoder } from "../../src/wire/frame.ts";
import { NativeClient } from "./native-client.ts";

const limits = { outstanding_per_connection_max: 900 };
let server: Server;
t.before(async () => {
  server = await startServer({ logLevel: "silent", limits });
  await server.ready();
});
t.teardown(() => server.close());

const connect45 = `0000002d 00000000 0000000000000000 00002710 0000000000000000 00000010 ${"00".repeat(16)} 00`;
const connect44 = `0000002c 00000000 0000000000000000 00002710 0000000000000000 00000010 ${"00".repeat(16)}`;
const ping = "00000008 fffffffe 0000000b";
const authUp = "0000001d fffffffc 00000064 00000000 00000006 646967657374 00000003 753a70";
const closeSession = "00000008 00000006 fffffff5";

class Raw {
  readonly #socket: Socket;
  readonly #decoder = new FrameDecoder(2 << 20);
  readonly #frames: Buffer[] = [];
  text = "";
  closed = false;
  #wake: () => void = () => {};

  constructor(framed = true) {
    const [host, port] = (server.zookeeper ?? "").split(":");
    this.#socket = connect(Number(port), host ?? "");
    this.#socket.on("data", (chunk: Buffer) => {
      this.text += chunk.toString("latin1");
      if (framed) this.#decoder.push(chunk);
      for (let frame = framed ? this.#decoder.next() : undefined; frame !== undefined; frame = this.#decoder.next())
        this.#frames.push(Buffer.from(frame));
      this.#wake();
    });
    this.#socket.on("error", () => {});
    this.#socket.on("close", () => {
      this.closed = true;
      this.#wake();
    });
    t.teardown(() => this.#socket.destroy());
  }

  send(...hex: string[]): this {
    this.#socket.write(Buffer.from(hex.join("").replaceAll(" ", ""), "hex"));
    return this;
  }

  write(text: string): this {
    this.#socket.write(text);
    return this;
  }

  async frame(): Promise<Buffer> {
    for (;;) {
      const frame = this.#frames.shift();
      if (frame !== undefined) return frame;
      if (this.closed) throw new Error("closed");
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  async end(): Promise<string> {
    while (!this.closed)
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    return this.text;
  }

  get left(): number {
    return this.#frames.length;
  }

  destroy(): void {
    this.#socket.destroy();
  }
}

/** Of a reply: its xid and error. */
function header(frame: Buffer): readonly [xid: number, error: number] {
  return [frame.readInt32BE(0), frame.readInt32BE(12)];
}

function string(text: string): string {
  return Buffer.concat([int(text.length), Buffer.from(text)]).toString("hex");
}

function int(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32BE(value);
  return bytes;
}

function packet(xid: number, opcode: number, body: string): string {
  const bytes = Buffer.concat([int(xid), int(opcode), Buffer.from(body.replaceAll(" ", ""), "hex")]);
  return Buffer.concat([int(bytes.length), bytes]).toString("hex");
}

const openAclHex = `00000001 0000001f ${string("world")} ${string("anyone")}`;
function create(xid: number, path: string, data: string, flags = 0): string {
  return packet(xid, 1, `${string(path)}${string(data)}${openAclHex}${int(flags).toString("hex")}`);
}
function getData(xid: number, path: string, watch = false): string {
  return packet(xid, 4, `${string(path)}${watch ? "01" : "00"}`);
}

t.test("a handshake of 45 bytes is answered with readOnly, one of 44 without", async (t) => {
  const modern = await new Raw().send(connect45).frame();
  t.equal(modern.length, 37);
  t.equal(modern.readInt32BE(4), 10_000);
  t.ok(modern.readBigInt64BE(8) > 0n);
  t.equal((await new Raw().send(connect44).frame()).length, 36);
});

t.test("everything pipelined behind the handshake is answered after it, in order", async (t) => {
  const raw = new Raw().send(connect45, authUp, create(1, "/z", "data"), getData(2, "/z"), getData(3, "/none"), ping);
  t.equal((await raw.frame()).length, 37);
  const replies: (readonly [number, number])[] = [];
  while (replies.length < 5) replies.push(header(await raw.frame()));
  t.same(
    replies.filter(([xid]) => xid !== -2),
    [
      [-4, 0],
      [1, 0],
      [2, 0],
      [3, -101],
    ],
  );
  t.ok(replies.some(([xid, error]) => xid === -2 && error === 0));
});

t.test("bytes may come one at a time", async (t) => {
  const raw = new Raw();
  for (const byte of `${connect45}${ping}`.replaceAll(" ", "").match(/../g) ?? []) {
    raw.send(byte);
    await new Promise((resolve) => setImmediate(resolve));
  }
  t.equal((await raw.frame()).length, 37);
  t.same(header(await raw.frame()), [-2, 0]);
});

t.test("both ports show one tree, and a watch fires before the reply that shows the change", async (t) => {
  const raw = new Raw().send(connect45, create(1, "/shared", "one"), getData(2, "/shared", true));
  for (let i = 0; i < 3; i += 1) await raw.frame();
  const native = await NativeClient.connect(server.url);
  t.equal(await native.get("/shared"), "one");
  const [reply] = await native.ask([
    native.message({ type: "setData", path: "/shared", data: Buffer.from("two"), version: -1 }, true),
  ]);
  t.equal(reply?.outcome.code, "OK");
  const event = await raw.frame();
  t.same(header(event), [-1, 0]);
  t.equal(event.readInt32BE(16), 3, "NodeDataChanged");
  raw.send(getData(3, "/shared"));
  const data = await raw.frame();
  t.equal(data.toString("latin1", 20, 23), "two");
  native.close();
});

t.test("an unknown opcode is answered in its turn, then the connection ends", async (t) => {
  const raw = new Raw().send(connect45, create(1, "/unknown-op", "x"), packet(2, 500, ""), create(3, "/behind-it", "x"));
  await raw.frame();
  t.same(header(await raw.frame()), [1, 0]);
  t.same(header(await raw.frame()), [2, -6]);
  await raw.end();
  t.equal(raw.left, 0, "nothing after it is answered");
  const other = new Raw().send(connect45, packet(1, 9, string("/")), getData(2, "/behind-it"));
  for (let i = 0; i < 2; i += 1) await other.frame();
  t.same(header(await other.frame()), [2, -101], "or performed");
});

t.test("a refused authentication is answered, then the connection ends", async (t) => {
  const raw = new Raw().send(connect45, packet(-4, 100, `00000000${string("nonsense")}${string("x")}`));
  await raw.frame();
  t.same(header(await raw.frame()), [-4, -115]);
  await raw.end();
});

t.test("closeSession is answered, then the connection ends", async (t) => {
  const raw = new Raw().send(connect45, closeSession);
  await raw.frame();
  t.same(header(await raw.frame()), [6, 0]);
  await raw.end();
});

t.test("a session that is not known, or a wrong password, is answered by zeros", async (t) => {
  const own = await new Raw().send(connect45).frame();
  const session = own.toString("hex", 8, 16);
  const attempts = ["1000000000000001", "7fffffffffffffff", session, "0000000012345678"];
  for (const id of attempts) {
    const raw = new Raw().send(`0000002d 00000000 0000000000000000 00002710 ${id} 00000010 ${"11".repeat(16)} 00`);
    t.equal((await raw.frame()).toString("hex"), `${"00".repeat(16)}00000010${"00".repeat(16)}00`, id);
    await raw.end();
  }
});

t.test("a session is resumed with its password", async (t) => {
  const first = new Raw().send(connect45);
  const answer = await first.frame();
  first.destroy();
  const again = new Raw().send(
    `0000002d 00000000 0000000000000000 00002710 ${answer.toString("hex", 8, 16)} 00000010 ${answer.toString("hex", 20, 36)} 00`,
  );
  t.equal((await again.frame()).toString("hex"), answer.toString("hex"));
});

const malformed: readonly (readonly [title: string, hex: readonly string[]])[] = [
  ["a negative length", ["ffffffff 00"]],
  ["a length of 2 GiB", ["7fffffff 00"]],
  ["a handshake too short", ["00000004 00000000"]],
  ["a garbage request", [connect45, "00000009 00000001 00000064 ff"]],
  ["a second handshake", [connect45, connect45]],
];
for (const [title, hex] of malformed) {
  t.test(`closed: ${title}`, async (t) => {
    await new Raw(false).send(...hex).end();
    t.equal(header(await alive())[1], 0, "the server goes on");
  });
}

async function alive(): Promise<Buffer> {
  const raw = new Raw().send(connect45, ping);
  await raw.frame();
  const answer = await raw.frame();
  raw.destroy();
  return answer;
}

t.test("four-letter words", async (t) => {
  t.equal(await new Raw(false).write("ruok").end(), "imok");
  t.equal(await new Raw(false).write("isro").end(), "rw");
  const srvr = await new Raw(false).write("srvr").end();
  t.match(srvr, /^Zookeeper version: 3\.9\.\d+/);
  t.match(srvr, /\nZxid: 0x1[0-9a-f]{8}\nMode: standalone\nNode count: \d+\n$/);
  t.match(
    await new Raw(false).write("mntr").end(),
    /^zk_version\t3\.9[\s\S]*\nzk_server_state\tstandalone\n[\s\S]*\nzk_znode_count\t\d+\n/,
  );
  t.match(await new Raw(false).write("envi").end(), /^Environment:\nzookeeper\.version=3\.9\.\d/);
  t.equal(await new Raw(false).write("wchc").end(), "wchc is not executed because it is not in the whitelist.\n");
});
