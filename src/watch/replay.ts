/**
 * What the persistent watches of a reconnected client missed: events from the retained log, each once and in
 * order, which stock clients take without a change (ZooKeeper loses them). When the gap is too long, or no
 * longer in history, an event for each watched node stands for whatever happened below it. Called by
 * `replica` in the turn that registers the watches, before their reply.
 *
 * READ is checked as for live events: by the changed node's ACL then; for a parent by its ACL now or, if it
 * has gone since, when it went.
 */
import { parentOf } from "../model/path.ts";
import type { SetWatchesRequest } from "../model/request.ts";
import type { Change, WatchEvent, WatchEventType } from "../model/watch.ts";
import type { Zxid } from "../model/zxid.ts";
import type { CatchUpTree } from "./catch-up.ts";
import type { HistoryTxn } from "./stream.ts";
import { eventOfChange } from "./watch-table.ts";

/** `txns`: all after `relativeZxid`; undefined when they are too many, or gone. */
export function replay(request: SetWatchesRequest, txns: readonly HistoryTxn[] | undefined, tree: CatchUpTree): WatchEvent[] {
  if (txns === undefined) return standIns(request, tree);
  return new Replay(request, tree).run(txns);
}

class Replay {
  readonly #persistent: ReadonlySet<string>;
  readonly #recursive: ReadonlySet<string>;
  readonly #tree: CatchUpTree;
  readonly #events: WatchEvent[] = [];
  /** Of watched nodes that went: their last ACL. */
  readonly #goneAcls = new Map<string, number>();

  constructor(request: SetWatchesRequest, tree: CatchUpTree) {
    this.#persistent = new Set(request.persistent);
    this.#recursive = new Set(request.persistentRecursive);
    this.#tree = tree;
  }

  run(txns: readonly HistoryTxn[]): WatchEvent[] {
    for (const { changes } of txns)
      for (const { type, path, acl } of changes)
        if (type === "deleted" && this.#persistent.has(path)) this.#goneAcls.set(path, acl);
    for (const { changes } of txns) for (const change of changes) this.#change(change);
    return this.#events;
  }

  #change(change: Change): void {
    const type = eventOfChange[change.type];
    if (type === undefined) return;
    const { path, zxid } = change;
    if (this.#isWatched(path) && this.#tree.permits(change.acl)) this.#events.push({ type, path, zxid });
    const parent = type === "nodeDataChanged" ? undefined : parentOf(path);
    if (parent === undefined || !this.#persistent.has(parent)) return;
    const acl = this.#tree.get(parent)?.acl ?? this.#goneAcls.get(parent);
    if (acl !== undefined && this.#tree.permits(acl)) this.#events.push({ type: "nodeChildrenChanged", path: parent, zxid });
  }

  #isWatched(path: string): boolean {
    if (this.#persistent.has(path)) return true;
    if (this.#recursive.size === 0) return false;
    for (let at: string | undefined = path; at !== undefined; at = parentOf(at)) if (this.#recursive.has(at)) return true;
    return false;
  }
}

/** Nobody knows what happened: each watched node is told of as if it, and its children, had changed, or as gone. */
function standIns(request: SetWatchesRequest, tree: CatchUpTree): WatchEvent[] {
  const events: WatchEvent[] = [];
  const tell = (type: WatchEventType, path: string): void => {
    events.push({ type, path, zxid: tree.zxid });
  };
  const since: Zxid = request.relativeZxid;
  for (const path of request.persistent) {
    const node = tree.get(path);
    if (node === undefined) tell("nodeDeleted", path);
    if (node === undefined || !tree.permits(node.acl)) continue;
    if (node.mzxid > since) tell("nodeDataChanged", path);
    if (node.pzxid > since) tell("nodeChildrenChanged", path);
  }
  for (const path of request.persistentRecursive) {
    const node = tree.get(path);
    if (node === undefined) tell("nodeDeleted", path);
    else if (tree.permits(node.acl)) tell("nodeDataChanged", path);
  }
  return events;
}
