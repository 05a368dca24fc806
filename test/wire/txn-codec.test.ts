import fc from "fast-check";
import t from "tap";
import type { SessionId, Zxid } from "../../src/model/zxid.ts";
import type { Txn } from "../../src/tree/txn.ts";
import { decodeTxn, encodeTxn } from "../../src/wire/txn-codec.ts";
import { txn } from "./arbitraries.ts";
import { expectSame, fromHex, hex } from "./compare.ts";

const setData: Txn = {
  zxid: 0x1_0000_0002 as Zxid,
  wallMs: 9,
  stampMs: 7,
  source: { type: "session", session: 5 as SessionId, seq: 2, ackedSeq: 1 },
  body: {
    type: "setData",
    path: "/a",
    data: Uint8Array.of(120),
    acl: 1,
    stat: {
      czxid: 6 as Zxid,
      mzxid: 0x1_0000_0002 as Zxid,
      pzxid: 6 as Zxid,
      ctimeMs: 8,
      mtimeMs: 9,
      version: 1,
      cversion: 0,
      aversion: 0,
      ephemeralOwner: 0 as SessionId,
      dataLength: 1,
      numChildren: 0,
    },
  },
};

// The bytes of logs written already: a change here makes old logs unreadable.
const setDataBytes =
  "088280808010" +
  "1009" +
  "1807" + // zxid, wall, stamp
  "6206" +
  "0805" +
  "1002" +
  "1801" + // session source
  "221b" +
  "0a022f61" +
  "120178" + // path, data
  "1a10" +
  "0806" +
  "108280808010" +
  "2008" +
  "2809" +
  "3002" +
  "5001" +
  "2001"; // stat; acl

t.test("a set's bytes are as proto/txn.proto says", async (t) => {
  t.equal(hex(encodeTxn(setData)), setDataBytes);
  expectSame(decodeTxn(fromHex(setDataBytes)), setData);
});

t.test("every txn survives the log", async () => {
  fc.assert(
    fc.property(txn, (value) => expectSame(decodeTxn(encodeTxn(value)), value)),
    { numRuns: 4_000 },
  );
});

t.test("an encoded txn does not change when others are encoded", async () => {
  fc.assert(
    fc.property(fc.array(txn, { minLength: 2, maxLength: 10 }), (values) => {
      const encoded = values.map(encodeTxn);
      expectSame(encoded.map(decodeTxn), values);
    }),
    { numRuns: 300 },
  );
});

t.test("a txn of a megabyte", async () => {
  const big: Txn = { ...setData, body: { ...setData.body, data: new Uint8Array(1 << 20).fill(7) } as Txn["body"] };
  expectSame(decodeTxn(encodeTxn(big)), big);
});

t.test("codes may come one by one, too", async (t) => {
  const one = decodeTxn(fromHex("0801" + "7200" + "920108" + "08cd01" + "1800" + "18cd01"));
  t.same(one.body, { type: "error", code: "BAD_VERSION", detail: "", branch: "then", codes: ["OK", "BAD_VERSION"] });
});

const refused: readonly (readonly [what: string, bytes: string, message: RegExp])[] = [
  ["nothing", "", /source/],
  ["no body", "7200", /unknown txn/],
  ["a body that is not known", "7200aa0100", /unknown txn/],
  ["no source", "a20100", /source/],
  ["an effect that is not known", "72004a021200", /effect/],
  ["an error code that is not known", "72009201020801", /error code/],
  ["a branch that is not known", "72004a020802", /enum/],
];

for (const [what, bytes, message] of refused) {
  t.test(`refused: ${what}`, async (t) => {
    t.throws(() => decodeTxn(fromHex(bytes)), { name: "ProtocolError", message });
  });
}
