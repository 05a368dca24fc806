import fc from "fast-check";
import t from "tap";
import type { Epoch, Zxid } from "../../src/model/zxid.ts";
import { decodePeer, encodePeer } from "../../src/wire/peer-codec.ts";
import type { PeerMessage } from "../../src/zab/message.ts";
import { peerMessage } from "./arbitraries.ts";
import { expectSame, fromHex, hex } from "./compare.ts";

const vectors: readonly (readonly [bytes: string, message: PeerMessage])[] = [
  ["1205" + "0803" + "108408", { type: "ack", epoch: 3 as Epoch, zxid: 1028 as Zxid, newLeader: false }],
  ["1a04" + "0803" + "1004", { type: "commit", epoch: 3 as Epoch, zxid: 4 as Zxid }],
  ["2a04" + "0803" + "1007", { type: "heartbeat", epoch: 3 as Epoch, id: 7 }],
  [
    "0a0d" + "0801" + "1004" + "1a07" + "0805" + "1203616263",
    {
      type: "proposal",
      epoch: 1 as Epoch,
      prev: 4 as Zxid,
      entries: [{ zxid: 5 as Zxid, payload: fromHex("616263") }],
    },
  ],
];

for (const [bytes, message] of vectors) {
  t.test(`the bytes of ${message.type} are as proto/peer.proto says`, async (t) => {
    t.equal(hex(encodePeer(message)), bytes);
    expectSame(decodePeer(fromHex(bytes)), message);
  });
}

t.test("every message survives the link", async () => {
  fc.assert(
    fc.property(peerMessage, (message) => expectSame(decodePeer(encodePeer(message)), message)),
    { numRuns: 6_000 },
  );
});

t.test("an encoded message does not change when others are encoded", async () => {
  fc.assert(
    fc.property(fc.array(peerMessage, { minLength: 2, maxLength: 10 }), (messages) => {
      const encoded = messages.map(encodePeer);
      expectSame(encoded.map(decodePeer), messages);
    }),
    { numRuns: 300 },
  );
});

t.test("a proposal of megabytes", async (t) => {
  const entries = Array.from({ length: 4_000 }, (_, i) => ({ zxid: (i + 1) as Zxid, payload: new Uint8Array(1_000).fill(i) }));
  const message: PeerMessage = { type: "proposal", epoch: 1 as Epoch, prev: 0 as Zxid, entries };
  const bytes = encodePeer(message);
  t.ok(bytes.buffer.byteLength - bytes.length < 100_000, "memory that just fits");
  expectSame(decodePeer(bytes), message);
});

t.test("a snapshot chunk larger than a slab", async () => {
  const pair = [new Uint8Array(3_000).fill(1), new Uint8Array(200_000).fill(2)] as const;
  const message: PeerMessage = { type: "snapChunk", epoch: 1 as Epoch, index: 3, pairs: [pair, pair], crc: -5, done: true };
  expectSame(decodePeer(encodePeer(message)), message);
});

t.test("numbers may come one by one, too", async (t) => {
  t.same(decodePeer(fromHex("3a06" + "0801" + "1805" + "1806")), { type: "confirm", id: 1, read: false, touched: [5, 6] });
});

const refused: readonly (readonly [what: string, bytes: string, message: RegExp])[] = [
  ["nothing", "", /unknown peer message/],
  ["a message that is not known", "820200", /unknown peer message/],
  ["an epoch out of range", "1a05088080800110", /epoch/],
  ["a forward without write", "22020a00", /without write/],
  ["a write without source", "22060a041a020a00", /source/],
  ["a write without operation", "22060a041a027200", /operation/],
  ["a role that is not known", "4a020804", /enum/],
];

for (const [what, bytes, message] of refused) {
  t.test(`refused: ${what}`, async (t) => {
    t.throws(() => decodePeer(fromHex(bytes)), { name: "ProtocolError", message });
  });
}
