/** Decides delete, setData, setAcl and check. The order of the checks is ZooKeeper's (first failure wins). */
import { permission } from "../model/acl.ts";
import { parentOf } from "../model/path.ts";
import type { CheckRequest, DeleteRequest, SetAclRequest, SetDataRequest } from "../model/request.ts";
import { checkPath } from "./path-check.ts";
import {
  aclReference,
  badPath,
  checkedAcl,
  dataTooLong,
  isRefused,
  nodeAt,
  overLimit,
  type PrepareScope,
  permits,
  type Refused,
  refused,
  versionMatches,
} from "./prepare-scope.ts";
import { quotaError } from "./quotas.ts";
import type { Znode } from "./store.ts";
import type { CheckEffect, DeleteEffect, SetAclEffect, SetDataEffect } from "./txn.ts";
import { aclSet, childRemoved, dataBytes, dataSet, isPredefined, statOf } from "./znode.ts";

const checkEffect: CheckEffect = { type: "check" };

export function prepareDelete(scope: PrepareScope, request: DeleteRequest): DeleteEffect | Refused {
  const { path } = request;
  if (isPredefined(path)) return refused("BAD_ARGUMENTS", "a predefined node cannot be deleted");
  if (!path.includes("/") || path.includes("\0")) return refused("BAD_ARGUMENTS", checkPath(path, scope.limits) ?? "");
  const parentPath = parentOf(path) ?? "";
  const parent = nodeAt(scope, parentPath);
  if (parent === undefined) return refused("NO_NODE");
  if (!permits(scope, parent, permission.delete)) return refused("NO_AUTH");
  const node = nodeAt(scope, path);
  if (node === undefined) return refused("NO_NODE");
  if (!versionMatches(request.version, node.version)) return refused("BAD_VERSION");
  if (node.numChildren > 0) return refused("NOT_EMPTY");
  proposeRemove(scope, path, node, parentPath, parent);
  return { type: "delete", path, acl: node.acl };
}

/** Puts a decided removal into the overlay. */
export function proposeRemove(scope: PrepareScope, path: string, node: Znode, parentPath: string, parent: Znode): void {
  const { zxid } = scope.moment;
  scope.overlay.remove(path, node, zxid);
  scope.overlay.change(parentPath, childRemoved(parent, zxid), zxid);
}

export function prepareSetData(scope: PrepareScope, request: SetDataRequest): SetDataEffect | Refused {
  const { path, data } = request;
  if (dataTooLong(data, scope.limits)) return overLimit("data_bytes_max", scope.limits);
  const error = checkPath(path, scope.limits);
  if (error !== undefined) return badPath(error);
  const before = scope.overlay.get(path);
  if (before === undefined) return refused("NO_NODE");
  if (!permits(scope, before, permission.write)) return refused("NO_AUTH");
  const bytes = dataBytes(data) - dataBytes(before.data);
  const excess = quotaError(scope, path, 0, bytes);
  if (excess !== undefined) return excess;
  if (!versionMatches(request.version, before.version)) return refused("BAD_VERSION");
  const node = dataSet(before, data, scope.moment);
  scope.overlay.change(path, node, scope.moment.zxid, bytes);
  return { type: "setData", path, data, stat: statOf(node), acl: node.acl };
}

export function prepareSetAcl(scope: PrepareScope, request: SetAclRequest): SetAclEffect | Refused {
  const { path } = request;
  const error = checkPath(path, scope.limits);
  if (error !== undefined) return badPath(error);
  const acl = checkedAcl(scope, request.acl);
  if (isRefused(acl)) return acl;
  const before = scope.overlay.get(path);
  if (before === undefined) return refused("NO_NODE");
  if (!permits(scope, before, permission.admin)) return refused("NO_AUTH");
  if (!versionMatches(request.version, before.aversion)) return refused("BAD_VERSION");
  const reference = aclReference(scope, acl);
  if (isRefused(reference)) return reference;
  const node = aclSet(before, reference.id);
  scope.overlay.change(path, node, scope.moment.zxid);
  return { type: "setAcl", path, acl: reference, stat: statOf(node) };
}

export function prepareCheck(scope: PrepareScope, request: CheckRequest): CheckEffect | Refused {
  const error = checkPath(request.path, scope.limits);
  if (error !== undefined) return badPath(error);
  const node = scope.overlay.get(request.path);
  if (node === undefined) return refused("NO_NODE");
  if (!permits(scope, node, permission.read)) return refused("NO_AUTH");
  return versionMatches(request.version, node.version) ? checkEffect : refused("BAD_VERSION");
}
