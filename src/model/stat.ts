/** The metadata that every znode carries, with ZooKeeper's meaning. One factory, so all share a shape. */
import type { SessionId, Zxid } from "./zxid.ts";

export interface Stat {
  readonly czxid: Zxid;
  /** Of the last setData; the create's at first. setAcl does not move it. */
  readonly mzxid: Zxid;
  /** Of the last create or delete of a direct child; czxid at first. */
  readonly pzxid: Zxid;
  /** Wall clock of the leader, ms. For people; nothing depends on it. */
  readonly ctimeMs: number;
  readonly mtimeMs: number;
  /** setData count. Wraps as int32. */
  readonly version: number;
  /** Child creates plus child deletes (what the wire shows; the store keeps creates alone). */
  readonly cversion: number;
  /** setAcl count. */
  readonly aversion: number;
  /** 0 unless a plain ephemeral. */
  readonly ephemeralOwner: SessionId;
  readonly dataLength: number;
  readonly numChildren: number;
}
