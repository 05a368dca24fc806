/**
 * Decides a multi: conditions choose the branch, then each operation is decided on the outcome of
 * those before it. When one fails the caller rolls the overlay back, and the txn is an error with one
 * code an operation.
 */
import { permission } from "../model/acl.ts";
import { assertNever } from "../model/assert.ts";
import type { ErrorCode } from "../model/error.ts";
import type { Condition, MultiOperation, MultiRequest } from "../model/request.ts";
import { prepareCheck, prepareDelete, prepareSetData } from "./prepare-change.ts";
import { prepareCreate } from "./prepare-create.ts";
import { nodeAt, overLimit, type PrepareScope, permits, type Refused, refused, versionMatches } from "./prepare-scope.ts";
import type { Znode } from "./store.ts";
import type { NodeEffect, TxnBody } from "./txn.ts";

type OperationsLimit = "multi_operations_max" | "zookeeper_multi_operations_max";

export function prepareMulti(scope: PrepareScope, request: MultiRequest, limit: OperationsLimit): TxnBody | Refused {
  const size = Math.max(request.conditions.length, request.then.length, request.otherwise?.length ?? 0);
  if (size > scope.limits[limit]) return overLimit(limit, scope.limits);
  const failed = firstFailing(scope, request.conditions);
  if (failed !== undefined && failed.code !== "CONDITION_FAILED") return failed;
  if (failed === undefined) return prepareBranch(scope, "then", request.then);
  return request.otherwise === undefined ? failed : prepareBranch(scope, "otherwise", request.otherwise);
}

function prepareBranch(scope: PrepareScope, branch: "then" | "otherwise", operations: readonly MultiOperation[]): TxnBody {
  const effects: NodeEffect[] = [];
  for (const operation of operations) {
    const effect = prepareOperation(scope, operation);
    if (effect.type === "refused")
      return {
        type: "error",
        code: effect.code,
        detail: effect.detail,
        branch,
        codes: codesOf(operations.length, effects.length, effect.code),
      };
    effects.push(effect);
  }
  return { type: "multi", branch, effects };
}

/** As ZooKeeper reports a failed multi: OK before the failing operation, RUNTIME_INCONSISTENCY after it. */
function codesOf(count: number, failing: number, code: ErrorCode): ErrorCode[] {
  const codes: ErrorCode[] = [];
  for (let i = 0; i < count; i += 1) codes.push(i < failing ? "OK" : i === failing ? code : "RUNTIME_INCONSISTENCY");
  return codes;
}

function prepareOperation(scope: PrepareScope, operation: MultiOperation): NodeEffect | Refused {
  switch (operation.type) {
    case "create":
      return prepareCreate(scope, operation);
    case "delete":
      return prepareDelete(scope, operation);
    case "setData":
      return prepareSetData(scope, operation);
    case "check":
      return prepareCheck(scope, operation);
    default:
      return assertNever(operation);
  }
}

/** The first condition that does not hold, or that may not be asked: a condition reads, so it needs READ. */
function firstFailing(scope: PrepareScope, conditions: readonly Condition[]): Refused | undefined {
  for (let i = 0; i < conditions.length; i += 1) {
    const condition = conditions[i];
    if (condition === undefined) continue;
    const node = nodeAt(scope, condition.path);
    if (node !== undefined && !permits(scope, node, permission.read)) return refused("NO_AUTH", `condition ${i}`);
    if (!holds(condition, node)) return refused("CONDITION_FAILED", `condition ${i}`);
  }
  return undefined;
}

function holds(condition: Condition, node: Znode | undefined): boolean {
  switch (condition.type) {
    case "absent":
      return node === undefined;
    case "present":
      return node !== undefined;
    case "version":
      return node !== undefined && versionMatches(condition.version, node.version);
    case "czxid":
      return node !== undefined && node.czxid === condition.czxid;
    case "value":
      return node !== undefined && sameBytes(node.data, condition.data);
    default:
      return assertNever(condition);
  }
}

/** Null data equals empty data here: the native protocol cannot tell them apart in a condition. */
function sameBytes(data: Uint8Array | undefined, wanted: Uint8Array): boolean {
  if (data === undefined) return wanted.length === 0;
  if (data.length !== wanted.length) return false;
  for (let i = 0; i < data.length; i += 1) if (data[i] !== wanted[i]) return false;
  return true;
}
