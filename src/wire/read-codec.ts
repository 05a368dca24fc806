/**
 * Reads and requests that act on the connection alone; they come from native clients only. As with
 * writes, the field's number is the operation's.
 */
import { assertNever } from "../model/assert.ts";
import type {
  AddAuthRequest,
  CheckWatchesRequest,
  ExistsRequest,
  GetChildrenRequest,
  GetDataRequest,
  ListCursor,
  ListRequest,
  LocalRequest,
  MultiReadRequest,
  ReadRequest,
  RemoveWatchesRequest,
  SetWatchesRequest,
  SubscribeRequest,
  WatcherType,
} from "../model/request.ts";
import type { Zxid } from "../model/zxid.ts";
import { decodeListCursor, encodeListCursor, noBytes, noZxid, pick, readZxid } from "./common-codec.ts";
import { ProtocolError, type Reader, type Writer } from "./cursor.ts";
import { decodeEmpty, decodePath, encodePath } from "./write-codec.ts";

/** On the wire credentials travel; the server makes an identity of them. */
export interface WireAddAuth {
  readonly type: "addAuth";
  readonly scheme: string;
  /** Such as `user:password` for the scheme `digest`. */
  readonly credentials: Uint8Array;
}

export type WireRead = ReadRequest | Exclude<LocalRequest, AddAuthRequest> | WireAddAuth;

export function encodeRead(w: Writer, request: WireRead): void {
  switch (request.type) {
    case "exists":
    case "getData":
    case "getChildren":
      return encodeWatching(w, request);
    case "getAcl":
      return encodePath(w, 186, request.path);
    case "list":
      return encodeList(w, request);
    case "multiRead":
      return encodeMultiRead(w, request);
    case "getEphemerals":
      return encodePath(w, 210, request.prefix);
    case "countSubtree":
      return encodePath(w, 218, request.path);
    case "whoAmI":
      return w.close(w.open(226));
    case "sync":
      return encodePath(w, 234, request.path);
    case "subscribe":
      return encodeSubscribe(w, request);
    case "unsubscribe":
      return encodeUnsubscribe(w, request.stream);
    case "addAuth":
      return encodeAddAuth(w, request);
    case "addWatch":
      return encodePathAndFlag(w, 346, request.path, request.recursive);
    case "removeWatches":
      return encodePathAndKind(w, 354, request);
    case "checkWatches":
      return encodePathAndKind(w, 362, request);
    case "setWatches":
      return encodeSetWatches(w, request);
    default:
      return assertNever(request);
  }
}

/** Undefined, and nothing read, when the tag is none of these operations'. */
export function decodeRead(r: Reader, tag: number): WireRead | undefined {
  switch (tag) {
    case 162:
    case 170:
    case 178:
      return decodeWatching(r, tag);
    case 186:
      return { type: "getAcl", path: decodePath(r) };
    case 194:
      return decodeList(r);
    case 202:
      return decodeMultiRead(r);
    case 210:
      return { type: "getEphemerals", prefix: decodePath(r) };
    case 218:
      return { type: "countSubtree", path: decodePath(r) };
    case 226:
      return decodeEmpty(r, whoAmI);
    case 234:
      return { type: "sync", path: decodePath(r) };
    case 322:
      return decodeSubscribe(r);
    case 330:
      return decodeUnsubscribe(r);
    case 338:
      return decodeAddAuth(r);
    case 346:
      return decodeAddWatch(r);
    case 354:
      return { type: "removeWatches", ...decodePathAndKind(r) };
    case 362:
      return { type: "checkWatches", ...decodePathAndKind(r) };
    case 370:
      return decodeSetWatches(r);
    default:
      return undefined;
  }
}

const whoAmI: WireRead = { type: "whoAmI" };

// ---- exists, getData, getChildren: alone and in a multiRead

type WatchingRead = ExistsRequest | GetDataRequest | GetChildrenRequest;

function encodeWatching(w: Writer, request: WatchingRead): void {
  const tag = request.type === "getData" ? 170 : request.type === "exists" ? 162 : 178;
  encodePathAndFlag(w, tag, request.path, request.watch);
}

function encodePathAndFlag(w: Writer, tag: number, path: string, flag: boolean): void {
  const mark = w.open(tag, path.length + 4);
  w.string(10, path);
  w.bool(16, flag);
  w.close(mark);
}

function decodeWatching(r: Reader, outer: number): WatchingRead {
  const mark = r.enter();
  let path = "";
  let watch = false;
  while (r.more()) {
    const tag = r.tag();
    if (tag === 10) path = r.string();
    else if (tag === 16) watch = r.bool();
    else r.skip(tag);
  }
  r.leave(mark);
  if (outer === 170) return { type: "getData", path, watch };
  return outer === 162 ? { type: "exists", path, watch } : { type: "getChildren", path, watch };
}

function encodeMultiRead(w: Writer, request: MultiReadRequest): void {
  const mark = w.open(202);
  for (const read of request.reads) {
    const element = w.open(10);
    encodeWatching(w, read);
    w.close(element);
  }
  w.close(mark);
}

function decodeMultiRead(r: Reader): MultiReadRequest {
  const mark = r.enter();
  const reads: WatchingRead[] = [];
  while (r.more()) {
    const tag = r.tag();
    if (tag === 10) reads.push(decodeOneRead(r));
    else r.skip(tag);
  }
  r.leave(mark);
  return { type: "multiRead", reads };
}

function decodeOneRead(r: Reader): WatchingRead {
  const mark = r.enter();
  let read: WatchingRead | undefined;
  while (r.more()) {
    const tag = r.tag();
    if (tag === 162 || tag === 170 || tag === 178) read = decodeWatching(r, tag);
    else r.skip(tag);
  }
  r.leave(mark);
  if (read === undefined) throw new ProtocolError("unknown read in a multiRead");
  return read;
}

// ---- list

function encodeList(w: Writer, request: ListRequest): void {
  const mark = w.open(194);
  w.string(10, request.path);
  w.bool(16, request.recursive);
  w.string(26, request.prefix);
  w.bool(32, request.withData);
  w.uint(40, request.limit);
  if (request.cursor !== undefined) encodeListCursor(w, 50, request.cursor);
  w.bool(56, request.withDetails === true);
  w.close(mark);
}

function decodeList(r: Reader): ListRequest {
  const mark = r.enter();
  let path = "";
  let recursive = false;
  let prefix = "";
  let withData = false;
  let withDetails = false;
  let limit = 0;
  let cursor: ListCursor | undefined;
  while (r.more()) {
    const tag = r.tag();
    switch (tag) {
      case 10:
        path = r.string();
        break;
      case 16:
        recursive = r.bool();
        break;
      case 26:
        prefix = r.string();
        break;
      case 32:
        withData = r.bool();
        break;
      case 40:
        limit = r.uint();
        break;
      case 50:
        cursor = decodeListCursor(r);
        break;
      case 56:
        withDetails = r.bool();
        break;
      default:
        r.skip(tag);
    }
  }
  r.leave(mark);
  return { type: "list", path, recursive, prefix, withData, withDetails, limit, cursor };
}

// ---- streams and authentication

function encodeSubscribe(w: Writer, request: SubscribeRequest): void {
  const mark = w.open(322);
  w.uint(8, request.stream);
  w.string(18, request.path);
  w.bool(24, request.recursive);
  w.optionalUint(32, request.fromZxid);
  w.bool(40, request.withData);
  w.close(mark);
}

function decodeSubscribe(r: Reader): SubscribeRequest {
  const mark = r.enter();
  let stream = 0;
  let path = "";
  let recursive = false;
  let fromZxid: Zxid | undefined;
  let withData = false;
  while (r.more()) {
    const tag = r.tag();
    switch (tag) {
      case 8:
        stream = r.uint();
        break;
      case 18:
        path = r.string();
        break;
      case 24:
        recursive = r.bool();
        break;
      case 32:
        fromZxid = readZxid(r);
        break;
      case 40:
        withData = r.bool();
        break;
      default:
        r.skip(tag);
    }
  }
  r.leave(mark);
  return { type: "subscribe", stream, path, recursive, fromZxid, withData };
}

function encodeUnsubscribe(w: Writer, stream: number): void {
  const mark = w.open(330);
  w.uint(8, stream);
  w.close(mark);
}

function decodeUnsubscribe(r: Reader): WireRead {
  const mark = r.enter();
  let stream = 0;
  while (r.more()) {
    const tag = r.tag();
    if (tag === 8) stream = r.uint();
    else r.skip(tag);
  }
  r.leave(mark);
  return { type: "unsubscribe", stream };
}

function encodeAddAuth(w: Writer, request: WireAddAuth): void {
  const mark = w.open(338);
  w.string(10, request.scheme);
  w.bytes(18, request.credentials);
  w.close(mark);
}

function decodeAddAuth(r: Reader): WireAddAuth {
  const mark = r.enter();
  let scheme = "";
  let credentials = noBytes;
  while (r.more()) {
    const tag = r.tag();
    if (tag === 10) scheme = r.string();
    else if (tag === 18) credentials = r.bytes();
    else r.skip(tag);
  }
  r.leave(mark);
  return { type: "addAuth", scheme, credentials };
}

// ---- ZooKeeper's watches

function decodeAddWatch(r: Reader): WireRead {
  const mark = r.enter();
  let path = "";
  let recursive = false;
  while (r.more()) {
    const tag = r.tag();
    if (tag === 10) path = r.string();
    else if (tag === 16) recursive = r.bool();
    else r.skip(tag);
  }
  r.leave(mark);
  return { type: "addWatch", path, recursive };
}

/** The places are ZooKeeper's numbers. */
export const watcherTypes: readonly (WatcherType | undefined)[] = [
  undefined,
  "children",
  "data",
  "any",
  "persistent",
  "persistentRecursive",
];

function encodePathAndKind(w: Writer, tag: number, request: RemoveWatchesRequest | CheckWatchesRequest): void {
  const mark = w.open(tag, request.path.length + 4);
  w.string(10, request.path);
  w.uint(16, watcherTypes.indexOf(request.kind));
  w.close(mark);
}

function decodePathAndKind(r: Reader): { path: string; kind: WatcherType } {
  const mark = r.enter();
  let path = "";
  let kind: WatcherType | undefined;
  while (r.more()) {
    const tag = r.tag();
    if (tag === 10) path = r.string();
    else if (tag === 16) kind = pick(watcherTypes, r);
    else r.skip(tag);
  }
  r.leave(mark);
  if (kind === undefined) throw new ProtocolError("a watcher type is missing");
  return { path, kind };
}

function encodeSetWatches(w: Writer, request: SetWatchesRequest): void {
  const mark = w.open(370);
  w.uint(8, request.relativeZxid);
  encodeStrings(w, 18, request.data);
  encodeStrings(w, 26, request.exist);
  encodeStrings(w, 34, request.child);
  encodeStrings(w, 42, request.persistent);
  encodeStrings(w, 50, request.persistentRecursive);
  w.close(mark);
}

export function encodeStrings(w: Writer, tag: number, texts: readonly string[]): void {
  for (const text of texts) w.elementString(tag, text);
}

function decodeSetWatches(r: Reader): SetWatchesRequest {
  const mark = r.enter();
  let relativeZxid = noZxid;
  const data: string[] = [];
  const exist: string[] = [];
  const child: string[] = [];
  const persistent: string[] = [];
  const persistentRecursive: string[] = [];
  while (r.more()) {
    const tag = r.tag();
    switch (tag) {
      case 8:
        relativeZxid = readZxid(r);
        break;
      case 18:
        data.push(r.string());
        break;
      case 26:
        exist.push(r.string());
        break;
      case 34:
        child.push(r.string());
        break;
      case 42:
        persistent.push(r.string());
        break;
      case 50:
        persistentRecursive.push(r.string());
        break;
      default:
        r.skip(tag);
    }
  }
  r.leave(mark);
  return { type: "setWatches", relativeZxid, data, exist, child, persistent, persistentRecursive };
}
