/**
 * Decides what a write does to the tree, at the leader: reads and changes the overlay, never the
 * committed tree. Never throws, whatever the request holds. A refusal leaves the overlay as it was.
 * Session operations are decided by the state machine, which calls here for their nodes.
 */
import { assert, assertNever, must } from "../model/assert.ts";
import { parentOf } from "../model/path.ts";
import type { Guard, TxnSource, Write, WriteRequest } from "../model/request.ts";
import { keyOf } from "./acl-table.ts";
import { operationsOf, replyBytesOf } from "./outcome.ts";
import { prepareDelete, prepareSetAcl, prepareSetData } from "./prepare-change.ts";
import { prepareCreate, proposeCreate } from "./prepare-create.ts";
import { prepareMulti } from "./prepare-multi.ts";
import { prepareDeleteRecursive, proposeRemoved } from "./prepare-remove.ts";
import { nodeAt, overLimit, type PrepareScope, type Refused, refused } from "./prepare-scope.ts";
import type { AclRef, NodeEffect, TxnBody } from "./txn.ts";
import { aclSet, dataBytes, dataSet } from "./znode.ts";

export type TreeRequest = Exclude<WriteRequest, { readonly type: "createSession" | "renewSession" | "closeSession" | "skip" }>;

export function prepareTreeWrite(scope: PrepareScope, write: Write, request: TreeRequest): TxnBody {
  scope.overlay.begin();
  const body = decide(scope, write, request);
  if (body.type === "error") scope.overlay.rollback();
  else scope.overlay.commit();
  return body;
}

function decide(scope: PrepareScope, write: Write, request: TreeRequest): TxnBody {
  const fence = guardError(scope, write.guards);
  const body = fence ?? prepareRequest(scope, request, write.source);
  if (body.type === "refused") return errorBody(body);
  return replyTooLong(scope, body) ? errorBody(overLimit("reply_bytes_max", scope.limits)) : body;
}

export function errorBody(refusal: Refused): TxnBody {
  return { type: "error", code: refusal.code, detail: refusal.detail, branch: "then", codes: [] };
}

/** The reply table must be able to keep the result. */
function replyTooLong(scope: PrepareScope, body: TxnBody): boolean {
  const { reply_bytes_max, reply_bytes_per_operation } = scope.limits;
  return replyBytesOf(body) > reply_bytes_max + reply_bytes_per_operation * operationsOf(body);
}

/** FENCED unless every guard node still is the one that the holder created. */
export function guardError(scope: PrepareScope, guards: readonly Guard[]): Refused | undefined {
  if (guards.length > scope.limits.guards_max) return overLimit("guards_max", scope.limits);
  for (const guard of guards) {
    if (nodeAt(scope, guard.path)?.czxid !== guard.czxid) return refused("FENCED");
  }
  return undefined;
}

function prepareRequest(scope: PrepareScope, request: TreeRequest, source: TxnSource): TxnBody | Refused {
  switch (request.type) {
    case "setData":
      return prepareSetData(scope, request);
    case "create":
      return prepareCreate(scope, request);
    case "delete":
      return prepareDelete(scope, request);
    case "setAcl":
      return prepareSetAcl(scope, request);
    case "multi":
      return prepareMulti(scope, request, source.type === "origin" ? "zookeeper_multi_operations_max" : "multi_operations_max");
    case "deleteRecursive":
      return prepareDeleteRecursive(scope, request);
    default:
      return assertNever(request);
  }
}

/** Puts a txn that was decided elsewhere (a new leader's uncommitted history) into the overlay. */
export function adoptBody(scope: PrepareScope, body: TxnBody): void {
  scope.overlay.begin();
  if (body.type === "multi") for (const effect of body.effects) adoptEffect(scope, effect);
  else if ("removed" in body) for (const removed of body.removed) proposeRemoved(scope, removed.path);
  else if (isNodeEffect(body)) adoptEffect(scope, body);
  scope.overlay.commit();
}

function isNodeEffect(body: TxnBody): body is NodeEffect & TxnBody {
  return body.type === "create" || body.type === "delete" || body.type === "setData" || body.type === "setAcl";
}

function adoptEffect(scope: PrepareScope, effect: NodeEffect): void {
  if (effect.type === "check") return;
  if (effect.type === "delete") return proposeRemoved(scope, effect.path);
  if (effect.type !== "setData") adoptAcl(scope, effect.acl);
  if (effect.type === "create") {
    const parentPath = must(parentOf(effect.path), "the root cannot be created");
    return proposeCreate(scope, effect, parentPath, must(scope.overlay.get(parentPath), "an adopted node's parent is missing"));
  }
  const before = must(scope.overlay.get(effect.path), "an adopted change's node is missing");
  const node = effect.type === "setData" ? dataSet(before, effect.data, scope.moment) : aclSet(before, effect.acl.id);
  scope.overlay.change(effect.path, node, scope.moment.zxid, dataBytes(node.data) - dataBytes(before.data));
}

function adoptAcl(scope: PrepareScope, acl: AclRef): void {
  if (acl.added === undefined) return;
  const reference = scope.acls.propose(keyOf(acl.added), acl.added);
  assert(reference.id === acl.id, "an adopted ACL has another id");
}
