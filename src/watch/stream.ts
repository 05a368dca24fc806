/**
 * A stream: every change at a path after some zxid, gap-free, once, in order, atomic per zxid.
 *
 * *What it covers.* Not recursive: the node itself and its direct children (all their changes:
 * created, deleted, data, ACL). Recursive: the node and all below it. The node need not exist. Each
 * change and each snapshot entry passes READ on that node's own ACL, at delivery; one that does not
 * pass is left out, as if the node were not there.
 *
 * *How it lives.* It buffers next to nothing; it is in one of three phases:
 *   snapshot   pages a pinned image of the store at zxid Z, then goes on in history from Z
 *   history    reads the retained log after its position
 *   live       takes the changes of this turn as they are applied, delivered before the turn ends
 * A stream whose connection cannot take more falls back to `history` at its position and waits; when
 * the log no longer reaches back that far, it ends with SLOW_CONSUMER.
 *
 * Only `stream-table.ts` touches a Stream.
 */
import { assert } from "../model/assert.ts";
import { isWithin, parentOf } from "../model/path.ts";
import type { SubscribeRequest } from "../model/request.ts";
import type { Stat } from "../model/stat.ts";
import type { Change } from "../model/watch.ts";
import type { ConnectionId, Zxid } from "../model/zxid.ts";
import type { Znode } from "../tree/store.ts";
import type { SnapshotWalk } from "./snapshot-walk.ts";

export interface HistoryTxn {
  readonly zxid: Zxid;
  readonly changes: readonly Change[];
}

/** The retained log, applied part, as changes. */
export interface History {
  /** Txns after `zxid` in order (those without changes too), at least one if any is applied, about `bytesMax`. undefined: compacted. */
  changesAfter(zxid: Zxid, bytesMax: number): readonly HistoryTxn[] | undefined;
  /** The lowest zxid that a stream can resume at: every txn after it is retained. */
  readonly oldest: Zxid;
  readonly appliedZxid: Zxid;
}

export interface StreamAccess {
  /** True when the connection's identities have READ by this ACL of the ACL table. */
  permits(connection: ConnectionId, acl: number): boolean;
  statOf(node: Znode): Stat;
}

export class Stream {
  readonly connection: ConnectionId;
  readonly id: number;
  readonly path: string;
  readonly recursive: boolean;
  readonly withData: boolean;
  phase: "snapshot" | "history" | "live" = "history";
  /** All that the stream covers up to here has been delivered. May lag for a live stream that nothing matched: a resume from it is right, only longer. */
  position: Zxid;
  /** Set in phase `snapshot` alone. */
  walk: SnapshotWalk | undefined;
  /** This turn's changes, in phase `live` alone. */
  pending: Change[] = [];
  pendingBytes = 0;
  /** The last bookmark sent; equal to the position at first. */
  bookmark: Zxid;
  /** When the client was last told something, or looked at for a bookmark. */
  lastSentMs: number;

  constructor(connection: ConnectionId, request: SubscribeRequest, position: Zxid, nowMs: number) {
    this.connection = connection;
    this.id = request.stream;
    this.path = request.path;
    this.recursive = request.recursive;
    this.withData = request.withData;
    this.position = position;
    this.bookmark = position;
    this.lastSentMs = nowMs;
  }

  covers(path: string): boolean {
    if (this.recursive) return isWithin(path, this.path);
    return path === this.path || parentOf(path) === this.path;
  }

  /** The position never falls: what has been delivered is not delivered again. */
  advance(zxid: Zxid): void {
    assert(zxid >= this.position, "a stream's position must not fall");
    this.position = zxid;
  }

  dropPending(): void {
    this.pending = [];
    this.pendingBytes = 0;
  }
}

/** Counted for each node or change looked at, so that work is bounded where nothing matches or data is small. */
const overheadBytes = 256;

export function costOf(path: string, data: Uint8Array | undefined): number {
  return overheadBytes + path.length + (data === undefined ? 0 : data.length);
}

export function withoutData(change: Change): Change {
  if (change.data === undefined) return change;
  return { type: change.type, path: change.path, zxid: change.zxid, acl: change.acl, stat: change.stat, data: undefined };
}
