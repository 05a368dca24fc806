/**
 * ZooKeeper's client protocol (as of 3.9): what its clients send becomes the same requests as the
 * native protocol's, and outcomes become its replies. Written against by the listener of the
 * ZooKeeper port, which frames the input with FrameDecoder; what is encoded here has its length.
 *
 * A handshake, a header or an authentication that cannot be read is a ProtocolError: close. Everything else
 * is a ZkBody:
 * - `request`: for the replica; its outcome goes to `encodeZkReply` with the request's reply form.
 * - `refused`: no request, or none that can be read; `outcome` goes to `encodeZkReply` in its turn among the
 *   connection's replies.
 * - `unknown`: `encodeZkUnimplemented` in its turn, then close (probing clients count on it).
 * - `reconfig`: to be judged by the server; the fault that it finds goes into the reply form.
 * - `sasl`: the next token goes into the reply form, or the request is refused and the connection closed.
 * - `ping`: `encodeZkPing`. `auth`: resolve to an identity, `addAuth` to the replica, `encodeZkAuth`.
 *
 * Differences between operations that map to one request live in the reply form: create 1 answers a
 * path, create2 15, createContainer 19 and createTTL 21 a path and a Stat; getChildren 8 answers names,
 * getChildren2 12 names and a Stat; a multi's operations keep their opcodes for its results.
 */
import type { ErrorCode } from "../model/error.ts";
import type { Limits } from "../model/limits.ts";
import type {
  CreateRequest,
  GetChildrenRequest,
  GetDataRequest,
  MultiOperation,
  NodeKind,
  Outcome,
  Request,
  WatcherType,
} from "../model/request.ts";
import { failure } from "../model/request.ts";
import type { SessionId, Zxid } from "../model/zxid.ts";
import { ProtocolError, Reader } from "./cursor.ts";
import { readAcl, readBoolean, readBuffer, readOptionalString, readPresentString, readString, readStrings } from "./jute.ts";
import { watcherTypes } from "./read-codec.ts";

/** What a reply's form depends on; keep it until the reply. */
export interface ZkReplyForm {
  /** −2 ping, −4 auth, −8 setWatches; else the client's. */
  readonly xid: number;
  readonly opcode: number;
  /** Of a sync, which echoes it; else empty. */
  readonly path: string;
  /** Of the operations of a multi or multiRead; else empty. */
  readonly opcodes: readonly number[];
  /** What a sasl request is answered. */
  readonly token?: Uint8Array;
  /** Of a reconfig: what is wrong with it. */
  readonly fault?: ErrorCode | undefined;
}

export type ZkBody =
  /** Never an addAuth, createSession or renewSession. Paths are not validated yet. */
  | { readonly type: "request"; readonly request: Request }
  | { readonly type: "ping" }
  | { readonly type: "auth"; readonly scheme: string; readonly credentials: Uint8Array }
  | { readonly type: "sasl"; readonly token: Uint8Array }
  | { readonly type: "reconfig"; readonly asked: ZkReconfig }
  | { readonly type: "refused"; readonly outcome: Outcome }
  | { readonly type: "unknown" };

/** A change of membership; what is undefined is not asked. */
export interface ZkReconfig {
  readonly joining: string | undefined;
  readonly leaving: string | undefined;
  readonly members: string | undefined;
  /** The version of the membership that it builds on; −1: any. */
  readonly configId: number;
}

export interface ZkRequest extends ZkReplyForm {
  readonly body: ZkBody;
}

export interface ZkConnectRequest {
  readonly protocolVersion: number;
  /** "ahead": beyond any zxid of ours. */
  readonly lastZxidSeen: Zxid | "ahead";
  readonly timeoutMs: number;
  /** 0: a new one. "unknown": an id that no session here can have. */
  readonly session: SessionId | 0 | "unknown";
  readonly password: Uint8Array;
  readonly readOnly: boolean;
  /** Older clients send no readOnly byte, and expect none in the answer. */
  readonly hasReadOnly: boolean;
}

// ---- connect

export function decodeZkConnect(bytes: Uint8Array): ZkConnectRequest {
  const r = new Reader(bytes);
  const protocolVersion = r.int32();
  const lastZxid = r.int64();
  const timeoutMs = Math.max(r.int32(), 0);
  const session = r.int64();
  const password = readBuffer(r) ?? new Uint8Array(0);
  const hasReadOnly = r.more();
  return {
    protocolVersion,
    lastZxidSeen: lastZxid === Infinity ? "ahead" : (Math.max(lastZxid, 0) as Zxid),
    timeoutMs,
    session: Number.isFinite(session) && session >= 0 ? (session as SessionId) : "unknown",
    password,
    readOnly: hasReadOnly && readBoolean(r),
    hasReadOnly,
  };
}

// ---- requests

/** Bounds strings and byte fields of a request, and with them what one frame can make us allocate. */
const elementsMax = 131_072;

export function decodeZkRequest(bytes: Uint8Array, limits: Limits): ZkRequest {
  const r = new Reader(bytes, elementsMax);
  const xid = r.int32();
  const opcode = r.int32();
  try {
    if (opcode === 14) return decodeMulti(r, xid, limits);
    if (opcode === 22) return decodeMultiRead(r, xid, limits);
    const body = decodeBody(r, opcode);
    const sync = body.type === "request" && body.request.type === "sync";
    return { xid, opcode, path: sync ? body.request.path : "", opcodes: noOpcodes, body };
  } catch (error) {
    if (!(error instanceof ProtocolError) || opcode === authOpcode) throw error;
    return { xid, opcode, path: "", opcodes: noOpcodes, body: refused(failure("MARSHALLING_ERROR", error.message)) };
  }
}

const authOpcode = 100;
const noOpcodes: readonly number[] = [];
const ping: ZkBody = { type: "ping" };
const unknown: ZkBody = { type: "unknown" };

function request(value: Request): ZkBody {
  return { type: "request", request: value };
}

function refused(outcome: Outcome): ZkBody {
  return { type: "refused", outcome };
}

function decodeBody(r: Reader, opcode: number): ZkBody {
  switch (opcode) {
    case 1:
    case 15:
    case 19:
    case 21:
      return request(decodeCreate(r, opcode, false));
    case 2:
      return request({ type: "delete", path: readPresentString(r), version: r.int32() });
    case 3:
      return request({ type: "exists", path: readPresentString(r), watch: readBoolean(r) });
    case 4:
      return request({ type: "getData", path: readPresentString(r), watch: readBoolean(r) });
    case 5:
      return request({ type: "setData", path: readString(r), data: readBuffer(r), version: r.int32() });
    case 6:
      return request({ type: "getAcl", path: readPresentString(r) });
    case 7:
      return request({ type: "setAcl", path: readString(r), acl: readAcl(r), version: r.int32() });
    case 8:
    case 12:
      return request({ type: "getChildren", path: readPresentString(r), watch: readBoolean(r) });
    case 9:
      return request({ type: "sync", path: readString(r) });
    case 11:
      return ping;
    case 16:
      return { type: "reconfig", asked: decodeReconfig(r) };
    case 17:
      return decodeWatcherBody(r, "checkWatches");
    case 18:
      return decodeWatcherBody(r, "removeWatches");
    case authOpcode:
      return decodeAuth(r);
    case 101:
    case 105:
      return decodeSetWatches(r, opcode);
    case 102:
      return { type: "sasl", token: readBuffer(r) ?? new Uint8Array(0) };
    case 103:
      return decodeGetEphemerals(r);
    case 104:
      return request({ type: "countSubtree", path: readPresentString(r) });
    case 106:
      return decodeAddWatch(r);
    case 107:
      return request({ type: "whoAmI" });
    case -11:
      return request({ type: "closeSession" });
    default:
      return unknown;
  }
}

const noCredentials = new Uint8Array(0);

function decodeAuth(r: Reader): ZkBody {
  r.int32();
  const scheme = readString(r);
  const credentials = readBuffer(r);
  // Null proves nothing, whatever the scheme.
  return credentials === undefined
    ? { type: "auth", scheme: "", credentials: noCredentials }
    : { type: "auth", scheme, credentials };
}

/** Null, empty and "/" mean all. */
function decodeGetEphemerals(r: Reader): ZkBody {
  const prefix = readString(r);
  return request({ type: "getEphemerals", prefix: prefix === "" ? "/" : prefix });
}

function decodeReconfig(r: Reader): ZkReconfig {
  return { joining: readOptionalString(r), leaving: readOptionalString(r), members: readOptionalString(r), configId: r.int64() };
}

// ---- create

const createKinds: readonly NodeKind[] = ["persistent", "ephemeral", "persistent", "ephemeral", "container", "ttl", "ttl"];
/** Bits: 2, 3 and 6 are sequential. */
const sequentialFlags = 0b100_1100;
const ttlMsMax = 2 ** 40 - 1;

/**
 * Flags or a TTL that are not valid become a TTL node without a TTL: refusing it is for `prepare`, so that the
 * refusal has its place among the session's writes and a zxid of its own, as in ZooKeeper. In a multi, flags
 * that the opcode does not have make the whole unreadable there.
 */
function decodeCreate(r: Reader, opcode: number, inMulti: boolean): CreateRequest {
  const path = readPresentString(r);
  const data = readBuffer(r);
  const acl = readAcl(r);
  const flags = r.int32();
  const ttlMs = opcode === 21 ? r.int64() : -1;
  const kind = createKind(opcode, flags);
  if (inMulti && (kind === undefined || (kind === "ttl" && opcode !== 21))) throw new ProtocolError("create flags in a multi");
  const valid = kind === "ttl" ? ttlMs >= 1 && ttlMs <= ttlMsMax : ttlMs < 0;
  if (kind === undefined || !valid) return { type: "create", path, data, kind: "ttl", sequential: false, ttlMs: 0, acl };
  const sequential = ((sequentialFlags >> flags) & 1) === 1;
  return { type: "create", path, data, kind, sequential, ttlMs: kind === "ttl" ? ttlMs : 0, acl };
}

/** The opcode makes a container, whatever the flags; the flag of one does not. */
function createKind(opcode: number, flags: number): NodeKind | undefined {
  const kind = createKinds[flags];
  if (kind === undefined || kind === "ttl") return kind;
  if (opcode === 19) return "container";
  return kind === "container" ? "persistent" : kind;
}

// ---- multi

/** Reads a MultiHeader; undefined at the end. */
function readOpcode(r: Reader): number | undefined {
  const opcode = r.int32();
  const done = readBoolean(r);
  r.int32();
  return done ? undefined : opcode;
}

function decodeMulti(r: Reader, xid: number, limits: Limits): ZkRequest {
  const opcodes: number[] = [];
  const then: MultiOperation[] = [];
  for (let opcode = readOpcode(r); opcode !== undefined; opcode = readOpcode(r)) {
    then.push(decodeMultiOperation(r, opcode));
    opcodes.push(opcode);
  }
  const tooLong = then.length > limits.zookeeper_multi_operations_max;
  const body = tooLong ? tooMany(limits) : request({ type: "multi", conditions: [], then, otherwise: undefined });
  return { xid, opcode: 14, path: "", opcodes, body };
}

function tooMany(limits: Limits): ZkBody {
  return refused(failure("LIMIT", `zookeeper_multi_operations_max is ${limits.zookeeper_multi_operations_max}`));
}

/** What cannot be read makes the whole unreadable, which ZooKeeper answers in the header alone. */
function decodeMultiOperation(r: Reader, opcode: number): MultiOperation {
  switch (opcode) {
    case 1:
    case 15:
    case 19:
    case 21:
      return decodeCreate(r, opcode, true);
    case 2:
      return { type: "delete", path: readPresentString(r), version: r.int32() };
    case 5:
      return { type: "setData", path: readPresentString(r), data: readBuffer(r), version: r.int32() };
    case 13:
      return { type: "check", path: readPresentString(r), version: r.int32() };
    default:
      throw new ProtocolError("an operation that a multi cannot hold");
  }
}

function decodeMultiRead(r: Reader, xid: number, limits: Limits): ZkRequest {
  const opcodes: number[] = [];
  const reads: (GetDataRequest | GetChildrenRequest)[] = [];
  for (let opcode = readOpcode(r); opcode !== undefined; opcode = readOpcode(r)) {
    if (opcode !== 4 && opcode !== 8) throw new ProtocolError("an operation that a multiRead cannot hold");
    const path = readPresentString(r);
    readBoolean(r); // A multiRead sets no watches.
    reads.push(opcode === 4 ? { type: "getData", path, watch: false } : { type: "getChildren", path, watch: false });
    opcodes.push(opcode);
  }
  const body = reads.length > limits.zookeeper_multi_operations_max ? tooMany(limits) : request({ type: "multiRead", reads });
  return { xid, opcode: 22, path: "", opcodes, body };
}

// ---- watches

function decodeWatcherBody(r: Reader, type: "checkWatches" | "removeWatches"): ZkBody {
  const path = readString(r);
  const kind: WatcherType | undefined = watcherTypes[r.int32()];
  if (kind === undefined) throw new ProtocolError("unknown watcher type");
  return request({ type, path, kind });
}

function decodeAddWatch(r: Reader): ZkBody {
  const path = readString(r);
  const mode = r.int32();
  if (mode !== 0 && mode !== 1) throw new ProtocolError("unknown watch mode");
  return request({ type: "addWatch", path, recursive: mode === 1 });
}

function decodeSetWatches(r: Reader, opcode: number): ZkBody {
  const relativeZxid = Math.min(Math.max(r.int64(), 0), Number.MAX_SAFE_INTEGER) as Zxid;
  const data = readStrings(r);
  const exist = readStrings(r);
  const child = readStrings(r);
  const persistent = opcode === 105 ? readStrings(r) : [];
  const persistentRecursive = opcode === 105 ? readStrings(r) : [];
  return request({ type: "setWatches", relativeZxid, data, exist, child, persistent, persistentRecursive });
}
