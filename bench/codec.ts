/**
 * Codecs of the hot messages, in one process: operations a second of CPU time (garbage collection
 * included, other load on the machine not) and bytes a message.
 * `npx tsx bench/codec.ts [seconds per figure]`. A set has a path of 21 bytes and 100 bytes of data.
 * A batch of frames is decoded in turn, so that the input is not one constant.
 */

import { productionLimits } from "../src/model/limits.ts";
import { okOutcome, type ReadLevel, success } from "../src/model/request.ts";
import type { Stat } from "../src/model/stat.ts";
import type { Epoch, SessionId, Zxid } from "../src/model/zxid.ts";
import type { Txn } from "../src/tree/txn.ts";
import {
  type ClientWireMessage,
  decodeClientFrame,
  decodeServerFrame,
  encodeClientMessage,
  encodeServerMessage,
  type ServerWireMessage,
  Writer,
} from "../src/wire/client-codec.ts";
import { FrameDecoder, frameHeader } from "../src/wire/frame.ts";
import { decodePeer, encodePeer } from "../src/wire/peer-codec.ts";
import { decodeTxn, encodeTxn } from "../src/wire/txn-codec.ts";
import { decodeZkRequest } from "../src/wire/zookeeper-codec.ts";
import { encodeZkReply } from "../src/wire/zookeeper-reply.ts";
import type { PeerMessage } from "../src/zab/message.ts";

const seconds = Number(process.argv[2] ?? 0.5);
const batch = 256;
const baseZxid = 3 * 0x1_0000_0000 + 1_000_000;
const nowMs = Date.now();

function pathOf(i: number): string {
  return `/app/nodes/node-${String(i).padStart(5, "0")}`;
}

function dataOf(i: number): Uint8Array {
  return new Uint8Array(100).fill(i & 0xff);
}

function statOf(i: number): Stat {
  return {
    czxid: (baseZxid - 5_000) as Zxid,
    mzxid: (baseZxid + i) as Zxid,
    pzxid: (baseZxid - 5_000) as Zxid,
    ctimeMs: nowMs - 60_000,
    mtimeMs: nowMs,
    version: i,
    cversion: 0,
    aversion: 0,
    ephemeralOwner: 0 as SessionId,
    dataLength: 100,
    numChildren: 0,
  };
}

function range<T>(make: (i: number) => T): T[] {
  return Array.from({ length: batch }, (_, i) => make(i));
}

let sink: unknown;

function cpuSeconds(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
}

/** Runs `operate` on each value in turn, for a while after a warm-up; prints what it achieved. */
function measure<T>(what: string, values: readonly T[], operate: (value: T) => unknown, bytes: number): void {
  const run = (forSeconds: number): number => {
    const start = cpuSeconds();
    let rounds = 0;
    let took = 0;
    while (took < forSeconds) {
      for (let i = 0; i < 10; i += 1) for (const value of values) sink = operate(value);
      rounds += 10 * values.length;
      took = cpuSeconds() - start;
    }
    return rounds / took;
  };
  run(seconds / 2);
  const rate = run(seconds);
  console.log(`${what.padEnd(34)} ${(rate / 1e6).toFixed(2).padStart(6)} M/s   ${String(bytes).padStart(4)} bytes`);
}

function both<T>(
  what: string,
  values: readonly T[],
  encode: (value: T) => Uint8Array,
  decode: (bytes: Uint8Array) => unknown,
): void {
  const encoded = values.map(encode);
  const bytes = encoded[0]?.length ?? 0;
  measure(`${what}: encode`, values, encode, bytes);
  measure(`${what}: decode`, encoded, decode, bytes);
}

// ---- native

const writer = new Writer();

function encodeClient(message: ClientWireMessage): Uint8Array {
  encodeClientMessage(writer, message);
  return writer.finish();
}

function encodeServer(message: ServerWireMessage): Uint8Array {
  encodeServerMessage(writer, message);
  return writer.finish();
}

// As literals: objects made by spreading another have a slower form, and would be what is measured.
const level: ReadLevel = { type: "linearizable" };
const sets = range(
  (i): ClientWireMessage => ({
    type: "request",
    xid: 10_000 + i,
    request: { type: "setData", path: pathOf(i), data: dataOf(i), version: -1 },
    level,
    seq: 5_000 + i,
    ackedSeq: 4_990 + i,
    guards: [],
    deadlineMs: 5_000,
  }),
);
const gets = range(
  (i): ClientWireMessage => ({
    type: "request",
    xid: 10_000 + i,
    request: { type: "getData", path: pathOf(i), watch: false },
    level,
    seq: 0,
    ackedSeq: 0,
    guards: [],
    deadlineMs: 5_000,
  }),
);
const setReplies = range(
  (i): ServerWireMessage => ({
    type: "reply",
    xid: 10_000 + i,
    requestType: "setData",
    zxid: (baseZxid + i) as Zxid,
    level: "linearizable",
    outcome: success({ type: "stat", stat: statOf(i) }),
  }),
);
const getReplies = range(
  (i): ServerWireMessage => ({
    type: "reply",
    xid: 10_000 + i,
    requestType: "getData",
    zxid: (baseZxid + i) as Zxid,
    level: "linearizable",
    outcome: success({ type: "data", data: dataOf(i), stat: statOf(i) }),
  }),
);
const deleteReplies = range(
  (i): ServerWireMessage => ({
    type: "reply",
    xid: 10_000 + i,
    requestType: "delete",
    zxid: (baseZxid + i) as Zxid,
    level: "linearizable",
    outcome: okOutcome,
  }),
);
const heartbeats = range(
  (i): ServerWireMessage => ({ type: "heartbeat", id: i, validForMs: 9_801, zxid: (baseZxid + i) as Zxid }),
);

both("set request", sets, encodeClient, decodeClientFrame);
both("get request", gets, encodeClient, decodeClientFrame);
both("set reply", setReplies, encodeServer, decodeServerFrame);
both("get reply", getReplies, encodeServer, decodeServerFrame);
both("delete reply", deleteReplies, encodeServer, decodeServerFrame);
both("heartbeat reply", heartbeats, encodeServer, decodeServerFrame);

// ---- txns and peers

const txns = range(
  (i): Txn => ({
    zxid: (baseZxid + i) as Zxid,
    wallMs: nowMs,
    stampMs: 86_400_000 + i,
    source: { type: "session", session: (baseZxid - 9_000) as SessionId, seq: 5_000 + i, ackedSeq: 4_990 + i },
    body: { type: "setData", path: pathOf(i), data: dataOf(i), stat: statOf(i), acl: 1 },
  }),
);
both("txn of a set", txns, encodeTxn, decodeTxn);

const epoch = 3 as Epoch;
const acks = range((i): PeerMessage => ({ type: "ack", epoch, zxid: (baseZxid + i) as Zxid, newLeader: false }));
const commits = range((i): PeerMessage => ({ type: "commit", epoch, zxid: (baseZxid + i) as Zxid }));
const beats = range((i): PeerMessage => ({ type: "heartbeat", epoch, id: 100_000 + i }));
const payloads = txns.map(encodeTxn);
const proposals = range(
  (i): PeerMessage => ({
    type: "proposal",
    epoch,
    prev: (baseZxid + i) as Zxid,
    entries: payloads.slice(0, 32).map((payload, k) => ({ zxid: (baseZxid + i + 1 + k) as Zxid, payload })),
  }),
);
const forwards = range(
  (i): PeerMessage => ({
    type: "forward",
    writes: [
      {
        connection: 7,
        generation: 3 * 0x1_0000_0000 + i,
        write: {
          source: { type: "session", session: (baseZxid - 9_000) as SessionId, seq: 5_000 + i, ackedSeq: 4_990 + i },
          guards: [],
          request: { type: "setData", path: pathOf(i), data: dataOf(i), version: -1 },
          identities: [
            { scheme: "world", id: "anyone" },
            { scheme: "ip", id: "127.0.0.1" },
          ],
        },
      },
    ],
  }),
);
both("ack", acks, encodePeer, decodePeer);
both("commit", commits, encodePeer, decodePeer);
both("heartbeat", beats, encodePeer, decodePeer);
both("proposal of 32 sets", proposals, encodePeer, decodePeer);
both("forward of one set", forwards, encodePeer, decodePeer);

// ---- ZooKeeper

function zkSet(i: number): Uint8Array {
  const path = pathOf(i);
  writer.int32(i + 1);
  writer.int32(5);
  writer.int32(path.length);
  writer.text(path);
  writer.int32(100);
  writer.raw(dataOf(i));
  writer.int32(-1);
  return writer.finish();
}

const zkSets = range(zkSet);
measure("ZooKeeper set: decode", zkSets, (bytes) => decodeZkRequest(bytes, productionLimits), zkSets[0]?.length ?? 0);
const zkReplies = range((i) => ({
  xid: i + 1,
  opcode: 5,
  path: "",
  opcodes: [],
  zxid: (baseZxid + i) as Zxid,
  outcome: success({ type: "stat", stat: statOf(i) }),
}));
measure(
  "ZooKeeper set reply: encode",
  zkReplies,
  (reply) => {
    encodeZkReply(writer, reply, 0xf_ffff);
    return writer.finish();
  },
  88,
);

// ---- frames

const chunk = Buffer.concat(range((i) => Buffer.concat([frameHeader(150), new Uint8Array(150).fill(i)])));
const decoder = new FrameDecoder(1 << 20);
measure(
  `frames of 150 bytes, ${batch} a chunk`,
  [chunk],
  (bytes) => {
    decoder.push(bytes);
    let frames = 0;
    while (decoder.next() !== undefined) frames += 1;
    return frames;
  },
  chunk.length,
);

if (sink === "never") console.log(sink);
