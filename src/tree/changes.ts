/** What watchers are told of a txn: a pure function of it, so live delivery and replay from the log agree. */
import { assertNever } from "../model/assert.ts";
import type { Change } from "../model/watch.ts";
import type { Zxid } from "../model/zxid.ts";
import { createdStat } from "./outcome.ts";
import type { NodeEffect, RemovedNode, Txn } from "./txn.ts";

const nothing: readonly Change[] = [];

/** The changes of a txn in the order in which they were applied. Changes of children counts are not listed: they follow from creates and deletes. */
export function changesOf(txn: Txn): readonly Change[] {
  const { body } = txn;
  switch (body.type) {
    case "create":
    case "delete":
    case "setData":
    case "setAcl":
      return [changeOf(txn, body)];
    case "multi":
      return changesOfEffects(txn, body.effects);
    case "deleteRecursive":
    case "closeSession":
    case "reap":
      return changesOfRemoved(txn.zxid, body.removed);
    case "createSession":
    case "renewSession":
    case "error":
    case "skip":
    case "stamp":
      return nothing;
    default:
      return assertNever(body);
  }
}

function changesOfEffects(txn: Txn, effects: readonly NodeEffect[]): Change[] {
  const changes: Change[] = [];
  for (const effect of effects) if (effect.type !== "check") changes.push(changeOf(txn, effect));
  return changes;
}

function changesOfRemoved(zxid: Zxid, removed: readonly RemovedNode[]): Change[] {
  const changes: Change[] = [];
  for (const node of removed) changes.push(deleted(zxid, node));
  return changes;
}

function changeOf(txn: Txn, effect: Exclude<NodeEffect, { readonly type: "check" }>): Change {
  const { zxid } = txn;
  switch (effect.type) {
    case "create":
      return { type: "created", path: effect.path, zxid, acl: effect.acl.id, stat: createdStat(effect, txn), data: effect.data };
    case "delete":
      return deleted(zxid, effect);
    case "setData":
      return { type: "dataChanged", path: effect.path, zxid, acl: effect.acl, stat: effect.stat, data: effect.data };
    case "setAcl":
      return { type: "aclChanged", path: effect.path, zxid, acl: effect.acl.id, stat: effect.stat, data: undefined };
    default:
      return assertNever(effect);
  }
}

function deleted(zxid: Zxid, node: RemovedNode): Change {
  return { type: "deleted", path: node.path, zxid, acl: node.acl, stat: undefined, data: undefined };
}
