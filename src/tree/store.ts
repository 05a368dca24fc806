/**
 * Where the replicated state lives. Reads are synchronous and see every put made before. Two
 * implementations: `memory-store` (tests) and `write-behind-store` (everything else, also in the
 * simulator), which gathers dirty values and flushes them to a KeyValue.
 */
import type { NodeKind } from "../model/request.ts";
import type { SessionId, Zxid } from "../model/zxid.ts";

/** A znode as stored. Immutable: a change puts a new one, so images and watch events may keep references. */
export interface Znode {
  readonly data: Uint8Array | undefined;
  /** Id in the ACL table. */
  readonly acl: number;
  readonly kind: NodeKind;
  /** 0 unless ephemeral. */
  readonly owner: SessionId | 0;
  readonly ttlMs: number;
  readonly czxid: Zxid;
  readonly mzxid: Zxid;
  readonly pzxid: Zxid;
  readonly ctimeMs: number;
  readonly mtimeMs: number;
  /** Cluster time of the create or last setData: what a TTL counts from. */
  readonly stampMs: number;
  readonly version: number;
  readonly aversion: number;
  /** Child creates ever: ZooKeeper's stored cversion, and the next sequence suffix. */
  readonly childCreates: number;
  readonly numChildren: number;
  /** Nodes below this one, at any depth. */
  readonly descendants: number;
  /** Data of all descendants, in bytes. */
  readonly bytesBelow: number;
  /** Two halves of this node's contribution to the tree digest, as signed 32-bit integers. */
  readonly hashHigh: number;
  readonly hashLow: number;
}

/** A consistent view that later puts do not change. Bounded by `image_pins_max` and `image_pin_ms`; release it. */
export interface StoreImage {
  readonly zxid: Zxid;
  get(path: string): Znode | undefined;
  /** Names of direct children in order, after `after`, at most `limit`. */
  children(path: string, after: string, limit: number): string[];
  release(): void;
}

export interface Store {
  get(path: string): Znode | undefined;
  /** Names of direct children in order (UTF-16 order, which is UTF-8's for valid paths), after `after` ("" for all), at most `limit`. */
  children(path: string, after: string, limit: number): string[];
  put(path: string, node: Znode): void;
  remove(path: string): void;
  /** Everything that is not a znode: sessions, ACL table, origins, indexes, digest. Keys are short ASCII. */
  record(key: string): Uint8Array | undefined;
  /** All records whose key starts with `prefix`, in key order; used at start only. */
  records(prefix: string): Iterable<readonly [key: string, value: Uint8Array]>;
  putRecord(key: string, value: Uint8Array): void;
  removeRecord(key: string): void;
  /** All puts since the last call belong to txns up to `zxid`. Called after each txn. */
  setApplied(zxid: Zxid): void;
  readonly appliedZxid: Zxid;
  /** undefined when too many images are pinned. */
  image(): StoreImage | undefined;
}
