/** What a server is started with: its place in the ensemble, its bounds, and its drivers. */
import type { Disk } from "../log/disk.ts";
import type { Limits } from "../model/limits.ts";
import type { Epoch, ServerId } from "../model/zxid.ts";
import type { KeyValue } from "../tree/key-value.ts";

export interface EnsembleMember {
  readonly id: ServerId;
  /** No vote; serves reads. */
  readonly observer: boolean;
}

export interface ReplicaOptions {
  readonly id: ServerId;
  /** All servers, this one included. */
  readonly ensemble: readonly EnsembleMember[];
  /** Permits a wiped server of a founded ensemble to come back. */
  readonly rejoin: boolean;
  /** False: linearizable reads always take a quorum round. */
  readonly leaseReads: boolean;
  readonly limits: Limits;
  /** Random, a safe integer, new in each process. */
  readonly boot: number;
  /** Random text; becomes the cluster id if this server founds. */
  readonly freshClusterId: string;
  /** ACLs may name identities of scheme sasl; not when absent. */
  readonly saslAcls?: boolean;
  /** ZooKeeper's read-only mode; off when absent. */
  readonly readOnlyMode?: boolean;
  /** What the node /zookeeper/config shows: the members, in ZooKeeper's form. */
  readonly configText?: string;
  /** A fresh ensemble's first epoch is above this one; 0: any. */
  readonly foundAboveEpoch: Epoch;
}

export interface Drivers {
  readonly disk: Disk;
  /**
   * Opens (making it when missing) the tree store of a directory such as `store-1`; with `anew` what is there is removed first. Tokens of its
   * commits are unique over all stores. Throws DamagedStoreError when it was condemned, or is no store.
   */
  openStore(directory: string, anew: boolean): KeyValue;
}
