/**
 * Every decoder against damaged and hostile input: it ends in a value or a ProtocolError, soon, and a
 * value can be encoded again (what a client sent must never make the server fail later).
 */
import fc from "fast-check";
import t from "tap";
import { productionLimits } from "../../src/model/limits.ts";
import type { Epoch } from "../../src/model/zxid.ts";
import {
  decodeClientFrame,
  decodeServerFrame,
  encodeClientMessage,
  encodeServerMessage,
  ProtocolError,
  Writer,
} from "../../src/wire/client-codec.ts";
import { FrameDecoder, frameHeader } from "../../src/wire/frame.ts";
import { writeAcl, writeBoolean, writeBuffer, writeString, writeStrings } from "../../src/wire/jute.ts";
import { decodePeer, encodePeer } from "../../src/wire/peer-codec.ts";
import { decodeTxn, encodeTxn } from "../../src/wire/txn-codec.ts";
import { decodeZkConnect, decodeZkRequest } from "../../src/wire/zookeeper-codec.ts";
import { clientMessage, peerMessage, serverMessage, txn } from "./arbitraries.ts";
import { hex, sameValue } from "./compare.ts";

const seed = 20_261_121;
const rounds = 25_000;

/** mulberry32. */
function randomSource(start: number): (bound: number) => number {
  let state = start >>> 0;
  return (bound) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let x = Math.imul(state ^ (state >>> 15), state | 1);
    x ^= x + Math.imul(x ^ (x >>> 7), x | 61);
    return ((x ^ (x >>> 14)) >>> 0) % bound;
  };
}

const interesting = [0x00, 0x01, 0x02, 0x08, 0x0a, 0x12, 0x7f, 0x80, 0xff, 0x0b, 0x0c, 0xed, 0xc0];

/** Cut, flipped, overwritten, doubled, or all random. */
function damage(valid: Uint8Array, random: (bound: number) => number): Uint8Array {
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

interface Target {
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

const targets: readonly Target[] = [
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
function decodes(target: Target, bytes: Uint8Array): boolean {
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

for (const target of targets) {
  t.test(`${target.name}: damaged input`, async (t) => {
    const random = randomSource(seed);
    let decoded = 0;
    let slowest = 0;
    for (let i = 0; i < rounds; i += 1) {
      const valid = target.corpus[random(target.corpus.length)] ?? new Uint8Array(0);
      const bytes = damage(valid, random);
      const start = performance.now();
      if (decodes(target, bytes)) decoded += 1;
      slowest = Math.max(slowest, performance.now() - start);
    }
    t.ok(decoded > rounds / 200, `some is still readable: ${decoded}`);
    t.ok(decoded < rounds, `and not all: ${decoded}`);
    t.ok(slowest < 500, `slowest ${slowest.toFixed(1)} ms`);
  });
}

t.test("FrameDecoder: damaged streams", async (t) => {
  const random = randomSource(seed);
  let broken = 0;
  for (let i = 0; i < rounds; i += 1) {
    const decoder = new FrameDecoder(100);
    const valid = Uint8Array.from([...frameHeader(5), 1, 2, 3, 4, 5, ...frameHeader(1), 9]);
    const bytes = damage(valid, random);
    const cut = random(bytes.length + 1);
    try {
      decoder.push(bytes.slice(0, cut));
      while (decoder.next() !== undefined);
      decoder.push(bytes.slice(cut));
      for (let body = decoder.next(); body !== undefined; body = decoder.next()) {
        if (body.length === 0 || body.length > 100) throw new Error(`a body of ${body.length} bytes`);
      }
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      broken += 1;
    }
  }
  t.ok(broken > 0 && broken < rounds, `${broken} broken`);
});

// ---- a megabyte made to be slow or large

function repeated(piece: readonly number[], bytes: number): Uint8Array {
  return Uint8Array.from({ length: Math.floor(bytes / piece.length) * piece.length }, (_, i) => piece[i % piece.length] ?? 0);
}

/** Nests `body` in fields of these tags, outermost first. */
function nested(tags: readonly number[], body: Uint8Array): Uint8Array {
  const w = new Writer(1_024);
  const marks = tags.map((tag) => w.open(tag));
  w.raw(body);
  for (const mark of marks.reverse()) w.close(mark);
  return w.finish();
}

const mebibyte = 1 << 20;
const hostile: readonly (readonly [what: string, decode: (bytes: Uint8Array) => unknown, bytes: Uint8Array])[] = [
  ["empty client messages", decodeClientFrame, repeated([0x0a, 0x00], mebibyte)],
  ["heartbeats", decodeClientFrame, repeated([0x0a, 0x02, 0x1a, 0x00], mebibyte)],
  ["unknown fields", decodeClientFrame, repeated([0x78, 0x00], mebibyte)],
  ["empty guards", decodeClientFrame, nested([0x0a, 0x12], repeated([0xa2, 0x03, 0x00], mebibyte))],
  ["the same operation again and again", decodeClientFrame, nested([0x0a, 0x12], repeated([0xe2, 0x01, 0x00], mebibyte))],
  ["empty operations of a multi", decodeClientFrame, nested([0x0a, 0x12, 0x2a], repeated([0x12, 0x02, 0x12, 0x00], mebibyte))],
  ["nothing but lengths", decodeClientFrame, repeated([0x0a], mebibyte)],
  ["endless varints", decodeClientFrame, repeated([0x80], mebibyte)],
  ["empty outcomes", decodeServerFrame, nested([0x0a, 0x1a, 0x2a, 0x4a], repeated([0x12, 0x00], mebibyte))],
  ["empty log entries", decodePeer, nested([0x0a], repeated([0x1a, 0x00], mebibyte))],
  ["empty removals", decodeTxn, nested([82], repeated([0x12, 0x00], mebibyte))],
  [
    "creates with unknown flags",
    (bytes) => decodeZkRequest(bytes, productionLimits),
    Uint8Array.from([
      0,
      0,
      0,
      1,
      0,
      0,
      0,
      14,
      ...repeated([0, 0, 0, 1, 0, 255, 255, 255, 255, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9], mebibyte),
    ]),
  ],
  [
    "paths of setWatches",
    (bytes) => decodeZkRequest(bytes, productionLimits),
    Uint8Array.from([0, 0, 0, 1, 0, 0, 0, 101, 0, 0, 0, 0, 0, 0, 0, 0, 0, 3, 255, 240, ...repeated([0, 0, 0, 0], mebibyte)]),
  ],
];

for (const [what, decode, bytes] of hostile) {
  t.test(`a megabyte of ${what} takes bounded time`, async (t) => {
    const start = performance.now();
    try {
      decode(bytes);
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
    }
    const took = performance.now() - start;
    t.ok(took < 1_000, `${took.toFixed(1)} ms`);
    t.comment(`${took.toFixed(1)} ms`);
  });
}

t.test("an epoch that does not fit is our own error only when encoding", async (t) => {
  t.throws(() => encodePeer({ type: "leaderInfo", epoch: -1 as Epoch }), { name: "InvariantError" });
});
