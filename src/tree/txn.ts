/**
 * What the leader decided of a write. A txn is an idempotent effect: clock, sequence number, version,
 * ACL and branch are resolved, nothing is left to decide, and applying it cannot fail. It also holds
 * all that watchers are told (`changesOf`), so history can be replayed from the log alone.
 */
import type { Acl } from "../model/acl.ts";
import type { ErrorCode } from "../model/error.ts";
import type { NodeKind, TxnSource } from "../model/request.ts";
import type { Stat } from "../model/stat.ts";
import type { SessionId, Zxid } from "../model/zxid.ts";

/** An ACL's id in the replicated ACL table; `added` in the first txn that uses it. */
export interface AclRef {
  readonly id: number;
  readonly added: Acl | undefined;
}

export interface CreateEffect {
  readonly type: "create";
  /** The final path, suffix included. */
  readonly path: string;
  readonly data: Uint8Array | undefined;
  readonly acl: AclRef;
  readonly kind: NodeKind;
  /** 0 unless ephemeral. */
  readonly owner: SessionId | 0;
  readonly ttlMs: number;
}
export interface RemovedNode {
  readonly path: string;
  readonly acl: number;
}
export interface DeleteEffect extends RemovedNode {
  readonly type: "delete";
}
export interface SetDataEffect {
  readonly type: "setData";
  readonly path: string;
  readonly data: Uint8Array | undefined;
  /** The node's whole stat after the change (the outstanding changes before it included). */
  readonly stat: Stat;
  readonly acl: number;
}
export interface SetAclEffect {
  readonly type: "setAcl";
  readonly path: string;
  readonly acl: AclRef;
  readonly stat: Stat;
}
/** A multi's check: no effect; stands here so that results line up with operations. */
export interface CheckEffect {
  readonly type: "check";
}
export type NodeEffect = CreateEffect | DeleteEffect | SetDataEffect | SetAclEffect | CheckEffect;

export type TxnBody =
  | CreateEffect
  | DeleteEffect
  | SetDataEffect
  | SetAclEffect
  | { readonly type: "multi"; readonly branch: "then" | "otherwise"; readonly effects: readonly NodeEffect[] }
  /** Children before their parents, as they must be applied. */
  | { readonly type: "deleteRecursive"; readonly removed: readonly RemovedNode[] }
  | { readonly type: "createSession"; readonly timeoutMs: number; readonly passwordHash: Uint8Array }
  | { readonly type: "renewSession"; readonly session: SessionId; readonly timeoutMs: number; readonly generation: number }
  /** Ends the session and removes its ephemerals under one zxid. */
  | { readonly type: "closeSession"; readonly session: SessionId; readonly removed: readonly RemovedNode[] }
  /** An empty container or a node whose TTL has passed, removed by the leader. */
  | { readonly type: "reap"; readonly removed: readonly RemovedNode[] }
  /** A refusal. When a branch of a multi was refused, `codes` has one code an operation of it; empty otherwise. */
  | {
      readonly type: "error";
      readonly code: ErrorCode;
      readonly detail: string;
      readonly branch: "then" | "otherwise";
      readonly codes: readonly ErrorCode[];
    }
  | { readonly type: "skip" }
  /** Carries cluster time forward while TTLs or containers exist and nothing else is written. */
  | { readonly type: "stamp" };

export interface Txn {
  readonly zxid: Zxid;
  /** Leader's wall clock, ms: ctime and mtime. */
  readonly wallMs: number;
  /** Cluster time, ms: the last txn's stamp plus the leader's monotonic time elapsed since. Never falls. */
  readonly stampMs: number;
  readonly source: TxnSource;
  readonly body: TxnBody;
}
