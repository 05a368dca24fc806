/**
 * A znode on its way from one tree to another, and the digest by which two trees are compared. Paths are
 * relative to what is copied: `/` is its top. Only what survives a move is here: Stat's zxids, times and
 * versions are of the tree that a node is in. Used by every reader and writer of this folder.
 */
import type { Acl } from "../../src/model/acl.ts";
import { LaneHash, LaneSum } from "../../src/model/lane-hash.ts";
import type { NodeKind } from "../../src/model/request.ts";

export interface PortableNode {
  readonly path: string;
  readonly data: Uint8Array | undefined;
  /** Never empty. */
  readonly acl: Acl;
  /** Never `ephemeral`: sessions do not move. */
  readonly kind: NodeKind;
  /** 0 unless kind is `ttl`. */
  readonly ttlMs: number;
  /** Children ever created: the number that the next sequential one gets. −1: not known. */
  readonly childCreates: number;
}

/** Two hashes of 64 bits: over path and data, and over path, ACL, kind and TTL. Equal hashes stand for equal nodes. */
export interface NodeHash {
  readonly dataHigh: number;
  readonly dataLow: number;
  readonly metaHigh: number;
  readonly metaLow: number;
}

const seed = 0x6d6f7665;
const kindNumbers: { readonly [Kind in NodeKind]: number } = { persistent: 0, ephemeral: 1, container: 2, ttl: 3 };
const hash = new LaneHash();

export function hashOf(node: PortableNode): NodeHash {
  hash.start(seed);
  hash.text(node.path);
  const { high, low } = hash;
  hash.word(1);
  if (node.data === undefined) hash.word(-1);
  else hash.bytes(node.data);
  hash.finish();
  const dataHigh = hash.high;
  const dataLow = hash.low;
  hash.resume(high, low);
  hash.word(2);
  hash.word(kindNumbers[node.kind]);
  hash.number(node.ttlMs);
  for (const entry of node.acl) {
    hash.word(entry.perms);
    hash.text(entry.scheme);
    hash.text(entry.id);
  }
  hash.finish();
  return { dataHigh, dataLow, metaHigh: hash.high, metaLow: hash.low };
}

export function sameData(a: NodeHash, b: NodeHash): boolean {
  return a.dataHigh === b.dataHigh && a.dataLow === b.dataLow;
}

export function sameMeta(a: NodeHash, b: NodeHash): boolean {
  return a.metaHigh === b.metaHigh && a.metaLow === b.metaLow;
}

/** The digest of a tree: the sum over its nodes, in whatever order they come. */
export class TreeDigest {
  readonly #sum = new LaneSum();
  nodes = 0;

  add(node: NodeHash): void {
    this.nodes += 1;
    this.#sum.add(node.dataHigh, node.dataLow);
    this.#sum.add(node.metaHigh, node.metaLow);
  }

  remove(node: NodeHash): void {
    this.nodes -= 1;
    this.#sum.subtract(node.dataHigh, node.dataLow);
    this.#sum.subtract(node.metaHigh, node.metaLow);
  }

  /** Such as `200001:9f0c…`: the number of nodes, and 64 bits. */
  toString(): string {
    const hex = (lane: number): string => lane.toString(16).padStart(8, "0");
    return `${this.nodes}:${hex(this.#sum.high)}${hex(this.#sum.low)}`;
  }
}

/** ZooKeeper's own nodes, and quota nodes: they belong to the service, not to its users. */
export function isReserved(path: string): boolean {
  return path === "/zookeeper" || path.startsWith("/zookeeper/");
}

/** A digest id whose hash a server hides from readers without ADMIN; undefined when all of the ACL is shown. */
export function hiddenId(acl: Acl): string | undefined {
  return acl.find((entry) => entry.scheme === "digest" && entry.id.endsWith(":x"))?.id;
}
