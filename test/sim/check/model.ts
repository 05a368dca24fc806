/**
 * A second, naive implementation of the tree, fed with the committed txns one by one. It shares no
 * code with src/tree and keeps every version of every node, so that a reply can be judged at the zxid
 * it names. What cannot be applied is a violation: Stat algebra, ephemerals with live owners only,
 * closing a session removes exactly its ephemerals, sequence suffixes never repeat.
 */
import { nameOf, parentOf } from "../../../src/model/path.ts";
import type { NodeKind } from "../../../src/model/request.ts";
import type { Stat } from "../../../src/model/stat.ts";
import { formatZxid, type SessionId, type Zxid } from "../../../src/model/zxid.ts";
import type { NodeEffect, RemovedNode, Txn } from "../../../src/tree/txn.ts";
import { Ephemerals } from "./ephemerals.ts";
import { sameBytes } from "./same-bytes.ts";
import { Stats } from "./stats.ts";

export interface ModelNode {
  readonly data: Uint8Array | undefined;
  readonly kind: NodeKind;
  readonly owner: number;
  /** Of TTL nodes. */
  readonly ttlMs: number;
  readonly czxid: Zxid;
  readonly mzxid: Zxid;
  readonly pzxid: Zxid;
  readonly ctimeMs: number;
  readonly mtimeMs: number;
  readonly version: number;
  readonly aversion: number;
  readonly creates: number;
  readonly deletes: number;
}

interface Version {
  readonly zxid: Zxid;
  readonly node: ModelNode | undefined;
}

export interface ModelSession {
  readonly id: SessionId;
  timeoutMs: number;
  closedAt: Zxid | 0;
  readonly ephemerals: Set<string>;
}

/** One node's change by one txn, as streams and watches are told it. */
export interface ModelChange {
  readonly type: "created" | "deleted" | "dataChanged" | "aclChanged";
  readonly path: string;
  readonly zxid: Zxid;
  readonly node: ModelNode | undefined;
}

const predefined = ["/", "/zookeeper", "/zookeeper/quota", "/zookeeper/config"];
const blank: ModelNode = {
  data: undefined,
  kind: "persistent",
  owner: 0,
  ttlMs: 0,
  czxid: 0 as Zxid,
  mzxid: 0 as Zxid,
  pzxid: 0 as Zxid,
  ctimeMs: 0,
  mtimeMs: 0,
  version: 0,
  aversion: 0,
  creates: 0,
  deletes: 0,
};

export class Model {
  readonly stats = new Stats();
  readonly ephemerals = new Ephemerals();
  readonly #versions = new Map<string, Version[]>();
  readonly #children = new Map<string, Set<string>>();
  readonly sessions = new Map<SessionId, ModelSession>();
  /** All changes of the committed log in order, for streams and watches. */
  readonly changes: ModelChange[] = [];
  lastStampMs = 0;

  constructor() {
    for (const path of predefined) this.#put(path, 0 as Zxid, blank);
    this.#children.set("/", new Set(["zookeeper"]));
    this.#children.set("/zookeeper", new Set(["quota", "config"]));
  }

  isClosed(session: number): boolean {
    const known = this.sessions.get(session as SessionId);
    return known !== undefined && known.closedAt !== 0;
  }

  /** What exists now. */
  *nodes(): Iterable<[string, ModelNode]> {
    for (const [path, versions] of this.#versions) {
      const node = versions.at(-1)?.node;
      if (node !== undefined) yield [path, node];
    }
  }

  now(path: string): ModelNode | undefined {
    return this.#versions.get(path)?.at(-1)?.node;
  }

  /** The node as it was after `zxid`. */
  at(path: string, zxid: Zxid): ModelNode | undefined {
    const versions = this.#versions.get(path);
    if (versions === undefined) return undefined;
    for (let i = versions.length - 1; i >= 0; i -= 1) {
      const version = versions[i] as Version;
      if (version.zxid <= zxid) return version.node;
    }
    return undefined;
  }

  /** Names of the children after `zxid`, sorted; every name that ever was, filtered. */
  childrenAt(path: string, zxid: Zxid): string[] {
    const names: string[] = [];
    for (const name of this.#children.get(path) ?? []) {
      if (this.at(path === "/" ? `/${name}` : `${path}/${name}`, zxid) !== undefined) names.push(name);
    }
    return names.sort();
  }

  numChildren(node: ModelNode): number {
    return node.creates - node.deletes;
  }

  // ---- one committed txn

  apply(txn: Txn): void {
    this.stats.effects.hold(txn.stampMs >= this.lastStampMs, () => `cluster time fell at ${formatZxid(txn.zxid)}`);
    this.lastStampMs = txn.stampMs;
    const { body } = txn;
    switch (body.type) {
      case "create":
      case "delete":
      case "setData":
      case "setAcl":
        return this.#effect(txn, body);
      case "multi":
        for (const effect of body.effects) this.#effect(txn, effect);
        return;
      case "deleteRecursive":
        for (const removed of body.removed) this.#delete(txn, removed.path);
        return;
      case "reap":
        for (const removed of body.removed) this.#reap(txn, removed);
        return;
      case "createSession":
        this.sessions.set(txn.zxid as number as SessionId, {
          id: txn.zxid as number as SessionId,
          timeoutMs: body.timeoutMs,
          closedAt: 0,
          ephemerals: new Set(),
        });
        return;
      case "renewSession": {
        const session = this.#live(body.session, txn);
        session.timeoutMs = body.timeoutMs;
        return;
      }
      case "closeSession":
        return this.#closeSession(txn, body.session, body.removed);
      case "error":
      case "skip":
      case "stamp":
        return;
    }
  }

  #live(id: SessionId, txn: Txn): ModelSession {
    const session = this.sessions.get(id);
    this.ephemerals.onSession(txn, id, session);
    return session as ModelSession;
  }

  #effect(txn: Txn, effect: NodeEffect): void {
    switch (effect.type) {
      case "create":
        return this.#create(txn, effect);
      case "delete":
        return this.#delete(txn, effect.path);
      case "setData":
        return this.#setData(txn, effect.path, effect.data, effect.stat);
      case "setAcl":
        return this.#setAcl(txn, effect.path);
      case "check":
        return;
    }
  }

  #create(txn: Txn, effect: NodeEffect & { type: "create" }): void {
    const { path } = effect;
    const parentPath = parentOf(path) ?? "/";
    const parent = this.now(parentPath);
    this.stats.effects.hold(parent !== undefined, () => `${formatZxid(txn.zxid)} creates ${path} without a parent`);
    this.stats.effects.hold(this.now(path) === undefined, () => `${formatZxid(txn.zxid)} creates ${path}, which exists`);
    const before = parent as ModelNode;
    const owner = effect.owner === 0 ? undefined : this.sessions.get(effect.owner);
    this.ephemerals.onCreate(txn, path, before.owner, owner, effect.owner !== 0);
    owner?.ephemerals.add(path);
    this.#put(parentPath, txn.zxid, { ...before, creates: before.creates + 1, pzxid: txn.zxid });
    this.#childSet(parentPath).add(nameOf(path));
    const node: ModelNode = {
      ...blank,
      data: effect.data,
      kind: effect.kind,
      owner: effect.owner,
      ttlMs: effect.ttlMs,
      czxid: txn.zxid,
      mzxid: txn.zxid,
      pzxid: txn.zxid,
      ctimeMs: txn.wallMs,
      mtimeMs: txn.wallMs,
    };
    this.#put(path, txn.zxid, node);
    this.#changed("created", path, txn.zxid, node);
  }

  #delete(txn: Txn, path: string): void {
    const node = this.now(path);
    this.stats.effects.hold(node !== undefined, () => `${formatZxid(txn.zxid)} deletes ${path}, which does not exist`);
    const gone = node as ModelNode;
    this.stats.effects.hold(gone.creates === gone.deletes, () => `${formatZxid(txn.zxid)} deletes ${path}, which has children`);
    if (gone.owner !== 0) this.sessions.get(gone.owner as SessionId)?.ephemerals.delete(path);
    const parentPath = parentOf(path) ?? "/";
    const parent = this.now(parentPath) as ModelNode;
    this.#put(parentPath, txn.zxid, { ...parent, deletes: parent.deletes + 1, pzxid: txn.zxid });
    this.#put(path, txn.zxid, undefined);
    this.#changed("deleted", path, txn.zxid, undefined);
  }

  #setData(txn: Txn, path: string, data: Uint8Array | undefined, stat: Stat): void {
    const node = this.now(path);
    this.stats.effects.hold(node !== undefined, () => `${formatZxid(txn.zxid)} sets ${path}, which does not exist`);
    const before = node as ModelNode;
    const after: ModelNode = { ...before, data, version: (before.version + 1) | 0, mzxid: txn.zxid, mtimeMs: txn.wallMs };
    this.#put(path, txn.zxid, after);
    if (!predefined.includes(path))
      this.stats.stat.hold(
        this.statProblem(after, stat) === undefined,
        () => `${formatZxid(txn.zxid)} sets ${path}: ${this.statProblem(after, stat)}`,
      );
    this.#changed("dataChanged", path, txn.zxid, after);
  }

  #setAcl(txn: Txn, path: string): void {
    const node = this.now(path);
    this.stats.effects.hold(node !== undefined, () => `${formatZxid(txn.zxid)} sets the ACL of ${path}, which does not exist`);
    const before = node as ModelNode;
    const after: ModelNode = { ...before, aversion: (before.aversion + 1) | 0 };
    this.#put(path, txn.zxid, after);
    this.#changed("aclChanged", path, txn.zxid, after);
  }

  #reap(txn: Txn, removed: RemovedNode): void {
    const node = this.now(removed.path);
    this.stats.effects.hold(
      node?.kind === "container" || node?.kind === "ttl",
      () => `${formatZxid(txn.zxid)} reaps ${removed.path}, which is neither container nor TTL`,
    );
    this.#delete(txn, removed.path);
  }

  #closeSession(txn: Txn, id: SessionId, removed: readonly RemovedNode[]): void {
    const session = this.#live(id, txn);
    const owned = [...session.ephemerals].sort();
    const listed = removed.map((node) => node.path).sort();
    this.ephemerals.onClose(txn, owned, listed);
    for (const node of removed) this.#delete(txn, node.path);
    session.closedAt = txn.zxid;
  }

  #childSet(path: string): Set<string> {
    let names = this.#children.get(path);
    if (names === undefined) this.#children.set(path, (names = new Set()));
    return names;
  }

  #put(path: string, zxid: Zxid, node: ModelNode | undefined): void {
    let versions = this.#versions.get(path);
    if (versions === undefined) this.#versions.set(path, (versions = []));
    if (versions.at(-1)?.zxid === zxid) versions.pop();
    versions.push({ zxid, node });
  }

  #changed(type: ModelChange["type"], path: string, zxid: Zxid, node: ModelNode | undefined): void {
    this.changes.push({ type, path, zxid, node });
  }

  // ---- comparing

  /** What is wrong with a stat that a server gave for this node; undefined when nothing is. */
  statProblem(node: ModelNode, stat: Stat): string | undefined {
    const numChildren = this.numChildren(node);
    const wanted: readonly (readonly [string, number, number])[] = [
      ["czxid", node.czxid, stat.czxid],
      ["mzxid", node.mzxid, stat.mzxid],
      ["pzxid", node.pzxid, stat.pzxid],
      ["ctimeMs", node.ctimeMs, stat.ctimeMs],
      ["mtimeMs", node.mtimeMs, stat.mtimeMs],
      ["version", node.version, stat.version],
      ["aversion", node.aversion, stat.aversion],
      ["cversion", node.creates + node.deletes, stat.cversion],
      ["numChildren", numChildren, stat.numChildren],
      ["dataLength", node.data?.length ?? 0, stat.dataLength],
      ["ephemeralOwner", node.owner, stat.ephemeralOwner],
    ];
    for (const [name, ours, theirs] of wanted) if (ours !== theirs) return `${name} is ${theirs}, should be ${ours}`;
    return undefined;
  }

  dataProblem(node: ModelNode, data: Uint8Array | undefined): string | undefined {
    if (node.data === undefined || data === undefined) return node.data === data ? undefined : "null and data differ";
    return sameBytes(node.data, data)
      ? undefined
      : `data is ${Buffer.from(data).toString()}, should be ${Buffer.from(node.data).toString()}`;
  }

  isPredefined(path: string): boolean {
    return predefined.includes(path);
  }
}
