/** Decides the removals of many nodes under one zxid: deleteRecursive, the ephemerals of a closing session, reaping. */
import { permission } from "../model/acl.ts";
import { must } from "../model/assert.ts";
import { parentOf } from "../model/path.ts";
import type { DeleteRecursiveRequest } from "../model/request.ts";
import type { SessionId } from "../model/zxid.ts";
import { checkPath } from "./path-check.ts";
import { proposeRemove } from "./prepare-change.ts";
import { badPath, nodeAt, overLimit, type PrepareScope, permits, type Refused, refused } from "./prepare-scope.ts";
import { isReapable } from "./reaper.ts";
import type { Znode } from "./store.ts";
import type { RemovedNode, TxnBody } from "./txn.ts";
import { isPredefined } from "./znode.ts";

/** DELETE is needed on the parent of every node that goes, as for single deletes. */
export function prepareDeleteRecursive(scope: PrepareScope, request: DeleteRecursiveRequest): TxnBody | Refused {
  const { path } = request;
  if (isPredefined(path)) return refused("BAD_ARGUMENTS", "a predefined node cannot be deleted");
  const error = checkPath(path, scope.limits);
  if (error !== undefined) return badPath(error);
  const parent = scope.overlay.get(parentOf(path) ?? "/");
  if (parent === undefined) return refused("NO_NODE");
  if (!permits(scope, parent, permission.delete)) return refused("NO_AUTH");
  const node = scope.overlay.get(path);
  if (node === undefined) return refused("NO_NODE");
  const subtree = new Subtree(scope);
  const trouble = subtree.collect(path, node);
  if (trouble !== undefined) return trouble;
  for (const removed of subtree.removed) proposeRemoved(scope, removed.path);
  return { type: "deleteRecursive", removed: subtree.removed };
}

/** Gathers a subtree, children before their parents, and stops at the bounds of one txn. */
class Subtree {
  readonly removed: RemovedNode[] = [];
  readonly #scope: PrepareScope;
  #found = 0;
  #bytes = 0;

  constructor(scope: PrepareScope) {
    this.#scope = scope;
  }

  collect(path: string, node: Znode): Refused | undefined {
    const { limits, overlay } = this.#scope;
    this.#found += 1;
    this.#bytes += path.length;
    if (this.#found > limits.delete_recursive_nodes_max) return overLimit("delete_recursive_nodes_max", limits);
    if (this.#bytes > limits.proposal_bytes_max) return overLimit("proposal_bytes_max", limits);
    if (node.numChildren > 0) {
      if (!permits(this.#scope, node, permission.delete)) return refused("NO_AUTH", path);
      if (this.#found + node.numChildren > limits.delete_recursive_nodes_max)
        return overLimit("delete_recursive_nodes_max", limits);
      for (const child of overlay.childPaths(path, node.numChildren)) {
        const trouble = this.collect(child, must(overlay.get(child), "a listed child is missing"));
        if (trouble !== undefined) return trouble;
      }
    }
    this.removed.push({ path, acl: node.acl });
    return undefined;
  }
}

/** The session's ephemerals, those still outstanding too, so that none is left behind and none is created after. */
export function prepareCloseSession(scope: PrepareScope, session: SessionId): RemovedNode[] {
  const removed: RemovedNode[] = [];
  for (const path of scope.overlay.ephemeralsOf(session)) {
    removed.push({ path, acl: must(scope.overlay.get(path), "a listed ephemeral is missing").acl });
    proposeRemoved(scope, path);
  }
  return removed;
}

/** Those of `paths` that may still go: a child or a new value may have come meanwhile. */
export function prepareReap(scope: PrepareScope, paths: readonly string[]): RemovedNode[] {
  const removed: RemovedNode[] = [];
  for (const path of paths) {
    const node = nodeAt(scope, path);
    if (node === undefined || isPredefined(path) || !isReapable(node, scope.moment.stampMs)) continue;
    removed.push({ path, acl: node.acl });
    proposeRemoved(scope, path);
  }
  return removed;
}

/** Puts the removal of a childless node into the overlay. */
export function proposeRemoved(scope: PrepareScope, path: string): void {
  const parentPath = must(parentOf(path), "the root cannot be removed");
  const node = must(scope.overlay.get(path), "a removed node is missing");
  proposeRemove(scope, path, node, parentPath, must(scope.overlay.get(parentPath), "a removed node's parent is missing"));
}
