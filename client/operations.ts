/** What callers pass to and get from `Client`, and how it becomes a request of the protocol. */
import { type Acl, openAcl } from "../src/model/acl.ts";
import { productionLimits } from "../src/model/limits.ts";
import type {
  Condition,
  CreateRequest,
  Guard,
  ListCursor,
  ListEntry,
  MultiOperation,
  NodeKind,
  Outcome,
  ReadLevel,
} from "../src/model/request.ts";
import type { Stat } from "../src/model/stat.ts";
import type { Zxid } from "../src/model/zxid.ts";
import { type DataInput, toBytes } from "./data.ts";
import { ZabraError } from "./error.ts";
import type { WatchHandler } from "./watch-handlers.ts";

export interface CallOptions {
  /** Gives the call up: it rejects with ABORTED (and, for a write already sent, outcome `unknown`). */
  readonly signal?: AbortSignal | undefined;
  /** Deadline of the call, ms from now, over all its retries: 1 to 2³¹. Default: the client's `callTimeoutMs`. */
  readonly timeoutMs?: number | undefined;
}

/** `linearizable` sees every write that was complete before the call; `session` is monotonic and sees this client's own; `atLeast` is not older than a zxid. */
export type Level = "linearizable" | "session" | { readonly atLeast: Zxid };

export interface ReadOptions extends CallOptions {
  /** Default: the client's `level`, which is `linearizable` unless changed. */
  readonly level?: Level | undefined;
}

export interface WatchOptions extends ReadOptions {
  /** Called once, with the first event after this read (or when its session is lost). Survives reconnects. It may run before the read's promise resolves. */
  readonly watch?: WatchHandler | undefined;
}

export interface WriteOptions extends CallOptions {
  /** The write takes effect only while these nodes (up to 4) still have these czxids, else FENCED. A grant is a guard. */
  readonly guard?: Guard | readonly Guard[] | undefined;
}

export interface CreateOptions extends WriteOptions {
  /** Default `persistent`, or `ttl` when `ttlMs` is given. */
  readonly kind?: NodeKind | undefined;
  /** Appends ten digits of a counter of the parent. */
  readonly sequential?: boolean | undefined;
  /** The node goes once it has been childless and unchanged for this long, ms of cluster time. */
  readonly ttlMs?: number | undefined;
  /** Default: everything for everybody. */
  readonly acl?: Acl | undefined;
}

export interface VersionOptions extends WriteOptions {
  /** Refuse with BAD_VERSION unless the node has this version. Default −1: any. */
  readonly version?: number | undefined;
}

export interface ListOptions extends ReadOptions {
  /** All descendants rather than the children. */
  readonly recursive?: boolean | undefined;
  /** Only names (recursive: paths below `path`) that start with this. */
  readonly prefix?: string | undefined;
  readonly withData?: boolean | undefined;
  /** With `details`: kind, TTL, ACL and create counter. */
  readonly withDetails?: boolean | undefined;
  /** Nodes a page, 1 to 10,000. Default 1,000. */
  readonly pageSize?: number | undefined;
}

export interface SubscribeOptions {
  /** The node and everything below it, rather than the node and its children. */
  readonly recursive?: boolean | undefined;
  /** Default true. */
  readonly withData?: boolean | undefined;
  readonly signal?: AbortSignal | undefined;
  /** When the history needed to go on is gone: begin again with a `snapshot` batch (default), or end with an `error`. */
  readonly onCompacted?: "snapshot" | "error" | undefined;
}

export interface ChangesOptions {
  /** Changes after this zxid. */
  readonly fromZxid: Zxid;
  readonly recursive?: boolean | undefined;
  readonly withData?: boolean | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface Written {
  /** Of the txn. */
  readonly zxid: Zxid;
}
export interface CreatedNode extends Written {
  /** With the sequence suffix. */
  readonly path: string;
  readonly stat: Stat;
}
export interface ChangedNode extends Written {
  readonly stat: Stat;
}
export interface Children {
  readonly names: readonly string[];
  readonly stat: Stat;
  readonly zxid: Zxid;
}
export interface ListPage {
  readonly entries: readonly ListEntry[];
  /** The one zxid of all pages. */
  readonly zxid: Zxid;
  /** For the next page; undefined after the last. */
  readonly cursor: ListCursor | undefined;
}

export interface MultiInput {
  /** When all hold, `then` runs, else `otherwise`. Default: none. */
  readonly conditions?: readonly Condition[] | undefined;
  readonly then: readonly MultiOperation[];
  /** Without it, a condition that does not hold is CONDITION_FAILED. */
  readonly otherwise?: readonly MultiOperation[] | undefined;
}
export interface MultiResult extends Written {
  readonly branch: "then" | "otherwise";
  /** One an operation of the branch, in order. */
  readonly outcomes: readonly Outcome[];
}

/** A read of a `multiRead`. */
export interface MultiReadItem {
  readonly type: "get" | "children" | "exists";
  readonly path: string;
}
export interface MultiReadResult {
  /** The one zxid that all was read at. */
  readonly zxid: Zxid;
  /** One an item: its own code and result. */
  readonly outcomes: readonly Outcome[];
}

const linearizable: ReadLevel = { type: "linearizable" };
const session: ReadLevel = { type: "session" };

export function toReadLevel(level: Level): ReadLevel {
  if (level === "linearizable") return linearizable;
  return level === "session" ? session : { type: "atLeast", zxid: level.atLeast };
}

export function createRequest(path: string, data: DataInput, options: CreateOptions): CreateRequest {
  const ttlMs = options.ttlMs ?? 0;
  const kind = options.kind ?? (ttlMs > 0 ? "ttl" : "persistent");
  if ((kind === "ttl") !== ttlMs > 0) throw new ZabraError("BAD_ARGUMENTS", { path, detail: "kind ttl and ttlMs go together" });
  return {
    type: "create",
    path,
    data: toBytes(data),
    kind,
    sequential: options.sequential ?? false,
    ttlMs,
    acl: options.acl ?? openAcl,
  };
}

export function toGuards(guard: Guard | readonly Guard[] | undefined): readonly Guard[] {
  if (guard === undefined) return [];
  const guards = isList(guard) ? guard : [guard];
  if (guards.length > productionLimits.guards_max)
    throw new ZabraError("LIMIT", { detail: `guards_max is ${productionLimits.guards_max}` });
  return guards;
}

function isList(guard: Guard | readonly Guard[]): guard is readonly Guard[] {
  return Array.isArray(guard);
}
