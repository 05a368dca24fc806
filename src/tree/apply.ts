/**
 * The committed tree: applies what was decided. Deterministic and total: every replica that applies
 * the same txns in the same order has the same store and the same digest. Whatever does not fit is
 * our own bug or damage, and stops the server before it spreads.
 */
import { assert, assertNever, InvariantError, must } from "../model/assert.ts";
import { LaneSum } from "../model/lane-hash.ts";
import { parentOf } from "../model/path.ts";
import { isBelowQuotaRoot } from "../model/quota.ts";
import { type Outcome, okOutcome, success } from "../model/request.ts";
import type { AclTable } from "./acl-table.ts";
import { NodeHasher } from "./digest.ts";
import type { Ephemerals } from "./ephemerals.ts";
import { createdStat } from "./outcome.ts";
import type { Quotas } from "./quotas.ts";
import type { Reaper } from "./reaper.ts";
import type { Store, Znode } from "./store.ts";
import type { AclRef, CreateEffect, NodeEffect, RemovedNode, SetAclEffect, SetDataEffect } from "./txn.ts";
import {
  aclSet,
  childAdded,
  childRemoved,
  createdNode,
  dataBytes,
  dataSet,
  draftOf,
  type Moment,
  sameStat,
  statOf,
  type ZnodeDraft,
} from "./znode.ts";

export class CommittedTree {
  /** Sum of the hashes of all nodes. */
  readonly digest = new LaneSum();
  readonly #store: Store;
  readonly #acls: AclTable;
  readonly #ephemerals: Ephemerals;
  readonly #reaper: Reaper;
  readonly #quotas: Quotas;
  readonly #hasher = new NodeHasher();

  constructor(store: Store, acls: AclTable, ephemerals: Ephemerals, reaper: Reaper, quotas: Quotas) {
    this.#store = store;
    this.#acls = acls;
    this.#ephemerals = ephemerals;
    this.#reaper = reaper;
    this.#quotas = quotas;
  }

  apply(effect: NodeEffect, moment: Moment): Outcome {
    switch (effect.type) {
      case "create":
        this.#create(effect, moment);
        return success({ type: "created", path: effect.path, stat: createdStat(effect, moment) });
      case "delete":
        this.remove(effect, moment);
        return okOutcome;
      case "setData":
        this.#setData(effect, moment);
        return success({ type: "stat", stat: effect.stat });
      case "setAcl":
        this.#setAcl(effect);
        return success({ type: "stat", stat: effect.stat });
      case "check":
        return okOutcome;
      default:
        return assertNever(effect);
    }
  }

  /** Also for the predefined nodes of a fresh store. */
  insert(path: string, node: ZnodeDraft): void {
    this.#hasher.hashWhole(path, node);
    this.#store.put(path, node);
    this.digest.add(node.hashHigh, node.hashLow);
  }

  remove(removed: RemovedNode, moment: Moment): void {
    const { path } = removed;
    const node = this.#store.get(path) ?? missing(path);
    assert(node.numChildren === 0, "a removed node has children");
    assert(node.acl === removed.acl, "a removed node has another ACL");
    const parentPath = must(parentOf(path), "the root cannot be removed");
    const parent = must(this.#store.get(parentPath), "a removed node's parent does not exist");
    this.#store.remove(path);
    this.digest.subtract(node.hashHigh, node.hashLow);
    if (node.owner !== 0) this.#ephemerals.remove(node.owner, path);
    if (isReaped(node)) this.#reaper.removed(path);
    const after = childRemoved(parent, moment.zxid);
    const bytes = dataBytes(node.data);
    after.descendants -= 1;
    after.bytesBelow -= bytes;
    this.#replaceMetadata(parentPath, parent, after);
    this.#countAbove(parentPath, -1, -bytes);
    if (isBelowQuotaRoot(path)) this.#quotas.changed(path, undefined);
    if (after.numChildren === 0 && isReaped(after)) this.#reaper.becameEmpty(parentPath, after);
  }

  #create(effect: CreateEffect, moment: Moment): void {
    const { path } = effect;
    const parentPath = must(parentOf(path), "the root cannot be created");
    const parent = must(this.#store.get(parentPath), "a created node's parent does not exist");
    assert(parent.kind !== "ephemeral", "a created node's parent is ephemeral");
    assert(this.#store.get(path) === undefined, "a created node exists already");
    this.#resolveAcl(effect.acl);
    const node = createdNode(effect, moment);
    this.insert(path, node);
    if (effect.owner !== 0) this.#ephemerals.add(effect.owner, path);
    if (isReaped(node)) this.#reaper.added(path, node);
    const after = childAdded(parent, moment.zxid);
    const bytes = dataBytes(node.data);
    after.descendants += 1;
    after.bytesBelow += bytes;
    this.#replaceMetadata(parentPath, parent, after);
    this.#countAbove(parentPath, 1, bytes);
    if (isBelowQuotaRoot(path)) this.#quotas.changed(path, node);
  }

  #setData(effect: SetDataEffect, moment: Moment): void {
    const before = must(this.#store.get(effect.path), "a changed node does not exist");
    const after = dataSet(before, effect.data, moment);
    assert(sameStat(statOf(after), effect.stat), "a changed node has another stat than was decided");
    assert(after.acl === effect.acl, "a changed node has another ACL than was decided");
    this.#hasher.hashWhole(effect.path, after);
    this.#replace(effect.path, before, after);
    const bytes = dataBytes(after.data) - dataBytes(before.data);
    if (bytes !== 0) this.#countAbove(effect.path, 0, bytes);
    if (isBelowQuotaRoot(effect.path)) this.#quotas.changed(effect.path, after);
  }

  #setAcl(effect: SetAclEffect): void {
    this.#resolveAcl(effect.acl);
    const before = must(this.#store.get(effect.path), "a changed node does not exist");
    const after = aclSet(before, effect.acl.id);
    assert(sameStat(statOf(after), effect.stat), "a changed node has another stat than was decided");
    this.#replaceMetadata(effect.path, before, after);
  }

  #resolveAcl(acl: AclRef): void {
    if (acl.added !== undefined) this.#acls.add(acl.id, acl.added);
    this.#acls.get(acl.id);
  }

  /** Every node above `path` has so many descendants, and bytes in them, more. */
  #countAbove(path: string, descendants: number, bytes: number): void {
    for (let at = parentOf(path); at !== undefined; at = parentOf(at)) {
      const before = must(this.#store.get(at), "an ancestor does not exist");
      const after = draftOf(before);
      after.descendants += descendants;
      after.bytesBelow += bytes;
      this.#replaceMetadata(at, before, after);
    }
  }

  #replaceMetadata(path: string, before: Znode, after: ZnodeDraft): void {
    assert(after.numChildren >= 0 && after.descendants >= after.numChildren, "a node has fewer descendants than children");
    assert(after.bytesBelow >= 0, "a node has less than nothing below");
    this.#hasher.hashMetadata(path, before, after);
    this.#replace(path, before, after);
  }

  #replace(path: string, before: Znode, after: Znode): void {
    this.#store.put(path, after);
    this.digest.subtract(before.hashHigh, before.hashLow);
    this.digest.add(after.hashHigh, after.hashLow);
  }
}

function missing(path: string): never {
  throw new InvariantError(`a removed node does not exist: ${path}`);
}

function isReaped(node: Znode): boolean {
  return node.kind === "container" || node.kind === "ttl";
}
