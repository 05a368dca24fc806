/** What ZooKeeper's clients send: byte vectors made with kazoo's serialiser, then every operation and refusal. */
import fc from "fast-check";
import t from "tap";
import { openAcl } from "../../src/model/acl.ts";
import { productionLimits } from "../../src/model/limits.ts";
import type { Request } from "../../src/model/request.ts";
import { Writer } from "../../src/wire/cursor.ts";
import { FrameDecoder } from "../../src/wire/frame.ts";
import { writeAcl, writeBoolean, writeBuffer, writeString, writeStrings } from "../../src/wire/jute.ts";
import { decodeZkConnect, decodeZkRequest, type ZkBody, type ZkRequest } from "../../src/wire/zookeeper-codec.ts";
import { acl, data, int32, path } from "./arbitraries.ts";
import { expectSame, fromHex } from "./compare.ts";

const zeros16 = "00".repeat(16);

/** The frame of a packet with its length. */
function unframe(text: string): Uint8Array {
  const decoder = new FrameDecoder(1 << 20);
  decoder.push(fromHex(text));
  const body = decoder.next();
  if (body === undefined) throw new Error("not a whole frame");
  return body;
}

function decode(text: string): ZkRequest {
  return decodeZkRequest(unframe(text), productionLimits);
}

/** A request with this body, xid 1. */
function packet(opcode: number, write: (w: Writer) => void = () => {}): Uint8Array {
  const w = new Writer(1_024);
  w.int32(1);
  w.int32(opcode);
  write(w);
  return w.finish();
}

function decodePacket(opcode: number, write?: (w: Writer) => void): ZkRequest {
  return decodeZkRequest(packet(opcode, write), productionLimits);
}

function expectRequest(t: Pick<typeof import("tap").t, "same">, found: ZkBody, wanted: Request): void {
  t.same(found, { type: "request", request: wanted });
}

t.test("connect, 45 bytes and 44", async (t) => {
  const fields = `00000000 0000000000000000 00002710 0000000000000000 00000010 ${zeros16}`;
  const wanted = {
    protocolVersion: 0,
    lastZxidSeen: 0,
    timeoutMs: 10_000,
    session: 0,
    password: new Uint8Array(16),
    readOnly: false,
  };
  t.same(decodeZkConnect(unframe(`0000002d ${fields} 00`)), { ...wanted, hasReadOnly: true });
  t.same(decodeZkConnect(unframe(`0000002d ${fields} 01`)), { ...wanted, readOnly: true, hasReadOnly: true });
  t.same(decodeZkConnect(unframe(`0000002c ${fields}`)), { ...wanted, hasReadOnly: false });
});

t.test("connect with what a session or zxid of ours cannot be", async (t) => {
  const connect = (zxid: string, session: string, password: string): unknown =>
    decodeZkConnect(fromHex(`00000000 ${zxid} ffffffff ${session} ${password}`));
  t.match(connect("0000000100000005", "0000000200000003", "ffffffff"), {
    lastZxidSeen: 0x1_0000_0005,
    session: 0x2_0000_0003,
    timeoutMs: 0,
    password: new Uint8Array(0),
  });
  t.match(connect("0020000000000000", "1000000000000001", "00000000"), { lastZxidSeen: "ahead", session: "unknown" });
  t.match(connect("ffffffffffffffff", "ffffffffffffffff", "00000000"), { lastZxidSeen: 0, session: "unknown" });
  t.match(connect("8000000000000000", "8000000000000000", "00000000"), { lastZxidSeen: 0, session: "unknown" });
  t.match(connect("001fffffffffffff", "001fffffffffffff", "00000000"), {
    lastZxidSeen: Number.MAX_SAFE_INTEGER,
    session: Number.MAX_SAFE_INTEGER,
  });
});

t.test("vectors", async (t) => {
  t.same(decode("00000008fffffffe0000000b"), { xid: -2, opcode: 11, path: "", opcodes: [], body: { type: "ping" } });
  t.same(decode("0000001dfffffffc00000064000000000000000664696765737400000003753a70"), {
    xid: -4,
    opcode: 100,
    path: "",
    opcodes: [],
    body: { type: "auth", scheme: "digest", credentials: fromHex("753a70") },
  });
  const create = decode(
    "000000320000000100000001000000022f610000000178000000010000001f00000005776f726c6400000006616e796f6e6500000003",
  );
  t.match(create, { xid: 1, opcode: 1 });
  expectRequest(t, create.body, {
    type: "create",
    path: "/a",
    data: fromHex("78"),
    kind: "ephemeral",
    sequential: true,
    ttlMs: 0,
    acl: openAcl,
  });
  const getData = decode("0000000f0000000200000004000000022f6101");
  t.match(getData, { xid: 2, opcode: 4 });
  expectRequest(t, getData.body, { type: "getData", path: "/a", watch: true });
  const multi = decode(
    "00000037000000040000000e0000000d00ffffffff000000022f61000000000000000200ffffffff000000022f61ffffffffffffffff01ffffffff",
  );
  t.match(multi, { xid: 4, opcode: 14, opcodes: [13, 2] });
  expectRequest(t, multi.body, {
    type: "multi",
    conditions: [],
    otherwise: undefined,
    then: [
      { type: "check", path: "/a", version: 0 },
      { type: "delete", path: "/a", version: -1 },
    ],
  });
  const setWatches = decode("00000027fffffff800000065000000010000000400000001000000022f610000000000000001000000012f");
  t.match(setWatches, { xid: -8, opcode: 101 });
  t.same(setWatches.body, {
    type: "request",
    request: {
      type: "setWatches",
      relativeZxid: 0x1_0000_0004,
      data: ["/a"],
      exist: [],
      child: ["/"],
      persistent: [],
      persistentRecursive: [],
    },
  });
  expectRequest(t, decode("00000011000000050000006a000000012f00000001").body, { type: "addWatch", path: "/", recursive: true });
  expectRequest(t, decode("0000000800000006fffffff5").body, { type: "closeSession" });
});

const unreadable = { type: "refused", outcome: { code: "MARSHALLING_ERROR", result: { type: "none" } } } as const;
/** What `prepare` refuses in its turn. */
const notValid = { type: "request", request: { kind: "ttl", ttlMs: 0 } } as const;

t.test("create in all its forms", async (t) => {
  const created = (opcode: number, flags: number, ttl?: string): ZkBody =>
    decodePacket(opcode, (w) => {
      writeString(w, "/a");
      writeBuffer(w, undefined);
      writeAcl(w, openAcl);
      w.int32(flags);
      if (ttl !== undefined) w.raw(fromHex(ttl));
    }).body;
  const kinds = [
    ["persistent", false],
    ["ephemeral", false],
    ["persistent", true],
    ["ephemeral", true],
    ["persistent", false],
  ] as const;
  for (const opcode of [1, 15, 19]) {
    for (const [flags, [plain, sequential]] of kinds.entries()) {
      const kind = opcode === 19 ? "container" : plain;
      t.match(created(opcode, flags), { type: "request", request: { kind, sequential, ttlMs: 0, data: undefined } });
    }
    for (const flags of [5, 6, 7, -1, 2 ** 31 - 1]) t.match(created(opcode, flags), notValid);
  }
  t.match(created(21, 5, "0000000000000001"), { type: "request", request: { kind: "ttl", sequential: false, ttlMs: 1 } });
  t.match(created(21, 6, "000000ffffffffff"), {
    type: "request",
    request: { kind: "ttl", sequential: true, ttlMs: 2 ** 40 - 1 },
  });
  for (const ttl of ["0000000000000000", "0000010000000000", "ffffffffffffffff", "7fffffffffffffff", "8000000000000000"]) {
    t.match(created(21, 5, ttl), notValid, ttl);
  }
  t.match(created(21, 0, "0000000000000000"), notValid);
  t.match(created(21, 0, "0000000000000001"), notValid);
  t.match(created(21, 0, "ffffffffffffffff"), { type: "request", request: { kind: "persistent", ttlMs: 0 } });
});

t.test("requests of one path", async (t) => {
  const onPath = (opcode: number): ZkRequest => decodePacket(opcode, (w) => writeString(w, "/a"));
  expectRequest(t, onPath(6).body, { type: "getAcl", path: "/a" });
  expectRequest(t, onPath(104).body, { type: "countSubtree", path: "/a" });
  expectRequest(t, onPath(103).body, { type: "getEphemerals", prefix: "/a" });
  t.same(onPath(9), {
    xid: 1,
    opcode: 9,
    path: "/a",
    opcodes: [],
    body: { type: "request", request: { type: "sync", path: "/a" } },
  });
  expectRequest(t, decodePacket(107).body, { type: "whoAmI" });
  expectRequest(t, decodePacket(103, (w) => w.int32(-1)).body, { type: "getEphemerals", prefix: "/" });
  for (const opcode of [6, 104]) t.match(decodePacket(opcode, (w) => w.int32(-1)).body, unreadable, "a null path");
});

t.test("reads keep their opcode", async (t) => {
  for (const [opcode, type] of [
    [3, "exists"],
    [4, "getData"],
    [8, "getChildren"],
    [12, "getChildren"],
  ] as const) {
    const found = decodePacket(opcode, (w) => {
      writeString(w, "/a");
      writeBoolean(w, false);
    });
    t.equal(found.opcode, opcode);
    expectRequest(t, found.body, { type, path: "/a", watch: false });
  }
});

t.test("writes of any content", async () => {
  fc.assert(
    fc.property(path, data, int32, acl, (path, data, version, acl) => {
      const set = decodePacket(5, (w) => {
        writeString(w, path);
        writeBuffer(w, data);
        w.int32(version);
      });
      expectSame(set.body, { type: "request", request: { type: "setData", path, data, version } });
      const setAcl = decodePacket(7, (w) => {
        writeString(w, path);
        writeAcl(w, acl);
        w.int32(version);
      });
      expectSame(setAcl.body, { type: "request", request: { type: "setAcl", path, acl, version } });
    }),
    { numRuns: 500 },
  );
});

t.test("setWatches2, and a zxid beyond what we have", async (t) => {
  const found = decodePacket(105, (w) => {
    w.raw(fromHex("7fffffffffffffff"));
    for (const list of [["/d"], ["/e"], ["/c"], ["/p"], ["/r"]]) writeStrings(w, list);
  });
  t.same(found.body, {
    type: "request",
    request: {
      type: "setWatches",
      relativeZxid: Number.MAX_SAFE_INTEGER,
      data: ["/d"],
      exist: ["/e"],
      child: ["/c"],
      persistent: ["/p"],
      persistentRecursive: ["/r"],
    },
  });
});

t.test("watcher types and modes", async (t) => {
  const onPath = (opcode: number, kind: number): ZkBody =>
    decodePacket(opcode, (w) => {
      writeString(w, "/a");
      w.int32(kind);
    }).body;
  for (const [i, kind] of (["children", "data", "any", "persistent", "persistentRecursive"] as const).entries()) {
    expectRequest(t, onPath(17, i + 1), { type: "checkWatches", path: "/a", kind });
    expectRequest(t, onPath(18, i + 1), { type: "removeWatches", path: "/a", kind });
  }
  expectRequest(t, onPath(106, 0), { type: "addWatch", path: "/a", recursive: false });
  for (const [opcode, kind] of [
    [17, 0],
    [17, 6],
    [18, -1],
    [106, 2],
    [106, -1],
  ] as const) {
    t.match(onPath(opcode, kind), unreadable);
  }
});

t.test("a count is refused before its elements are read", async (t) => {
  for (const count of ["7fffffff", "00000002", "fffffffe"]) {
    const bytes = packet(101, (w) => w.raw(fromHex(`0000000000000000 ${count} 00000000`)));
    t.match(decodeZkRequest(bytes, productionLimits).body, { type: "refused", outcome: { detail: /count/ } });
  }
});

t.test("reconfig: three texts that may be null, and a version", async (t) => {
  const bytes = packet(16, (w) => {
    writeString(w, "server.4=a:1:2;3");
    writeBuffer(w, undefined);
    writeString(w, "");
    w.int64(-1);
  });
  const asked = { joining: "server.4=a:1:2;3", leaving: undefined, members: "", configId: -1 };
  t.same(decodeZkRequest(bytes, productionLimits).body, { type: "reconfig", asked });
  t.match(decodePacket(16).body, { type: "refused", outcome: { code: "MARSHALLING_ERROR" } });
});

t.test("what is not served here", async (t) => {
  for (const opcode of [0, 10, 13, 20, 23, 71, 99, 108, 500, 600, -1, -10, -12])
    t.same(decodePacket(opcode).body, { type: "unknown" }, `${opcode}`);
  t.same(decodePacket(102, (w) => writeBuffer(w, Uint8Array.of(7))).body, { type: "sasl", token: Uint8Array.of(7) });
  t.same(decodePacket(102, (w) => writeBuffer(w, undefined)).body, { type: "sasl", token: new Uint8Array(0) });
});

// ---- multi

function multiPacket(opcode: number, operations: readonly (readonly [opcode: number, write: (w: Writer) => void])[]): ZkRequest {
  return decodePacket(opcode, (w) => {
    for (const [type, write] of [...operations]) {
      w.int32(type);
      writeBoolean(w, false);
      w.int32(-1);
      write(w);
    }
    w.int32(-1);
    writeBoolean(w, true);
    w.int32(-1);
  });
}

const createFlags =
  (flags: number) =>
  (w: Writer): void => {
    writeString(w, "/a");
    writeBuffer(w, undefined);
    writeAcl(w, openAcl);
    w.int32(flags);
  };
const pathAndInt = (w: Writer): void => {
  writeString(w, "/a");
  w.int32(1);
};
const pathAndFlag = (w: Writer): void => {
  writeString(w, "/a");
  writeBoolean(w, true);
};

t.test("a multi keeps its operations' opcodes", async (t) => {
  const found = multiPacket(14, [
    [19, createFlags(4)],
    [15, createFlags(0)],
    [1, createFlags(2)],
    [13, pathAndInt],
    [2, pathAndInt],
  ]);
  t.same(found.opcodes, [19, 15, 1, 13, 2]);
  t.match(found.body, { type: "request", request: { type: "multi", conditions: [], otherwise: undefined } });
  t.match(multiPacket(14, []).body, { type: "request", request: { then: [] } });
});

t.test("what a multi cannot hold fails it as a whole", async (t) => {
  for (const opcode of [3, 4, 7, 8, 9, 14, 16, 20, 22, 600]) {
    const found = multiPacket(14, [
      [2, pathAndInt],
      [opcode, pathAndInt],
    ]);
    t.match(found, { opcode: 14, body: { type: "refused", outcome: { code: "MARSHALLING_ERROR", result: { type: "none" } } } });
  }
  for (const opcode of [1, 2, 3, 12, 13]) {
    t.match(multiPacket(22, [[opcode, pathAndFlag]]).body, { type: "refused", outcome: { code: "MARSHALLING_ERROR" } });
  }
});

t.test("flags that an opcode does not have make a multi unreadable", async (t) => {
  for (const flags of [5, 6, 9, -1]) {
    const found = multiPacket(14, [
      [2, pathAndInt],
      [1, createFlags(flags)],
    ]);
    t.match(found.body, unreadable);
  }
});

t.test("a multi of too many operations", async (t) => {
  const many = (count: number) => new Array(count).fill([2, pathAndInt] as const);
  t.match(multiPacket(14, many(productionLimits.zookeeper_multi_operations_max)).body, { type: "request" });
  t.match(multiPacket(14, many(productionLimits.zookeeper_multi_operations_max + 1)).body, {
    type: "refused",
    outcome: { code: "LIMIT" },
  });
});

t.test("multiRead sets no watches", async (t) => {
  const found = multiPacket(22, [
    [4, pathAndFlag],
    [8, pathAndFlag],
  ]);
  t.same(found.opcodes, [4, 8]);
  t.same(found.body, {
    type: "request",
    request: {
      type: "multiRead",
      reads: [
        { type: "getData", path: "/a", watch: false },
        { type: "getChildren", path: "/a", watch: false },
      ],
    },
  });
});

// ---- text and damage

t.test("surrogates as Java writes them are joined; what is no text is replaced", async (t) => {
  const read = (bytes: string): string => {
    const text = fromHex(bytes);
    const body = decodePacket(9, (w) => writeBuffer(w, text)).body;
    return body.type === "request" && body.request.type === "sync" ? body.request.path : "";
  };
  t.equal(read("2f eda0bd edb880"), "/😀");
  t.equal(read("2f f09f9880"), "/😀");
  t.equal(read("2f eda0bd 61"), "/\ufffda");
  t.equal(read("2f edb880 eda0bd"), "/\ufffd\ufffd");
  t.equal(read("2f ff 61 c3"), "/\ufffda\ufffd");
  t.equal(read("2f e08080"), "/\ufffd\ufffd\ufffd");
});

const damaged: readonly (readonly [what: string, bytes: Uint8Array])[] = [
  ["nothing", new Uint8Array(0)],
  ["half a header", fromHex("00000001 0000")],
  ["a path cut off", packet(4, (w) => w.raw(fromHex("00000005 2f61")))],
  ["a path of negative length", packet(4, (w) => w.int32(-2))],
  ["a path of 2³¹−1 bytes", packet(4, (w) => w.int32(0x7fff_ffff))],
  ["no watch flag", packet(4, (w) => writeString(w, "/a"))],
  ["a vector of 2³¹−1", packet(101, (w) => w.raw(fromHex("0000000000000000 7fffffff")))],
  ["a vector of −2", packet(101, (w) => w.raw(fromHex("0000000000000000 fffffffe")))],
  [
    "an ACL with more entries than bytes",
    packet(7, (w) => {
      writeString(w, "/a");
      w.int32(3);
      w.raw(new Uint8Array(35));
    }),
  ],
  ["a multi without end", packet(14)],
  [
    "more strings than one request may hold",
    packet(101, (w) => {
      w.int64(0);
      w.int32(200_000);
      w.raw(new Uint8Array(800_008));
    }),
  ],
];

for (const [what, bytes] of damaged) {
  t.test(`refused: ${what}`, async (t) => {
    const decode = (): ZkRequest => decodeZkRequest(bytes, productionLimits);
    if (bytes.length < 8) t.throws(decode, { name: "ProtocolError" });
    else t.match(decode().body, unreadable);
  });
}

t.test("an authentication cut off ends the connection", async (t) => {
  const bytes = packet(100, (w) => w.raw(fromHex("00000000 00000006 6469")));
  t.throws(() => decodeZkRequest(bytes, productionLimits), { name: "ProtocolError" });
});

t.test("null credentials prove nothing", async (t) => {
  const auth = decodePacket(100, (w) => {
    w.int32(0);
    writeString(w, "digest");
    w.int32(-1);
  });
  t.match(auth.body, { type: "auth", scheme: "" });
});
