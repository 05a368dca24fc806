/**
 * The tree's part of the digest that replicas compare. A node's hash is the sum of two terms: one
 * over path and data, one over path and all other fields. So the many changes that leave the data
 * alone (a child came or went below) cost the same for a node of 1 MiB. The tree's digest is the sum
 * over all nodes, and moves with each put and remove.
 */
import { assert, must } from "../model/assert.ts";
import { LaneHash, LaneSum } from "../model/lane-hash.ts";
import { joinPath, rootPath } from "../model/path.ts";
import type { NodeKind } from "../model/request.ts";
import type { Store, Znode } from "./store.ts";
import type { ZnodeDraft } from "./znode.ts";

const pathSeed = 0x7a616272;
const dataTerm = 1;
const metadataTerm = 2;
const kindNumber: { readonly [Kind in NodeKind]: number } = { persistent: 0, ephemeral: 1, container: 2, ttl: 3 };

export class NodeHasher {
  readonly #hash = new LaneHash();
  /** Lanes after the path, from which both terms go on. */
  #pathHigh = 0;
  #pathLow = 0;

  /** Sets the node's hash from all of it. */
  hashWhole(path: string, node: ZnodeDraft): void {
    const hash = this.#hash;
    this.#path(path);
    this.#metadata(node);
    const high = hash.high;
    const low = hash.low;
    this.#data(node);
    node.hashHigh = (high + hash.high) | 0;
    node.hashLow = (low + hash.low) | 0;
  }

  /** Sets the hash of `after`, which differs from `before` in anything but its data. */
  hashMetadata(path: string, before: Znode, after: ZnodeDraft): void {
    assert(before.data === after.data, "a metadata change must keep the data");
    const hash = this.#hash;
    this.#path(path);
    this.#metadata(before);
    const high = before.hashHigh - hash.high;
    const low = before.hashLow - hash.low;
    this.#metadata(after);
    after.hashHigh = (high + hash.high) | 0;
    after.hashLow = (low + hash.low) | 0;
  }

  #path(path: string): void {
    this.#hash.start(pathSeed);
    this.#hash.text(path);
    this.#pathHigh = this.#hash.high;
    this.#pathLow = this.#hash.low;
  }

  #data(node: Znode): void {
    const hash = this.#hash;
    hash.resume(this.#pathHigh, this.#pathLow);
    hash.word(dataTerm);
    if (node.data === undefined) hash.word(-1);
    else hash.bytes(node.data);
    hash.finish();
  }

  #metadata(node: Znode): void {
    const hash = this.#hash;
    hash.resume(this.#pathHigh, this.#pathLow);
    hash.word(metadataTerm);
    hash.number(node.czxid);
    hash.number(node.mzxid);
    hash.number(node.pzxid);
    hash.number(node.ctimeMs);
    hash.number(node.mtimeMs);
    hash.number(node.stampMs);
    hash.number(node.owner);
    hash.number(node.ttlMs);
    hash.word(node.acl);
    hash.word(kindNumber[node.kind]);
    hash.word(node.version);
    hash.word(node.aversion);
    hash.word(node.childCreates);
    hash.word(node.numChildren);
    hash.word(node.descendants);
    hash.number(node.bytesBelow);
    hash.finish();
  }
}

/** Sums the hashes of all nodes, computed anew from what is stored. `onWrong` is told of nodes whose stored hash is another. */
export function recomputeTreeDigest(view: Pick<Store, "get" | "children">, onWrong: (path: string) => void): LaneSum {
  const hasher = new NodeHasher();
  const sum = new LaneSum();
  const pending = [rootPath];
  for (let path = pending.pop(); path !== undefined; path = pending.pop()) {
    const node = must(view.get(path), "a listed node is missing");
    const copy: ZnodeDraft = { ...node };
    hasher.hashWhole(path, copy);
    if (copy.hashHigh !== node.hashHigh || copy.hashLow !== node.hashLow) onWrong(path);
    sum.add(copy.hashHigh, copy.hashLow);
    for (const name of view.children(path, "", Number.MAX_SAFE_INTEGER)) pending.push(joinPath(path, name));
  }
  return sum;
}
