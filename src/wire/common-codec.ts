/**
 * What requests, replies, txns and peer messages share: Stat, ACLs, identities, guards, cursors, codes.
 * Messages of proto/client.proto with the same names. Tags as literals: see cursor.ts.
 */
import type { Acl, AclEntry, AuthId } from "../model/acl.ts";
import { type ErrorCode, errorCode, errorNumber } from "../model/error.ts";
import type { Guard, ListCursor, NodeKind } from "../model/request.ts";
import type { Stat } from "../model/stat.ts";
import type { SessionId, Zxid } from "../model/zxid.ts";
import { ProtocolError, type Reader, type Writer } from "./cursor.ts";

export function readZxid(r: Reader): Zxid {
  return r.uint() as Zxid;
}

export function readSession(r: Reader): SessionId {
  return r.uint() as SessionId;
}

export const noZxid = 0 as Zxid;
export const noSession = 0 as SessionId;
export const noBytes: Uint8Array = new Uint8Array(0);

/** A code of a newer peer is BAD_ARGUMENTS, as `errorCode` has it. */
export function readCode(r: Reader): ErrorCode {
  return errorCode(r.sint());
}

/** Where servers must agree on what was decided, an unknown code is refused. */
export function readKnownCode(r: Reader): ErrorCode {
  const number = r.sint();
  const code = errorCode(number);
  if (errorNumber(code) !== number) throw new ProtocolError("unknown error code");
  return code;
}

/** Makes the array only when there is something to put in it. */
export function append<T>(list: T[] | undefined, element: T): T[] {
  if (list === undefined) return [element];
  list.push(element);
  return list;
}

// ---- Stat

/** What a message without its Stat field decodes to. */
export const absentStat: Stat = {
  czxid: noZxid,
  mzxid: noZxid,
  pzxid: noZxid,
  ctimeMs: 0,
  mtimeMs: 0,
  version: 0,
  cversion: 0,
  aversion: 0,
  ephemeralOwner: noSession,
  dataLength: 0,
  numChildren: 0,
};

/** mzxid and pzxid are left out when they are czxid, mtime when it is ctime: the usual case of a node never changed. */
export function encodeStat(w: Writer, tag: number, stat: Stat): void {
  const mark = w.open(tag);
  w.uint(8, stat.czxid);
  if (stat.mzxid !== stat.czxid) w.optionalUint(16, stat.mzxid);
  if (stat.pzxid !== stat.czxid) w.optionalUint(24, stat.pzxid);
  w.uint(32, stat.ctimeMs);
  if (stat.mtimeMs !== stat.ctimeMs) w.optionalUint(40, stat.mtimeMs);
  w.sint(48, stat.version);
  w.sint(56, stat.cversion);
  w.sint(64, stat.aversion);
  w.uint(72, stat.ephemeralOwner);
  w.uint(80, stat.dataLength);
  w.uint(88, stat.numChildren);
  w.close(mark);
}

export function decodeStat(r: Reader): Stat {
  const mark = r.enter();
  let czxid = noZxid;
  let mzxid: Zxid | undefined;
  let pzxid: Zxid | undefined;
  let ctimeMs = 0;
  let mtimeMs: number | undefined;
  let version = 0;
  let cversion = 0;
  let aversion = 0;
  let ephemeralOwner = noSession;
  let dataLength = 0;
  let numChildren = 0;
  while (r.more()) {
    const tag = r.tag();
    switch (tag) {
      case 8:
        czxid = readZxid(r);
        break;
      case 16:
        mzxid = readZxid(r);
        break;
      case 24:
        pzxid = readZxid(r);
        break;
      case 32:
        ctimeMs = r.uint();
        break;
      case 40:
        mtimeMs = r.uint();
        break;
      case 48:
        version = r.sint();
        break;
      case 56:
        cversion = r.sint();
        break;
      case 64:
        aversion = r.sint();
        break;
      case 72:
        ephemeralOwner = readSession(r);
        break;
      case 80:
        dataLength = r.uint32();
        break;
      case 88:
        numChildren = r.uint32();
        break;
      default:
        r.skip(tag);
    }
  }
  r.leave(mark);
  return {
    czxid,
    mzxid: mzxid ?? czxid,
    pzxid: pzxid ?? czxid,
    ctimeMs,
    mtimeMs: mtimeMs ?? ctimeMs,
    version,
    cversion,
    aversion,
    ephemeralOwner,
    dataLength,
    numChildren,
  };
}

// ---- ACLs and identities

export function encodeAcl(w: Writer, tag: number, acl: Acl): void {
  for (const entry of acl) {
    const mark = w.open(tag);
    w.uint(8, entry.perms);
    w.string(18, entry.scheme);
    w.string(26, entry.id);
    w.close(mark);
  }
}

export function decodeAclEntry(r: Reader): AclEntry {
  const mark = r.enter();
  let perms = 0;
  let scheme = "";
  let id = "";
  while (r.more()) {
    const tag = r.tag();
    switch (tag) {
      case 8:
        perms = r.uint32();
        break;
      case 18:
        scheme = r.string();
        break;
      case 26:
        id = r.string();
        break;
      default:
        r.skip(tag);
    }
  }
  r.leave(mark);
  return { perms, scheme, id };
}

export function encodeAuthIds(w: Writer, tag: number, ids: readonly AuthId[]): void {
  for (const identity of ids) {
    const mark = w.open(tag);
    w.string(10, identity.scheme);
    w.string(18, identity.id);
    w.close(mark);
  }
}

export function decodeAuthId(r: Reader): AuthId {
  const mark = r.enter();
  let scheme = "";
  let id = "";
  while (r.more()) {
    const tag = r.tag();
    switch (tag) {
      case 10:
        scheme = r.string();
        break;
      case 18:
        id = r.string();
        break;
      default:
        r.skip(tag);
    }
  }
  r.leave(mark);
  return { scheme, id };
}

// ---- guards, cursors, kinds

export const noGuards: readonly Guard[] = [];

export function encodeGuards(w: Writer, tag: number, guards: readonly Guard[]): void {
  for (const guard of guards) {
    const mark = w.open(tag);
    w.string(10, guard.path);
    w.uint(16, guard.czxid);
    w.close(mark);
  }
}

export function decodeGuard(r: Reader): Guard {
  const mark = r.enter();
  let path = "";
  let czxid = noZxid;
  while (r.more()) {
    const tag = r.tag();
    switch (tag) {
      case 10:
        path = r.string();
        break;
      case 16:
        czxid = readZxid(r);
        break;
      default:
        r.skip(tag);
    }
  }
  r.leave(mark);
  return { path, czxid };
}

export function encodeListCursor(w: Writer, tag: number, cursor: ListCursor): void {
  const mark = w.open(tag);
  w.uint(8, cursor.image);
  w.string(18, cursor.after);
  w.close(mark);
}

export function decodeListCursor(r: Reader): ListCursor {
  const mark = r.enter();
  let image = 0;
  let after = "";
  while (r.more()) {
    const tag = r.tag();
    switch (tag) {
      case 8:
        image = r.uint();
        break;
      case 18:
        after = r.string();
        break;
      default:
        r.skip(tag);
    }
  }
  r.leave(mark);
  return { image, after };
}

const nodeKinds: readonly NodeKind[] = ["persistent", "ephemeral", "container", "ttl"];

export function nodeKindNumber(kind: NodeKind): number {
  switch (kind) {
    case "persistent":
      return 0;
    case "ephemeral":
      return 1;
    case "container":
      return 2;
    case "ttl":
      return 3;
  }
}

export function readNodeKind(r: Reader): NodeKind {
  return pick(nodeKinds, r);
}

/** An enum's value: its number is its place in `values`. */
export function pick<T>(values: readonly (T | undefined)[], r: Reader): T {
  const value = values[r.uint32()];
  if (value === undefined) throw new ProtocolError("unknown enum value");
  return value;
}
