/**
 * Outcomes and results, as replies carry them. `Outcome.result` is one field, whose number names the
 * result's type; the result `none` is no field at all. Outcomes nest (a multi's), which the Reader's
 * depth limit bounds.
 */
import type { AclEntry, AuthId } from "../model/acl.ts";
import { assertNever } from "../model/assert.ts";
import type { ErrorCode } from "../model/error.ts";
import { errorNumber } from "../model/error.ts";
import type { ListCursor, ListEntry, NodeDetails, NodeKind, Outcome, Result } from "../model/request.ts";
import { noResult, okOutcome } from "../model/request.ts";
import type { Stat } from "../model/stat.ts";
import {
  absentStat,
  decodeAclEntry,
  decodeAuthId,
  decodeListCursor,
  decodeStat,
  encodeAcl,
  encodeAuthIds,
  encodeListCursor,
  encodeStat,
  nodeKindNumber,
  noZxid,
  pick,
  readCode,
  readNodeKind,
  readSession,
  readZxid,
} from "./common-codec.ts";
import type { Reader, Writer } from "./cursor.ts";
import { encodeStrings } from "./read-codec.ts";

export function encodeOutcome(w: Writer, tag: number, outcome: Outcome): void {
  const result = outcome.result;
  const data = result.type === "data" ? result.data : undefined;
  const mark = w.open(tag, data === undefined ? 0 : data.length + 64);
  w.sint(8, errorNumber(outcome.code));
  w.string(18, outcome.detail);
  encodeResult(w, result);
  w.close(mark);
}

export function decodeOutcome(r: Reader): Outcome {
  const mark = r.enter();
  let code: ErrorCode = "OK";
  let detail = "";
  let result = noResult;
  while (r.more()) {
    const tag = r.tag();
    switch (tag) {
      case 8:
        code = readCode(r);
        break;
      case 18:
        detail = r.string();
        break;
      case 26:
        result = decodeCreated(r);
        break;
      case 34:
        result = { type: "stat", stat: decodeStat(r) };
        break;
      case 42:
        result = decodeData(r);
        break;
      case 50:
        result = decodeChildren(r);
        break;
      case 58:
        result = decodeList(r);
        break;
      case 66:
        result = decodeAcl(r);
        break;
      case 74:
        result = decodeMulti(r);
        break;
      case 82:
        result = decodeMultiRead(r);
        break;
      case 90:
        result = decodePaths(r);
        break;
      case 96:
        result = { type: "count", count: r.uint() };
        break;
      case 106:
        result = decodeIdentities(r);
        break;
      case 112:
        result = { type: "session", session: readSession(r) };
        break;
      default:
        r.skip(tag);
    }
  }
  r.leave(mark);
  if (result === noResult && code === "OK" && detail === "") return okOutcome;
  return { code, detail, result };
}

function encodeResult(w: Writer, result: Result): void {
  switch (result.type) {
    case "none":
      return;
    case "created":
      return encodeCreated(w, result);
    case "stat":
      return encodeStat(w, 34, result.stat);
    case "data":
      return encodeData(w, result);
    case "children":
      return encodeChildren(w, result);
    case "list":
      return encodeList(w, result);
    case "acl":
      return encodeAclResult(w, result);
    case "multi":
      return encodeMulti(w, result);
    case "multiRead":
      return encodeMultiRead(w, result);
    case "paths":
      return encodePaths(w, result.paths);
    case "count":
      return w.optionalUint(96, result.count);
    case "identities":
      return encodeIdentities(w, result.identities);
    case "session":
      return w.optionalUint(112, result.session);
    default:
      return assertNever(result);
  }
}

type ResultOf<Type extends Result["type"]> = Extract<Result, { readonly type: Type }>;

function encodeCreated(w: Writer, result: ResultOf<"created">): void {
  const mark = w.open(26, result.path.length + 40);
  w.string(10, result.path);
  encodeStat(w, 18, result.stat);
  w.close(mark);
}

function decodeCreated(r: Reader): Result {
  const mark = r.enter();
  let path = "";
  let stat = absentStat;
  while (r.more()) {
    const tag = r.tag();
    if (tag === 10) path = r.string();
    else if (tag === 18) stat = decodeStat(r);
    else r.skip(tag);
  }
  r.leave(mark);
  return { type: "created", path, stat };
}

function encodeData(w: Writer, result: ResultOf<"data">): void {
  const mark = w.open(42, (result.data === undefined ? 0 : result.data.length) + 48);
  w.optionalBytes(10, result.data);
  encodeStat(w, 18, result.stat);
  w.close(mark);
}

function decodeData(r: Reader): Result {
  const mark = r.enter();
  let data: Uint8Array | undefined;
  let stat = absentStat;
  while (r.more()) {
    const tag = r.tag();
    if (tag === 10) data = r.bytes();
    else if (tag === 18) stat = decodeStat(r);
    else r.skip(tag);
  }
  r.leave(mark);
  return { type: "data", data, stat };
}

function encodeChildren(w: Writer, result: ResultOf<"children">): void {
  const mark = w.open(50);
  encodeStrings(w, 10, result.names);
  encodeStat(w, 18, result.stat);
  w.close(mark);
}

function decodeChildren(r: Reader): Result {
  const mark = r.enter();
  const names: string[] = [];
  let stat = absentStat;
  while (r.more()) {
    const tag = r.tag();
    if (tag === 10) names.push(r.string());
    else if (tag === 18) stat = decodeStat(r);
    else r.skip(tag);
  }
  r.leave(mark);
  return { type: "children", names, stat };
}

function encodeList(w: Writer, result: ResultOf<"list">): void {
  const mark = w.open(58);
  for (const entry of result.entries) encodeListEntry(w, 10, entry);
  w.uint(16, result.zxid);
  if (result.cursor !== undefined) encodeListCursor(w, 26, result.cursor);
  w.close(mark);
}

function decodeList(r: Reader): Result {
  const mark = r.enter();
  const entries: ListEntry[] = [];
  let zxid = noZxid;
  let cursor: ListCursor | undefined;
  while (r.more()) {
    const tag = r.tag();
    switch (tag) {
      case 10:
        entries.push(decodeListEntry(r));
        break;
      case 16:
        zxid = readZxid(r);
        break;
      case 26:
        cursor = decodeListCursor(r);
        break;
      default:
        r.skip(tag);
    }
  }
  r.leave(mark);
  return { type: "list", entries, zxid, cursor };
}

export function encodeListEntry(w: Writer, tag: number, entry: ListEntry): void {
  const mark = w.open(tag, entry.path.length + 40 + (entry.data === undefined ? 0 : entry.data.length));
  w.string(10, entry.path);
  encodeStat(w, 18, entry.stat);
  w.optionalBytes(26, entry.data);
  if (entry.details !== undefined) encodeNodeDetails(w, 34, entry.details);
  w.close(mark);
}

function encodeNodeDetails(w: Writer, tag: number, details: NodeDetails): void {
  const mark = w.open(tag);
  w.uint(8, nodeKindNumber(details.kind));
  w.uint(16, details.ttlMs);
  encodeAcl(w, 26, details.acl);
  w.sint(32, details.childCreates);
  w.close(mark);
}

function decodeNodeDetails(r: Reader): NodeDetails {
  const mark = r.enter();
  let kind: NodeKind = "persistent";
  let ttlMs = 0;
  const acl: AclEntry[] = [];
  let childCreates = 0;
  while (r.more()) {
    const tag = r.tag();
    if (tag === 8) kind = readNodeKind(r);
    else if (tag === 16) ttlMs = r.uint();
    else if (tag === 26) acl.push(decodeAclEntry(r));
    else if (tag === 32) childCreates = r.sint();
    else r.skip(tag);
  }
  r.leave(mark);
  return { kind, ttlMs, acl, childCreates };
}

export function decodeListEntry(r: Reader): ListEntry {
  const mark = r.enter();
  let path = "";
  let stat: Stat = absentStat;
  let data: Uint8Array | undefined;
  let details: NodeDetails | undefined;
  while (r.more()) {
    const tag = r.tag();
    switch (tag) {
      case 10:
        path = r.string();
        break;
      case 18:
        stat = decodeStat(r);
        break;
      case 26:
        data = r.bytes();
        break;
      case 34:
        details = decodeNodeDetails(r);
        break;
      default:
        r.skip(tag);
    }
  }
  r.leave(mark);
  return details === undefined ? { path, stat, data } : { path, stat, data, details };
}

function encodeAclResult(w: Writer, result: ResultOf<"acl">): void {
  const mark = w.open(66);
  encodeAcl(w, 10, result.acl);
  encodeStat(w, 18, result.stat);
  w.close(mark);
}

function decodeAcl(r: Reader): Result {
  const mark = r.enter();
  const acl: AclEntry[] = [];
  let stat = absentStat;
  while (r.more()) {
    const tag = r.tag();
    if (tag === 10) acl.push(decodeAclEntry(r));
    else if (tag === 18) stat = decodeStat(r);
    else r.skip(tag);
  }
  r.leave(mark);
  return { type: "acl", acl, stat };
}

const branches = ["then", "otherwise"] as const;

function encodeMulti(w: Writer, result: ResultOf<"multi">): void {
  const mark = w.open(74);
  w.uint(8, result.branch === "then" ? 0 : 1);
  for (const outcome of result.outcomes) encodeOutcome(w, 18, outcome);
  w.close(mark);
}

function decodeMulti(r: Reader): Result {
  const mark = r.enter();
  let branch: (typeof branches)[number] = "then";
  const outcomes: Outcome[] = [];
  while (r.more()) {
    const tag = r.tag();
    if (tag === 8) branch = pick(branches, r);
    else if (tag === 18) outcomes.push(decodeOutcome(r));
    else r.skip(tag);
  }
  r.leave(mark);
  return { type: "multi", branch, outcomes };
}

function encodeMultiRead(w: Writer, result: ResultOf<"multiRead">): void {
  const mark = w.open(82);
  for (const outcome of result.outcomes) encodeOutcome(w, 10, outcome);
  w.uint(16, result.zxid);
  w.close(mark);
}

function decodeMultiRead(r: Reader): Result {
  const mark = r.enter();
  const outcomes: Outcome[] = [];
  let zxid = noZxid;
  while (r.more()) {
    const tag = r.tag();
    if (tag === 10) outcomes.push(decodeOutcome(r));
    else if (tag === 16) zxid = readZxid(r);
    else r.skip(tag);
  }
  r.leave(mark);
  return { type: "multiRead", outcomes, zxid };
}

function encodePaths(w: Writer, paths: readonly string[]): void {
  const mark = w.open(90);
  encodeStrings(w, 10, paths);
  w.close(mark);
}

function decodePaths(r: Reader): Result {
  const mark = r.enter();
  const paths: string[] = [];
  while (r.more()) {
    const tag = r.tag();
    if (tag === 10) paths.push(r.string());
    else r.skip(tag);
  }
  r.leave(mark);
  return { type: "paths", paths };
}

function encodeIdentities(w: Writer, identities: readonly AuthId[]): void {
  const mark = w.open(106);
  encodeAuthIds(w, 10, identities);
  w.close(mark);
}

function decodeIdentities(r: Reader): Result {
  const mark = r.enter();
  const identities: AuthId[] = [];
  while (r.more()) {
    const tag = r.tag();
    if (tag === 10) identities.push(decodeAuthId(r));
    else r.skip(tag);
  }
  r.leave(mark);
  return { type: "identities", identities };
}
