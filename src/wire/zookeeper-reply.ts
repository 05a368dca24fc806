/**
 * What ZooKeeper's clients are sent, each with its length. A reply is a header (xid, zxid, err) and,
 * when err is 0, a body whose form depends on the opcode. A failed multi has err 0 and its errors in
 * the body. Replies go out in the order of the requests; watch events before the replies that show
 * the change; pings and auth replies whenever they are ready.
 */

import type { AuthId } from "../model/acl.ts";
import { assert } from "../model/assert.ts";
import type { Outcome, Result } from "../model/request.ts";
import type { WatchEvent } from "../model/watch.ts";
import type { SessionId, Zxid } from "../model/zxid.ts";
import { Writer } from "./cursor.ts";
import { beginFrame, endFrame, writeAcl, writeBoolean, writeBuffer, writeStat, writeString, writeStrings } from "./jute.ts";
import { watchEventTypes } from "./stream-codec.ts";
import type { ZkReplyForm } from "./zookeeper-codec.ts";
import { zkErrorNumber } from "./zookeeper-errors.ts";

export interface ZkReply extends ZkReplyForm {
  /** As ZooKeeper has it: never beyond what this server has applied. 0 for refusals that never reached the tree. */
  readonly zxid: Zxid | 0;
  readonly outcome: Outcome;
}

const notificationXid = -1;
const pingXid = -2;
const syncConnected = 3;

// ---- connect

/** `readOnly`: undefined for clients that expect no such byte. */
export function encodeZkConnected(
  session: SessionId,
  timeoutMs: number,
  password: Uint8Array,
  readOnly: boolean | undefined,
): Uint8Array {
  return encodeConnect(session, timeoutMs, password, readOnly);
}

/** For a session that is unknown, ended, or offered with a wrong password; then close. */
export function encodeZkExpired(readOnly: boolean | undefined): Uint8Array {
  return encodeConnect(0, 0, new Uint8Array(16), readOnly);
}

function encodeConnect(
  session: SessionId | 0,
  timeoutMs: number,
  password: Uint8Array,
  readOnly: boolean | undefined,
): Uint8Array {
  const w = new Writer(64);
  const mark = beginFrame(w);
  w.int32(0);
  w.int32(timeoutMs);
  w.int64(session);
  writeBuffer(w, password);
  if (readOnly !== undefined) writeBoolean(w, readOnly);
  endFrame(w, mark);
  return w.finish();
}

// ---- without a body

export function encodeZkPing(w: Writer, zxid: Zxid): void {
  encodeHeaderOnly(w, pingXid, zxid, 0);
}

/** `xid`: −4 from every client there is. After a refusal the connection is closed. */
export function encodeZkAuth(w: Writer, xid: number, accepted: boolean): void {
  encodeHeaderOnly(w, xid, 0, accepted ? 0 : zkErrorNumber("AUTH_FAILED"));
}

/** The answer to a body of type `unknown`; the connection is closed after it. */
export function encodeZkUnimplemented(w: Writer, xid: number): void {
  encodeHeaderOnly(w, xid, -1, zkErrorNumber("UNIMPLEMENTED"));
}

function encodeHeaderOnly(w: Writer, xid: number, zxid: number, error: number): void {
  const mark = beginFrame(w);
  writeHeader(w, xid, zxid, error);
  endFrame(w, mark);
}

function writeHeader(w: Writer, xid: number, zxid: number, error: number): void {
  w.int32(xid);
  w.int64(zxid);
  w.int32(error);
}

export function encodeZkWatchEvent(w: Writer, event: WatchEvent): void {
  const mark = beginFrame(w);
  writeHeader(w, notificationXid, event.zxid, 0);
  w.int32(watchEventTypes.indexOf(event.type));
  w.int32(syncConnected);
  writeString(w, event.path);
  endFrame(w, mark);
}

// ---- replies

/**
 * A reply of more than `bytesMax` becomes MARSHALLING_ERROR: a client that gets more than its `jute.maxbuffer`
 * drops the connection and asks again, for ever.
 */
export function encodeZkReply(w: Writer, reply: ZkReply, bytesMax: number): void {
  const { result } = reply.outcome;
  const mark = beginFrame(w);
  const error = errorOf(reply.outcome);
  writeHeader(w, reply.xid, reply.zxid, error);
  if (error === 0) writeBody(w, reply, result);
  if (w.length - mark - lengthBytes > bytesMax) {
    w.cut(mark + lengthBytes);
    writeHeader(w, reply.xid, reply.zxid, zkErrorNumber("MARSHALLING_ERROR"));
  }
  endFrame(w, mark);
}

const lengthBytes = 4;

/** Of a read that was not even gathered, because no frame holds it, the error is the same as of one that a client's frame does not hold. */
function errorOf(outcome: Outcome): number {
  if (outcome.result.type === "multi") return 0;
  const tooLong = outcome.code === "LIMIT" && outcome.detail.startsWith("frame_bytes_max");
  return zkErrorNumber(tooLong ? "MARSHALLING_ERROR" : outcome.code);
}

function writeBody(w: Writer, reply: ZkReply, result: Result): void {
  switch (reply.opcode) {
    case 14:
      return writeMulti(w, reply.opcodes, reply.outcome);
    case 22:
      return writeMultiRead(w, reply.opcodes, result);
    case 9:
      return writeString(w, reply.path);
    case 102:
      return writeBuffer(w, reply.token);
    case 106:
      return w.int32(0);
    default:
      return writeResult(w, reply.opcode, result);
  }
}

function writeResult(w: Writer, opcode: number, result: Result): void {
  switch (result.type) {
    case "none":
      return;
    case "created":
      writeString(w, result.path);
      if (opcode !== 1) writeStat(w, result.stat);
      return;
    case "stat":
      return writeStat(w, result.stat);
    case "data":
      writeBuffer(w, result.data);
      return writeStat(w, result.stat);
    case "children":
      writeStrings(w, result.names);
      if (opcode !== 8) writeStat(w, result.stat);
      return;
    case "acl":
      writeAcl(w, result.acl);
      return writeStat(w, result.stat);
    case "paths":
      return writeStrings(w, result.paths);
    case "count":
      return w.int32(result.count);
    case "identities":
      return writeIdentities(w, result.identities);
    default:
      assert(false, "a result that the ZooKeeper port has no form for");
  }
}

/** Of a digest identity only the user's name is told, not the hash. */
function writeIdentities(w: Writer, identities: readonly AuthId[]): void {
  w.int32(identities.length);
  for (const { scheme, id } of identities) {
    const colon = scheme === "digest" ? id.indexOf(":") : -1;
    writeString(w, scheme);
    writeString(w, colon < 0 ? id : id.slice(0, colon));
  }
}

// ---- multi

const errorType = -1;

function writeMultiHeader(w: Writer, opcode: number, done: boolean, error: number): void {
  w.int32(opcode);
  writeBoolean(w, done);
  w.int32(error);
}

/** Before the failing operation of a failed multi stand errors too, with number 0. */
function writeError(w: Writer, error: number): void {
  writeMultiHeader(w, errorType, false, error);
  w.int32(error);
}

function writeMulti(w: Writer, opcodes: readonly number[], outcome: Outcome): void {
  assert(outcome.result.type === "multi", "a multi without its outcomes");
  const failed = outcome.code !== "OK";
  const outcomes = outcome.result.outcomes;
  assert(outcomes.length === opcodes.length, "as many outcomes as operations");
  for (const [i, one] of outcomes.entries()) {
    if (failed) writeError(w, zkErrorNumber(one.code));
    else writeSuccess(w, opcodes[i] as number, one.result);
  }
  writeMultiHeader(w, errorType, true, -1);
}

function writeMultiRead(w: Writer, opcodes: readonly number[], result: Result): void {
  assert(result.type === "multiRead" && result.outcomes.length === opcodes.length, "as many outcomes as reads");
  for (const [i, one] of result.outcomes.entries()) {
    if (one.code === "OK") writeSuccess(w, opcodes[i] as number, one.result);
    else writeError(w, zkErrorNumber(one.code));
  }
  writeMultiHeader(w, errorType, true, -1);
}

/** createContainer and createTTL answer as create2 does. */
function writeSuccess(w: Writer, opcode: number, result: Result): void {
  const type = opcode === 19 || opcode === 21 ? 15 : opcode;
  writeMultiHeader(w, type, false, 0);
  writeResult(w, type, result);
}
