/** What ZooKeeper's clients are sent: byte vectors that kazoo's serialiser reads, then each body by opcode. */
import t from "tap";
import { openAcl } from "../../src/model/acl.ts";
import { type ErrorCode, errorTable } from "../../src/model/error.ts";
import { failure, type Outcome, okOutcome, type Result, success } from "../../src/model/request.ts";
import type { Stat } from "../../src/model/stat.ts";
import type { SessionId, Zxid } from "../../src/model/zxid.ts";
import { Writer } from "../../src/wire/cursor.ts";
import { zkErrorNumber } from "../../src/wire/zookeeper-errors.ts";
import {
  encodeZkAuth,
  encodeZkConnected,
  encodeZkExpired,
  encodeZkPing,
  encodeZkReply,
  encodeZkUnimplemented,
  encodeZkWatchEvent,
} from "../../src/wire/zookeeper-reply.ts";
import { fromHex, hex } from "./compare.ts";

const stat: Stat = {
  czxid: 0x1_0000_0002 as Zxid,
  mzxid: 0x1_0000_0002 as Zxid,
  pzxid: 0x1_0000_0002 as Zxid,
  ctimeMs: 0x18bcfe56800,
  mtimeMs: 0x18bcfe56800,
  version: 0,
  cversion: 0,
  aversion: 0,
  ephemeralOwner: 0 as SessionId,
  dataLength: 1,
  numChildren: 0,
};
const statBytes =
  "0000000100000002 0000000100000002 0000018bcfe56800 0000018bcfe56800 00000000 00000000 00000000 0000000000000000 00000001 00000000 0000000100000002";

function written(write: (w: Writer) => void): string {
  const w = new Writer(256);
  write(w);
  return hex(w.finish());
}

function reply(xid: number, opcode: number, zxid: number, outcome: Outcome, opcodes: readonly number[] = [], path = ""): string {
  return written((w) => encodeZkReply(w, { xid, opcode, path, opcodes, zxid: zxid as Zxid, outcome }, 0xf_ffff));
}

/** The reply with this body, xid 1, zxid 2. */
function framed(body: string): string {
  const all = `00000001 0000000000000002 00000000 ${body}`.replaceAll(" ", "");
  return (all.length / 2).toString(16).padStart(8, "0") + all;
}

function body(t: Pick<typeof import("tap").t, "equal">, opcode: number, result: Result, wanted: string): void {
  t.equal(reply(1, opcode, 2, success(result)), framed(wanted), `opcode ${opcode}`);
}

t.test("vectors", async (t) => {
  const password = Uint8Array.from({ length: 16 }, (_, i) => i);
  t.equal(
    hex(encodeZkConnected(0x10_0000_0000_0001 as SessionId, 10_000, password, false)),
    "00000025 00000000 00002710 0010000000000001 00000010 000102030405060708090a0b0c0d0e0f 00".replaceAll(" ", ""),
  );
  t.equal(hex(encodeZkConnected(5 as SessionId, 10_000, password, undefined)).slice(0, 8), "00000024");
  t.equal(hex(encodeZkExpired(false)), `0000002500000000000000000000000000000000${"00000010"}${"00".repeat(17)}`);
  t.equal(hex(encodeZkExpired(undefined)), `0000002400000000000000000000000000000000${"00000010"}${"00".repeat(16)}`);
  t.equal(
    written((w) => encodeZkPing(w, 0x1_0000_0005 as Zxid)),
    "00000010fffffffe000000010000000500000000",
  );
  t.equal(
    reply(1, 1, 0x1_0000_0002, success({ type: "created", path: "/a0000000000", stat })),
    "00000020000000010000000100000002000000000000000c2f6130303030303030303030",
  );
  t.equal(
    reply(2, 4, 0x1_0000_0002, success({ type: "data", data: fromHex("78"), stat })),
    "00000059000000020000000100000002000000000000000178000000010000000200000001000000020000018bcfe568000000018bcfe56800000000000000000000000000000000000000000000000001000000000000000100000002",
  );
  t.equal(reply(3, 4, 0x1_0000_0002, failure("NO_NODE")), "00000010000000030000000100000002ffffff9b");
  t.equal(
    written((w) => encodeZkWatchEvent(w, { type: "nodeDataChanged", path: "/a", zxid: 0x1_0000_0003 as Zxid })),
    "0000001effffffff0000000100000003000000000000000300000003000000022f61",
  );
  t.equal(
    reply(4, 14, 0x1_0000_0004, success({ type: "multi", branch: "then", outcomes: [okOutcome, okOutcome] }), [13, 2]),
    "0000002b000000040000000100000004000000000000000d0000000000000000020000000000ffffffff01ffffffff",
  );
  const failed: Outcome = {
    code: "BAD_VERSION",
    detail: "",
    result: { type: "multi", branch: "then", outcomes: [failure("BAD_VERSION"), failure("RUNTIME_INCONSISTENCY")] },
  };
  t.equal(
    reply(4, 14, 0x1_0000_0004, failed, [13, 2]),
    "0000003300000004000000010000000400000000ffffffff00ffffff99ffffff99ffffffff00fffffffefffffffeffffffff01ffffffff",
  );
  t.equal(reply(5, 106, 0x1_0000_0004, okOutcome), "000000140000000500000001000000040000000000000000");
});

t.test("auth and the unknown operation", async (t) => {
  t.equal(
    written((w) => encodeZkAuth(w, -4, true)),
    "00000010fffffffc000000000000000000000000",
  );
  t.equal(
    written((w) => encodeZkAuth(w, -4, false)),
    "00000010fffffffc0000000000000000ffffff8d",
  );
  t.equal(
    written((w) => encodeZkUnimplemented(w, 7)),
    "0000001000000007fffffffffffffffffffffffa",
  );
});

t.test("watch events have ZooKeeper's numbers", async (t) => {
  for (const [i, type] of (["nodeCreated", "nodeDeleted", "nodeDataChanged", "nodeChildrenChanged"] as const).entries()) {
    const bytes = written((w) => encodeZkWatchEvent(w, { type, path: "/", zxid: 1 as Zxid }));
    t.equal(bytes.slice(40, 48), `0000000${i + 1}`);
  }
});

t.test("a body has the form of its opcode", async (t) => {
  const created: Result = { type: "created", path: "/a", stat };
  body(t, 1, created, "00000002 2f61");
  for (const opcode of [15, 19, 21]) body(t, opcode, created, `00000002 2f61 ${statBytes}`);
  for (const opcode of [3, 5, 7]) body(t, opcode, { type: "stat", stat }, statBytes);
  body(t, 4, { type: "data", data: undefined, stat }, `ffffffff ${statBytes}`);
  body(t, 4, { type: "data", data: new Uint8Array(0), stat }, `00000000 ${statBytes}`);
  const children: Result = { type: "children", names: ["a", "é"], stat };
  body(t, 8, children, "00000002 00000001 61 00000002 c3a9");
  body(t, 12, children, `00000002 00000001 61 00000002 c3a9 ${statBytes}`);
  body(t, 6, { type: "acl", acl: openAcl, stat }, `00000001 0000001f 00000005 776f726c64 00000006 616e796f6e65 ${statBytes}`);
  body(t, 103, { type: "paths", paths: ["/a"] }, "00000001 00000002 2f61");
  body(t, 104, { type: "count", count: 258 }, "00000102");
  for (const opcode of [2, 17, 18, 101, 105, -11]) body(t, opcode, { type: "none" }, "");
  t.equal(reply(1, 9, 2, okOutcome, [], "/a"), framed("00000002 2f61"));
});

t.test("whoAmI tells the user of a digest, not the hash", async (t) => {
  const identities = [
    { scheme: "digest", id: "u:hash" },
    { scheme: "ip", id: "::1" },
  ];
  body(t, 107, { type: "identities", identities }, "00000002 00000006 646967657374 00000001 75 00000002 6970 00000003 3a3a31");
});

t.test("a version and cversion that wrapped", async (t) => {
  const wrapped = { ...stat, version: -(2 ** 31), cversion: -1 };
  t.match(reply(1, 3, 2, success({ type: "stat", stat: wrapped })), /80000000ffffffff00000000/);
});

t.test("a failed multi's operations before the failing one are errors 0", async (t) => {
  const outcome: Outcome = {
    code: "NODE_EXISTS",
    detail: "",
    result: { type: "multi", branch: "then", outcomes: [okOutcome, failure("NODE_EXISTS")] },
  };
  t.equal(
    reply(1, 14, 2, outcome, [1, 1]),
    framed("ffffffff 00 00000000 00000000 ffffffff 00 ffffff92 ffffff92 ffffffff 01 ffffffff"),
  );
});

t.test("a multi that never reached prepare fails in the header", async (t) => {
  t.equal(reply(1, 14, 2, failure("SESSION_EXPIRED"), [1, 1]), "0000001000000001" + "0000000000000002" + "ffffff90");
});

t.test("a multi's results are typed by their opcodes, creates with a Stat as create2", async (t) => {
  const created = success({ type: "created", path: "/a", stat });
  const outcomes = [created, created, created, created, success({ type: "stat", stat }), okOutcome, okOutcome];
  const withStat = `0000000f 00 00000000 00000002 2f61 ${statBytes}`;
  t.equal(
    reply(1, 14, 2, success({ type: "multi", branch: "then", outcomes }), [1, 15, 19, 21, 5, 13, 2]),
    framed(
      `00000001 00 00000000 00000002 2f61 ${withStat} ${withStat} ${withStat}
      00000005 00 00000000 ${statBytes} 0000000d 00 00000000 00000002 00 00000000 ffffffff 01 ffffffff`.replaceAll("\n", ""),
    ),
  );
  t.equal(reply(1, 14, 2, success({ type: "multi", branch: "then", outcomes: [] })), framed("ffffffff 01 ffffffff"));
});

t.test("each read of a multiRead succeeds or fails by itself", async (t) => {
  const outcomes = [
    success({ type: "data", data: fromHex("78"), stat }),
    failure("NO_NODE"),
    success({ type: "children", names: ["b"], stat }),
  ];
  t.equal(
    reply(1, 22, 2, success({ type: "multiRead", outcomes, zxid: 2 as Zxid }), [4, 8, 8]),
    framed(
      `00000004 00 00000000 00000001 78 ${statBytes} ffffffff 00 ffffff9b ffffff9b 00000008 00 00000000 00000001 00000001 62 ffffffff 01 ffffffff`,
    ),
  );
});

t.test("every code has a number that ZooKeeper's clients know", async (t) => {
  const known = new Set([
    0, -1, -2, -3, -4, -5, -6, -7, -8, -13, -14, -100, -101, -102, -103, -108, -110, -111, -112, -113, -114, -115, -118, -119,
    -120, -121, -122, -123, -124, -125, -127,
  ]);
  for (const code of Object.keys(errorTable) as ErrorCode[]) t.ok(known.has(zkErrorNumber(code)), code);
  t.equal(zkErrorNumber("LIMIT"), -8);
  t.equal(zkErrorNumber("OVERLOADED"), -127);
  t.equal(zkErrorNumber("NO_QUORUM"), -7);
});

t.test("several packets in one writer", async (t) => {
  const bytes = written((w) => {
    encodeZkPing(w, 1 as Zxid);
    encodeZkReply(w, { xid: 9, opcode: 2, path: "", opcodes: [], zxid: 2 as Zxid, outcome: okOutcome }, 1_000);
  });
  t.equal(bytes, "00000010fffffffe000000000000000100000000" + "0000001000000009000000000000000200000000");
});

t.test("a reply over the client's limit is an error in its place, and the writer goes on behind it", async (t) => {
  const outcome = success({ type: "data", data: new Uint8Array(100), stat });
  const whole = { xid: 9, opcode: 4, path: "", opcodes: [], zxid: 2 as Zxid, outcome };
  t.equal(written((w) => encodeZkReply(w, whole, 188)).length, 2 * 192, "header 16, data 104, Stat 68");
  const bytes = written((w) => {
    encodeZkReply(w, whole, 187);
    encodeZkPing(w, 1 as Zxid);
  });
  t.equal(bytes, "00000010000000090000000000000002fffffffb" + "00000010fffffffe000000000000000100000000");
  const tooLong = failure("LIMIT", "frame_bytes_max is 1");
  t.equal(reply(9, 8, 2, tooLong), "00000010000000090000000000000002fffffffb", "nor was it gathered");
});

t.test("a result of another operation is our own error", async (t) => {
  t.throws(() => reply(1, 14, 2, okOutcome), { name: "InvariantError" });
  t.throws(() => reply(1, 4, 2, success({ type: "session", session: 1 as SessionId })), { name: "InvariantError" });
});
