/** What is common to both client listeners, over a transport that only remembers. */
import t from "tap";
import {
  type ClientConnection,
  ClientConnections,
  type ClientTransport,
  identitiesOf,
  normalAddress,
} from "../../server/client-connection.ts";
import { Inbox } from "../../server/inbox.ts";
import { makeLogger } from "../../server/log.ts";
import { requestsInsideMax, shareMin } from "../../server/request-room.ts";
import type { ClientMessage, ServerMessage } from "../../src/model/client-message.ts";
import { type Limits, productionLimits } from "../../src/model/limits.ts";
import { okOutcome, type Request } from "../../src/model/request.ts";
import type { SessionId, Zxid } from "../../src/model/zxid.ts";

class FakeTransport implements ClientTransport {
  readonly writes: (readonly ServerMessage[])[] = [];
  password: Uint8Array | undefined;
  buffered = 0;
  paused = false;
  ended: string | undefined;
  destroyed = false;

  write(messages: readonly ServerMessage[], password: Uint8Array): void {
    this.writes.push(messages);
    this.password = password;
  }
  bufferedBytes(): number {
    return this.buffered;
  }
  pause(): void {
    this.paused = true;
  }
  resume(): void {
    this.paused = false;
  }
  end(reason: string): void {
    this.ended = reason;
  }
  destroy(): void {
    this.destroyed = true;
  }
}

const zxid = 1 as Zxid;
const connected: ServerMessage = {
  type: "connected",
  session: 5 as SessionId,
  resumed: false,
  timeoutMs: 1,
  validForMs: 1,
  lastSeq: 0,
  ackedSeq: 0,
  zxid,
};

function bench(connectedAlready = true, others: Partial<Limits> = {}) {
  const inbox = new Inbox();
  const limits = {
    ...productionLimits,
    outstanding_per_connection_max: 4,
    output_bytes_per_connection_max: 1_000,
    connections_max: 2,
    ...others,
  };
  const clients = new ClientConnections({
    serverId: 1,
    inbox,
    limits,
    logger: makeLogger("silent", 1),
    superDigest: undefined,
    saslUsers: new Map(),
  });
  const transport = new FakeTransport();
  const connection = clients.open("native", "10.0.0.1", transport);
  if (connectedAlready) {
    connection.connect(0, new Uint8Array(0), 10_000, zxid);
    connection.send(connected);
    clients.flush();
    inbox.take();
  }
  t.teardown(() => clients.destroyAll());
  return { inbox, clients, transport, connection };
}

function request(xid: number, what: Request = { type: "whoAmI" }): ClientMessage {
  return { type: "request", xid, request: what, level: { type: "session" }, seq: 0, ackedSeq: 0, guards: [], deadlineMs: 0 };
}

function reply(xid: number): ServerMessage {
  return { type: "reply", xid, requestType: "whoAmI", zxid, outcome: okOutcome, level: "session" };
}

/** xids of the requests that reached the core; heartbeats as −id. */
function passed(inbox: Inbox): number[] {
  return inbox.take().flatMap((event) => {
    if (event.type !== "clientMessage" || event.message.type === "connect") return [];
    return [event.message.type === "request" ? event.message.xid : -event.message.id];
  });
}

t.test("a new session gets a password of 16 random bytes, of which the core knows the hash", async (t) => {
  const { inbox, clients, transport, connection } = bench(false);
  connection.connect(0, new Uint8Array(0), 10_000, zxid);
  const events = inbox.take();
  t.match(events[0], {
    type: "clientConnected",
    protocol: "native",
    identities: [
      { scheme: "world", id: "anyone" },
      { scheme: "ip", id: "10.0.0.1" },
    ],
  });
  t.match(events[1], { type: "clientMessage", message: { type: "connect", session: 0, timeoutMs: 10_000 } });
  clients.send(connection.id, connected);
  clients.flush();
  t.equal(transport.password?.length, 16);
  const sent = events[1];
  const hash = sent?.type === "clientMessage" && sent.message.type === "connect" ? sent.message.passwordHash : undefined;
  t.equal(hash?.length, 32);
  t.notOk(transport.password?.every((byte) => byte === 0));
});

t.test("what comes before the session stands waits, and the socket with it", async (t) => {
  const { inbox, transport, connection } = bench(false);
  connection.connect(0, new Uint8Array(0), 10_000, zxid);
  for (let xid = 1; xid <= 3; xid += 1) connection.receive(request(xid));
  connection.receive({ type: "heartbeat", id: 9 });
  t.same(passed(inbox), []);
  t.ok(transport.paused);
  connection.send(connected);
  t.same(passed(inbox), [1, 2, 3, -9]);
  t.notOk(transport.paused);
});

t.test("at most so many requests are outstanding; heartbeats overtake; the rest follows in order", async (t) => {
  const { inbox, transport, connection } = bench();
  for (let xid = 1; xid <= 10; xid += 1) connection.receive(request(xid));
  connection.receive({ type: "heartbeat", id: 7 });
  t.same(passed(inbox), [1, 2, 3, 4, -7]);
  t.ok(transport.paused);
  const all: number[] = [];
  for (let xid = 1; xid <= 10; xid += 1) {
    connection.send(reply(xid));
    all.push(...passed(inbox));
  }
  t.same(all, [5, 6, 7, 8, 9, 10]);
  t.notOk(transport.paused);
});

/** As many as the core takes of all connections together, from connections that send without waiting. */
function crowd(count: number) {
  const { inbox, clients } = bench(true, { outstanding_per_connection_max: 1_000, connections_max: 100 });
  const members = Array.from({ length: count }, () => {
    const transport = new FakeTransport();
    const connection = clients.open("native", "10.0.0.2", transport);
    connection.connect(0, new Uint8Array(0), 10_000, zxid);
    connection.send(connected);
    return { transport, connection };
  });
  inbox.take();
  return { inbox, clients, members };
}

/** Those of the connection's requests that reached the core since the last look. */
function passedOf(inbox: Inbox): Map<number, number[]> {
  const found = new Map<number, number[]>();
  for (const event of inbox.take()) {
    if (event.type !== "clientMessage" || event.message.type !== "request") continue;
    found.set(event.connection, [...(found.get(event.connection) ?? []), event.message.xid]);
  }
  return found;
}

t.test("of all connections together the core has no more than there is room for; who sends little never waits", async (t) => {
  const { inbox, clients, members } = crowd(8);
  const [quiet, ...floods] = members;
  for (const { connection } of floods) for (let xid = 1; xid <= 1_000; xid += 1) connection.receive(request(xid));
  const inside = passedOf(inbox);
  const count = [...inside.values()].reduce((sum, one) => sum + one.length, 0);
  t.ok(count >= requestsInsideMax && count <= requestsInsideMax + floods.length * shareMin, `${count} are inside`);
  t.ok(floods.at(-1)?.transport.paused, "the last is not read");
  for (let xid = 1; xid <= shareMin; xid += 1) quiet?.connection.receive(request(xid));
  t.equal(passedOf(inbox).get(quiet?.connection.id ?? 0)?.length, shareMin, "and one that has few goes on");

  const order = new Map(floods.map(({ connection }) => [connection.id, [...(inside.get(connection.id) ?? [])]]));
  let most = count;
  let outside = inside;
  for (let turn = 0; turn < 1_000 && outside.size > 0; turn += 1) {
    let answered = 0;
    for (const [id, xids] of outside)
      for (const xid of xids) {
        clients.send(id, reply(xid));
        answered += 1;
      }
    clients.flush();
    outside = passedOf(inbox);
    let entered = 0;
    for (const [id, xids] of outside) {
      order.get(id)?.push(...xids);
      entered += xids.length;
    }
    most = Math.max(most, count - answered + entered);
  }
  const expected = Array.from({ length: 1_000 }, (_, i) => i + 1);
  for (const { connection, transport } of floods) {
    t.same(order.get(connection.id), expected, "all of them, in order");
    t.notOk(transport.paused);
  }
  t.ok(most <= requestsInsideMax + floods.length * shareMin, `never more than ${most}`);
});

t.test("who leaves makes room for those who wait", async (t) => {
  const { inbox, members } = crowd(4);
  for (const { connection } of members) for (let xid = 1; xid <= 1_000; xid += 1) connection.receive(request(xid));
  passedOf(inbox);
  t.ok(members[3]?.transport.paused);
  members[0]?.connection.transportClosed();
  members[1]?.connection.end("moved");
  t.ok((passedOf(inbox).get(members[3]?.connection.id ?? 0)?.length ?? 0) > 0);
  members[3]?.connection.transportClosed();
  members[2]?.connection.end("moved");
  t.same(passedOf(inbox).size, 0, "nothing comes of those that are gone");
});

t.test("what follows an addAuth waits for its answer", async (t) => {
  const { inbox, connection } = bench();
  connection.receive(request(1));
  connection.receive(request(2, { type: "addAuth", identities: [{ scheme: "digest", id: "u:x" }] }));
  connection.receive(request(3));
  t.same(passed(inbox), [1, 2]);
  connection.send(reply(1));
  t.same(passed(inbox), []);
  connection.send(reply(2));
  t.same(passed(inbox), [3]);
});

t.test("a turn's messages leave in one write; a refusal ends the connection after it", async (t) => {
  const { clients, transport, connection } = bench();
  for (let xid = 1; xid <= 3; xid += 1) connection.receive(request(xid));
  clients.send(connection.id, reply(1));
  clients.send(connection.id, reply(2));
  t.equal(transport.writes.length, 1);
  clients.flush();
  t.same(transport.writes[1], [reply(1), reply(2)]);
  clients.send(connection.id, { type: "refused", code: "SESSION_EXPIRED", detail: "" });
  clients.flush();
  t.equal(transport.ended, "refused");
  clients.send(connection.id, reply(3));
  clients.flush();
  t.equal(transport.writes.length, 3, "nothing is sent after the end");
});

t.test("a close waits for what was sent in the turn", async (t) => {
  const { clients, transport, connection } = bench();
  connection.receive(request(1));
  clients.send(connection.id, reply(1));
  clients.close(connection.id, "moved");
  t.same(transport.writes.at(-1), [reply(1)]);
  t.equal(transport.ended, "moved");
});

t.test("a slow reader is told to the core at half, forgiven at a quarter, closed when full", async (t) => {
  const { inbox, clients, transport, connection } = bench();
  const gauge = (bytes: number) => {
    connection.receive(request(1));
    inbox.take();
    transport.buffered = bytes;
    clients.send(connection.id, reply(1));
    clients.flush();
    return inbox.take();
  };
  t.same(gauge(500), []);
  t.same(gauge(501), [{ type: "clientWritable", connection: connection.id, writable: false }]);
  t.same(gauge(300), []);
  t.same(gauge(250), [{ type: "clientWritable", connection: connection.id, writable: true }]);
  t.same(gauge(1_001).at(-1), { type: "clientClosed", connection: connection.id });
  t.ok(transport.destroyed);
});

t.test("the core hears of the end once", async (t) => {
  const { inbox, transport, connection } = bench();
  connection.transportClosed();
  connection.transportClosed();
  connection.abort("late");
  connection.receive(request(1));
  t.same(inbox.take(), [{ type: "clientClosed", connection: connection.id }]);
  t.notOk(transport.destroyed);
});

t.test("a request before connect, and a second connect, end the connection", async (t) => {
  const first = bench(false);
  first.connection.receive(request(1));
  t.ok(first.transport.destroyed);
  const second = bench();
  second.connection.connect(0, new Uint8Array(0), 1, zxid);
  t.ok(second.transport.destroyed);
});

t.test("room for connections", async (t) => {
  const { clients } = bench();
  t.ok(clients.hasRoom());
  const second: ClientConnection = clients.open("native", "x", new FakeTransport());
  t.notOk(clients.hasRoom());
  second.transportClosed();
  t.ok(clients.hasRoom());
  clients.goAway("stop");
  t.notOk(clients.hasRoom());
});

t.test("identities and addresses", async (t) => {
  const superDigest = "super:xQJmxLMiHGwaqBvst5y6rkB6HQs=";
  const found = (scheme: string, credentials: string, known?: string) =>
    identitiesOf(scheme, Buffer.from(credentials), "10.0.0.1", known);
  t.same(found("digest", "u:p", superDigest), [{ scheme: "digest", id: "u:Jq7wMyA/w2Vd5WIDAKdu4OIIFEQ=" }]);
  t.same(found("digest", "super:admin", superDigest), [
    { scheme: "super", id: "" },
    { scheme: "digest", id: superDigest },
  ]);
  t.match(found("digest", "super:admin"), [{ scheme: "digest" }]);
  t.same(found("digest", "nocolon"), [{ scheme: "digest", id: "nocolon:Ra+cHr2ZoHvBjtNArFGNGlVie4g=" }]);
  t.same(found("ip", "1.2.3.4"), [{ scheme: "ip", id: "10.0.0.1" }], "its own, whatever it says");
  for (const scheme of ["world", "auth", "super", "sasl", "x509", ""]) t.same(found(scheme, "u:p", superDigest), []);
  t.equal(normalAddress("::ffff:10.0.0.1"), "10.0.0.1");
  t.equal(normalAddress("2001:db8::1"), "2001:db8::1");
});
