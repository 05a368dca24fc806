/**
 * What a client asks and what it is answered, for both protocols: the native one and ZooKeeper's map
 * to the same unions. A *request* is what was asked; what was decided of a write is a `Txn`.
 */
import type { Acl, AuthId } from "./acl.ts";
import type { ErrorCode } from "./error.ts";
import type { Stat } from "./stat.ts";
import type { ServerId, SessionId, Zxid } from "./zxid.ts";

/** How a node ends: `persistent` by delete only; `ephemeral` with its session; `container` when it became empty; `ttl` when childless and unchanged for ttlMs of cluster time. */
export type NodeKind = "persistent" | "ephemeral" | "container" | "ttl";

export interface CreateRequest {
  readonly type: "create";
  /** With `sequential`, the server appends `%010d` of the parent's create counter. */
  readonly path: string;
  /** undefined is ZooKeeper's null. */
  readonly data: Uint8Array | undefined;
  readonly kind: NodeKind;
  readonly sequential: boolean;
  /** 0 unless kind is `ttl`. */
  readonly ttlMs: number;
  readonly acl: Acl;
}
export interface DeleteRequest {
  readonly type: "delete";
  readonly path: string;
  /** −1: any. */
  readonly version: number;
}
export interface SetDataRequest {
  readonly type: "setData";
  readonly path: string;
  readonly data: Uint8Array | undefined;
  readonly version: number;
}
/** Inside a multi only: fails unless the node has this data version. */
export interface CheckRequest {
  readonly type: "check";
  readonly path: string;
  readonly version: number;
}
export interface SetAclRequest {
  readonly type: "setAcl";
  readonly path: string;
  readonly acl: Acl;
  /** Compared with aversion; −1: any. */
  readonly version: number;
}
/** Removes `path` and everything below in one txn; LIMIT when that is more than `delete_recursive_nodes_max`. */
export interface DeleteRecursiveRequest {
  readonly type: "deleteRecursive";
  readonly path: string;
}
export type MultiOperation = CreateRequest | DeleteRequest | SetDataRequest | CheckRequest;

export type Condition =
  | { readonly type: "version"; readonly path: string; readonly version: number }
  | { readonly type: "absent"; readonly path: string }
  | { readonly type: "present"; readonly path: string }
  | { readonly type: "czxid"; readonly path: string; readonly czxid: Zxid }
  | { readonly type: "value"; readonly path: string; readonly data: Uint8Array };

/**
 * All or nothing under one zxid. When every condition holds `then` runs, else `otherwise`; a failed
 * condition without an `otherwise` is CONDITION_FAILED.
 */
export interface MultiRequest {
  readonly type: "multi";
  readonly conditions: readonly Condition[];
  readonly then: readonly MultiOperation[];
  readonly otherwise: readonly MultiOperation[] | undefined;
}
export interface CreateSessionRequest {
  readonly type: "createSession";
  readonly timeoutMs: number;
  /** SHA-256 of the password: 32 bytes. */
  readonly passwordHash: Uint8Array;
}
/** Changes a live session's timeout, and the connection generation that its writes must have: never a lower one. */
export interface RenewSessionRequest {
  readonly type: "renewSession";
  readonly timeoutMs: number;
  readonly generation: number;
}
export interface CloseSessionRequest {
  readonly type: "closeSession";
}
/** A write that its caller gave up: consumes its clientSeq and changes nothing. */
export interface SkipRequest {
  readonly type: "skip";
}

export type WriteRequest =
  | CreateRequest
  | DeleteRequest
  | SetDataRequest
  | SetAclRequest
  | DeleteRecursiveRequest
  | MultiRequest
  | CreateSessionRequest
  | RenewSessionRequest
  | CloseSessionRequest
  | SkipRequest;

export interface ExistsRequest {
  readonly type: "exists";
  readonly path: string;
  readonly watch: boolean;
}
export interface GetDataRequest {
  readonly type: "getData";
  readonly path: string;
  readonly watch: boolean;
}
export interface GetChildrenRequest {
  readonly type: "getChildren";
  readonly path: string;
  readonly watch: boolean;
}
export interface GetAclRequest {
  readonly type: "getAcl";
  readonly path: string;
}
/** A page of the nodes under `path`, in path order, all pages at one zxid. */
export interface ListRequest {
  readonly type: "list";
  readonly path: string;
  readonly recursive: boolean;
  /** Only names (of direct children; when recursive, of paths below `path`) that start with this. */
  readonly prefix: string;
  readonly withData: boolean;
  /** With what a Stat does not show: kind, ACL and create counter. */
  readonly withDetails?: boolean;
  /** At least 1. A page is never longer than list_page_max: the cursor leads on. */
  readonly limit: number;
  /** From the page before; undefined for the first. */
  readonly cursor: ListCursor | undefined;
}
export interface ListCursor {
  /** Names the image at the server that gave the first page. */
  readonly image: number;
  /** The last path returned. */
  readonly after: string;
}
export interface MultiReadRequest {
  readonly type: "multiRead";
  readonly reads: readonly (GetDataRequest | GetChildrenRequest | ExistsRequest)[];
}
export interface GetEphemeralsRequest {
  readonly type: "getEphemerals";
  readonly prefix: string;
}
/** All descendants, the node itself not counted. O(1). */
export interface CountSubtreeRequest {
  readonly type: "countSubtree";
  readonly path: string;
}
export interface WhoAmIRequest {
  readonly type: "whoAmI";
}
/** A quorum barrier: answered once this server has applied all that was committed anywhere before. */
export interface SyncRequest {
  readonly type: "sync";
  readonly path: string;
}

export type ReadRequest =
  | ExistsRequest
  | GetDataRequest
  | GetChildrenRequest
  | GetAclRequest
  | ListRequest
  | MultiReadRequest
  | GetEphemeralsRequest
  | CountSubtreeRequest
  | WhoAmIRequest
  | SyncRequest;

/** A stream of every change at (or, recursive, under) `path`, answered by `none` once registered; events come as `streamEvents`. */
export interface SubscribeRequest {
  readonly type: "subscribe";
  /** Chosen by the client, unique on its connection. */
  readonly stream: number;
  readonly path: string;
  readonly recursive: boolean;
  /** Changes after this zxid; undefined: a snapshot first, then every change after it. */
  readonly fromZxid: Zxid | undefined;
  readonly withData: boolean;
}
export interface UnsubscribeRequest {
  readonly type: "unsubscribe";
  readonly stream: number;
}
/** The server resolved the credentials to identities already; none when they were refused. */
export interface AddAuthRequest {
  readonly type: "addAuth";
  readonly identities: readonly AuthId[];
}
/** ZooKeeper's persistent watches, and removal of one-shot or persistent ones. */
export interface AddWatchRequest {
  readonly type: "addWatch";
  readonly path: string;
  readonly recursive: boolean;
}
export type WatcherType = "children" | "data" | "any" | "persistent" | "persistentRecursive";
export interface RemoveWatchesRequest {
  readonly type: "removeWatches";
  readonly path: string;
  readonly kind: WatcherType;
}
export interface CheckWatchesRequest {
  readonly type: "checkWatches";
  readonly path: string;
  readonly kind: WatcherType;
}
/** Re-registration after a reconnect: what changed after `relativeZxid` fires at once, the rest is armed. */
export interface SetWatchesRequest {
  readonly type: "setWatches";
  readonly relativeZxid: Zxid;
  readonly data: readonly string[];
  readonly exist: readonly string[];
  readonly child: readonly string[];
  readonly persistent: readonly string[];
  readonly persistentRecursive: readonly string[];
}
/** Acts on the connection alone. */
export type LocalRequest =
  | SubscribeRequest
  | UnsubscribeRequest
  | AddAuthRequest
  | AddWatchRequest
  | RemoveWatchesRequest
  | CheckWatchesRequest
  | SetWatchesRequest;

export type Request = WriteRequest | ReadRequest | LocalRequest;
export type RequestType = Request["type"];

/**
 * `linearizable`: sees every write completed before the call. `session`: monotonic and
 * read-your-writes, maybe old. `atLeast`: not older than the given zxid.
 */
export type ReadLevel =
  | { readonly type: "linearizable" }
  | { readonly type: "session" }
  | { readonly type: "atLeast"; readonly zxid: Zxid };

/** A write takes effect only while this node still has this czxid: the fence of a lock's token. */
export interface Guard {
  readonly path: string;
  readonly czxid: Zxid;
}

/**
 * Who a write belongs to, for exactly-once. `session`: native, numbered by the client. `origin`: the
 * ZooKeeper port and session creation, numbered by the server that holds the connection.
 * `internal`: the leader itself (expiry, reaping, stamps).
 */
export type TxnSource =
  | { readonly type: "session"; readonly session: SessionId; readonly seq: number; readonly ackedSeq: number }
  | {
      readonly type: "origin";
      readonly session: SessionId | 0;
      readonly server: ServerId;
      readonly boot: number;
      readonly counter: number;
    }
  | { readonly type: "internal"; readonly session: SessionId | 0 };

/** A write on its way to `prepare` at the leader. */
export interface Write {
  readonly source: TxnSource;
  readonly request: WriteRequest;
  readonly guards: readonly Guard[];
  /** Identities of the connection, the implied ones (world, ip) too. */
  readonly identities: readonly AuthId[];
}

export interface ListEntry {
  readonly path: string;
  readonly stat: Stat;
  readonly data: Uint8Array | undefined;
  /** Only where they were asked for. */
  readonly details?: NodeDetails;
}

/** What a Stat does not show of a node. */
export interface NodeDetails {
  readonly kind: NodeKind;
  /** 0 unless kind is `ttl`. */
  readonly ttlMs: number;
  /** Without ADMIN, the hashes of digest ids are hidden, as in getAcl. */
  readonly acl: Acl;
  /** Children ever created: the number of the next sequential one. */
  readonly childCreates: number;
}

export type Result =
  | { readonly type: "none" }
  | { readonly type: "created"; readonly path: string; readonly stat: Stat }
  | { readonly type: "stat"; readonly stat: Stat }
  | { readonly type: "data"; readonly data: Uint8Array | undefined; readonly stat: Stat }
  | { readonly type: "children"; readonly names: readonly string[]; readonly stat: Stat }
  | {
      readonly type: "list";
      readonly entries: readonly ListEntry[];
      readonly zxid: Zxid;
      readonly cursor: ListCursor | undefined;
    }
  | { readonly type: "acl"; readonly acl: Acl; readonly stat: Stat }
  /** One outcome an operation of the branch taken. Of a failed multi: OK before the failing one, its code, RUNTIME_INCONSISTENCY after. */
  | { readonly type: "multi"; readonly branch: "then" | "otherwise"; readonly outcomes: readonly Outcome[] }
  | { readonly type: "multiRead"; readonly outcomes: readonly Outcome[]; readonly zxid: Zxid }
  | { readonly type: "paths"; readonly paths: readonly string[] }
  | { readonly type: "count"; readonly count: number }
  | { readonly type: "identities"; readonly identities: readonly AuthId[] }
  | { readonly type: "session"; readonly session: SessionId };

/** The answer to one request. A failed multi has the failing operation's code and a `multi` result; every other failure `none`. */
export interface Outcome {
  readonly code: ErrorCode;
  /** Which limit, which argument, the expected seq, the oldest zxid … in words; empty when there is nothing to add. */
  readonly detail: string;
  readonly result: Result;
}

export const noResult: Result = { type: "none" };
export const okOutcome: Outcome = { code: "OK", detail: "", result: noResult };

export function success(result: Result): Outcome {
  return { code: "OK", detail: "", result };
}

export function failure(code: ErrorCode, detail = ""): Outcome {
  return { code, detail, result: noResult };
}
