/**
 * Every decoder against damaged and hostile input: it ends in a value or a ProtocolError, soon, and a
 * value can be encoded again (what a client sent must never make the server fail later).
 */
import t from "tap";
import { productionLimits } from "../../src/model/limits.ts";
import type { Epoch } from "../../src/model/zxid.ts";
import { decodeClientFrame, decodeServerFrame, ProtocolError, Writer } from "../../src/wire/client-codec.ts";
import { FrameDecoder, frameHeader } from "../../src/wire/frame.ts";
import { decodePeer, encodePeer } from "../../src/wire/peer-codec.ts";
import { decodeTxn } from "../../src/wire/txn-codec.ts";
import { decodeZkRequest } from "../../src/wire/zookeeper-codec.ts";
import { damage, decodes, randomSource, seed, targets } from "./fuzz-targets.ts";

const rounds = 25_000;

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
