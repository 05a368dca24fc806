/**
 * What is fuzzed of the wire, with valid inputs to damage: every decoder against damaged and hostile input: it ends in a value or a ProtocolError, soon, and a
 * value can be encoded again (what a client sent must never make the server fail later).
 */
import fc from "fast-check";
import { productionLimits } from "../../src/model/limits.ts";
import {
  decodeClientFrame,
  decodeServerFrame,
  encodeClientMessage,
  encodeServerMessage,
  ProtocolError,
  Writer,
} from "../../src/wire/client-codec.ts";
import { writeAcl, writeBoolean, writeBuffer, writeString, writeStrings } from "../../src/wire/jute.ts";
import { decodePeer, encodePeer } from "../../src/wire/peer-codec.ts";
import { decodeTxn, encodeTxn } from "../../src/wire/txn-codec.ts";
import { decodeZkConnect, decodeZkRequest } from "../../src/wire/zookeeper-codec.ts";
import { Random } from "../support/random.ts";
import { clientMessage, peerMessage, serverMessage, txn } from "./arbitraries.ts";
import { hex, sameValue } from "./compare.ts";

export const seed = 20_261_121;

export function randomSource(start: number): (bound: number) => number {
  const random = new Random(start);
  return (bound) => random.below(bound);
}

const interesting = [0x00, 0x01, 0x02, 0x08, 0x0a, 0x12, 0x7f, 0x80, 0xff, 0x0b, 0x0c, 0xed, 0xc0];

/** Cut, flipped, overwritten, doubled, or all random. */
export function damage(valid: Uint8Array, random: (bound: number) => number): Uint8Array {
  const kind = random(6);
  if (kind === 0) return Uint8Array.from({ length: random(80) }, () => random(256));
  if (kind === 1) return valid.slice(0, random(valid.length + 1));
  const bytes = kind === 2 ? Uint8Array.from([...valid, ...valid.subarray(random(valid.length + 1))]) : valid.slice();
  for (let i = 1 + random(4); i > 0 && bytes.length > 0; i -= 1) {
    const at = random(bytes.length);
    bytes[at] = kind === 3 ? (bytes[at] ?? 0) ^ (1 << random(8)) : (interesting[random(interesting.length)] ?? 0);
  }
  return bytes;
}

export interface Target {
  readonly name: string;
  readonly corpus: readonly Uint8Array[];
  /** Throws ProtocolError alone; returns what was decoded. */
  readonly decode: (bytes: Uint8Array) => unknown;
  readonly encode?: (value: never) => Uint8Array;
}

function sample<T>(values: fc.Arbitrary<T>, encode: (value: T) => Uint8Array): Uint8Array[] {
  return fc.sample(values, { numRuns: 500, seed }).map(encode);
}

const encodeClientFrame = (messages: ReturnType<typeof decodeClientFrame>): Uint8Array => {
  const writer = new Writer(256);
  for (const message of messages) encodeClientMessage(writer, message);
  return writer.finish();
};
const encodeServerFrame = (messages: ReturnType<typeof decodeServerFrame>): Uint8Array => {
  const writer = new Writer(256);
  for (const message of messages) encodeServerMessage(writer, message);
  return writer.finish();
};

/** ZooKeeper requests of each kind, as a client sends them. */
function zookeeperCorpus(): Uint8Array[] {
  const packet = (opcode: number, write: (w: Writer) => void): Uint8Array => {
    const w = new Writer(1_024);
    w.int32(1);
    w.int32(opcode);
    write(w);
    return w.finish();
  };
  const path = (w: Writer): void => writeString(w, "/a/b");
  const create = (w: Writer): void => {
    path(w);
    writeBuffer(w, Uint8Array.of(1, 2, 3));
    writeAcl(w, [
      { perms: 31, scheme: "world", id: "anyone" },
      { perms: 1, scheme: "digest", id: "u:hash" },
    ]);
    w.int32(3);
  };
  const pathAndInt = (w: Writer): void => {
    path(w);
    w.int32(2);
  };
  const header = (w: Writer, opcode: number, done: boolean): void => {
    w.int32(opcode);
    writeBoolean(w, done);
    w.int32(-1);
  };
  return [
    packet(1, create),
    packet(21, (w) => {
      create(w);
      w.int64(1_000);
    }),
    ...[2, 3, 4, 8, 12, 13, 17, 18, 106].map((opcode) => packet(opcode, pathAndInt)),
    ...[6, 9, 103, 104, 107, 11, -11, 16, 102].map((opcode) => packet(opcode, path)),
    packet(7, (w) => {
      path(w);
      writeAcl(w, [{ perms: 31, scheme: "auth", id: "" }]);
      w.int32(-1);
    }),
    packet(14, (w) => {
      header(w, 13, false);
      pathAndInt(w);
      header(w, 15, false);
      create(w);
      header(w, -1, true);
    }),
    packet(22, (w) => {
      header(w, 4, false);
      path(w);
      w.uint8(1);
      header(w, -1, true);
    }),
    packet(105, (w) => {
      w.int64(77);
      for (let i = 0; i < 5; i += 1) writeStrings(w, ["/a", "/b"]);
    }),
    packet(100, (w) => {
      w.int32(0);
      writeString(w, "digest");
      writeBuffer(w, Uint8Array.of(117, 58, 112));
    }),
  ];
}

/** A decoded write goes to the leader, whoever sent it. */
function decodeAndForward(bytes: Uint8Array): unknown {
  const { body } = decodeZkRequest(bytes, productionLimits);
  if (body.type !== "request") return body;
  const request = body.request;
  switch (request.type) {
    case "create":
    case "delete":
    case "setData":
    case "setAcl":
    case "multi":
    case "closeSession": {
      const write = { source: { type: "internal", session: 0 }, request, guards: [], identities: [] } as const;
      const forward = encodePeer({ type: "forward", writes: [{ connection: 1, generation: 1, write }] });
      const again = decodePeer(forward);
      if (!sameValue(again.type === "forward" ? again.writes[0]?.write.request : undefined, request))
        throw new Error("changed on its way");
      return body;
    }
    default:
      return body;
  }
}

const connect = new Writer(64);
connect.int32(0);
connect.int64(5);
connect.int32(10_000);
connect.int64(77);
writeBuffer(connect, new Uint8Array(16));
connect.uint8(0);

export const targets: readonly Target[] = [
  {
    name: "ClientFrame",
    corpus: sample(fc.array(clientMessage, { maxLength: 3 }), encodeClientFrame),
    decode: (bytes) => decodeClientFrame(bytes),
    encode: encodeClientFrame,
  },
  {
    name: "ServerFrame",
    corpus: sample(fc.array(serverMessage, { maxLength: 3 }), encodeServerFrame),
    decode: decodeServerFrame,
    encode: encodeServerFrame,
  },
  { name: "PeerMessage", corpus: sample(peerMessage, encodePeer), decode: decodePeer, encode: encodePeer },
  { name: "Txn", corpus: sample(txn, encodeTxn), decode: decodeTxn, encode: encodeTxn },
  { name: "ZooKeeper connect", corpus: [connect.finish()], decode: decodeZkConnect },
  { name: "ZooKeeper request", corpus: zookeeperCorpus(), decode: decodeAndForward },
];

/** Whether it decoded. */
export function decodes(target: Target, bytes: Uint8Array): boolean {
  let value: unknown;
  try {
    value = target.decode(bytes);
  } catch (error) {
    if (error instanceof ProtocolError) return false;
    throw new Error(`${String(error)} from ${hex(bytes)}`);
  }
  if (target.encode === undefined) return true;
  const again = target.decode(target.encode(value as never));
  if (!sameValue(again, value)) throw new Error(`decoded differently again: ${hex(bytes)}`);
  return true;
}
