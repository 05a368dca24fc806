/** What watchers are told: one-shot and persistent watch events as ZooKeeper has them, and streams' changes. */
import type { Stat } from "./stat.ts";
import type { Zxid } from "./zxid.ts";

export type WatchEventType = "nodeCreated" | "nodeDeleted" | "nodeDataChanged" | "nodeChildrenChanged";

export interface WatchEvent {
  readonly type: WatchEventType;
  readonly path: string;
  /** Of the txn that caused it; of the current state for catch-up events of setWatches. */
  readonly zxid: Zxid;
}

export type ChangeType = "created" | "deleted" | "dataChanged" | "aclChanged";

/**
 * One node's change by one txn. A pure function of the txn (`changesOf`), so live delivery and
 * replay from the log give the same values.
 */
export interface Change {
  readonly type: ChangeType;
  readonly path: string;
  readonly zxid: Zxid;
  /** The node's ACL (id in the ACL table) after the change; before it for `deleted`. Filters delivery by READ. */
  readonly acl: number;
  /** After the change; undefined for `deleted`. */
  readonly stat: Stat | undefined;
  readonly data: Uint8Array | undefined;
}

/** A stream's delivery. A txn's changes are never split over two deliveries. */
export type StreamDelivery =
  /** Part of the snapshot at `zxid`; `done` on its last part. */
  | {
      readonly type: "snapshot";
      readonly stream: number;
      readonly zxid: Zxid;
      readonly done: boolean;
      readonly entries: readonly { readonly path: string; readonly stat: Stat; readonly data: Uint8Array | undefined }[];
    }
  /** Changes in zxid order, and a bookmark: everything up to `zxid` has been delivered. */
  | { readonly type: "changes"; readonly stream: number; readonly zxid: Zxid; readonly changes: readonly Change[] }
  /** The stream has ended: COMPACTED (detail: oldest zxid), SLOW_CONSUMER, NO_AUTH … */
  | {
      readonly type: "end";
      readonly stream: number;
      readonly code: "COMPACTED" | "SLOW_CONSUMER" | "NO_AUTH" | "LIMIT";
      readonly detail: string;
    };
