/** Links between servers over real sockets: order, reconnects, bounded output, and what is refused. */
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";
import t from "tap";
import type { ConfiguredMember } from "../../server/config.ts";
import { Inbox } from "../../server/inbox.ts";
import { makeLogger } from "../../server/log.ts";
import { type PeerLinkLimits, peerLinkLimits } from "../../server/peer-link.ts";
import { PeerTransport } from "../../server/peer-transport.ts";
import type { Epoch, Zxid } from "../../src/model/zxid.ts";
import type { Event } from "../../src/replica/event.ts";
import type { PeerMessage } from "../../src/zab/message.ts";
import type { WithTeardown } from "./with-teardown.ts";

class Peer {
  readonly transport: PeerTransport;
  readonly events: Event[] = [];
  readonly id: number;
  #wake: () => void = () => {};

  constructor(id: number, ensemble: readonly ConfiguredMember[], limits: Partial<PeerLinkLimits> = {}) {
    this.id = id;
    const inbox = new Inbox();
    const own = ensemble.find((member) => member.id === id);
    inbox.onArrival(() => {
      this.events.push(...inbox.take());
      this.#wake();
    });
    this.transport = new PeerTransport({
      id,
      ensemble,
      listen: { host: "127.0.0.1", port: own?.port ?? 0 },
      inbox,
      logger: makeLogger("silent", id),
      limits: { ...peerLinkLimits, ...limits },
    });
  }

  async until(condition: (events: readonly Event[]) => boolean): Promise<void> {
    while (!condition(this.events))
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
  }

  of(type: "peerConnected" | "peerLost"): number[] {
    return this.events.flatMap((event) => (event.type === type ? [event.link] : []));
  }

  get link(): number {
    return this.of("peerConnected").at(-1) ?? 0;
  }

  messages(): PeerMessage[] {
    return this.events.flatMap((event) => (event.type === "peerMessage" ? [event.message] : []));
  }

  linked(): Promise<void> {
    return this.until(() => this.of("peerConnected").length > this.of("peerLost").length);
  }
}

async function freeMembers(count: number): Promise<ConfiguredMember[]> {
  const servers = await Promise.all(
    Array.from(
      { length: count },
      () =>
        new Promise<Server>((resolve) => {
          const server = createServer().listen(0, "127.0.0.1", () => resolve(server));
        }),
    ),
  );
  const members = servers.map((server, i) => ({ id: i + 1, host: "127.0.0.1", port: portOf(server), observer: false }));
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return members;
}

function portOf(server: Server): number {
  return (server.address() as AddressInfo).port;
}

async function pair(t: WithTeardown, limits: Partial<PeerLinkLimits> = {}): Promise<readonly [Peer, Peer]> {
  const members = await freeMembers(2);
  const one = new Peer(1, members, limits);
  const two = new Peer(2, members, limits);
  t.teardown(async () => {
    await one.transport.stop();
    await two.transport.stop();
  });
  await one.transport.start();
  await two.transport.start();
  await Promise.all([one.linked(), two.linked()]);
  return [one, two];
}

function commit(n: number): PeerMessage {
  return { type: "commit", epoch: 1 as Epoch, zxid: n as Zxid };
}

function proposal(bytes: number): PeerMessage {
  return {
    type: "proposal",
    epoch: 1 as Epoch,
    prev: 1 as Zxid,
    entries: [{ zxid: 2 as Zxid, payload: new Uint8Array(bytes).fill(7) }],
  };
}

t.test("messages arrive whole, once, in order, both ways, small and large", async (t) => {
  const [one, two] = await pair(t);
  for (let turn = 0; turn < 20; turn += 1) {
    for (let i = 0; i < 100; i += 1) one.transport.send(2, one.link, commit(turn * 100 + i));
    if (turn === 10) one.transport.send(2, one.link, proposal(3_000_000));
    two.transport.send(1, two.link, commit(turn));
    one.transport.flush();
    two.transport.flush();
  }
  await two.until(() => two.messages().length === 2_001);
  await one.until(() => one.messages().length === 20);
  t.same(
    two.messages().filter((m) => m.type === "commit"),
    Array.from({ length: 2_000 }, (_, i) => commit(i)),
  );
  t.same(two.messages()[1_100], proposal(3_000_000));
  t.same(
    one.messages(),
    Array.from({ length: 20 }, (_, i) => commit(i)),
  );
});

t.test("a message of an older link is not sent on the new one", async (t) => {
  const [one, two] = await pair(t);
  const old = one.link;
  one.transport.close(2, old, "test");
  await one.until(() => one.of("peerConnected").length === 2);
  one.transport.send(2, old, commit(1));
  one.transport.send(2, one.link, commit(2));
  one.transport.flush();
  await two.until(() => two.messages().length > 0);
  t.same(two.messages(), [commit(2)]);
  one.transport.close(2, old, "stale");
  t.same(one.of("peerLost"), [old], "a stale close is ignored");
  t.ok(one.link > old);
});

t.test("a peer that dies and comes back is linked again, lost before connected", async (t) => {
  const members = await freeMembers(2);
  const two = new Peer(2, members);
  await two.transport.start();
  t.teardown(() => two.transport.stop());
  for (let life = 1; life <= 3; life += 1) {
    const one = new Peer(1, members);
    await one.transport.start();
    await two.until(() => two.of("peerConnected").length === life);
    await one.transport.stop();
    await two.until(() => two.of("peerLost").length === life);
  }
  t.same(
    two.events.map((event) => event.type),
    ["peerConnected", "peerLost", "peerConnected", "peerLost", "peerConnected", "peerLost"],
  );
  t.same(two.of("peerConnected"), two.of("peerLost"));
});

t.test("a new connection of a peer replaces its old one", async (t) => {
  const members = await freeMembers(2);
  const one = new Peer(1, members);
  await one.transport.start();
  t.teardown(() => one.transport.stop());
  const first = await dial(t, members[0]?.port ?? 0, handshake(2, 1));
  await one.until(() => one.of("peerConnected").length === 1);
  const firstClosed = new Promise((resolve) => first.on("close", resolve).resume());
  await dial(t, members[0]?.port ?? 0, handshake(2, 1));
  await one.until(() => one.of("peerConnected").length === 2);
  await firstClosed;
  t.same(one.events, [
    { type: "peerConnected", peer: 2, link: 1 },
    { type: "peerLost", peer: 2, link: 1 },
    { type: "peerConnected", peer: 2, link: 2 },
  ]);
});

t.test("a peer that does not read loses its link when the send buffer is full", async (t) => {
  const members = await freeMembers(2);
  const one = new Peer(1, members, { sendBytesMax: 4 << 20 });
  await one.transport.start();
  t.teardown(() => one.transport.stop());
  const deaf = await dial(t, members[0]?.port ?? 0, handshake(2, 1));
  deaf.pause();
  await one.linked();
  let sent = 0;
  const message = proposal(1 << 20);
  while (one.of("peerLost").length === 0 && sent < 200) {
    one.transport.send(2, 1, message);
    one.transport.flush();
    sent += 1;
    await new Promise((resolve) => setImmediate(resolve));
  }
  t.same(one.of("peerLost"), [1]);
  t.ok(sent < 100, `${sent} MiB sent into a wall`);
});

t.test("silence drops a link", async (t) => {
  const members = await freeMembers(2);
  const one = new Peer(1, members, { pingMs: 20, silentIntervalsMax: 3 });
  await one.transport.start();
  t.teardown(() => one.transport.stop());
  await dial(t, members[0]?.port ?? 0, handshake(2, 1));
  await one.until(() => one.of("peerLost").length === 1);
  t.same(one.of("peerConnected"), [1]);
});

t.test("pings keep an idle link", async (t) => {
  const [one, two] = await pair(t, { pingMs: 20, silentIntervalsMax: 3 });
  await new Promise((resolve) => setTimeout(resolve, 300));
  t.same([one.of("peerLost"), two.of("peerLost")], [[], []]);
  t.same([one.messages(), two.messages()], [[], []], "pings are not messages");
});

const refused: readonly (readonly [title: string, bytes: Buffer])[] = [
  ["an id that is not in the ensemble", handshake(9, 1)],
  ["a handshake meant for another server", handshake(2, 3)],
  ["its own id", handshake(1, 1)],
  ["another protocol version", handshake(2, 1, 2)],
  ["another protocol", Buffer.from("GET / HTTP/1.1\r\nHost: x\r\n\r\n")],
  ["a frame of 2 GiB", Buffer.from("7fffffff00000000", "hex")],
  ["a frame of negative length", Buffer.from("ffffffff00000000", "hex")],
];
for (const [title, bytes] of refused) {
  t.test(`refused: ${title}`, async (t) => {
    const members = await freeMembers(2);
    const one = new Peer(1, members);
    await one.transport.start();
    t.teardown(() => one.transport.stop());
    const socket = await dial(t, members[0]?.port ?? 0, bytes);
    socket.resume();
    await new Promise((resolve) => socket.on("close", resolve));
    t.same(one.events, []);
  });
}

t.test("refused: the lower id dials", async (t) => {
  const members = await freeMembers(2);
  const two = new Peer(2, members);
  await two.transport.start();
  t.teardown(() => two.transport.stop());
  const socket = await dial(t, members[1]?.port ?? 0, handshake(1, 2));
  await new Promise((resolve) => socket.on("close", resolve).resume());
  t.same(two.events, []);
});

t.test("who never shakes hands is dropped; a bad frame ends that link alone", async (t) => {
  const members = await freeMembers(3);
  const one = new Peer(1, members, { handshakeMs: 50 });
  await one.transport.start();
  t.teardown(() => one.transport.stop());
  const silent = await dial(t, members[0]?.port ?? 0, Buffer.alloc(0));
  await new Promise((resolve) => silent.on("close", resolve).resume());
  const good = await dial(t, members[0]?.port ?? 0, handshake(2, 1));
  const bad = await dial(t, members[0]?.port ?? 0, handshake(3, 1));
  await one.until(() => one.of("peerConnected").length === 2);
  bad.write(Buffer.from("00000003ffffff", "hex"));
  await one.until(() => one.of("peerLost").length === 1);
  t.match(one.events.at(-1), { type: "peerLost", peer: 3 });
  t.notOk(good.destroyed);
});

t.test("an unreachable peer is dialled with back-off, and costs no other", async (t) => {
  const members = await freeMembers(3);
  const three = new Peer(3, [{ id: 1, host: "no-such-host.invalid", port: 1, observer: false }, ...members.slice(1)]);
  const two = new Peer(2, members);
  t.teardown(async () => {
    await three.transport.stop();
    await two.transport.stop();
  });
  await three.transport.start();
  await two.transport.start();
  await three.linked();
  t.match(three.events[0], { type: "peerConnected", peer: 2 });
});

function handshake(from: number, to: number, version = 1): Buffer {
  const bytes = Buffer.alloc(16);
  bytes.writeUInt32BE(12, 0);
  bytes.writeUInt32BE(0x7a627250, 4);
  bytes.writeUInt16BE(version, 8);
  bytes.writeUInt16BE(from, 10);
  bytes.writeUInt16BE(to, 12);
  return bytes;
}

function dial(t: WithTeardown, port: number, bytes: Buffer): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, "127.0.0.1", () => {
      if (bytes.length > 0) socket.write(bytes);
      resolve(socket);
    });
    t.teardown(() => socket.destroy());
    socket.on("error", reject);
  });
}
