/**
 * setWatches: a client that lost its connection names the watches it had and the last zxid that it
 * saw. What changed since fires at once; the rest is registered. Called by `replica` in one turn with
 * the state that it reads: the events go out first, then the reply, and nothing falls between.
 *
 * Persistent watches are registered here; what they missed is told by `replay.ts`.
 *
 * Unlike ZooKeeper, events of nodes that exist pass the same READ check as live ones: a client could
 * otherwise learn of nodes that it may not read. As there, such a watch is used up. A node that is
 * gone has no ACL left to ask, and its deletion is told.
 */
import type { SetWatchesRequest } from "../model/request.ts";
import type { WatchEvent, WatchEventType } from "../model/watch.ts";
import type { Zxid } from "../model/zxid.ts";

/** What of a znode matters here. */
export interface CatchUpNode {
  readonly mzxid: Zxid;
  readonly pzxid: Zxid;
  readonly acl: number;
}

export interface CatchUpTree {
  /** The state that is read: the zxid of the events. */
  readonly zxid: Zxid;
  get(path: string): CatchUpNode | undefined;
  /** True when the connection may READ by this ACL. */
  permits(acl: number): boolean;
}

/** For `WatchTable.arm`. */
export interface ArmedWatches {
  readonly data: readonly string[];
  readonly child: readonly string[];
  readonly persistent: readonly string[];
  readonly persistentRecursive: readonly string[];
}

export interface CatchUp {
  readonly events: readonly WatchEvent[];
  readonly arm: ArmedWatches;
}

export function catchUp(request: SetWatchesRequest, tree: CatchUpTree): CatchUp {
  const since = request.relativeZxid;
  const events: WatchEvent[] = [];
  const data: string[] = [];
  const child: string[] = [];
  for (const path of request.data) decide(path, dataEvent(tree.get(path), since), tree, events, data);
  for (const path of request.exist) decide(path, tree.get(path) === undefined ? undefined : "nodeCreated", tree, events, data);
  for (const path of request.child) decide(path, childEvent(tree.get(path), since), tree, events, child);
  return { events, arm: { data, child, persistent: request.persistent, persistentRecursive: request.persistentRecursive } };
}

function decide(path: string, type: WatchEventType | undefined, tree: CatchUpTree, events: WatchEvent[], armed: string[]): void {
  if (type === undefined) {
    armed.push(path);
    return;
  }
  const node = tree.get(path);
  if (node === undefined || tree.permits(node.acl)) events.push({ type, path, zxid: tree.zxid });
}

/** A node deleted and created anew in between is one change of data, as in ZooKeeper: its mzxid is later. */
function dataEvent(node: CatchUpNode | undefined, since: Zxid): WatchEventType | undefined {
  if (node === undefined) return "nodeDeleted";
  return node.mzxid > since ? "nodeDataChanged" : undefined;
}

function childEvent(node: CatchUpNode | undefined, since: Zxid): WatchEventType | undefined {
  if (node === undefined) return "nodeDeleted";
  return node.pzxid > since ? "nodeChildrenChanged" : undefined;
}
