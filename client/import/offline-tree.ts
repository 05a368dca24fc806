/**
 * ZooKeeper's tree, put together from a snapshot and the txns after it. A snapshot is *fuzzy*: it was
 * written while txns went on, so a node in it may show txns of the log that comes after. Applying those
 * again gives the right tree at the end of the log, as each txn only sets what it sets; what is in between is
 * no state that ever was. Ephemerals and sessions are left out from the start, but that an ephemeral child
 * was created counts for its parent's create counter.
 */
import { type Acl, openAcl } from "../../src/model/acl.ts";
import { parentOf, rootPath } from "../../src/model/path.ts";
import type { NodeKind } from "../../src/model/request.ts";
import { isReserved, type PortableNode } from "./node.ts";

/** ZooKeeper's 64-bit ephemeralOwner: 0, a session, or the mark of a container or TTL node. */
export interface Owner {
  readonly high: number;
  readonly low: number;
}

export interface OfflineNode {
  readonly data: Uint8Array | undefined;
  readonly acl: Acl;
  readonly owner: Owner;
  readonly czxid: number;
  readonly childCreates: number;
}

export type OfflineTxn =
  | {
      readonly type: "create";
      readonly path: string;
      readonly data: Uint8Array | undefined;
      readonly acl: Acl;
      readonly owner: Owner;
      /** The parent's create counter after this; −1: one more. */
      readonly parentCreates: number;
    }
  | { readonly type: "delete"; readonly path: string }
  | { readonly type: "setData"; readonly path: string; readonly data: Uint8Array | undefined }
  | { readonly type: "setAcl"; readonly path: string; readonly acl: Acl };

interface Entry {
  data: Uint8Array | undefined;
  acl: Acl;
  readonly kind: NodeKind;
  readonly ttlMs: number;
  readonly czxid: number;
  childCreates: number;
}

const ttlBits = 0xff;

export class OfflineTree {
  readonly #nodes = new Map<string, Entry>();
  /** Ephemerals that were passed over. */
  ephemerals = 0;

  get size(): number {
    return this.#nodes.size;
  }

  /** A node of a snapshot. */
  put(path: string, node: OfflineNode): void {
    const kind = kindOf(node.owner);
    if (kind === "ephemeral") this.ephemerals += 1;
    else this.#nodes.set(path, entryOf(node, kind));
  }

  has(path: string): boolean {
    return this.#nodes.has(path);
  }

  apply(zxid: number, txn: OfflineTxn): void {
    const entry = this.#nodes.get(txn.path);
    switch (txn.type) {
      case "create":
        this.#create(zxid, txn, entry);
        break;
      case "delete":
        if (txn.path !== rootPath) this.#nodes.delete(txn.path);
        break;
      case "setData":
        if (entry !== undefined) entry.data = txn.data;
        break;
      case "setAcl":
        if (entry !== undefined) entry.acl = txn.acl;
    }
  }

  #create(zxid: number, txn: Extract<OfflineTxn, { readonly type: "create" }>, existing: Entry | undefined): void {
    const parent = this.#nodes.get(parentOf(txn.path) ?? rootPath);
    if (parent !== undefined) {
      const creates = txn.parentCreates === -1 ? parent.childCreates + 1 : txn.parentCreates;
      parent.childCreates = Math.max(parent.childCreates, creates);
    }
    const kind = kindOf(txn.owner);
    if (kind === "ephemeral") return;
    // The snapshot has it already: with this data or later, but perhaps with an ACL that was not there yet.
    if (existing !== undefined) existing.acl = txn.acl;
    else if (parent !== undefined) this.#nodes.set(txn.path, entryOf({ ...txn, czxid: zxid, childCreates: 0 }, kind));
  }

  /** What is at or below `top`, without ZooKeeper's own nodes, parents first; paths are relative to it. */
  *nodesBelow(top: string): Generator<PortableNode, void, undefined> {
    const below = top === rootPath ? "/" : `${top}/`;
    const paths = [...this.#nodes.keys()].filter((path) => (path === top || path.startsWith(below)) && !isReserved(path));
    for (const path of paths.sort()) {
      const entry = this.#nodes.get(path);
      if (entry === undefined) continue;
      const { data, acl, kind, ttlMs, childCreates } = entry;
      // The top is there in the target already, and no node changes its kind.
      if (path === top) yield { path: rootPath, data, acl, kind: "persistent", ttlMs: 0, childCreates };
      else yield { path: path.slice(below.length - 1), data, acl, kind, ttlMs, childCreates };
    }
  }

  /** Those that are not persistent. The tree itself may be forgotten then. */
  kinds(): KindTable {
    const kinds = new Map<string, NodeOfKind>();
    for (const [path, { czxid, kind, ttlMs }] of this.#nodes) {
      if (kind !== "persistent") kinds.set(path, { czxid, kind, ttlMs });
    }
    return new KindTable(kinds);
  }
}

export interface KindOfNode {
  readonly kind: NodeKind;
  readonly ttlMs: number;
}

interface NodeOfKind extends KindOfNode {
  readonly czxid: number;
}

const usualKind: KindOfNode = { kind: "persistent", ttlMs: 0 };

/** Which nodes are containers, and which have a TTL. */
export class KindTable {
  readonly #kinds: ReadonlyMap<string, NodeOfKind>;

  constructor(kinds: ReadonlyMap<string, NodeOfKind>) {
    this.#kinds = kinds;
  }

  /** Of the node that the txn `czxid` created; another one of that name may be of another kind. */
  kindOf(path: string, czxid: number): KindOfNode {
    const found = this.#kinds.get(path);
    return found !== undefined && found.czxid === czxid ? { kind: found.kind, ttlMs: found.ttlMs } : usualKind;
  }
}

function entryOf(node: OfflineNode, kind: NodeKind): Entry {
  const { data, acl, owner, czxid, childCreates } = node;
  return { data, acl: acl.length === 0 ? openAcl : acl, kind, ttlMs: kind === "ttl" ? ttlOf(owner) : 0, czxid, childCreates };
}

/**
 * A container is the smallest 64-bit number. A TTL node has 0xff in the highest byte, two zero bytes, and
 * the TTL in ms. A session's id has neither form: ZooKeeper keeps server id 255 free where TTLs are on.
 */
export function kindOf(owner: Owner): NodeKind {
  const high = owner.high >>> 0;
  if (high === 0 && owner.low === 0) return "persistent";
  if (high === 0x8000_0000 && owner.low === 0) return "container";
  return high >>> 24 === ttlBits && ((high >>> 8) & 0xffff) === 0 && ttlOf(owner) > 0 ? "ttl" : "ephemeral";
}

function ttlOf(owner: Owner): number {
  return (owner.high & 0xff) * 2 ** 32 + (owner.low >>> 0);
}
