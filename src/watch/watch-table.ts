/**
 * ZooKeeper's watches, per connection: one-shot ones in a data and a child table, persistent ones in
 * both, persistent recursive ones in the data table alone, each on a path. They die with the
 * connection; a client that comes back registers them again (`catch-up.ts`).
 *
 * The tables are one map from path to connection to a bit set, so modes combine freely and a trigger
 * looks once at each path. `replica` registers in the turn of the read, triggers after each applied
 * txn, and emits the events before any reply that shows the txn.
 *
 * READ is checked at delivery, not at registration. A connection that may not read the node is told
 * nothing, but its one-shot watch is used up all the same, as in ZooKeeper after CVE-2024-23944
 * (`WatchManager.triggerWatch` removes the watcher, then `ServerCnxn.process` drops the event).
 */
import { assert } from "../model/assert.ts";
import type { Limits } from "../model/limits.ts";
import { parentOf } from "../model/path.ts";
import type { WatcherType } from "../model/request.ts";
import type { Change, WatchEvent, WatchEventType } from "../model/watch.ts";
import type { ConnectionId } from "../model/zxid.ts";
import type { ArmedWatches } from "./catch-up.ts";

/** exists and getData use the data table, getChildren the child table. */
export type WatchKind = "data" | "child";

export interface WatchAccess {
  /** True when the connection's identities have READ by this ACL of the ACL table. */
  permits(connection: ConnectionId, acl: number): boolean;
  /** The node's ACL id as of the txn being delivered; undefined when there is no such node. */
  aclIdOf(path: string): number | undefined;
}

export type WatchSink = (connection: ConnectionId, event: WatchEvent) => void;

const data = 1;
const child = 2;
const persistent = 4;
const recursive = 8;
const oneShot = data | child;

const bitsOfType: { readonly [Type in WatcherType]: number } = {
  data,
  children: child,
  persistent,
  persistentRecursive: recursive,
  any: data | child | persistent | recursive,
};

/** What the watches of the changed node itself are told. */
export const eventOfChange = {
  created: "nodeCreated",
  deleted: "nodeDeleted",
  dataChanged: "nodeDataChanged",
  aclChanged: undefined,
} as const;

export class WatchTable {
  readonly #limits: Limits;
  readonly #access: WatchAccess;
  /** Invariant: no empty inner map, no zero bit set. */
  readonly #byPath = new Map<string, Map<ConnectionId, number>>();
  /** Invariant: the inverse of #byPath. */
  readonly #pathsOf = new Map<ConnectionId, Set<string>>();
  readonly #countOf = new Map<ConnectionId, number>();
  #count = 0;
  /** While it is 0, no ancestor needs a look. */
  #recursiveCount = 0;
  /** Who has been told of the current trigger; filled only while recursive watches exist. */
  readonly #told = new Set<ConnectionId>();
  /** ACLs of the nodes that the current txn deleted; built when first asked for. */
  #deletedAcls: Map<string, number> | undefined;

  constructor(limits: Limits, access: WatchAccess) {
    this.#limits = limits;
    this.#access = access;
  }

  get count(): number {
    return this.#count;
  }

  byConnection(): Iterable<readonly [ConnectionId, ReadonlySet<string>]> {
    return this.#pathsOf;
  }

  get empty(): boolean {
    return this.#count === 0;
  }

  /** A one-shot watch. False: `watches_per_connection_max` is reached. */
  add(connection: ConnectionId, kind: WatchKind, path: string): boolean {
    return this.#add(connection, path, kind === "data" ? data : child);
  }

  /** A watch that stays until it is removed. Recursive: for the node and all below it, without nodeChildrenChanged. */
  addPersistent(connection: ConnectionId, path: string, isRecursive: boolean): boolean {
    return this.#add(connection, path, isRecursive ? recursive : persistent);
  }

  /** All that setWatches left to register. False: the limit is reached, and some are missing. */
  arm(connection: ConnectionId, watches: ArmedWatches): boolean {
    return (
      this.#addAll(connection, watches.data, data) &&
      this.#addAll(connection, watches.child, child) &&
      this.#addAll(connection, watches.persistent, persistent) &&
      this.#addAll(connection, watches.persistentRecursive, recursive)
    );
  }

  #addAll(connection: ConnectionId, paths: readonly string[], bit: number): boolean {
    for (const path of paths) {
      if (!this.#add(connection, path, bit)) return false;
    }
    return true;
  }

  #add(connection: ConnectionId, path: string, bit: number): boolean {
    // No node can have such a path, so the watch could never fire, and it is as large as a frame.
    if (path.length > this.#limits.path_bytes_max) return true;
    let watchers = this.#byPath.get(path);
    const before = watchers?.get(connection) ?? 0;
    if ((before & bit) !== 0) return true;
    const count = this.#countOf.get(connection) ?? 0;
    if (count >= this.#limits.watches_per_connection_max) return false;
    if (watchers === undefined) {
      watchers = new Map();
      this.#byPath.set(path, watchers);
    }
    watchers.set(connection, before | bit);
    this.#counted(connection, count, bit, 1);
    if (before === 0) this.#remember(connection, path);
    return true;
  }

  #remember(connection: ConnectionId, path: string): void {
    const paths = this.#pathsOf.get(connection);
    if (paths === undefined) this.#pathsOf.set(connection, new Set([path]));
    else paths.add(path);
  }

  /** removeWatches: `data` and `children` mean the one-shot ones, `any` all on this path. False: there was none. */
  remove(connection: ConnectionId, path: string, kind: WatcherType): boolean {
    const watchers = this.#byPath.get(path);
    const bits = (watchers?.get(connection) ?? 0) & bitsOfType[kind];
    if (watchers === undefined || bits === 0) return false;
    this.#clear(watchers, connection, path, bits);
    return true;
  }

  /** checkWatches. */
  has(connection: ConnectionId, path: string, kind: WatcherType): boolean {
    return ((this.#byPath.get(path)?.get(connection) ?? 0) & bitsOfType[kind]) !== 0;
  }

  dropConnection(connection: ConnectionId): void {
    const paths = this.#pathsOf.get(connection);
    if (paths === undefined) return;
    for (const path of paths) this.remove(connection, path, "any");
    assert(!this.#pathsOf.has(connection) && !this.#countOf.has(connection), "a dropped connection must leave no watch");
  }

  /** Tells everyone who watches what one applied txn changed; `changes` are all of that txn's, in order. */
  trigger(changes: readonly Change[], deliver: WatchSink): void {
    if (this.#count === 0) return;
    for (const change of changes) {
      const type = eventOfChange[change.type];
      if (type === undefined) continue;
      this.#triggerNode(change, type, deliver);
      if (type !== "nodeDataChanged") this.#triggerParent(change, changes, deliver);
    }
    this.#deletedAcls = undefined;
  }

  /**
   * The data table at the node, for a deletion the child table too, and recursive watches above. A
   * connection is told once however many of them it has; every one-shot watch concerned is used up.
   */
  #triggerNode(change: Change, type: WatchEventType, deliver: WatchSink): void {
    const here = type === "nodeDeleted" ? data | child | persistent | recursive : data | persistent | recursive;
    const event: WatchEvent = { type, path: change.path, zxid: change.zxid };
    this.#triggerAt(change.path, here, event, change.acl, deliver);
    if (this.#recursiveCount === 0) return;
    for (let path = parentOf(change.path); path !== undefined; path = parentOf(path)) {
      this.#triggerAt(path, recursive, event, change.acl, deliver);
    }
    this.#told.clear();
  }

  #triggerAt(path: string, mask: number, event: WatchEvent, acl: number, deliver: WatchSink): void {
    const watchers = this.#byPath.get(path);
    if (watchers === undefined) return;
    const dedupe = this.#recursiveCount > 0;
    for (const [connection, bits] of watchers) {
      const matched = bits & mask;
      if (matched === 0) continue;
      if ((matched & oneShot) !== 0) this.#clear(watchers, connection, path, matched & oneShot);
      if (dedupe && this.#told.has(connection)) continue;
      if (dedupe) this.#told.add(connection);
      if (this.#access.permits(connection, acl)) deliver(connection, event);
    }
  }

  #triggerParent(change: Change, changes: readonly Change[], deliver: WatchSink): void {
    const parent = parentOf(change.path);
    const watchers = parent === undefined ? undefined : this.#byPath.get(parent);
    if (parent === undefined || watchers === undefined) return;
    const acl = this.#access.aclIdOf(parent) ?? this.#deletedAcl(parent, changes);
    const event: WatchEvent = { type: "nodeChildrenChanged", path: parent, zxid: change.zxid };
    for (const [connection, bits] of watchers) {
      const matched = bits & (child | persistent);
      if (matched === 0) continue;
      if ((matched & child) !== 0) this.#clear(watchers, connection, parent, child);
      if (acl !== undefined && this.#access.permits(connection, acl)) deliver(connection, event);
    }
  }

  /** The tree is at the end of the txn already: a parent that went in the same txn has its ACL in its own change. */
  #deletedAcl(path: string, changes: readonly Change[]): number | undefined {
    if (this.#deletedAcls === undefined) {
      this.#deletedAcls = new Map();
      for (const change of changes) if (change.type === "deleted") this.#deletedAcls.set(change.path, change.acl);
    }
    return this.#deletedAcls.get(path);
  }

  /** Takes `bits`, all of them set, off a connection's watches on a path. */
  #clear(watchers: Map<ConnectionId, number>, connection: ConnectionId, path: string, bits: number): void {
    const before = watchers.get(connection) ?? 0;
    assert((before & bits) === bits, "only a set watch can be cleared");
    this.#counted(connection, this.#countOf.get(connection) ?? 0, bits, -1);
    const after = before & ~bits;
    if (after !== 0) {
      watchers.set(connection, after);
      return;
    }
    watchers.delete(connection);
    if (watchers.size === 0) this.#byPath.delete(path);
    const paths = this.#pathsOf.get(connection);
    assert(paths?.delete(path) === true, "a watch must be known under its connection");
    if (paths.size === 0) this.#pathsOf.delete(connection);
  }

  #counted(connection: ConnectionId, before: number, bits: number, sign: 1 | -1): void {
    const change = sign * bitCount(bits);
    this.#count += change;
    if ((bits & recursive) !== 0) this.#recursiveCount += sign;
    assert(before + change >= 0 && this.#recursiveCount >= 0, "watch counts must not fall below zero");
    if (before + change === 0) this.#countOf.delete(connection);
    else this.#countOf.set(connection, before + change);
  }
}

function bitCount(bits: number): number {
  return (bits & 1) + ((bits >> 1) & 1) + ((bits >> 2) & 1) + ((bits >> 3) & 1);
}
