/**
 * The native client protocol (proto/client.proto, subprotocol `zabra.v1`), both directions; servers,
 * the SDK and browsers use it. A WebSocket frame is a ClientFrame or a ServerFrame: one or more
 * messages, so that all messages of a turn share a frame. Writing a message appends one field to the
 * frame; `writer.finish()` is the frame.
 *
 * Bytes in decoded messages are views of the frame (see cursor.ts). A malformed frame throws
 * ProtocolError as a whole: none of its messages may be used.
 */
import { assertNever } from "../model/assert.ts";
import type { ClientMessage, ServerMessage } from "../model/client-message.ts";
import type { ErrorCode } from "../model/error.ts";
import { errorNumber } from "../model/error.ts";
import { operations } from "../model/operation.ts";
import type {
  CreateSessionRequest,
  Guard,
  Outcome,
  ReadLevel,
  RenewSessionRequest,
  RequestType,
  WriteRequest,
} from "../model/request.ts";
import { okOutcome } from "../model/request.ts";
import type { SessionId, Zxid } from "../model/zxid.ts";
import {
  append,
  decodeGuard,
  encodeGuards,
  noBytes,
  noGuards,
  noSession,
  noZxid,
  pick,
  readCode,
  readSession,
  readZxid,
} from "./common-codec.ts";
import { ProtocolError, Reader, type Writer } from "./cursor.ts";
import { decodeOutcome, encodeOutcome } from "./outcome-codec.ts";
import { decodeRead, encodeRead, type WireRead } from "./read-codec.ts";
import { decodeDelivery, decodeWatchEvent, encodeDelivery, encodeWatchEvent } from "./stream-codec.ts";
import { decodeWrite, encodeWrite } from "./write-codec.ts";

export { ProtocolError, Reader, Writer } from "./cursor.ts";
export type { WireAddAuth } from "./read-codec.ts";

/** What a client may ask. Sessions are made and renewed by `connect`; identities are made of credentials by the server. */
export type WireRequest = Exclude<WriteRequest, CreateSessionRequest | RenewSessionRequest> | WireRead;

export interface WireConnect {
  readonly type: "connect";
  /** 0: a new session. */
  readonly session: SessionId | 0;
  /** In clear; empty for a new session. */
  readonly password: Uint8Array;
  readonly timeoutMs: number;
  readonly lastZxid: Zxid;
  /** Name and version of the client library, for logs. */
  readonly clientVersion: string;
}

type ModelRequest = Extract<ClientMessage, { readonly type: "request" }>;
export type WireClientRequest = Omit<ModelRequest, "request"> & { readonly request: WireRequest };

export type ClientWireMessage = WireConnect | WireClientRequest | Extract<ClientMessage, { readonly type: "heartbeat" }>;

type ModelConnected = Extract<ServerMessage, { readonly type: "connected" }>;
export type WireConnected = ModelConnected & {
  /** To resume the session with. */
  readonly password: Uint8Array;
  readonly serverId: number;
};

export type ServerWireMessage = WireConnected | Exclude<ServerMessage, { readonly type: "connected" }>;

/** Bounds strings, byte fields and nested messages of a client's frame, and with them what one frame can make us allocate. */
const clientElementsMax = 131_072;

// ---- client → server

export function encodeClientMessage(w: Writer, message: ClientWireMessage): void {
  const mark = w.open(10, message.type === "request" ? sizeOf(message) + 4 : 0);
  switch (message.type) {
    case "connect":
      encodeConnect(w, message);
      break;
    case "request":
      encodeRequest(w, message);
      break;
    case "heartbeat":
      encodeHeartbeat(w, message.id);
      break;
    default:
      assertNever(message);
  }
  w.close(mark);
}

/** Near enough to write most lengths right at once. */
function sizeOf(message: WireClientRequest): number {
  const request = message.request;
  switch (request.type) {
    case "create":
      return 48 + request.path.length + (request.data === undefined ? 0 : request.data.length);
    case "setData":
      return 20 + request.path.length + (request.data === undefined ? 0 : request.data.length);
    case "multi":
      return 256;
    default:
      return 0;
  }
}

export function decodeClientFrame(bytes: Uint8Array, elementsMax: number = clientElementsMax): ClientWireMessage[] {
  const r = new Reader(bytes, elementsMax);
  const messages: ClientWireMessage[] = [];
  while (r.more()) {
    const tag = r.tag();
    if (tag === 10) messages.push(decodeClientMessage(r));
    else r.skip(tag);
  }
  return messages;
}

function decodeClientMessage(r: Reader): ClientWireMessage {
  const mark = r.enter();
  let message: ClientWireMessage | undefined;
  while (r.more()) {
    const tag = r.tag();
    switch (tag) {
      case 10:
        message = decodeConnect(r);
        break;
      case 18:
        message = decodeRequest(r);
        break;
      case 26:
        message = { type: "heartbeat", id: decodeId(r) };
        break;
      default:
        r.skip(tag);
    }
  }
  r.leave(mark);
  if (message === undefined) throw new ProtocolError("unknown client message");
  return message;
}

function encodeConnect(w: Writer, message: WireConnect): void {
  const mark = w.open(10);
  w.uint(8, message.session);
  w.bytes(18, message.password);
  w.uint(24, message.timeoutMs);
  w.uint(32, message.lastZxid);
  w.string(42, message.clientVersion);
  w.close(mark);
}

function decodeConnect(r: Reader): WireConnect {
  const mark = r.enter();
  let session = noSession;
  let password = noBytes;
  let timeoutMs = 0;
  let lastZxid = noZxid;
  let clientVersion = "";
  while (r.more()) {
    const tag = r.tag();
    switch (tag) {
      case 8:
        session = readSession(r);
        break;
      case 18:
        password = r.bytes();
        break;
      case 24:
        timeoutMs = r.uint();
        break;
      case 32:
        lastZxid = readZxid(r);
        break;
      case 42:
        clientVersion = r.string();
        break;
      default:
        r.skip(tag);
    }
  }
  r.leave(mark);
  return { type: "connect", session, password, timeoutMs, lastZxid, clientVersion };
}

function encodeRequest(w: Writer, message: WireClientRequest): void {
  const mark = w.open(18, sizeOf(message));
  w.uint(96, message.xid);
  w.uint(104, message.seq);
  w.uint(112, message.ackedSeq);
  w.uint(120, message.deadlineMs);
  encodeOperation(w, message.request);
  const level = message.level;
  w.uint(400, levelNumber(level.type));
  if (level.type === "atLeast") w.uint(408, level.zxid);
  encodeGuards(w, 418, message.guards);
  w.close(mark);
}

function encodeOperation(w: Writer, request: WireRequest): void {
  if (isWrite(request)) encodeWrite(w, request);
  else encodeRead(w, request);
}

function isWrite(request: WireRequest): request is Exclude<WireRequest, WireRead> {
  return operations[request.type].class === "write";
}

function decodeRequest(r: Reader): WireClientRequest {
  const mark = r.enter();
  let xid = 0;
  let seq = 0;
  let ackedSeq = 0;
  let deadlineMs = 0;
  let level: ReadLevel["type"] = "linearizable";
  let atLeast = noZxid;
  let guards: Guard[] | undefined;
  let request: WireRequest | undefined;
  while (r.more()) {
    const tag = r.tag();
    switch (tag) {
      case 96:
        xid = r.uint();
        break;
      case 104:
        seq = r.uint();
        break;
      case 112:
        ackedSeq = r.uint();
        break;
      case 120:
        deadlineMs = r.uint();
        break;
      case 400:
        level = pick(levels, r);
        break;
      case 408:
        atLeast = readZxid(r);
        break;
      case 418:
        guards = append(guards, decodeGuard(r));
        break;
      default: {
        const decoded = decodeOperation(r, tag);
        if (decoded === undefined) r.skip(tag);
        else request = decoded;
      }
    }
  }
  r.leave(mark);
  if (request === undefined) throw new ProtocolError("unknown operation");
  return {
    type: "request",
    xid,
    request,
    level: readLevel(level, atLeast),
    seq,
    ackedSeq,
    guards: guards ?? noGuards,
    deadlineMs,
  };
}

function decodeOperation(r: Reader, tag: number): WireRequest | undefined {
  const write = decodeWrite(r, tag);
  if (write === undefined) return decodeRead(r, tag);
  if (write.type === "createSession" || write.type === "renewSession") throw new ProtocolError("not a client's operation");
  return write;
}

// ---- read levels

const levels: readonly ReadLevel["type"][] = ["linearizable", "session", "atLeast"];
const linearizable: ReadLevel = { type: "linearizable" };
const session: ReadLevel = { type: "session" };

function levelNumber(level: ReadLevel["type"]): number {
  if (level === "linearizable") return 0;
  return level === "session" ? 1 : 2;
}

function readLevel(type: ReadLevel["type"], zxid: Zxid): ReadLevel {
  if (type === "linearizable") return linearizable;
  return type === "session" ? session : { type, zxid };
}

// ---- server → client

export function encodeServerMessage(w: Writer, message: ServerWireMessage): void {
  const data = message.type === "reply" && message.outcome.result.type === "data" ? message.outcome.result.data : undefined;
  const mark = w.open(10, data === undefined ? 0 : data.length + 80);
  switch (message.type) {
    case "connected":
      encodeConnected(w, message);
      break;
    case "refused":
      encodeRefused(w, message.code, message.detail);
      break;
    case "reply":
      encodeReply(w, message);
      break;
    case "watchEvent":
      encodeWatchEvent(w, 34, message.event);
      break;
    case "stream":
      encodeDelivery(w, 42, message.delivery);
      break;
    case "heartbeat":
      encodeServerHeartbeat(w, message);
      break;
    case "goaway":
      encodeGoaway(w, message.reason);
      break;
    default:
      assertNever(message);
  }
  w.close(mark);
}

export function decodeServerFrame(bytes: Uint8Array): ServerWireMessage[] {
  const r = new Reader(bytes);
  const messages: ServerWireMessage[] = [];
  while (r.more()) {
    const tag = r.tag();
    if (tag === 10) messages.push(decodeServerMessage(r));
    else r.skip(tag);
  }
  return messages;
}

function decodeServerMessage(r: Reader): ServerWireMessage {
  const mark = r.enter();
  let message: ServerWireMessage | undefined;
  while (r.more()) {
    const tag = r.tag();
    switch (tag) {
      case 10:
        message = decodeConnected(r);
        break;
      case 18:
        message = decodeRefused(r);
        break;
      case 26:
        message = decodeReply(r);
        break;
      case 34:
        message = { type: "watchEvent", event: decodeWatchEvent(r) };
        break;
      case 42:
        message = { type: "stream", delivery: decodeDelivery(r) };
        break;
      case 50:
        message = decodeServerHeartbeat(r);
        break;
      case 58:
        message = decodeGoaway(r);
        break;
      default:
        r.skip(tag);
    }
  }
  r.leave(mark);
  if (message === undefined) throw new ProtocolError("unknown server message");
  return message;
}

type ServerMessageOf<Type extends ServerWireMessage["type"]> = Extract<ServerWireMessage, { readonly type: Type }>;

function encodeConnected(w: Writer, message: WireConnected): void {
  const mark = w.open(10);
  w.uint(8, message.session);
  w.bool(16, message.resumed);
  w.uint(24, message.timeoutMs);
  w.uint(32, message.validForMs);
  w.uint(40, message.lastSeq);
  w.uint(48, message.ackedSeq);
  w.uint(56, message.zxid);
  w.bytes(66, message.password);
  w.uint(72, message.serverId);
  w.close(mark);
}

function decodeConnected(r: Reader): WireConnected {
  const mark = r.enter();
  let session = noSession;
  let resumed = false;
  let timeoutMs = 0;
  let validForMs = 0;
  let lastSeq = 0;
  let ackedSeq = 0;
  let zxid = noZxid;
  let password = noBytes;
  let serverId = 0;
  while (r.more()) {
    const tag = r.tag();
    switch (tag) {
      case 8:
        session = readSession(r);
        break;
      case 16:
        resumed = r.bool();
        break;
      case 24:
        timeoutMs = r.uint();
        break;
      case 32:
        validForMs = r.uint();
        break;
      case 40:
        lastSeq = r.uint();
        break;
      case 48:
        ackedSeq = r.uint();
        break;
      case 56:
        zxid = readZxid(r);
        break;
      case 66:
        password = r.bytes();
        break;
      case 72:
        serverId = r.uint();
        break;
      default:
        r.skip(tag);
    }
  }
  r.leave(mark);
  return { type: "connected", session, resumed, timeoutMs, validForMs, lastSeq, ackedSeq, zxid, password, serverId };
}

function encodeRefused(w: Writer, code: ErrorCode, detail: string): void {
  const mark = w.open(18);
  w.sint(8, errorNumber(code));
  w.string(18, detail);
  w.close(mark);
}

function decodeRefused(r: Reader): ServerWireMessage {
  const mark = r.enter();
  let code: ErrorCode = "OK";
  let detail = "";
  while (r.more()) {
    const tag = r.tag();
    if (tag === 8) code = readCode(r);
    else if (tag === 18) detail = r.string();
    else r.skip(tag);
  }
  r.leave(mark);
  return { type: "refused", code, detail };
}

function encodeReply(w: Writer, message: ServerMessageOf<"reply">): void {
  const outcome = message.outcome;
  const data = outcome.result.type === "data" ? outcome.result.data : undefined;
  const mark = w.open(26, data === undefined ? 0 : data.length + 72);
  w.uint(8, message.xid);
  w.uint(16, operations[message.requestType].number);
  w.uint(24, message.zxid);
  w.uint(32, levelNumber(message.level));
  if (outcome !== okOutcome) encodeOutcome(w, 42, outcome);
  w.close(mark);
}

function decodeReply(r: Reader): ServerMessageOf<"reply"> {
  const mark = r.enter();
  let xid = 0;
  let requestType: RequestType | undefined;
  let zxid = noZxid;
  let level: ReadLevel["type"] = "linearizable";
  let outcome: Outcome = okOutcome;
  while (r.more()) {
    const tag = r.tag();
    switch (tag) {
      case 8:
        xid = r.uint();
        break;
      case 16:
        requestType = pick(requestTypes, r);
        break;
      case 24:
        zxid = readZxid(r);
        break;
      case 32:
        level = pick(levels, r);
        break;
      case 42:
        outcome = decodeOutcome(r);
        break;
      default:
        r.skip(tag);
    }
  }
  r.leave(mark);
  if (requestType === undefined) throw new ProtocolError("a reply without operation");
  return { type: "reply", xid, requestType, zxid, outcome, level };
}

/** By operation number. */
const requestTypes: readonly (RequestType | undefined)[] = makeRequestTypes();

function makeRequestTypes(): (RequestType | undefined)[] {
  const types: (RequestType | undefined)[] = new Array(64).fill(undefined);
  for (const type of Object.keys(operations) as (keyof typeof operations)[]) {
    if (type !== "check") types[operations[type].number] = type;
  }
  return types;
}

// ---- heartbeats and goaway

function encodeHeartbeat(w: Writer, id: number): void {
  const mark = w.open(26);
  w.uint(8, id);
  w.close(mark);
}

function decodeId(r: Reader): number {
  const mark = r.enter();
  let id = 0;
  while (r.more()) {
    const tag = r.tag();
    if (tag === 8) id = r.uint();
    else r.skip(tag);
  }
  r.leave(mark);
  return id;
}

function encodeServerHeartbeat(w: Writer, message: ServerMessageOf<"heartbeat">): void {
  const mark = w.open(50);
  w.uint(8, message.id);
  w.uint(16, message.validForMs);
  w.uint(24, message.zxid);
  w.close(mark);
}

function decodeServerHeartbeat(r: Reader): ServerWireMessage {
  const mark = r.enter();
  let id = 0;
  let validForMs = 0;
  let zxid = noZxid;
  while (r.more()) {
    const tag = r.tag();
    switch (tag) {
      case 8:
        id = r.uint();
        break;
      case 16:
        validForMs = r.uint();
        break;
      case 24:
        zxid = readZxid(r);
        break;
      default:
        r.skip(tag);
    }
  }
  r.leave(mark);
  return { type: "heartbeat", id, validForMs, zxid };
}

function encodeGoaway(w: Writer, reason: string): void {
  const mark = w.open(58);
  w.string(10, reason);
  w.close(mark);
}

function decodeGoaway(r: Reader): ServerWireMessage {
  const mark = r.enter();
  let reason = "";
  while (r.more()) {
    const tag = r.tag();
    if (tag === 10) reason = r.string();
    else r.skip(tag);
  }
  r.leave(mark);
  return { type: "goaway", reason };
}
