/**
 * Write requests: the same on the way from a client and, forwarded, to the leader. A request is one
 * field of the message around it, whose number is the operation's (src/model/operation.ts).
 */
import type { AclEntry } from "../model/acl.ts";
import { assertNever } from "../model/assert.ts";
import type {
  CheckRequest,
  Condition,
  CreateRequest,
  CreateSessionRequest,
  DeleteRequest,
  MultiOperation,
  MultiRequest,
  NodeKind,
  RenewSessionRequest,
  SetAclRequest,
  SetDataRequest,
  WriteRequest,
} from "../model/request.ts";
import { decodeAclEntry, encodeAcl, noBytes, nodeKindNumber, readNodeKind, readZxid } from "./common-codec.ts";
import { ProtocolError, type Reader, type Writer } from "./cursor.ts";

export function encodeWrite(w: Writer, request: WriteRequest): void {
  switch (request.type) {
    case "create":
    case "delete":
    case "setData":
      return encodeMultiOperation(w, request);
    case "setAcl":
      return encodeSetAcl(w, request);
    case "multi":
      return encodeMulti(w, request);
    case "deleteRecursive":
      return encodePath(w, 50, request.path);
    case "closeSession":
      return w.close(w.open(58));
    case "createSession":
      return encodeCreateSession(w, request);
    case "renewSession":
      return encodeRenewSession(w, request);
    case "skip":
      return w.close(w.open(82));
    default:
      return assertNever(request);
  }
}

/** Undefined, and nothing read, when the tag is not a write's. */
export function decodeWrite(r: Reader, tag: number): WriteRequest | undefined {
  switch (tag) {
    case 26:
      return decodeSetData(r);
    case 10:
      return decodeCreate(r);
    case 18:
      return decodeDelete(r);
    case 34:
      return decodeSetAcl(r);
    case 42:
      return decodeMulti(r);
    case 50:
      return { type: "deleteRecursive", path: decodePath(r) };
    case 58:
      return decodeEmpty(r, closeSession);
    case 66:
      return decodeCreateSession(r);
    case 74:
      return decodeRenewSession(r);
    case 82:
      return decodeEmpty(r, skip);
    default:
      return undefined;
  }
}

const closeSession: WriteRequest = { type: "closeSession" };
const skip: WriteRequest = { type: "skip" };

/** A message whose only field is a path. */
export function encodePath(w: Writer, tag: number, path: string): void {
  const mark = w.open(tag, path.length + 2);
  w.string(10, path);
  w.close(mark);
}

export function decodePath(r: Reader): string {
  const mark = r.enter();
  let path = "";
  while (r.more()) {
    const tag = r.tag();
    if (tag === 10) path = r.string();
    else r.skip(tag);
  }
  r.leave(mark);
  return path;
}

/** A message without fields. */
export function decodeEmpty<T>(r: Reader, value: T): T {
  const mark = r.enter();
  while (r.more()) r.skip(r.tag());
  r.leave(mark);
  return value;
}

// ---- create, delete, setData, check: alone and in a multi

function encodeMultiOperation(w: Writer, operation: MultiOperation): void {
  switch (operation.type) {
    case "create":
      return encodeCreate(w, operation);
    case "delete":
      return encodeVersioned(w, 18, operation);
    case "setData":
      return encodeSetData(w, operation);
    case "check":
      return encodeVersioned(w, 90, operation);
    default:
      return assertNever(operation);
  }
}

function decodeMultiOperation(r: Reader, tag: number): MultiOperation | undefined {
  switch (tag) {
    case 10:
      return decodeCreate(r);
    case 18:
      return decodeDelete(r);
    case 26:
      return decodeSetData(r);
    case 90:
      return decodeCheck(r);
    default:
      return undefined;
  }
}

function encodeCreate(w: Writer, request: CreateRequest): void {
  const data = request.data;
  const mark = w.open(10, 32 + request.path.length + (data === undefined ? 0 : data.length));
  w.string(10, request.path);
  w.optionalBytes(18, data);
  w.uint(24, nodeKindNumber(request.kind));
  w.bool(32, request.sequential);
  w.uint(40, request.ttlMs);
  encodeAcl(w, 50, request.acl);
  w.close(mark);
}

function decodeCreate(r: Reader): CreateRequest {
  const mark = r.enter();
  let path = "";
  let data: Uint8Array | undefined;
  let kind: NodeKind = "persistent";
  let sequential = false;
  let ttlMs = 0;
  const acl: AclEntry[] = [];
  while (r.more()) {
    const tag = r.tag();
    switch (tag) {
      case 10:
        path = r.string();
        break;
      case 18:
        data = r.bytes();
        break;
      case 24:
        kind = readNodeKind(r);
        break;
      case 32:
        sequential = r.bool();
        break;
      case 40:
        ttlMs = r.uint();
        break;
      case 50:
        acl.push(decodeAclEntry(r));
        break;
      default:
        r.skip(tag);
    }
  }
  r.leave(mark);
  return { type: "create", path, data, kind, sequential, ttlMs, acl };
}

function encodeVersioned(w: Writer, tag: number, request: DeleteRequest | CheckRequest): void {
  const mark = w.open(tag, request.path.length + 4);
  w.string(10, request.path);
  w.sint(16, request.version);
  w.close(mark);
}

function decodeDelete(r: Reader): DeleteRequest {
  const mark = r.enter();
  let path = "";
  let version = 0;
  while (r.more()) {
    const tag = r.tag();
    if (tag === 10) path = r.string();
    else if (tag === 16) version = r.sint();
    else r.skip(tag);
  }
  r.leave(mark);
  return { type: "delete", path, version };
}

function decodeCheck(r: Reader): CheckRequest {
  const { path, version } = decodeDelete(r);
  return { type: "check", path, version };
}

function encodeSetData(w: Writer, request: SetDataRequest): void {
  const data = request.data;
  const mark = w.open(26, 6 + request.path.length + (data === undefined ? 0 : data.length));
  w.string(10, request.path);
  w.optionalBytes(18, data);
  w.sint(24, request.version);
  w.close(mark);
}

function decodeSetData(r: Reader): SetDataRequest {
  const mark = r.enter();
  let path = "";
  let data: Uint8Array | undefined;
  let version = 0;
  while (r.more()) {
    const tag = r.tag();
    switch (tag) {
      case 10:
        path = r.string();
        break;
      case 18:
        data = r.bytes();
        break;
      case 24:
        version = r.sint();
        break;
      default:
        r.skip(tag);
    }
  }
  r.leave(mark);
  return { type: "setData", path, data, version };
}

function encodeSetAcl(w: Writer, request: SetAclRequest): void {
  const mark = w.open(34);
  w.string(10, request.path);
  encodeAcl(w, 18, request.acl);
  w.sint(24, request.version);
  w.close(mark);
}

function decodeSetAcl(r: Reader): SetAclRequest {
  const mark = r.enter();
  let path = "";
  const acl: AclEntry[] = [];
  let version = 0;
  while (r.more()) {
    const tag = r.tag();
    switch (tag) {
      case 10:
        path = r.string();
        break;
      case 18:
        acl.push(decodeAclEntry(r));
        break;
      case 24:
        version = r.sint();
        break;
      default:
        r.skip(tag);
    }
  }
  r.leave(mark);
  return { type: "setAcl", path, acl, version };
}

// ---- multi

function encodeMulti(w: Writer, request: MultiRequest): void {
  const mark = w.open(42);
  for (const condition of request.conditions) encodeCondition(w, condition);
  encodeOperations(w, 18, request.then);
  if (request.otherwise !== undefined) {
    const branch = w.open(26);
    encodeOperations(w, 10, request.otherwise);
    w.close(branch);
  }
  w.close(mark);
}

function encodeOperations(w: Writer, tag: number, operations: readonly MultiOperation[]): void {
  for (const operation of operations) {
    const mark = w.open(tag);
    encodeMultiOperation(w, operation);
    w.close(mark);
  }
}

function decodeMulti(r: Reader): MultiRequest {
  const mark = r.enter();
  const conditions: Condition[] = [];
  const then: MultiOperation[] = [];
  let otherwise: MultiOperation[] | undefined;
  while (r.more()) {
    const tag = r.tag();
    switch (tag) {
      case 10:
        conditions.push(decodeCondition(r));
        break;
      case 18:
        then.push(decodeOperation(r));
        break;
      case 26:
        otherwise = decodeBranch(r);
        break;
      default:
        r.skip(tag);
    }
  }
  r.leave(mark);
  return { type: "multi", conditions, then, otherwise };
}

function decodeBranch(r: Reader): MultiOperation[] {
  const mark = r.enter();
  const operations: MultiOperation[] = [];
  while (r.more()) {
    const tag = r.tag();
    if (tag === 10) operations.push(decodeOperation(r));
    else r.skip(tag);
  }
  r.leave(mark);
  return operations;
}

function decodeOperation(r: Reader): MultiOperation {
  const mark = r.enter();
  let operation: MultiOperation | undefined;
  while (r.more()) {
    const tag = r.tag();
    const decoded = decodeMultiOperation(r, tag);
    if (decoded === undefined) r.skip(tag);
    else operation = decoded;
  }
  r.leave(mark);
  if (operation === undefined) throw new ProtocolError("unknown operation in a multi");
  return operation;
}

function encodeCondition(w: Writer, condition: Condition): void {
  const mark = w.open(10);
  w.string(10, condition.path);
  switch (condition.type) {
    case "version":
      w.optionalSint(16, condition.version);
      break;
    case "absent":
      w.bool(24, true);
      break;
    case "present":
      w.bool(32, true);
      break;
    case "czxid":
      w.optionalUint(40, condition.czxid);
      break;
    case "value":
      w.optionalBytes(50, condition.data);
      break;
    default:
      assertNever(condition);
  }
  w.close(mark);
}

function decodeCondition(r: Reader): Condition {
  const mark = r.enter();
  let path = "";
  let condition: Condition | undefined;
  while (r.more()) {
    const tag = r.tag();
    switch (tag) {
      case 10:
        path = r.string();
        break;
      case 16:
        condition = { type: "version", path, version: r.sint() };
        break;
      case 24:
        r.bool();
        condition = { type: "absent", path };
        break;
      case 32:
        r.bool();
        condition = { type: "present", path };
        break;
      case 40:
        condition = { type: "czxid", path, czxid: readZxid(r) };
        break;
      case 50:
        condition = { type: "value", path, data: r.bytes() };
        break;
      default:
        r.skip(tag);
    }
  }
  r.leave(mark);
  if (condition === undefined) throw new ProtocolError("unknown condition");
  // Fields may come in any order; other encoders may put the path last.
  return condition.path === path ? condition : { ...condition, path };
}

// ---- sessions

function encodeCreateSession(w: Writer, request: CreateSessionRequest): void {
  const mark = w.open(66);
  w.uint(8, request.timeoutMs);
  w.bytes(18, request.passwordHash);
  w.close(mark);
}

function decodeCreateSession(r: Reader): WriteRequest {
  const mark = r.enter();
  let timeoutMs = 0;
  let passwordHash = noBytes;
  while (r.more()) {
    const tag = r.tag();
    if (tag === 8) timeoutMs = r.uint();
    else if (tag === 18) passwordHash = r.bytes();
    else r.skip(tag);
  }
  r.leave(mark);
  return { type: "createSession", timeoutMs, passwordHash };
}

function encodeRenewSession(w: Writer, request: RenewSessionRequest): void {
  const mark = w.open(74);
  w.uint(8, request.timeoutMs);
  w.uint(16, request.generation);
  w.close(mark);
}

function decodeRenewSession(r: Reader): WriteRequest {
  const mark = r.enter();
  let timeoutMs = 0;
  let generation = 0;
  while (r.more()) {
    const tag = r.tag();
    if (tag === 8) timeoutMs = r.uint();
    else if (tag === 16) generation = r.uint();
    else r.skip(tag);
  }
  r.leave(mark);
  return { type: "renewSession", timeoutMs, generation };
}
