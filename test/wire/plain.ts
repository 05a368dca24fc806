/**
 * Model values as the plain objects that protobufjs makes of proto/*.proto: an independent statement
 * of which field is what. A union's member becomes a field of its name; enums become numbers; every
 * field without presence stands there with its value, also when that is 0.
 */
import { errorNumber } from "../../src/model/error.ts";
import { operations } from "../../src/model/operation.ts";
import type { Condition, ListEntry, MultiOperation, Outcome, TxnSource, Write, WriteRequest } from "../../src/model/request.ts";
import type { Stat } from "../../src/model/stat.ts";
import type { StreamDelivery } from "../../src/model/watch.ts";
import type { AclRef, NodeEffect, Txn } from "../../src/tree/txn.ts";
import type { ClientWireMessage, ServerWireMessage, WireRequest } from "../../src/wire/client-codec.ts";
import type { PeerMessage } from "../../src/zab/message.ts";

type Plain = Record<string, unknown>;

const kinds = ["persistent", "ephemeral", "container", "ttl"];
const levels = ["linearizable", "session", "atLeast"];
const watchers = ["", "children", "data", "any", "persistent", "persistentRecursive"];
const watchEvents = ["", "nodeCreated", "nodeDeleted", "nodeDataChanged", "nodeChildrenChanged"];
const changes = ["created", "deleted", "dataChanged", "aclChanged"];
const branches = ["then", "otherwise"];
const foundations = ["empty", "founding", "founded"];
const roles = ["looking", "following", "leading", "observing"];

function rest(value: { readonly type: string }): Plain {
  const { type: _, ...others } = value;
  return others;
}

function wrap(value: { readonly type: string }): Plain {
  return { [value.type]: rest(value) };
}

function plainStat(stat: Stat): Plain {
  const { mzxid, pzxid, mtimeMs, ...always } = stat;
  return {
    ...always,
    mzxid: mzxid === stat.czxid ? undefined : mzxid,
    pzxid: pzxid === stat.czxid ? undefined : pzxid,
    mtimeMs: mtimeMs === stat.ctimeMs ? undefined : mtimeMs,
  };
}

function withStat<T extends { readonly stat?: Stat | undefined }>(value: T): Plain {
  return { ...value, stat: value.stat === undefined ? undefined : plainStat(value.stat) };
}

// ---- requests

function plainOperation(operation: WireRequest | WriteRequest | MultiOperation): Plain {
  switch (operation.type) {
    case "create":
      return { create: { ...rest(operation), kind: kinds.indexOf(operation.kind) } };
    case "multi":
      return { multi: plainMulti(operation) };
    case "multiRead":
      return { multiRead: { reads: operation.reads.map(wrap) } };
    case "removeWatches":
    case "checkWatches":
      return { [operation.type]: { path: operation.path, kind: watchers.indexOf(operation.kind) } };
    default:
      return wrap(operation);
  }
}

function plainMulti(multi: Extract<WriteRequest, { readonly type: "multi" }>): Plain {
  return {
    conditions: multi.conditions.map(plainCondition),
    then: multi.then.map(plainOperation),
    otherwise: multi.otherwise === undefined ? undefined : { operations: multi.otherwise.map(plainOperation) },
  };
}

function plainCondition(condition: Condition): Plain {
  const { type, path } = condition;
  if (type === "absent" || type === "present") return { path, [type]: true };
  return type === "value" ? { path, value: condition.data } : rest(condition);
}

export function plainClientMessage(message: ClientWireMessage): Plain {
  if (message.type !== "request") return wrap(message);
  const { type: _, request, level, ...others } = message;
  return {
    request: {
      ...others,
      ...plainOperation(request),
      level: levels.indexOf(level.type),
      atLeastZxid: level.type === "atLeast" ? level.zxid : 0,
    },
  };
}

// ---- replies

function plainOutcome(outcome: Outcome): Plain {
  return { code: errorNumber(outcome.code), detail: outcome.detail, ...plainResult(outcome.result) };
}

function plainResult(result: Outcome["result"]): Plain {
  switch (result.type) {
    case "none":
      return {};
    case "stat":
      return { stat: plainStat(result.stat) };
    case "count":
      return { count: result.count };
    case "session":
      return { session: result.session };
    case "list":
      return { list: { ...rest(result), entries: result.entries.map(plainEntry) } };
    case "multi":
      return { multi: { branch: branches.indexOf(result.branch), outcomes: result.outcomes.map(plainOutcome) } };
    case "multiRead":
      return { multiRead: { zxid: result.zxid, outcomes: result.outcomes.map(plainOutcome) } };
    case "paths":
    case "identities":
      return wrap(result);
    default:
      return { [result.type]: withStat(rest(result) as { stat: Stat }) };
  }
}

function plainEntry(entry: ListEntry): Plain {
  const { details } = entry;
  return details === undefined
    ? withStat(entry)
    : withStat({ ...entry, details: { ...details, kind: kinds.indexOf(details.kind) } });
}

export function plainServerMessage(message: ServerWireMessage): Plain {
  switch (message.type) {
    case "refused":
      return { refused: { code: errorNumber(message.code), detail: message.detail } };
    case "reply":
      return { reply: plainReply(message) };
    case "watchEvent":
      return { watchEvent: { ...message.event, type: watchEvents.indexOf(message.event.type) } };
    case "stream":
      return { stream: plainDelivery(message.delivery) };
    default:
      return wrap(message);
  }
}

function plainReply(message: Extract<ServerWireMessage, { readonly type: "reply" }>): Plain {
  return {
    xid: message.xid,
    operation: operations[message.requestType].number,
    zxid: message.zxid,
    level: levels.indexOf(message.level),
    outcome: plainOutcome(message.outcome),
  };
}

function plainDelivery(delivery: StreamDelivery): Plain {
  const { stream } = delivery;
  switch (delivery.type) {
    case "snapshot":
      return { stream, snapshot: { zxid: delivery.zxid, done: delivery.done, entries: delivery.entries.map(plainEntry) } };
    case "changes":
      return { stream, changes: { zxid: delivery.zxid, changes: delivery.changes.map(plainChange) } };
    case "end":
      return { stream, end: { code: errorNumber(delivery.code), detail: delivery.detail } };
  }
}

function plainChange(change: Extract<StreamDelivery, { readonly type: "changes" }>["changes"][number]): Plain {
  const { acl: _, ...others } = change;
  return withStat({ ...others, type: changes.indexOf(change.type) });
}

// ---- txns

function plainAclRef(ref: AclRef): Plain {
  return { id: ref.id, added: ref.added === undefined ? undefined : { entries: ref.added } };
}

function plainEffect(effect: NodeEffect): Plain {
  switch (effect.type) {
    case "create":
      return { create: { ...rest(effect), acl: plainAclRef(effect.acl), kind: kinds.indexOf(effect.kind) } };
    case "setData":
      return { setData: withStat(rest(effect) as { stat: Stat }) };
    case "setAcl":
      return { setAcl: { path: effect.path, acl: plainAclRef(effect.acl), stat: plainStat(effect.stat) } };
    default:
      return wrap(effect);
  }
}

function plainBody(body: Txn["body"]): Plain {
  switch (body.type) {
    case "create":
    case "setData":
    case "setAcl":
    case "delete":
      return plainEffect(body);
    case "multi":
      return { multi: { branch: branches.indexOf(body.branch), effects: body.effects.map(plainEffect) } };
    case "deleteRecursive":
    case "reap":
      return { [body.type]: { session: 0, removed: body.removed } };
    case "error":
      return {
        error: {
          ...rest(body),
          code: errorNumber(body.code),
          branch: branches.indexOf(body.branch),
          codes: body.codes.map(errorNumber),
        },
      };
    default:
      return wrap(body);
  }
}

function plainSource(source: TxnSource): Plain {
  return wrap(source);
}

export function plainTxn(txn: Txn): Plain {
  return { zxid: txn.zxid, wallMs: txn.wallMs, stampMs: txn.stampMs, ...plainSource(txn.source), ...plainBody(txn.body) };
}

// ---- peers

function plainWrite(write: Write): Plain {
  return { ...plainOperation(write.request), ...plainSource(write.source), guards: write.guards, identities: write.identities };
}

export function plainPeerMessage(message: PeerMessage): Plain {
  switch (message.type) {
    case "hello":
      return { hello: { ...rest(message), foundation: foundations.indexOf(message.foundation) } };
    case "vote":
      return { vote: { ...rest(message), state: roles.indexOf(message.state) } };
    case "snapChunk":
      return { snapChunk: { ...rest(message), pairs: message.pairs.map(([key, value]) => ({ key, value })) } };
    case "refusal":
    case "resumed":
      return { [message.type]: { ...rest(message), code: errorNumber(message.code) } };
    case "forward":
      return { forward: { writes: message.writes.map((one) => ({ ...one, write: plainWrite(one.write) })) } };
    default:
      return wrap(message);
  }
}
