/** Watch events and what streams deliver. */
import { assertNever } from "../model/assert.ts";
import { type ErrorCode, errorNumber } from "../model/error.ts";
import type { ListEntry } from "../model/request.ts";
import type { Stat } from "../model/stat.ts";
import type { Change, ChangeType, StreamDelivery, WatchEvent, WatchEventType } from "../model/watch.ts";
import { decodeStat, encodeStat, noZxid, pick, readCode, readZxid } from "./common-codec.ts";
import { ProtocolError, type Reader, type Writer } from "./cursor.ts";
import { decodeListEntry, encodeListEntry } from "./outcome-codec.ts";

/** The places are ZooKeeper's numbers. */
export const watchEventTypes: readonly (WatchEventType | undefined)[] = [
  undefined,
  "nodeCreated",
  "nodeDeleted",
  "nodeDataChanged",
  "nodeChildrenChanged",
];

const changeTypes: readonly ChangeType[] = ["created", "deleted", "dataChanged", "aclChanged"];

export function encodeWatchEvent(w: Writer, tag: number, event: WatchEvent): void {
  const mark = w.open(tag, event.path.length + 16);
  w.uint(8, watchEventTypes.indexOf(event.type));
  w.string(18, event.path);
  w.uint(24, event.zxid);
  w.close(mark);
}

export function decodeWatchEvent(r: Reader): WatchEvent {
  const mark = r.enter();
  let type: WatchEventType | undefined;
  let path = "";
  let zxid = noZxid;
  while (r.more()) {
    const tag = r.tag();
    switch (tag) {
      case 8:
        type = pick(watchEventTypes, r);
        break;
      case 18:
        path = r.string();
        break;
      case 24:
        zxid = readZxid(r);
        break;
      default:
        r.skip(tag);
    }
  }
  r.leave(mark);
  if (type === undefined) throw new ProtocolError("a watch event without type");
  return { type, path, zxid };
}

export function encodeDelivery(w: Writer, tag: number, delivery: StreamDelivery): void {
  const mark = w.open(tag);
  w.uint(8, delivery.stream);
  switch (delivery.type) {
    case "snapshot":
      encodeSnapshot(w, delivery);
      break;
    case "changes":
      encodeChanges(w, delivery);
      break;
    case "end":
      encodeEnd(w, delivery);
      break;
    default:
      assertNever(delivery);
  }
  w.close(mark);
}

export function decodeDelivery(r: Reader): StreamDelivery {
  const mark = r.enter();
  let stream = 0;
  let delivery: StreamDelivery | undefined;
  while (r.more()) {
    const tag = r.tag();
    switch (tag) {
      case 8:
        stream = r.uint();
        break;
      case 18:
        delivery = decodeSnapshot(r, stream);
        break;
      case 26:
        delivery = decodeChanges(r, stream);
        break;
      case 34:
        delivery = decodeEnd(r, stream);
        break;
      default:
        r.skip(tag);
    }
  }
  r.leave(mark);
  if (delivery === undefined) throw new ProtocolError("unknown stream delivery");
  // Fields may come in any order; other encoders may put the stream last.
  return delivery.stream === stream ? delivery : { ...delivery, stream };
}

type DeliveryOf<Type extends StreamDelivery["type"]> = Extract<StreamDelivery, { readonly type: Type }>;

function encodeSnapshot(w: Writer, delivery: DeliveryOf<"snapshot">): void {
  const mark = w.open(18);
  w.uint(8, delivery.zxid);
  w.bool(16, delivery.done);
  for (const entry of delivery.entries) encodeListEntry(w, 26, entry);
  w.close(mark);
}

function decodeSnapshot(r: Reader, stream: number): StreamDelivery {
  const mark = r.enter();
  let zxid = noZxid;
  let done = false;
  const entries: ListEntry[] = [];
  while (r.more()) {
    const tag = r.tag();
    switch (tag) {
      case 8:
        zxid = readZxid(r);
        break;
      case 16:
        done = r.bool();
        break;
      case 26:
        entries.push(decodeListEntry(r));
        break;
      default:
        r.skip(tag);
    }
  }
  r.leave(mark);
  return { type: "snapshot", stream, zxid, done, entries };
}

function encodeChanges(w: Writer, delivery: DeliveryOf<"changes">): void {
  const mark = w.open(26);
  w.uint(8, delivery.zxid);
  for (const change of delivery.changes) encodeChange(w, 18, change);
  w.close(mark);
}

function decodeChanges(r: Reader, stream: number): StreamDelivery {
  const mark = r.enter();
  let zxid = noZxid;
  const changes: Change[] = [];
  while (r.more()) {
    const tag = r.tag();
    switch (tag) {
      case 8:
        zxid = readZxid(r);
        break;
      case 18:
        changes.push(decodeChange(r));
        break;
      default:
        r.skip(tag);
    }
  }
  r.leave(mark);
  return { type: "changes", stream, zxid, changes };
}

function encodeChange(w: Writer, tag: number, change: Change): void {
  const mark = w.open(tag, change.path.length + 48 + (change.data === undefined ? 0 : change.data.length));
  w.uint(8, changeTypes.indexOf(change.type));
  w.string(18, change.path);
  w.uint(24, change.zxid);
  if (change.stat !== undefined) encodeStat(w, 34, change.stat);
  w.optionalBytes(42, change.data);
  w.close(mark);
}

function decodeChange(r: Reader): Change {
  const mark = r.enter();
  let type: ChangeType = "created";
  let path = "";
  let zxid = noZxid;
  let stat: Stat | undefined;
  let data: Uint8Array | undefined;
  while (r.more()) {
    const tag = r.tag();
    switch (tag) {
      case 8:
        type = pick(changeTypes, r);
        break;
      case 18:
        path = r.string();
        break;
      case 24:
        zxid = readZxid(r);
        break;
      case 34:
        stat = decodeStat(r);
        break;
      case 42:
        data = r.bytes();
        break;
      default:
        r.skip(tag);
    }
  }
  r.leave(mark);
  // The id in the servers' ACL table means nothing to a client and does not travel.
  return { type, path, zxid, acl: 0, stat, data };
}

function encodeEnd(w: Writer, delivery: DeliveryOf<"end">): void {
  const mark = w.open(34);
  w.sint(8, errorNumber(delivery.code));
  w.string(18, delivery.detail);
  w.close(mark);
}

function decodeEnd(r: Reader, stream: number): StreamDelivery {
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
  switch (code) {
    case "COMPACTED":
    case "SLOW_CONSUMER":
    case "NO_AUTH":
    case "LIMIT":
      return { type: "end", stream, code, detail };
    default:
      throw new ProtocolError("unknown end of a stream");
  }
}
