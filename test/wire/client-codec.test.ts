import fc from "fast-check";
import t from "tap";
import { okOutcome } from "../../src/model/request.ts";
import type { SessionId, Zxid } from "../../src/model/zxid.ts";
import {
  type ClientWireMessage,
  decodeClientFrame,
  decodeServerFrame,
  encodeClientMessage,
  encodeServerMessage,
  type ServerWireMessage,
  Writer,
} from "../../src/wire/client-codec.ts";
import { noZxid } from "../../src/wire/common-codec.ts";
import { clientMessage, serverMessage } from "./arbitraries.ts";
import { expectSame, fromHex, hex } from "./compare.ts";

function clientFrame(messages: readonly ClientWireMessage[]): Uint8Array {
  const writer = new Writer();
  for (const message of messages) encodeClientMessage(writer, message);
  return writer.finish();
}

function serverFrame(messages: readonly ServerWireMessage[]): Uint8Array {
  const writer = new Writer();
  for (const message of messages) encodeServerMessage(writer, message);
  return writer.finish();
}

const setData: ClientWireMessage = {
  type: "request",
  xid: 3,
  request: { type: "setData", path: "/a", data: Uint8Array.of(120), version: -1 },
  level: { type: "linearizable" },
  seq: 2,
  ackedSeq: 1,
  guards: [{ path: "/l", czxid: 5 as Zxid }],
  deadlineMs: 0,
};

t.test("a set's bytes are as proto/client.proto says", async (t) => {
  const expected =
    "0a1c" +
    "121a" +
    "6003" +
    "6802" +
    "7001" + // message, request; xid, seq, ackedSeq
    "1a09" +
    "0a022f61" +
    "120178" +
    "1801" + // setData: path, data, version −1 as zigzag
    "a20306" +
    "0a022f6c" +
    "1005"; // guard
  t.equal(hex(clientFrame([setData])), expected);
  expectSame(decodeClientFrame(fromHex(expected)), [setData]);
});

t.test("a reply's bytes are as proto/client.proto says", async (t) => {
  const reply: ServerWireMessage = {
    type: "reply",
    xid: 1,
    requestType: "getData",
    zxid: 0x1_0000_0002 as Zxid,
    level: "session",
    outcome: {
      code: "OK",
      detail: "",
      result: {
        type: "data",
        data: Uint8Array.of(120),
        stat: {
          czxid: 2 as Zxid,
          mzxid: 3 as Zxid,
          pzxid: 2 as Zxid,
          ctimeMs: 9,
          mtimeMs: 9,
          version: 1,
          cversion: 0,
          aversion: 0,
          ephemeralOwner: 0 as SessionId,
          dataLength: 1,
          numChildren: 0,
        },
      },
    },
  };
  const expected =
    "0a21" +
    "1a1f" +
    "0801" +
    "1015" +
    "188280808010" +
    "2001" + // xid, getData, zxid, level
    "2a11" +
    "2a0f" +
    "0a0178" + // outcome, data result, data
    "120a" +
    "0802" +
    "1003" +
    "2009" +
    "3002" +
    "5001"; // czxid, mzxid, ctime, version, length
  t.equal(hex(serverFrame([reply])), expected);
  expectSame(decodeServerFrame(fromHex(expected)), [reply]);
});

t.test("every client message survives the way there", async () => {
  fc.assert(
    fc.property(fc.array(clientMessage, { maxLength: 4 }), (messages) => {
      expectSame(decodeClientFrame(clientFrame(messages)), messages);
    }),
    { numRuns: 2_000 },
  );
});

t.test("every server message survives the way there", async () => {
  fc.assert(
    fc.property(fc.array(serverMessage, { maxLength: 4 }), (messages) => {
      expectSame(decodeServerFrame(serverFrame(messages)), messages);
    }),
    { numRuns: 2_000 },
  );
});

t.test("one writer makes frame after frame, and does not touch those before", async (t) => {
  const writer = new Writer(256);
  const frames: Uint8Array[] = [];
  for (let id = 1; id <= 100; id += 1) {
    encodeServerMessage(writer, { type: "goaway", reason: "x".repeat(id * 3) });
    frames.push(writer.finish());
  }
  for (const [i, frame] of frames.entries()) {
    t.same(decodeServerFrame(frame), [{ type: "goaway", reason: "x".repeat((i + 1) * 3) }]);
  }
});

t.test("reset forgets the frame begun, not those finished", async (t) => {
  const writer = new Writer();
  encodeServerMessage(writer, { type: "goaway", reason: "first" });
  const first = writer.finish();
  encodeServerMessage(writer, { type: "goaway", reason: "never sent" });
  writer.reset();
  encodeServerMessage(writer, { type: "goaway", reason: "second" });
  t.equal(writer.length, writer.view().length);
  t.same(decodeServerFrame(writer.finish()), [{ type: "goaway", reason: "second" }]);
  t.same(decodeServerFrame(first), [{ type: "goaway", reason: "first" }]);
});

t.test("data is a view of the frame", async (t) => {
  const frame = clientFrame([setData]);
  const [message] = decodeClientFrame(frame);
  const request = message?.type === "request" ? message.request : undefined;
  t.equal(request?.type === "setData" ? request.data?.buffer : undefined, frame.buffer);
});

t.test("an outcome that says nothing is the shared one", async (t) => {
  const [reply] = decodeServerFrame(
    serverFrame([{ type: "reply", xid: 1, requestType: "delete", zxid: noZxid, outcome: okOutcome, level: "linearizable" }]),
  );
  t.equal(reply?.type === "reply" ? reply.outcome : undefined, okOutcome);
});

t.test("null data and empty data differ", async (t) => {
  for (const data of [undefined, new Uint8Array(0)]) {
    const [message] = decodeClientFrame(
      clientFrame([{ ...setData, request: { type: "setData", path: "/a", data, version: 0 } }]),
    );
    t.same(message?.type === "request" ? message.request : undefined, { type: "setData", path: "/a", data, version: 0 });
  }
});

/** A length-delimited field. */
function field(tag: string, ...bodies: string[]): string {
  const body = bodies.join("");
  return `${tag}${(body.length / 2).toString(16).padStart(2, "0")}${body}`;
}

t.test("unknown fields of every wire type are skipped, at every depth", async (t) => {
  const unknown = "f80701" + "f9070102030405060708" + "fa0703616263" + "fd0701020304"; // field 127
  const bytes = unknown + field("0a", unknown, field("1a", unknown, "0805", unknown));
  t.same(decodeClientFrame(fromHex(bytes)), [{ type: "heartbeat", id: 5 }]);
});

t.test("of a field that comes twice the last counts", async (t) => {
  t.same(decodeClientFrame(fromHex("0a061a0408050807")), [{ type: "heartbeat", id: 7 }]);
});

const whoAmI = "e20100";
const getData = (...fields: string[]): string => field("0a", field("12", field("aa01", ...fields)));
const heartbeat = (...fields: string[]): string => field("0a", field("1a", ...fields));

const refused: readonly (readonly [what: string, bytes: string, message: RegExp])[] = [
  ["a message that is not known", field("0a"), /unknown client message/],
  ["a message that is not known, with a field", field("0a", "ba030101"), /unknown client message/],
  ["an operation that is not known", field("0a", field("12", "6001", field("fa04"))), /unknown operation/],
  ["createSession", field("0a", field("12", field("42", "080a"))), /not a client's/],
  ["renewSession", field("0a", field("12", field("4a", "080a"))), /not a client's/],
  ["a group", "0b0c", /wire type/],
  ["field number 0", "0000", /field number 0/],
  ["a length beyond the frame", "0a7f", /cut off/],
  ["a length of 2³¹", "0a8080808008", /cut off/],
  ["a length beyond 32 bits", "0a8080808080808001", /beyond 32 bits/],
  ["a nested length beyond its parent", `${field("0a", "1a04", "0805")}0000`, /cut off/],
  ["a varint cut off", heartbeat("0880"), /cut off/],
  ["a varint of eleven bytes", heartbeat("088080808080808080808001"), /more than ten bytes/],
  ["an unknown varint of eleven bytes", heartbeat("108080808080808080808001"), /more than ten bytes/],
  ["a number beyond 2⁵³, in bit 63", heartbeat("0880808080808080808001"), /beyond 53 bits/],
  ["a number beyond 2⁵³, in bit 53", heartbeat("088080808080808010"), /beyond 53 bits/],
  ["bad UTF-8", getData("0a0161", "0a01ff"), /UTF-8/],
  ["overlong UTF-8", getData("0a02c0af"), /UTF-8/],
  ["a surrogate", getData("0a03eda080"), /UTF-8/],
  ["UTF-8 cut off", getData("0a02e282"), /UTF-8/],
  ["a code point beyond Unicode", getData("0a04f4908080"), /UTF-8/],
  ["an enum value that is not known", field("0a", field("12", whoAmI, "900309")), /enum/],
  ["an operation of a multi that is not known", field("0a", field("12", field("2a", field("12")))), /in a multi/],
  ["a condition that is not known", field("0a", field("12", field("2a", field("0a", "0a0161")))), /condition/],
  ["a read of a multiRead that is not known", field("0a", field("12", field("ca01", field("0a")))), /in a multiRead/],
  ["a missing watcher type", field("0a", field("12", field("e202", "0a0161"))), /watcher type/],
];

for (const [what, bytes, message] of refused) {
  t.test(`refused: ${what}`, async (t) => {
    t.throws(() => decodeClientFrame(fromHex(bytes)), { name: "ProtocolError", message });
  });
}

t.test("a number may be written longer than it needs", async (t) => {
  t.same(decodeClientFrame(fromHex(heartbeat("0885808080808080808000"))), [{ type: "heartbeat", id: 5 }]);
});

t.test("the largest safe integer passes, one more does not", async (t) => {
  t.same(decodeClientFrame(fromHex(heartbeat("08ffffffffffffff0f"))), [{ type: "heartbeat", id: Number.MAX_SAFE_INTEGER }]);
  t.throws(() => decodeClientFrame(fromHex(heartbeat("088080808080808010"))), { name: "ProtocolError" });
});

t.test("nesting is limited", async (t) => {
  // Outcome → multi → outcomes → …: each level wraps the last in fields 9 and 2.
  let bytes = Uint8Array.of();
  for (let i = 0; i < 12; i += 1) {
    const inner = Uint8Array.of(0x12, bytes.length, ...bytes);
    bytes = Uint8Array.of(0x4a, inner.length, ...inner);
  }
  const reply = Uint8Array.of(0x10, 5, 0x2a, bytes.length, ...bytes);
  t.throws(() => decodeServerFrame(Uint8Array.of(0x0a, reply.length + 2, 0x1a, reply.length, ...reply)), {
    name: "ProtocolError",
    message: /deep/,
  });
});

t.test("the elements of a client's frame are limited", async (t) => {
  const paths = new Uint8Array(2 * 200_000);
  for (let i = 0; i < paths.length; i += 2) paths[i] = 0x12; // setWatches.data = ""
  const writer = new Writer();
  const message = writer.open(0x0a);
  const request = writer.open(0x12);
  const setWatches = writer.open(370);
  writer.raw(paths);
  writer.close(setWatches);
  writer.close(request);
  writer.close(message);
  t.throws(() => decodeClientFrame(writer.finish()), { name: "ProtocolError", message: /elements/ });
});

t.test("what the wire cannot carry is our own error", async (t) => {
  const writer = new Writer();
  for (const id of [-1, 0.5, Number.NaN, 2 ** 53]) {
    t.throws(() => encodeClientMessage(writer, { type: "heartbeat", id }), { name: "InvariantError" });
    writer.reset();
  }
  t.throws(() => encodeClientMessage(writer, { ...setData, request: { type: "delete", path: "/", version: 2 ** 31 } }), {
    name: "InvariantError",
  });
});
