/** Peer messages about clients: forwarded writes, refusals, confirmations, sessions and where they are connected. */
import type { AuthId } from "../model/acl.ts";
import { assertNever } from "../model/assert.ts";
import { type ErrorCode, errorNumber } from "../model/error.ts";
import type { Guard, TxnSource, Write, WriteRequest } from "../model/request.ts";
import type { SessionId } from "../model/zxid.ts";
import type {
  ConfirmedMessage,
  ConfirmMessage,
  ForwardedWrite,
  ForwardMessage,
  MovedMessage,
  RefusalMessage,
  RegisterMessage,
  RequestMessage,
  ResumedMessage,
  ResumeMessage,
} from "../zab/message.ts";
import {
  append,
  decodeAuthId,
  decodeGuard,
  encodeAuthIds,
  encodeGuards,
  noBytes,
  noGuards,
  noSession,
  noZxid,
  readCode,
  readSession,
  readZxid,
} from "./common-codec.ts";
import { ProtocolError, type Reader, type Writer } from "./cursor.ts";
import { decodeSource, encodeSource } from "./source-codec.ts";
import { decodeWrite, encodeWrite } from "./write-codec.ts";

export function encodeRequestMessage(w: Writer, message: RequestMessage): void {
  switch (message.type) {
    case "forward":
      return encodeForward(w, message);
    case "confirm":
      return encodeConfirm(w, message);
    case "confirmed":
      return encodeConfirmed(w, message);
    case "refusal":
      return encodeRefusal(w, message);
    case "resume":
      return encodeResume(w, message);
    case "resumed":
      return encodeResumed(w, message);
    case "register":
      return encodeRegister(w, message);
    case "moved":
      return encodeMoved(w, message);
    default:
      return assertNever(message);
  }
}

/** Undefined, and nothing read, when the tag is none of these messages'. */
export function decodeRequestMessage(r: Reader, tag: number): RequestMessage | undefined {
  switch (tag) {
    case 34:
      return decodeForward(r);
    case 58:
      return decodeConfirm(r);
    case 66:
      return decodeConfirmed(r);
    case 98:
      return decodeRefusal(r);
    case 106:
      return decodeResume(r);
    case 114:
      return decodeResumed(r);
    case 122:
      return decodeRegister(r);
    case 130:
      return decodeMoved(r);
    default:
      return undefined;
  }
}

// ---- forwards

function encodeForward(w: Writer, message: ForwardMessage): void {
  const mark = w.open(34, 128 * message.writes.length);
  for (const forwarded of message.writes) encodeForwardedWrite(w, forwarded);
  w.close(mark);
}

function decodeForward(r: Reader): ForwardMessage {
  const mark = r.enter();
  const writes: ForwardedWrite[] = [];
  while (r.more()) {
    const tag = r.tag();
    if (tag === 10) writes.push(decodeForwardedWrite(r));
    else r.skip(tag);
  }
  r.leave(mark);
  return { type: "forward", writes };
}

function encodeForwardedWrite(w: Writer, forwarded: ForwardedWrite): void {
  const size = sizeOf(forwarded.write);
  const mark = w.open(10, size + 12);
  w.uint(8, forwarded.connection);
  w.uint(16, forwarded.generation);
  const write = w.open(26, size);
  encodeSource(w, forwarded.write.source);
  encodeWrite(w, forwarded.write.request);
  encodeGuards(w, 122, forwarded.write.guards);
  encodeAuthIds(w, 130, forwarded.write.identities);
  w.close(write);
  w.close(mark);
}

/** Near enough to write most lengths right at once. */
function sizeOf(write: Write): number {
  const request = write.request;
  const base = 16 + 24 * write.identities.length;
  if (request.type !== "setData" && request.type !== "create") return base;
  return base + request.path.length + (request.data === undefined ? 0 : request.data.length);
}

function decodeForwardedWrite(r: Reader): ForwardedWrite {
  const mark = r.enter();
  let connection = 0;
  let generation = 0;
  let write: Write | undefined;
  while (r.more()) {
    const tag = r.tag();
    switch (tag) {
      case 8:
        connection = r.uint();
        break;
      case 16:
        generation = r.uint();
        break;
      case 26:
        write = decodeForwardWrite(r);
        break;
      default:
        r.skip(tag);
    }
  }
  r.leave(mark);
  if (write === undefined) throw new ProtocolError("a forward without write");
  return { connection, generation, write };
}

const noIdentities: readonly AuthId[] = [];

function decodeForwardWrite(r: Reader): Write {
  const mark = r.enter();
  let source: TxnSource | undefined;
  let request: WriteRequest | undefined;
  let guards: Guard[] | undefined;
  let identities: AuthId[] | undefined;
  while (r.more()) {
    const tag = r.tag();
    switch (tag) {
      case 98:
      case 106:
      case 114:
        source = decodeSource(r, tag);
        break;
      case 122:
        guards = append(guards, decodeGuard(r));
        break;
      case 130:
        identities = append(identities, decodeAuthId(r));
        break;
      default: {
        const decoded = decodeWrite(r, tag);
        if (decoded === undefined) r.skip(tag);
        else request = decoded;
      }
    }
  }
  r.leave(mark);
  if (source === undefined) throw new ProtocolError("a write without source");
  if (request === undefined) throw new ProtocolError("unknown operation");
  return { source, request, guards: guards ?? noGuards, identities: identities ?? noIdentities };
}

function encodeRefusal(w: Writer, message: RefusalMessage): void {
  const mark = w.open(98);
  w.uint(8, message.connection);
  w.uint(16, message.number);
  w.sint(24, errorNumber(message.code));
  w.string(34, message.detail);
  w.close(mark);
}

function decodeRefusal(r: Reader): RefusalMessage {
  const mark = r.enter();
  let connection = 0;
  let number = 0;
  let code: ErrorCode = "OK";
  let detail = "";
  while (r.more()) {
    const tag = r.tag();
    switch (tag) {
      case 8:
        connection = r.uint();
        break;
      case 16:
        number = r.uint();
        break;
      case 24:
        code = readCode(r);
        break;
      case 34:
        detail = r.string();
        break;
      default:
        r.skip(tag);
    }
  }
  r.leave(mark);
  return { type: "refusal", connection, number, code, detail };
}

// ---- confirmations

function encodeConfirm(w: Writer, message: ConfirmMessage): void {
  const mark = w.open(58, 8 * message.touched.length);
  w.uint(8, message.id);
  w.bool(16, message.read);
  w.packed(26, message.touched);
  w.close(mark);
}

function decodeConfirm(r: Reader): ConfirmMessage {
  const mark = r.enter();
  let id = 0;
  let read = false;
  const touched: SessionId[] = [];
  while (r.more()) {
    const tag = r.tag();
    switch (tag) {
      case 8:
        id = r.uint();
        break;
      case 16:
        read = r.bool();
        break;
      case 24:
        touched.push(readSession(r));
        break;
      case 26:
        r.packed(touched as number[]);
        break;
      default:
        r.skip(tag);
    }
  }
  r.leave(mark);
  return { type: "confirm", id, read, touched };
}

function encodeConfirmed(w: Writer, message: ConfirmedMessage): void {
  const mark = w.open(66);
  w.uint(8, message.id);
  w.uint(16, message.zxid);
  w.packed(26, message.ended);
  w.close(mark);
}

function decodeConfirmed(r: Reader): ConfirmedMessage {
  const mark = r.enter();
  let id = 0;
  let zxid = noZxid;
  const ended: SessionId[] = [];
  while (r.more()) {
    const tag = r.tag();
    switch (tag) {
      case 8:
        id = r.uint();
        break;
      case 16:
        zxid = readZxid(r);
        break;
      case 24:
        ended.push(readSession(r));
        break;
      case 26:
        r.packed(ended as number[]);
        break;
      default:
        r.skip(tag);
    }
  }
  r.leave(mark);
  return { type: "confirmed", id, zxid, ended };
}

// ---- sessions

function encodeResume(w: Writer, message: ResumeMessage): void {
  const mark = w.open(106);
  w.uint(8, message.connection);
  w.uint(16, message.session);
  w.bytes(26, message.passwordHash);
  w.uint(32, message.timeoutMs);
  w.bool(40, message.logged);
  w.uint(48, message.lastZxid);
  w.close(mark);
}

function decodeResume(r: Reader): ResumeMessage {
  const mark = r.enter();
  let connection = 0;
  let session = noSession;
  let passwordHash = noBytes;
  let timeoutMs = 0;
  let logged = false;
  let lastZxid = noZxid;
  while (r.more()) {
    const tag = r.tag();
    switch (tag) {
      case 8:
        connection = r.uint();
        break;
      case 16:
        session = readSession(r);
        break;
      case 26:
        passwordHash = r.bytes();
        break;
      case 32:
        timeoutMs = r.uint();
        break;
      case 40:
        logged = r.bool();
        break;
      case 48:
        lastZxid = readZxid(r);
        break;
      default:
        r.skip(tag);
    }
  }
  r.leave(mark);
  return { type: "resume", connection, session, passwordHash, timeoutMs, logged, lastZxid };
}

function encodeResumed(w: Writer, message: ResumedMessage): void {
  const mark = w.open(114);
  w.uint(8, message.connection);
  w.sint(16, errorNumber(message.code));
  w.uint(24, message.generation);
  w.uint(32, message.zxid);
  w.uint(40, message.timeoutMs);
  w.close(mark);
}

function decodeResumed(r: Reader): ResumedMessage {
  const mark = r.enter();
  let connection = 0;
  let code: ErrorCode = "OK";
  let generation = 0;
  let zxid = noZxid;
  let timeoutMs = 0;
  while (r.more()) {
    const tag = r.tag();
    switch (tag) {
      case 8:
        connection = r.uint();
        break;
      case 16:
        code = readCode(r);
        break;
      case 24:
        generation = r.uint();
        break;
      case 32:
        zxid = readZxid(r);
        break;
      case 40:
        timeoutMs = r.uint();
        break;
      default:
        r.skip(tag);
    }
  }
  r.leave(mark);
  return { type: "resumed", connection, code, generation, zxid, timeoutMs };
}

type Registration = RegisterMessage["sessions"][number];

function encodeRegister(w: Writer, message: RegisterMessage): void {
  const mark = w.open(122, 16 * message.sessions.length);
  for (const registration of message.sessions) {
    const element = w.open(10);
    w.uint(8, registration.session);
    w.uint(16, registration.connection);
    w.uint(24, registration.generation);
    w.close(element);
  }
  w.close(mark);
}

function decodeRegister(r: Reader): RegisterMessage {
  const mark = r.enter();
  const sessions: Registration[] = [];
  while (r.more()) {
    const tag = r.tag();
    if (tag === 10) sessions.push(decodeRegistration(r));
    else r.skip(tag);
  }
  r.leave(mark);
  return { type: "register", sessions };
}

function decodeRegistration(r: Reader): Registration {
  const mark = r.enter();
  let session = noSession;
  let connection = 0;
  let generation = 0;
  while (r.more()) {
    const tag = r.tag();
    switch (tag) {
      case 8:
        session = readSession(r);
        break;
      case 16:
        connection = r.uint();
        break;
      case 24:
        generation = r.uint();
        break;
      default:
        r.skip(tag);
    }
  }
  r.leave(mark);
  return { session, connection, generation };
}

function encodeMoved(w: Writer, message: MovedMessage): void {
  const mark = w.open(130);
  w.uint(8, message.session);
  w.uint(16, message.connection);
  w.close(mark);
}

function decodeMoved(r: Reader): MovedMessage {
  const mark = r.enter();
  let session = noSession;
  let connection = 0;
  while (r.more()) {
    const tag = r.tag();
    if (tag === 8) session = readSession(r);
    else if (tag === 16) connection = r.uint();
    else r.skip(tag);
  }
  r.leave(mark);
  return { type: "moved", session, connection };
}
