/** Decides a create. The order of the checks is ZooKeeper's (first failure wins); our bounds come first. */
import { permission } from "../model/acl.ts";
import { mutant } from "../model/mutant.ts";
import { rootPath } from "../model/path.ts";
import type { CreateRequest } from "../model/request.ts";
import type { SessionId } from "../model/zxid.ts";
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
} from "./prepare-scope.ts";
import { quotaError } from "./quotas.ts";
import type { Znode } from "./store.ts";
import type { CreateEffect } from "./txn.ts";
import { childAdded, createdNode, dataBytes } from "./znode.ts";

/** ZooKeeper keeps a TTL in 40 bits. */
const ttlMsMax = 2 ** 40 - 1;

export function prepareCreate(scope: PrepareScope, request: CreateRequest): CreateEffect | Refused {
  const argument = argumentError(scope, request);
  if (argument !== undefined) return argument;
  const acl = checkedAcl(scope, request.acl);
  if (isRefused(acl)) return acl;
  const parentPath = parentText(request.path);
  const parent = nodeAt(scope, parentPath);
  if (parent === undefined) return refused("NO_NODE");
  if (!permits(scope, parent, permission.create)) return refused("NO_AUTH");
  const path = request.sequential
    ? request.path + sequenceSuffix(mutant("sequence numbers count children") ? parent.numChildren : parent.childCreates)
    : request.path;
  const place = placeError(scope, request, path, parent);
  const refusal = place ?? quotaError(scope, path, 1, dataBytes(request.data));
  if (refusal !== undefined) return refusal;
  const reference = aclReference(scope, acl);
  if (isRefused(reference)) return reference;
  const owner = request.kind === "ephemeral" ? scope.session : 0;
  const effect: CreateEffect = {
    type: "create",
    path,
    data: request.data,
    acl: reference,
    kind: request.kind,
    owner,
    ttlMs: request.ttlMs,
  };
  proposeCreate(scope, effect, parentPath, parent);
  return effect;
}

/** Puts a decided create into the overlay. */
export function proposeCreate(scope: PrepareScope, effect: CreateEffect, parentPath: string, parent: Znode): void {
  const { zxid } = scope.moment;
  scope.overlay.create(effect.path, createdNode(effect, scope.moment), zxid);
  scope.overlay.change(parentPath, childAdded(parent, zxid), zxid);
}

function argumentError(scope: PrepareScope, request: CreateRequest): Refused | undefined {
  const { kind, ttlMs, path } = request;
  if (kind === "ttl" ? !isTtl(ttlMs) : ttlMs !== 0)
    return refused("BAD_ARGUMENTS", "a TTL node, and no other, needs a ttlMs from 1 to 2^40 - 1");
  if (kind === "ephemeral" && scope.session === 0) return refused("BAD_ARGUMENTS", "an ephemeral node needs a session");
  if (dataTooLong(request.data, scope.limits)) return overLimit("data_bytes_max", scope.limits);
  if (!path.includes("/") || path.includes("\0")) return refused("BAD_ARGUMENTS", checkPath(path, scope.limits) ?? "");
  return undefined;
}

function isTtl(ttlMs: number): boolean {
  return Number.isInteger(ttlMs) && ttlMs >= 1 && ttlMs <= ttlMsMax;
}

function parentText(path: string): string {
  const slash = path.lastIndexOf("/");
  return slash === 0 ? rootPath : path.slice(0, slash);
}

function placeError(scope: PrepareScope, request: CreateRequest, path: string, parent: Znode): Refused | undefined {
  const error = checkPath(path, scope.limits);
  if (error !== undefined) return badPath(error);
  if (scope.overlay.get(path) !== undefined) return refused("NODE_EXISTS");
  if (parent.kind === "ephemeral") return refused("NO_CHILDREN_FOR_EPHEMERALS");
  if (request.kind !== "ephemeral" || scope.session === 0) return undefined;
  return ephemeralError(scope, path);
}

/** All of a session's ephemerals go in one txn. */
function ephemeralError({ overlay, limits, session }: PrepareScope, path: string): Refused | undefined {
  const { count, bytes } = overlay.ephemeralUsage(session as SessionId);
  if (count >= limits.ephemerals_per_session_max) return overLimit("ephemerals_per_session_max", limits);
  return bytes + path.length > limits.ephemeral_path_bytes_per_session_max
    ? overLimit("ephemeral_path_bytes_per_session_max", limits)
    : undefined;
}

/** `%010d` of an int32: after 2147483647 comes -2147483648, as in ZooKeeper. */
export function sequenceSuffix(childCreates: number): string {
  return childCreates < 0 ? `-${String(-childCreates).padStart(9, "0")}` : String(childCreates).padStart(10, "0");
}
