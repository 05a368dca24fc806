/**
 * A running ZooKeeper as a tree of portable nodes: paths relative to what is copied, ephemerals and ZooKeeper's
 * own nodes left out. Kinds are not visible to clients (a container and a TTL node look persistent), so
 * they come from the files of one of its servers, if those can be had.
 */
import { openAcl } from "../../src/model/acl.ts";
import { joinPath, rootPath } from "../../src/model/path.ts";
import { importFailure } from "./failure.ts";
import { isReserved, type PortableNode } from "./node.ts";
import { type KindOfNode, KindTable } from "./offline-tree.ts";
import { SourceLost, type SourceStat, ZooKeeperConnection } from "./zookeeper-connection.ts";

export interface LiveSourceOptions {
  readonly hosts: readonly { readonly host: string; readonly port: number }[];
  /** The node that is copied, with all below it. */
  readonly top: string;
  readonly auth: readonly { readonly scheme: string; readonly credentials: Uint8Array }[];
  onChange(path: string): void;
}

/** A node, and what tells whether it has changed when it is next looked at. */
export interface SourceNode {
  readonly node: PortableNode;
  readonly czxid: number;
  readonly mzxid: number;
  readonly aversion: number;
}

export interface SourceListing {
  readonly children: readonly string[];
  readonly stat: SourceStat;
}

/** A node that changes all the time is read so often until its parts belong together. */
const readsMax = 20;

export class LiveSource {
  readonly #options: LiveSourceOptions;
  #connection: ZooKeeperConnection | undefined;
  #host = 0;
  readonly #usual: KindOfNode = { kind: "persistent", ttlMs: 0 };
  /** Where containers and TTL nodes are looked up; empty: all nodes are persistent. */
  kinds = new KindTable(new Map());
  #lastZxid = 0;

  constructor(options: LiveSourceOptions) {
    this.#options = options;
  }

  /** The highest zxid that was seen. */
  get lastZxid(): number {
    return Math.max(this.#lastZxid, this.#connection?.lastZxid ?? 0);
  }

  /** Connects to the next of the hosts. Rejects with SourceLost. */
  async connect(): Promise<void> {
    this.close();
    const { hosts, auth } = this.#options;
    const { host, port } = hosts[this.#host % hosts.length] ?? { host: "", port: 0 };
    this.#host += 1;
    const onChange = (path: string): void => this.#onChange(path);
    const connection = await ZooKeeperConnection.open({ host, port, auth, onChange });
    this.#connection = connection;
    // The answer brings the server's zxid, and makes it catch up with its leader.
    await connection.sync(this.#options.top);
    if ((await connection.children(this.#options.top)) === undefined)
      throw importFailure(`the source has no node ${this.#options.top}`);
  }

  close(): void {
    this.#lastZxid = this.lastZxid;
    this.#connection?.close();
    this.#connection = undefined;
  }

  /** False when the source is older than 3.6: changes have to be looked for. */
  async watch(): Promise<boolean> {
    if (await this.#open().watchRecursive(this.#options.top)) return true;
    await this.connect();
    return false;
  }

  async sync(): Promise<void> {
    await this.#open().sync(this.#options.top);
  }

  get lost(): boolean {
    return this.#connection === undefined || this.#connection.lost;
  }

  /** Undefined when there is no such node, or an ephemeral one. */
  async list(path: string): Promise<SourceListing | undefined> {
    const found = await this.#open().children(this.#global(path));
    if (found === undefined || found.stat.ephemeral) return undefined;
    const children: string[] = [];
    for (const name of found.names) {
      const child = joinPath(path, name);
      if (!isReserved(this.#global(child))) children.push(child);
    }
    return { children, stat: found.stat };
  }

  /** As `list`. Data and ACL are read one after the other; both are of the same node. */
  async read(path: string): Promise<SourceNode | undefined> {
    const global = this.#global(path);
    for (let i = 0; i < readsMax; i += 1) {
      const [value, access] = await Promise.all([this.#open().data(global), this.#open().acl(global)]);
      if (value === undefined || value.stat.ephemeral) return undefined;
      const { czxid, mzxid, childCreates } = value.stat;
      if (access === undefined || access.stat.czxid !== czxid) continue;
      const acl = access.acl.length === 0 ? openAcl : access.acl;
      const { kind, ttlMs } = this.kindOf(path, czxid);
      return {
        node: { path, data: value.data, acl, kind, ttlMs, childCreates },
        czxid,
        mzxid,
        aversion: access.stat.aversion,
      };
    }
    throw new SourceLost(`${global} was created anew each time that it was read`);
  }

  /** Of the node that the txn `czxid` created, as far as is known now. */
  kindOf(path: string, czxid: number): KindOfNode {
    // The top is in the target already, as what it is there.
    return path === rootPath ? this.#usual : this.kinds.kindOf(this.#global(path), czxid);
  }

  #onChange(path: string): void {
    const local = this.#local(path);
    if (local !== undefined && !isReserved(path)) this.#options.onChange(local);
  }

  #open(): ZooKeeperConnection {
    if (this.#connection === undefined) throw new SourceLost("not connected");
    return this.#connection;
  }

  #global(path: string): string {
    const { top } = this.#options;
    if (top === rootPath) return path;
    return path === rootPath ? top : top + path;
  }

  #local(path: string): string | undefined {
    const { top } = this.#options;
    if (top === rootPath) return path;
    if (path === top) return rootPath;
    return path.startsWith(`${top}/`) ? path.slice(top.length) : undefined;
  }
}
