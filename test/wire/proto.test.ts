/**
 * proto/*.proto against our own code, by way of protobufjs: what we encode it decodes to the same
 * fields, and what it encodes we decode to the same message. So a client can be made in any language
 * from the .proto files.
 */
import fc from "fast-check";
import protobuf from "protobufjs";
import t from "tap";
import { operations } from "../../src/model/operation.ts";
import {
  decodeClientFrame,
  decodeServerFrame,
  encodeClientMessage,
  encodeServerMessage,
  Writer,
} from "../../src/wire/client-codec.ts";
import { decodePeer, encodePeer } from "../../src/wire/peer-codec.ts";
import { decodeTxn, encodeTxn } from "../../src/wire/txn-codec.ts";
import { clientMessage, peerMessage, serverMessage, txn } from "./arbitraries.ts";
import { expectSame } from "./compare.ts";
import { plainClientMessage, plainPeerMessage, plainServerMessage, plainTxn } from "./plain.ts";

const root = new protobuf.Root();
root.resolvePath = (_origin, target) => (target.startsWith("proto/") ? target : `proto/${target}`);
root.loadSync(["proto/client.proto", "proto/txn.proto", "proto/peer.proto"]);
root.resolveAll();

function type(name: string): protobuf.Type {
  return root.lookupType(`zabra.v1.${name}`);
}

/** Fields without presence show their default; absent messages are dropped by `expectSame`. */
function toPlain(of: protobuf.Type, bytes: Uint8Array): unknown {
  return of.toObject(of.decode(bytes), { longs: Number, defaults: true, arrays: true });
}

function fromPlain(of: protobuf.Type, plain: Record<string, unknown>): Uint8Array {
  return of.encode(of.fromObject(plain)).finish();
}

interface Format<T> {
  readonly name: string;
  readonly type: protobuf.Type;
  readonly values: fc.Arbitrary<T>;
  readonly plain: (value: T) => Record<string, unknown>;
  readonly encode: (value: T) => Uint8Array;
  readonly decode: (bytes: Uint8Array) => T;
}

function check<T>(format: Format<T>): void {
  t.test(`${format.name}: what we encode, protobufjs decodes`, async () => {
    fc.assert(
      fc.property(format.values, (value) => {
        expectSame(toPlain(format.type, format.encode(value)), format.plain(value));
      }),
      { numRuns: 3_000 },
    );
  });
  t.test(`${format.name}: what protobufjs encodes, we decode`, async () => {
    fc.assert(
      fc.property(format.values, (value) => {
        expectSame(format.decode(fromPlain(format.type, format.plain(value))), value);
      }),
      { numRuns: 3_000 },
    );
  });
}

check({
  name: "ClientFrame",
  type: type("ClientFrame"),
  values: fc.array(clientMessage, { maxLength: 3 }),
  plain: (messages) => ({ messages: messages.map(plainClientMessage) }),
  encode: (messages) => {
    const writer = new Writer();
    for (const message of messages) encodeClientMessage(writer, message);
    return writer.finish();
  },
  decode: decodeClientFrame,
});

check({
  name: "ServerFrame",
  type: type("ServerFrame"),
  // An empty outcome is left out; that it may also be there is covered by the other direction.
  values: fc.array(
    serverMessage.map((message) =>
      message.type === "reply" && message.outcome.code === "OK" ? { ...message, outcome: { ...message.outcome } } : message,
    ),
    { maxLength: 3 },
  ),
  plain: (messages) => ({ messages: messages.map(plainServerMessage) }),
  encode: (messages) => {
    const writer = new Writer();
    for (const message of messages) encodeServerMessage(writer, message);
    return writer.finish();
  },
  decode: decodeServerFrame,
});

check({ name: "Txn", type: type("Txn"), values: txn, plain: plainTxn, encode: encodeTxn, decode: decodeTxn });

check({
  name: "PeerMessage",
  type: type("PeerMessage"),
  values: peerMessage,
  plain: plainPeerMessage,
  encode: encodePeer,
  decode: decodePeer,
});

t.test("an operation's field has the operation's number", async (t) => {
  for (const name of ["Request", "Write", "Operation", "Read"]) {
    const oneof = type(name).oneofs["operation"] ?? type(name).oneofs["request"] ?? type(name).oneofs["read"];
    for (const field of oneof?.fieldsArray ?? []) {
      t.equal(field.id, operations[field.name as keyof typeof operations].number, `${name}.${field.name}`);
    }
  }
  const served = new Set([
    ...Object.keys(type("Request").fields),
    ...Object.keys(type("Write").fields),
    ...Object.keys(type("Operation").fields),
  ]);
  for (const name of Object.keys(operations)) t.ok(served.has(name), name);
});

t.test("enums have ZooKeeper's numbers where it has them", async (t) => {
  t.match(root.lookupEnum("zabra.v1.WatcherType").values, {
    WATCHER_TYPE_CHILDREN: 1,
    WATCHER_TYPE_DATA: 2,
    WATCHER_TYPE_ANY: 3,
  });
  t.match(root.lookupEnum("zabra.v1.WatchEventType").values, {
    WATCH_EVENT_TYPE_NODE_CREATED: 1,
    WATCH_EVENT_TYPE_NODE_DELETED: 2,
  });
});
