/**
 * How a znode changes. Znodes are immutable; each function gives the node after one change. The
 * overlay (at prepare) and the tree (at apply) use the same functions, so what was decided and what
 * is applied cannot differ. `descendants`, `bytesBelow` and the hash belong to the committed tree alone, and are
 * set in apply.ts. All nodes come from one literal, so all share a hidden class.
 */
import { mutant } from "../model/mutant.ts";
import type { Stat } from "../model/stat.ts";
import type { SessionId, Zxid } from "../model/zxid.ts";
import { zeroZxid } from "../model/zxid.ts";
import { keptData } from "./kept-data.ts";
import type { Znode } from "./store.ts";
import type { CreateEffect } from "./txn.ts";

export type ZnodeDraft = { -readonly [Key in keyof Znode]: Znode[Key] };

/** When a change happens: its txn's zxid, wall clock and cluster time. */
export interface Moment {
  readonly zxid: Zxid;
  readonly wallMs: number;
  readonly stampMs: number;
}

export const noSession = 0 as SessionId;

export function draftOf(node: Znode): ZnodeDraft {
  return {
    data: node.data,
    acl: node.acl,
    kind: node.kind,
    owner: node.owner,
    ttlMs: node.ttlMs,
    czxid: node.czxid,
    mzxid: node.mzxid,
    pzxid: node.pzxid,
    ctimeMs: node.ctimeMs,
    mtimeMs: node.mtimeMs,
    stampMs: node.stampMs,
    version: node.version,
    aversion: node.aversion,
    childCreates: node.childCreates,
    numChildren: node.numChildren,
    descendants: node.descendants,
    bytesBelow: node.bytesBelow,
    hashHigh: node.hashHigh,
    hashLow: node.hashLow,
  };
}

/** A node that nothing has happened to: how ZooKeeper's predefined nodes start. */
export const blankZnode: Znode = {
  data: undefined,
  acl: 0,
  kind: "persistent",
  owner: 0,
  ttlMs: 0,
  czxid: zeroZxid,
  mzxid: zeroZxid,
  pzxid: zeroZxid,
  ctimeMs: 0,
  mtimeMs: 0,
  stampMs: 0,
  version: 0,
  aversion: 0,
  childCreates: 0,
  numChildren: 0,
  descendants: 0,
  bytesBelow: 0,
  hashHigh: 0,
  hashLow: 0,
};

export function createdNode(effect: CreateEffect, moment: Moment): ZnodeDraft {
  const node = draftOf(blankZnode);
  node.data = keptData(effect.data);
  node.acl = effect.acl.id;
  node.kind = effect.kind;
  node.owner = effect.owner;
  node.ttlMs = effect.ttlMs;
  node.czxid = moment.zxid;
  node.mzxid = moment.zxid;
  node.pzxid = moment.zxid;
  node.ctimeMs = moment.wallMs;
  node.mtimeMs = moment.wallMs;
  node.stampMs = moment.stampMs;
  return node;
}

export function childAdded(parent: Znode, zxid: Zxid): ZnodeDraft {
  const node = draftOf(parent);
  node.childCreates = (parent.childCreates + 1) | 0;
  node.numChildren = parent.numChildren + 1;
  node.pzxid = zxid;
  return node;
}

/** Deletes leave childCreates alone: it numbers sequential nodes, and a number is never used twice. */
export function childRemoved(parent: Znode, zxid: Zxid): ZnodeDraft {
  const node = draftOf(parent);
  node.numChildren = parent.numChildren - 1;
  node.pzxid = zxid;
  return node;
}

export function dataSet(before: Znode, data: Uint8Array | undefined, moment: Moment): ZnodeDraft {
  const node = draftOf(before);
  node.data = keptData(data);
  node.mzxid = moment.zxid;
  node.mtimeMs = moment.wallMs;
  if (!mutant("a write does not put off a TTL")) node.stampMs = moment.stampMs;
  node.version = nextVersion(before.version);
  return node;
}

export function aclSet(before: Znode, acl: number): ZnodeDraft {
  const node = draftOf(before);
  node.acl = acl;
  node.aversion = nextVersion(before.aversion);
  return node;
}

/** Versions wrap as int32, as ZooKeeper's do. */
function nextVersion(version: number): number {
  return (version + 1) | 0;
}

/** The node's metadata as clients see it: cversion counts creates and deletes, and only plain ephemerals show an owner. */
export function statOf(node: Znode): Stat {
  return {
    czxid: node.czxid,
    mzxid: node.mzxid,
    pzxid: node.pzxid,
    ctimeMs: node.ctimeMs,
    mtimeMs: node.mtimeMs,
    version: node.version,
    cversion: (node.childCreates * 2 - node.numChildren) | 0,
    aversion: node.aversion,
    ephemeralOwner: node.owner === 0 ? noSession : node.owner,
    dataLength: node.data === undefined ? 0 : node.data.length,
    numChildren: node.numChildren,
  };
}

export function dataBytes(data: Uint8Array | undefined): number {
  return data === undefined ? 0 : data.length;
}

export function sameStat(left: Stat, right: Stat): boolean {
  return (
    left.czxid === right.czxid &&
    left.mzxid === right.mzxid &&
    left.pzxid === right.pzxid &&
    left.ctimeMs === right.ctimeMs &&
    left.mtimeMs === right.mtimeMs &&
    left.version === right.version &&
    left.cversion === right.cversion &&
    left.aversion === right.aversion &&
    left.ephemeralOwner === right.ephemeralOwner &&
    left.dataLength === right.dataLength &&
    left.numChildren === right.numChildren
  );
}

/** Nodes that exist from the start and cannot be deleted. */
export function isPredefined(path: string): boolean {
  return path === "/" || path === "/zookeeper" || path === "/zookeeper/quota" || path === "/zookeeper/config";
}
