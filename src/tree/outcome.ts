/**
 * What a client is answered for a txn, and how many bytes of the reply table that takes. Both are
 * functions of the txn alone (the stat of a created node follows from it), so alike on all replicas.
 */
import { encodedLength } from "../model/bytes.ts";
import { failure, type Outcome } from "../model/request.ts";
import type { Stat } from "../model/stat.ts";
import type { CreateEffect, NodeEffect, TxnBody } from "./txn.ts";
import { type Moment, noSession } from "./znode.ts";

const baseBytes = 16;
const statBytes = 96;

/** Bytes charged to the session's reply table. An upper bound of the stored form, not a measure of it. */
export function replyBytesOf(body: TxnBody): number {
  if (body.type === "multi") {
    let bytes = baseBytes;
    for (const effect of body.effects) bytes += effectBytes(effect);
    return bytes;
  }
  if (body.type === "error") return baseBytes + encodedLength(body.detail) + body.codes.length * baseBytes;
  return body.type === "create" || body.type === "setData" || body.type === "setAcl" ? effectBytes(body) : baseBytes;
}

function effectBytes(effect: NodeEffect): number {
  if (effect.type === "create") return baseBytes + statBytes + encodedLength(effect.path);
  return effect.type === "setData" || effect.type === "setAcl" ? baseBytes + statBytes : baseBytes;
}

/** Operations whose results a reply holds. */
export function operationsOf(body: TxnBody): number {
  if (body.type === "multi") return body.effects.length;
  return body.type === "error" ? Math.max(1, body.codes.length) : 1;
}

/** A refusal's answer. A multi's has one outcome an operation; the failing one carries the detail. */
export function errorOutcome(body: Extract<TxnBody, { readonly type: "error" }>): Outcome {
  if (body.codes.length === 0) return failure(body.code, body.detail);
  const outcomes: Outcome[] = [];
  for (const code of body.codes) {
    const failing = code !== "OK" && code !== "RUNTIME_INCONSISTENCY";
    outcomes.push(failure(code, failing ? body.detail : ""));
  }
  return { code: body.code, detail: body.detail, result: { type: "multi", branch: body.branch, outcomes } };
}

/** A node's stat right after its create. */
export function createdStat(effect: CreateEffect, moment: Moment): Stat {
  return {
    czxid: moment.zxid,
    mzxid: moment.zxid,
    pzxid: moment.zxid,
    ctimeMs: moment.wallMs,
    mtimeMs: moment.wallMs,
    version: 0,
    cversion: 0,
    aversion: 0,
    ephemeralOwner: effect.owner === 0 ? noSession : effect.owner,
    dataLength: effect.data === undefined ? 0 : effect.data.length,
    numChildren: 0,
  };
}
