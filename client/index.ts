/** The public API of the client library. Everything else in this folder may change without notice. */

export { type Acl, type AclEntry, type AuthId, creatorAcl, openAcl, permission, readOnlyAcl } from "../src/model/acl.ts";
export type {
  Condition,
  Guard,
  ListCursor,
  ListEntry,
  MultiOperation,
  NodeDetails,
  NodeKind,
  Outcome,
  Result,
} from "../src/model/request.ts";
export type { Stat } from "../src/model/stat.ts";
export type { ChangeType, WatchEvent, WatchEventType } from "../src/model/watch.ts";
export { formatZxid, parseZxid, type SessionId, type Zxid } from "../src/model/zxid.ts";
export { Client, type ClientOptions, connect, describeCode } from "./client.ts";
export type { MonotonicClock } from "./clock.ts";
export type { ClientState } from "./connection-event.ts";
export { type DataInput, NodeValue, toBytes, toText } from "./data.ts";
export { type ErrorCode, unless, ZabraError } from "./error.ts";
export type {
  CallOptions,
  ChangedNode,
  ChangesOptions,
  Children,
  CreatedNode,
  CreateOptions,
  Level,
  ListOptions,
  ListPage,
  MultiInput,
  MultiReadItem,
  MultiReadResult,
  MultiResult,
  ReadOptions,
  SubscribeOptions,
  VersionOptions,
  WatchOptions,
  WriteOptions,
  Written,
} from "./operations.ts";
export { Stream, type StreamBatch, type StreamChange, type StreamEntry } from "./stream.ts";
export type { DeleteRecursiveOptions } from "./subtree.ts";
export type { Timers } from "./timers.ts";
export { Branch, Transaction } from "./transaction.ts";
export type { Dial, Transport, TransportHandlers } from "./transport.ts";
export type { WatchHandler, WatchNotification } from "./watch-handlers.ts";
