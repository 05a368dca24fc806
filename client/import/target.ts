/**
 * The tree that is copied into: what is there is read once, at one zxid, and afterwards known; only what
 * differs is written. Writes are pipelined in the order in which they are asked for (a session is FIFO), so
 * parents are there before their children. While an import runs, `/zookeeper/import` says so: it
 * names the source, so that an import that was interrupted is taken up again and nothing else is overwritten, and its
 * ephemeral child `running` guards every write, so that of two importers one is fenced.
 */
import { productionLimits } from "../../src/model/limits.ts";
import { joinPath, parentOf, rootPath, utf8Length } from "../../src/model/path.ts";
import type { Guard, ListEntry, MultiOperation } from "../../src/model/request.ts";
import { epochOf, type Zxid } from "../../src/model/zxid.ts";
import type { Client } from "../client.ts";
import { unless, ZabraError } from "../error.ts";
import { importFailure } from "./failure.ts";
import { hashOf, hiddenId, isReserved, type NodeHash, type PortableNode, sameData, sameMeta, TreeDigest } from "./node.ts";

/** Marks an import that is not finished. Below ZooKeeper's own node, so that it is in nobody's way. */
const markerPath = "/zookeeper/import";
const runningPath = "/zookeeper/import/running";

/** A batch is sent when it has so many operations or bytes; so many batches are under way at once. */
const batchOperations = 100;
const batchBytes = 256 << 10;
const batchesMax = 8;
const operationBytes = 300;
/** A counter is raised by creating and deleting nodes, two operations each; beyond this it is left, and said. */
const raiseMax = 1_000_000;
const pageSize = 5_000;

/** A node that is in the target. */
interface Known {
  hash: NodeHash;
  childCreates: number;
  children: number;
  readonly kind: PortableNode["kind"];
  readonly ttlMs: number;
}

export interface TargetOptions {
  readonly client: Client;
  /** What the source's top becomes. */
  readonly path: string;
  /** Names the source; an import that was interrupted goes on only with the same. */
  readonly source: string;
}

export class Target {
  readonly #client: Client;
  readonly #top: string;
  readonly #source: string;
  readonly #known = new Map<string, Known>();
  #guard: Guard | undefined;
  #batch: MultiOperation[] = [];
  #batchBytes = 0;
  readonly #underWay = new Set<Promise<unknown>>();
  #failure: unknown;
  /** Writes to nodes so far. */
  written = 0;
  /** Whether an earlier import of this source was taken up again. */
  resumed = false;
  /** Nodes whose create counter could not be raised to the source's. */
  readonly loweredCounters = new Set<string>();

  private constructor(options: TargetOptions) {
    this.#client = options.client;
    this.#top = options.path;
    this.#source = options.source;
  }

  /** Rejects with ImportError when the target holds something else, or another import runs. */
  static async open(options: TargetOptions): Promise<Target> {
    const target = new Target(options);
    await target.#claim();
    await target.reload();
    return target;
  }

  /** Of the nodes that are in the target. */
  get size(): number {
    return this.#known.size;
  }

  /** The epoch that the target's zxids are in. */
  get epoch(): number {
    return epochOf(this.#client.lastZxid);
  }

  has(path: string): boolean {
    return this.#known.has(path);
  }

  paths(): IterableIterator<string> {
    return this.#known.keys();
  }

  // ---- the claim

  async #claim(): Promise<void> {
    const value = JSON.stringify({ source: this.#source, path: this.#top });
    const marker = await unless("NO_NODE", this.#client.get(markerPath));
    if (marker !== undefined && marker.text !== value)
      throw importFailure(
        `another import into this ensemble was not finished: ${marker.text}. Finish it, or remove ${markerPath} (zabra rm -r) and what it has copied`,
      );
    this.resumed = marker !== undefined;
    if (this.#top !== rootPath) await this.#client.ensurePath(this.#top);
    if (marker === undefined) {
      await this.#requireEmpty();
      await this.#client.create(markerPath, value);
    }
    const running = await this.#client.create(runningPath, undefined, { kind: "ephemeral" }).catch((error: unknown) => {
      if (error instanceof ZabraError && error.code === "NODE_EXISTS")
        throw importFailure(
          `another import into this ensemble is running, or died less than a session timeout ago (${runningPath})`,
        );
      throw error;
    });
    this.#guard = { path: runningPath, czxid: running.stat.czxid };
  }

  async #requireEmpty(): Promise<void> {
    const { names } = await this.#client.children(this.#top);
    const others = names.filter((name) => !isReserved(joinPath(this.#top, name)));
    if (others.length === 0) return;
    throw importFailure(
      `${this.#top} of the target is not empty (it holds ${others.slice(0, 3).join(", ")}${others.length > 3 ? ", …" : ""}); import into an empty path, see --to`,
    );
  }

  /** The import is finished: nothing marks it any more. */
  async release(): Promise<void> {
    await this.flush();
    await unless("NO_NODE", this.#client.deleteRecursive(markerPath));
  }

  // ---- what is there

  /** Reads all of the target anew. Resolves to its digest and the zxid that it was read at. */
  async reload(): Promise<{ readonly digest: TreeDigest; readonly zxid: Zxid }> {
    await this.flush();
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await this.#readAll();
      } catch (error) {
        // The pages were not fetched in time, or their server is gone: begin again.
        if (!(error instanceof ZabraError) || error.code !== "COMPACTED" || attempt === 5) throw error;
      }
    }
  }

  async #readAll(): Promise<{ readonly digest: TreeDigest; readonly zxid: Zxid }> {
    const digest = new TreeDigest();
    this.#known.clear();
    digest.add(this.#learn(await topNode(this.#client, this.#top)).hash);
    const options = { recursive: true, withData: true, withDetails: true, pageSize };
    let page = await this.#client.listPage(this.#top, options);
    for (;;) {
      for (const entry of page.entries) {
        const node = this.#portable(entry);
        if (node !== undefined) digest.add(this.#learn(node).hash);
      }
      if (page.cursor === undefined) return { digest, zxid: page.zxid };
      page = await this.#client.listPage(this.#top, options, page.cursor);
    }
  }

  #portable(entry: ListEntry): PortableNode | undefined {
    const { path, data, stat, details } = entry;
    if (isReserved(path) || stat.ephemeralOwner !== 0) return undefined;
    if (details === undefined) throw importFailure("the target's servers are too old: they list nodes without details");
    const hidden = hiddenId(details.acl);
    if (hidden !== undefined)
      throw importFailure(
        `the target hides the ACL of ${path} (${hidden}) from us; authenticate to it as super user (--auth digest:super:PASSWORD, and start its servers with --super-digest)`,
      );
    return { path: this.#local(path), data, ...details };
  }

  #learn(node: PortableNode): Known {
    const known: Known = {
      hash: hashOf(node),
      kind: node.kind,
      ttlMs: node.ttlMs,
      childCreates: Math.max(0, node.childCreates),
      children: 0,
    };
    this.#known.set(node.path, known);
    const parent = this.#known.get(parentOf(node.path) ?? "");
    if (parent !== undefined) parent.children += 1;
    return known;
  }

  #local(path: string): string {
    if (this.#top === rootPath) return path;
    return path.length === this.#top.length ? rootPath : path.slice(this.#top.length);
  }

  #global(path: string): string {
    if (this.#top === rootPath) return path;
    return path === rootPath ? this.#top : this.#top + path;
  }

  // ---- writing

  /** Makes the target's node equal to this one, of which `hash` is. Its parent must be there. Resolves when there is room for more. */
  async put(node: PortableNode, hash: NodeHash): Promise<void> {
    this.#check(node);
    let known = this.#known.get(node.path);
    // A node keeps its kind for life.
    if (known !== undefined && (known.kind !== node.kind || known.ttlMs !== node.ttlMs)) {
      await this.remove(node.path);
      known = undefined;
    }
    if (known === undefined) await this.#create(node, hash);
    else await this.#update(node, hash, known);
  }

  #check(node: PortableNode): void {
    const global = this.#global(node.path);
    const bytes = node.data?.length ?? 0;
    const { data_bytes_max, path_bytes_max } = productionLimits;
    if (bytes > data_bytes_max - batchBytes / 64)
      throw importFailure(`${node.path} has ${bytes} bytes of data; a node here has at most ${data_bytes_max - batchBytes / 64}`);
    if (utf8Length(global) > path_bytes_max)
      throw importFailure(`${node.path.slice(0, 80)}… has a path longer than path_bytes_max, ${path_bytes_max}`);
    const hidden = hiddenId(node.acl);
    if (hidden !== undefined)
      throw importFailure(
        `the ACL of ${node.path} shows ${hidden}: its hash is hidden from readers without ADMIN; authenticate to the source as its super user (--source-auth digest:super:PASSWORD)`,
      );
    for (const { scheme, id } of node.acl) {
      if (scheme !== "world" && scheme !== "digest" && scheme !== "ip")
        throw importFailure(
          `${node.path} has an ACL with ${scheme}:${id}, and there is no scheme ${scheme} here; give the node another ACL first`,
        );
    }
  }

  async #create(node: PortableNode, hash: NodeHash): Promise<void> {
    const { data, kind, acl, ttlMs } = node;
    const path = this.#global(node.path);
    this.#known.set(node.path, { hash, kind, ttlMs, childCreates: 0, children: 0 });
    const parent = this.#known.get(parentOf(node.path) ?? "");
    if (parent !== undefined) {
      parent.children += 1;
      parent.childCreates += 1;
    }
    await this.#add({ type: "create", path, data, kind, sequential: false, ttlMs, acl });
  }

  async #update(node: PortableNode, hash: NodeHash, known: Known): Promise<void> {
    const path = this.#global(node.path);
    const [newData, newAcl] = [!sameData(hash, known.hash), !sameMeta(hash, known.hash)];
    known.hash = hash;
    if (newData) await this.#add({ type: "setData", path, data: node.data, version: -1 });
    if (!newAcl) return;
    this.#send();
    this.written += 1;
    this.#begin(this.#client.setAcl(path, node.acl, this.#options()));
    await this.#room();
  }

  /** Removes the node and what is below it, if it is there. */
  async remove(path: string): Promise<void> {
    const known = this.#known.get(path);
    if (known === undefined) return;
    if (path === rootPath) throw importFailure("the source's top node is gone; the target is left as it is");
    this.#forget(path, known);
    this.written += 1;
    if (known.children > 0) return await this.#removeTree(path);
    this.#send();
    this.#begin(unless("NO_NODE", this.#client.delete(this.#global(path), this.#options())));
    await this.#room();
  }

  /** Not one call but several, which no other write must overtake. */
  async #removeTree(path: string): Promise<void> {
    await this.flush();
    await unless("NO_NODE", this.#client.deleteRecursive(this.#global(path), this.#options()));
  }

  #forget(path: string, known: Known): void {
    this.#known.delete(path);
    const parent = this.#known.get(parentOf(path) ?? "");
    if (parent !== undefined) parent.children -= 1;
    if (known.children === 0) return;
    const below = `${path}/`;
    for (const other of [...this.#known.keys()]) if (other.startsWith(below)) this.#known.delete(other);
  }

  /**
   * Raises the node's create counter to `creates`, so that its next sequential child gets no lower a number than at
   * the source: children are created and deleted in one txn each. A container without children stays as it
   * is: its servers would remove it once it has had one.
   */
  async raiseCounter(path: string, creates: number): Promise<void> {
    const known = this.#known.get(path);
    if (known === undefined || creates <= known.childCreates) return;
    if (known.kind === "container" && known.children === 0) return;
    const missing = creates - known.childCreates;
    if (missing > raiseMax) {
      this.loweredCounters.add(path);
      return;
    }
    const dummy = joinPath(this.#global(path), ".zabra-import");
    const acl = [{ perms: 31, scheme: "world", id: "anyone" }];
    this.#send();
    for (let i = 0; i < missing; i += 1) {
      await this.#add({ type: "create", path: dummy, data: undefined, kind: "persistent", sequential: false, ttlMs: 0, acl });
      await this.#add({ type: "delete", path: dummy, version: -1 });
    }
    known.childCreates = creates;
  }

  #options(): { readonly guard?: Guard } {
    return this.#guard === undefined ? {} : { guard: this.#guard };
  }

  async #add(operation: MultiOperation): Promise<void> {
    const data = "data" in operation ? (operation.data?.length ?? 0) : 0;
    const bytes = data + 3 * operation.path.length + operationBytes;
    if (this.#batchBytes + bytes > batchBytes && this.#batch.length > 0) this.#send();
    this.#batch.push(operation);
    this.#batchBytes += bytes;
    this.written += 1;
    if (this.#batch.length >= batchOperations) this.#send();
    await this.#room();
  }

  #send(): void {
    if (this.#batch.length === 0) return;
    const then = this.#batch;
    this.#batch = [];
    this.#batchBytes = 0;
    this.#begin(this.#client.multi({ then }, this.#options()));
  }

  #begin(call: Promise<unknown>): void {
    const settled: Promise<unknown> = call
      .catch((error: unknown) => {
        this.#failure ??= error;
      })
      .finally(() => this.#underWay.delete(settled));
    this.#underWay.add(settled);
  }

  /** Resolves when another call may be begun; rejects when an earlier one has failed. */
  async #room(): Promise<void> {
    while (this.#underWay.size >= batchesMax) await Promise.race(this.#underWay);
    this.#throwFailure();
  }

  /** Resolves when all that was asked for is written; rejects with the first failure since the last call. */
  async flush(): Promise<void> {
    this.#send();
    await Promise.all(this.#underWay);
    this.#throwFailure();
  }

  #throwFailure(): void {
    const failure = this.#failure;
    this.#failure = undefined;
    if (failure instanceof ZabraError && failure.code === "FENCED")
      throw importFailure(
        `another import has taken over, or the session with the target was lost (${runningPath} is gone); run the same command again`,
        failure,
      );
    if (failure !== undefined) throw failure;
  }
}

/** The node at `path` itself, which no list shows. */
export async function topNode(client: Client, path: string): Promise<PortableNode> {
  const [value, { acl }] = await Promise.all([client.get(path), client.getAcl(path)]);
  const { cversion, numChildren } = value.stat;
  return { path: rootPath, data: value.data, acl, kind: "persistent", ttlMs: 0, childCreates: (cversion + numChildren) / 2 };
}
