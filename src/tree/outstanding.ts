/**
 * The leader's overlay: what proposed and not yet applied txns make of the tree. `prepare` reads
 * through it, so each write is decided on the outcome of all before it. Invariant: overlay over the
 * committed tree = the tree after the last proposed txn (without descendants and hashes, which only
 * apply keeps). Every change between `begin` and `commit` can be rolled back, the parents' create
 * counters too (ZOOKEEPER-1624). Empty at followers.
 */
import { assert } from "../model/assert.ts";
import { joinPath, parentOf } from "../model/path.ts";
import { isBelowQuotaRoot } from "../model/quota.ts";
import type { SessionId, Zxid } from "../model/zxid.ts";
import type { AclTable } from "./acl-table.ts";
import type { Ephemerals } from "./ephemerals.ts";
import type { Store, Znode } from "./store.ts";
import { TouchedSets } from "./touched-sets.ts";
import { dataBytes } from "./znode.ts";

/** A node's state after the txn `zxid`. */
interface Pending {
  readonly zxid: Zxid;
  readonly path: string;
  /** undefined: deleted. */
  readonly node: Znode | undefined;
  /** +1: the txn created the node, −1: deleted it, 0: changed it. */
  readonly existence: -1 | 0 | 1;
  /** Owner of a created or deleted ephemeral, else 0. */
  readonly owner: SessionId | 0;
  /** Of data, more than before. */
  readonly bytes: number;
}

/** Of a node and all below it: nodes and their data; of a session: ephemerals and their paths. */
export interface Usage {
  count: number;
  bytes: number;
}

export class Outstanding {
  readonly #store: Store;
  readonly #acls: AclTable;
  readonly #ephemerals: Ephemerals;
  /** In zxid order; entries before #head are applied. */
  #queue: Pending[] = [];
  #head = 0;
  /** The latest entry of each path. */
  readonly #latest = new Map<string, Pending>();
  /** Children created or deleted, by parent; ephemerals created or deleted, by owner. */
  readonly #children = new TouchedSets<string>();
  readonly #owned = new TouchedSets<SessionId>();
  /** Ephemerals created less ephemerals deleted, by owner: how many, and the length of their paths. */
  readonly #ownedDelta = new Map<SessionId, Usage>();
  /** What is outstanding adds to the usage of paths that were asked for; forgotten when nothing is outstanding. */
  readonly #usage = new Map<string, Usage>();
  /** Entries below the quota root. */
  #quotaEntries = 0;
  /** What #latest held before each change since `begin`; parallel to the end of #queue. */
  readonly #undo: (Pending | undefined)[] = [];
  #aclMark = 0;

  constructor(store: Store, acls: AclTable, ephemerals: Ephemerals) {
    this.#store = store;
    this.#acls = acls;
    this.#ephemerals = ephemerals;
  }

  /** Node states held. */
  get size(): number {
    return this.#queue.length - this.#head;
  }

  get(path: string): Znode | undefined {
    const pending = this.#latest.get(path);
    return pending === undefined ? this.#store.get(path) : pending.node;
  }

  begin(): void {
    assert(this.#undo.length === 0, "the overlay was left between begin and commit");
    this.#aclMark = this.#acls.proposedSize;
  }

  commit(): void {
    this.#undo.length = 0;
  }

  rollback(): void {
    while (this.#undo.length > 0) {
      const before = this.#undo.pop();
      const pending = this.#queue.pop();
      assert(pending !== undefined && this.#queue.length >= this.#head, "the overlay's undo is longer than its queue");
      if (before === undefined) this.#latest.delete(pending.path);
      else this.#latest.set(pending.path, before);
      this.#forget(pending);
    }
    this.#acls.rollback(this.#aclMark);
  }

  create(path: string, node: Znode, zxid: Zxid): void {
    this.#push({ zxid, path, node, existence: 1, owner: node.owner, bytes: dataBytes(node.data) });
  }

  /** `bytes`: of data, more than before. */
  change(path: string, node: Znode, zxid: Zxid, bytes = 0): void {
    this.#push({ zxid, path, node, existence: 0, owner: 0, bytes });
  }

  remove(path: string, before: Znode, zxid: Zxid): void {
    this.#push({ zxid, path, node: undefined, existence: -1, owner: before.owner, bytes: -dataBytes(before.data) });
  }

  /** Forgets what is in the committed tree by now. */
  applied(zxid: Zxid): void {
    while (this.#head < this.#queue.length) {
      const pending = this.#queue[this.#head];
      if (pending === undefined || pending.zxid > zxid) break;
      this.#head += 1;
      if (this.#latest.get(pending.path) === pending) this.#latest.delete(pending.path);
      this.#forget(pending);
    }
    if (this.#head === this.#queue.length) {
      if (this.#usage.size > 0) this.#usage.clear();
      this.#queue.length = 0;
      this.#head = 0;
    } else if (this.#head > 1024 && this.#head * 2 > this.#queue.length) {
      this.#queue = this.#queue.slice(this.#head);
      this.#head = 0;
    }
  }

  reset(): void {
    this.#queue = [];
    this.#head = 0;
    this.#latest.clear();
    this.#children.clear();
    this.#owned.clear();
    this.#ownedDelta.clear();
    this.#usage.clear();
    this.#quotaEntries = 0;
    this.#undo.length = 0;
    this.#acls.resetProposed();
  }

  /** Up to `limit` paths of children of `parent`. */
  childPaths(parent: string, limit: number): string[] {
    const paths: string[] = [];
    let after = "";
    for (;;) {
      const names = this.#store.children(parent, after, limit + 1);
      for (const name of names) this.#collect(joinPath(parent, name), paths, limit);
      const last = names.at(-1);
      if (last === undefined || names.length <= limit || paths.length >= limit) break;
      after = last;
    }
    for (const path of this.#children.members(parent)) {
      if (this.#store.get(path) === undefined) this.#collect(path, paths, limit);
    }
    return paths;
  }

  /** Ephemerals of `session`, in path order. */
  ephemeralsOf(session: SessionId): string[] {
    const paths: string[] = [];
    for (const path of this.#ephemerals.of(session)) if (this.get(path)?.owner === session) paths.push(path);
    for (const path of this.#owned.members(session)) {
      if (this.#store.get(path)?.owner !== session && this.get(path)?.owner === session) paths.push(path);
    }
    return paths.sort();
  }

  /** How many ephemerals a session has, and the length of their paths. */
  ephemeralUsage(session: SessionId): Usage {
    const delta = this.#ownedDelta.get(session);
    return {
      count: this.#ephemerals.of(session).size + (delta?.count ?? 0),
      bytes: this.#ephemerals.lengthOf(session) + (delta?.bytes ?? 0),
    };
  }

  #collect(path: string, paths: string[], limit: number): void {
    if (paths.length < limit && this.get(path) !== undefined) paths.push(path);
  }

  #push(pending: Pending): void {
    this.#undo.push(this.#latest.get(pending.path));
    this.#queue.push(pending);
    this.#latest.set(pending.path, pending);
    if (this.#usage.size > 0) this.#count(pending, 1);
    if (isBelowQuotaRoot(pending.path)) this.#quotaEntries += 1;
    if (pending.existence === 0) return;
    this.#children.add(parentOf(pending.path) ?? "", pending.path);
    if (pending.owner === 0) return;
    this.#owned.add(pending.owner, pending.path);
    this.#moveDelta(pending.owner, pending.path, pending.existence);
  }

  /** True while limits of quotas may be outstanding. */
  get touchesQuotas(): boolean {
    return this.#quotaEntries > 0;
  }

  /** What a path and all below it will take once all that is outstanding is applied. */
  usage(path: string): Usage {
    const node = this.#store.get(path);
    const added = this.#added(path);
    if (node === undefined) return added;
    return {
      count: added.count + node.descendants + 1,
      bytes: added.bytes + node.bytesBelow + dataBytes(node.data),
    };
  }

  #added(path: string): Usage {
    const known = this.#usage.get(path);
    if (known !== undefined) return known;
    const added: Usage = { count: 0, bytes: 0 };
    if (this.size === 0) return added;
    for (let i = this.#head; i < this.#queue.length; i += 1) {
      const pending = this.#queue[i];
      if (pending !== undefined && isAtOrBelow(pending.path, path)) addTo(added, pending, 1);
    }
    this.#usage.set(path, added);
    return added;
  }

  #count(pending: Pending, sign: 1 | -1): void {
    if (pending.existence === 0 && pending.bytes === 0) return;
    for (let path: string | undefined = pending.path; path !== undefined; path = parentOf(path)) {
      const usage = this.#usage.get(path);
      if (usage !== undefined) addTo(usage, pending, sign);
    }
  }

  #forget(pending: Pending): void {
    if (this.#usage.size > 0) this.#count(pending, -1);
    if (isBelowQuotaRoot(pending.path)) this.#quotaEntries -= 1;
    this.#forgetExistence(pending);
  }

  #forgetExistence(pending: Pending): void {
    if (pending.existence === 0) return;
    this.#children.drop(parentOf(pending.path) ?? "", pending.path);
    if (pending.owner === 0) return;
    this.#owned.drop(pending.owner, pending.path);
    this.#moveDelta(pending.owner, pending.path, -pending.existence);
  }

  #moveDelta(owner: SessionId, path: string, by: number): void {
    const delta = this.#ownedDelta.get(owner) ?? { count: 0, bytes: 0 };
    delta.count += by;
    delta.bytes += by * path.length;
    if (delta.count === 0 && delta.bytes === 0) this.#ownedDelta.delete(owner);
    else this.#ownedDelta.set(owner, delta);
  }
}

function addTo(usage: Usage, pending: Pending, sign: 1 | -1): void {
  usage.count += sign * pending.existence;
  usage.bytes += sign * pending.bytes;
}

function isAtOrBelow(path: string, above: string): boolean {
  return path.startsWith(above) && (path.length === above.length || path[above.length] === "/");
}
