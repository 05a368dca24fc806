/**
 * A Txn as it stands in the log and travels in proposals (proto/txn.proto); encoded once, by the
 * leader. The log's CRC guards the bytes; what does not decode is damage or a newer version, and
 * unlike elsewhere an unknown error code is refused, because servers must not differ.
 */
import type { AclEntry } from "../model/acl.ts";
import { assertNever } from "../model/assert.ts";
import { type ErrorCode, errorNumber } from "../model/error.ts";
import type { NodeKind, TxnSource } from "../model/request.ts";
import type { SessionId } from "../model/zxid.ts";
import type {
  AclRef,
  CreateEffect,
  DeleteEffect,
  NodeEffect,
  RemovedNode,
  SetAclEffect,
  SetDataEffect,
  Txn,
  TxnBody,
} from "../tree/txn.ts";
import {
  absentStat,
  decodeAclEntry,
  decodeStat,
  encodeAcl,
  encodeStat,
  noBytes,
  nodeKindNumber,
  noSession,
  noZxid,
  pick,
  readKnownCode,
  readNodeKind,
  readSession,
  readZxid,
} from "./common-codec.ts";
import { ProtocolError, Reader, Writer } from "./cursor.ts";
import { decodeSource, encodeSource } from "./source-codec.ts";
import { decodeEmpty } from "./write-codec.ts";

// Its slabs hold txns only, so the log's tail in memory does not keep other things alive.
const shared = new Writer(65_536);

export function encodeTxn(txn: Txn): Uint8Array {
  const w = shared;
  w.reset();
  w.uint(8, txn.zxid);
  w.uint(16, txn.wallMs);
  w.uint(24, txn.stampMs);
  encodeSource(w, txn.source);
  encodeBody(w, txn.body);
  return w.finish();
}

export function decodeTxn(bytes: Uint8Array): Txn {
  const r = new Reader(bytes);
  let zxid = noZxid;
  let wallMs = 0;
  let stampMs = 0;
  let source: TxnSource | undefined;
  let body: TxnBody | undefined;
  while (r.more()) {
    const tag = r.tag();
    switch (tag) {
      case 8:
        zxid = readZxid(r);
        break;
      case 16:
        wallMs = r.uint();
        break;
      case 24:
        stampMs = r.uint();
        break;
      case 98:
      case 106:
      case 114:
        source = decodeSource(r, tag);
        break;
      default: {
        const decoded = decodeBody(r, tag);
        if (decoded === undefined) r.skip(tag);
        else body = decoded;
      }
    }
  }
  if (source === undefined) throw new ProtocolError("a txn without source");
  if (body === undefined) throw new ProtocolError("unknown txn");
  return { zxid, wallMs, stampMs, source, body };
}

// ---- bodies

function encodeBody(w: Writer, body: TxnBody): void {
  switch (body.type) {
    case "create":
    case "delete":
    case "setData":
    case "setAcl":
      return encodeEffect(w, body);
    case "multi":
      return encodeMulti(w, body);
    case "deleteRecursive":
      return encodeRemovals(w, 82, noSession, body.removed);
    case "createSession":
      return encodeCreateSession(w, body);
    case "renewSession":
      return encodeRenewSession(w, body);
    case "closeSession":
      return encodeRemovals(w, 130, body.session, body.removed);
    case "reap":
      return encodeRemovals(w, 138, noSession, body.removed);
    case "error":
      return encodeError(w, body);
    case "skip":
      return w.close(w.open(154));
    case "stamp":
      return w.close(w.open(162));
    default:
      return assertNever(body);
  }
}

function decodeBody(r: Reader, tag: number): TxnBody | undefined {
  switch (tag) {
    case 34:
      return decodeSetData(r);
    case 42:
      return decodeCreate(r);
    case 50:
      return decodeDelete(r);
    case 58:
      return decodeSetAcl(r);
    case 74:
      return decodeMulti(r);
    case 82:
      return { type: "deleteRecursive", removed: decodeRemovals(r).removed };
    case 90:
      return decodeCreateSession(r);
    case 122:
      return decodeRenewSession(r);
    case 130:
      return decodeCloseSession(r);
    case 138:
      return { type: "reap", removed: decodeRemovals(r).removed };
    case 146:
      return decodeError(r);
    case 154:
      return decodeEmpty(r, skip);
    case 162:
      return decodeEmpty(r, stamp);
    default:
      return undefined;
  }
}

const skip: TxnBody = { type: "skip" };
const stamp: TxnBody = { type: "stamp" };
const check: NodeEffect = { type: "check" };

type BodyOf<Type extends TxnBody["type"]> = Extract<TxnBody, { readonly type: Type }>;

// ---- effects: alone and in a multi

function encodeEffect(w: Writer, effect: NodeEffect): void {
  switch (effect.type) {
    case "create":
      return encodeCreate(w, effect);
    case "delete":
      return encodeRemoved(w, 50, effect);
    case "setData":
      return encodeSetData(w, effect);
    case "setAcl":
      return encodeSetAcl(w, effect);
    case "check":
      return w.close(w.open(66));
    default:
      return assertNever(effect);
  }
}

function decodeEffect(r: Reader, tag: number): NodeEffect | undefined {
  switch (tag) {
    case 34:
      return decodeSetData(r);
    case 42:
      return decodeCreate(r);
    case 50:
      return decodeDelete(r);
    case 58:
      return decodeSetAcl(r);
    case 66:
      return decodeEmpty(r, check);
    default:
      return undefined;
  }
}

function encodeCreate(w: Writer, effect: CreateEffect): void {
  const data = effect.data;
  const mark = w.open(42, effect.path.length + 12 + (data === undefined ? 0 : data.length));
  w.string(10, effect.path);
  w.optionalBytes(18, data);
  encodeAclRef(w, 26, effect.acl);
  w.uint(32, nodeKindNumber(effect.kind));
  w.uint(40, effect.owner);
  w.uint(48, effect.ttlMs);
  w.close(mark);
}

function decodeCreate(r: Reader): CreateEffect {
  const mark = r.enter();
  let path = "";
  let data: Uint8Array | undefined;
  let acl = noAclRef;
  let kind: NodeKind = "persistent";
  let owner = noSession;
  let ttlMs = 0;
  while (r.more()) {
    const tag = r.tag();
    switch (tag) {
      case 10:
        path = r.string();
        break;
      case 18:
        data = r.bytes();
        break;
      case 26:
        acl = decodeAclRef(r);
        break;
      case 32:
        kind = readNodeKind(r);
        break;
      case 40:
        owner = readSession(r);
        break;
      case 48:
        ttlMs = r.uint();
        break;
      default:
        r.skip(tag);
    }
  }
  r.leave(mark);
  return { type: "create", path, data, acl, kind, owner, ttlMs };
}

function encodeSetData(w: Writer, effect: SetDataEffect): void {
  const data = effect.data;
  const mark = w.open(34, effect.path.length + 48 + (data === undefined ? 0 : data.length));
  w.string(10, effect.path);
  w.optionalBytes(18, data);
  encodeStat(w, 26, effect.stat);
  w.uint(32, effect.acl);
  w.close(mark);
}

function decodeSetData(r: Reader): SetDataEffect {
  const mark = r.enter();
  let path = "";
  let data: Uint8Array | undefined;
  let stat = absentStat;
  let acl = 0;
  while (r.more()) {
    const tag = r.tag();
    switch (tag) {
      case 10:
        path = r.string();
        break;
      case 18:
        data = r.bytes();
        break;
      case 26:
        stat = decodeStat(r);
        break;
      case 32:
        acl = r.uint();
        break;
      default:
        r.skip(tag);
    }
  }
  r.leave(mark);
  return { type: "setData", path, data, stat, acl };
}

function encodeSetAcl(w: Writer, effect: SetAclEffect): void {
  const mark = w.open(58);
  w.string(10, effect.path);
  encodeAclRef(w, 18, effect.acl);
  encodeStat(w, 26, effect.stat);
  w.close(mark);
}

function decodeSetAcl(r: Reader): SetAclEffect {
  const mark = r.enter();
  let path = "";
  let acl = noAclRef;
  let stat = absentStat;
  while (r.more()) {
    const tag = r.tag();
    switch (tag) {
      case 10:
        path = r.string();
        break;
      case 18:
        acl = decodeAclRef(r);
        break;
      case 26:
        stat = decodeStat(r);
        break;
      default:
        r.skip(tag);
    }
  }
  r.leave(mark);
  return { type: "setAcl", path, acl, stat };
}

function encodeMulti(w: Writer, body: BodyOf<"multi">): void {
  const mark = w.open(74);
  w.uint(8, body.branch === "then" ? 0 : 1);
  for (const effect of body.effects) {
    const element = w.open(18);
    encodeEffect(w, effect);
    w.close(element);
  }
  w.close(mark);
}

const branches = ["then", "otherwise"] as const;

function decodeMulti(r: Reader): TxnBody {
  const mark = r.enter();
  let branch: (typeof branches)[number] = "then";
  const effects: NodeEffect[] = [];
  while (r.more()) {
    const tag = r.tag();
    if (tag === 8) branch = pick(branches, r);
    else if (tag === 18) effects.push(decodeOneEffect(r));
    else r.skip(tag);
  }
  r.leave(mark);
  return { type: "multi", branch, effects };
}

function decodeOneEffect(r: Reader): NodeEffect {
  const mark = r.enter();
  let effect: NodeEffect | undefined;
  while (r.more()) {
    const tag = r.tag();
    const decoded = decodeEffect(r, tag);
    if (decoded === undefined) r.skip(tag);
    else effect = decoded;
  }
  r.leave(mark);
  if (effect === undefined) throw new ProtocolError("unknown effect in a multi");
  return effect;
}

// ---- ACL references

const noAclRef: AclRef = { id: 0, added: undefined };

function encodeAclRef(w: Writer, tag: number, ref: AclRef): void {
  const mark = w.open(tag);
  w.uint(8, ref.id);
  if (ref.added !== undefined) {
    const added = w.open(18);
    encodeAcl(w, 10, ref.added);
    w.close(added);
  }
  w.close(mark);
}

function decodeAclRef(r: Reader): AclRef {
  const mark = r.enter();
  let id = 0;
  let added: AclEntry[] | undefined;
  while (r.more()) {
    const tag = r.tag();
    if (tag === 8) id = r.uint();
    else if (tag === 18) added = decodeAddedAcl(r);
    else r.skip(tag);
  }
  r.leave(mark);
  return { id, added };
}

function decodeAddedAcl(r: Reader): AclEntry[] {
  const mark = r.enter();
  const acl: AclEntry[] = [];
  while (r.more()) {
    const tag = r.tag();
    if (tag === 10) acl.push(decodeAclEntry(r));
    else r.skip(tag);
  }
  r.leave(mark);
  return acl;
}

// ---- removals

function encodeRemoved(w: Writer, tag: number, removed: RemovedNode): void {
  const mark = w.open(tag, removed.path.length + 6);
  w.string(10, removed.path);
  w.uint(16, removed.acl);
  w.close(mark);
}

function decodeRemoved(r: Reader): RemovedNode {
  const mark = r.enter();
  let path = "";
  let acl = 0;
  while (r.more()) {
    const tag = r.tag();
    if (tag === 10) path = r.string();
    else if (tag === 16) acl = r.uint();
    else r.skip(tag);
  }
  r.leave(mark);
  return { path, acl };
}

function decodeDelete(r: Reader): DeleteEffect {
  const { path, acl } = decodeRemoved(r);
  return { type: "delete", path, acl };
}

function encodeRemovals(w: Writer, tag: number, session: SessionId, removed: readonly RemovedNode[]): void {
  const mark = w.open(tag);
  w.uint(8, session);
  for (const node of removed) encodeRemoved(w, 18, node);
  w.close(mark);
}

function decodeRemovals(r: Reader): { session: SessionId; removed: RemovedNode[] } {
  const mark = r.enter();
  let session = noSession;
  const removed: RemovedNode[] = [];
  while (r.more()) {
    const tag = r.tag();
    if (tag === 8) session = readSession(r);
    else if (tag === 18) removed.push(decodeRemoved(r));
    else r.skip(tag);
  }
  r.leave(mark);
  return { session, removed };
}

// ---- sessions and errors

function decodeCloseSession(r: Reader): TxnBody {
  const { session, removed } = decodeRemovals(r);
  return { type: "closeSession", session, removed };
}

function encodeCreateSession(w: Writer, body: BodyOf<"createSession">): void {
  const mark = w.open(90);
  w.uint(8, body.timeoutMs);
  w.bytes(18, body.passwordHash);
  w.close(mark);
}

function decodeCreateSession(r: Reader): TxnBody {
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

function encodeRenewSession(w: Writer, body: BodyOf<"renewSession">): void {
  const mark = w.open(122);
  w.uint(8, body.session);
  w.uint(16, body.timeoutMs);
  w.uint(24, body.generation);
  w.close(mark);
}

function decodeRenewSession(r: Reader): TxnBody {
  const mark = r.enter();
  let session = noSession;
  let timeoutMs = 0;
  let generation = 0;
  while (r.more()) {
    const tag = r.tag();
    if (tag === 8) session = readSession(r);
    else if (tag === 16) timeoutMs = r.uint();
    else if (tag === 24) generation = r.uint();
    else r.skip(tag);
  }
  r.leave(mark);
  return { type: "renewSession", session, timeoutMs, generation };
}

function encodeError(w: Writer, body: BodyOf<"error">): void {
  const mark = w.open(146);
  w.sint(8, errorNumber(body.code));
  w.string(18, body.detail);
  for (const code of body.codes) w.optionalSint(24, errorNumber(code));
  w.uint(32, branches.indexOf(body.branch));
  w.close(mark);
}

/** `codes` may come packed (as other encoders write repeated numbers) or one by one (as we do). */
function decodeError(r: Reader): TxnBody {
  const mark = r.enter();
  let code: ErrorCode = "OK";
  let detail = "";
  let branch: (typeof branches)[number] = "then";
  const codes: ErrorCode[] = [];
  while (r.more()) {
    const tag = r.tag();
    switch (tag) {
      case 8:
        code = readKnownCode(r);
        break;
      case 18:
        detail = r.string();
        break;
      case 24:
        codes.push(readKnownCode(r));
        break;
      case 26:
        readPackedCodes(r, codes);
        break;
      case 32:
        branch = pick(branches, r);
        break;
      default:
        r.skip(tag);
    }
  }
  r.leave(mark);
  return { type: "error", code, detail, branch, codes };
}

function readPackedCodes(r: Reader, codes: ErrorCode[]): void {
  const mark = r.enter();
  while (r.more()) codes.push(readKnownCode(r));
  r.leave(mark);
}
