/** A node whose ephemeral sequential children stand in line, in the order of their czxids. What locks and elections share; `contender.ts` is one of them. */
import { nameOf } from "../../src/model/path.ts";
import type { SessionId, Zxid } from "../../src/model/zxid.ts";
import type { Client } from "../client.ts";
import { unless } from "../error.ts";
import type { ListOptions, ReadOptions } from "../operations.ts";
import { requireOpen } from "./check.ts";
import { type Layout, prefixOf, type Role, requireLayout } from "./layout.ts";
import { untilSessionEnds } from "./when-gone.ts";

export interface ContenderInfo {
  readonly path: string;
  /** The fencing token that it has, or would have: its czxid. */
  readonly token: Zxid;
  readonly session: SessionId;
  readonly data: Uint8Array | undefined;
}

/** Of those before, who must go first; undefined: nobody. */
export type WaitsFor = (before: readonly ContenderInfo[]) => ContenderInfo | undefined;

const nearest: WaitsFor = (before) => before.at(-1);

export interface QueueKind {
  readonly role: Role;
  readonly layout: Layout;
  /** Names of all that stand in this line. */
  readonly names: RegExp;
  /** Default: the nearest. */
  readonly waitsFor?: WaitsFor;
}

export class Queue {
  readonly path: string;
  readonly waitsFor: WaitsFor;
  readonly #kind: QueueKind;

  /** Throws BAD_ARGUMENTS and CLOSED. */
  constructor(client: Client, path: string, kind: QueueKind) {
    requireLayout(kind.layout);
    requireOpen(client, path);
    this.path = path;
    this.waitsFor = kind.waitsFor ?? nearest;
    this.#kind = kind;
  }

  prefix(client: Client): string {
    return prefixOf(this.#kind.layout, this.#kind.role, client);
  }

  /** In the order of their turns. Empty when there is no such node. */
  async contenders(client: Client, options: ReadOptions = {}): Promise<readonly ContenderInfo[]> {
    return (await unless("NO_NODE", this.#list(client, { ...options, withData: true }))) ?? [];
  }

  /** The same without data, as of `zxid` or later. */
  async contendersAt(client: Client, zxid: Zxid): Promise<readonly ContenderInfo[]> {
    const options = { ...untilSessionEnds, level: { atLeast: zxid }, withData: false };
    return (await unless("NO_NODE", this.#list(client, options))) ?? [];
  }

  /** Pages are of one zxid; when that is too old the list begins again. */
  async #list(client: Client, options: ListOptions): Promise<readonly ContenderInfo[]> {
    for (;;) {
      const all = await unless("COMPACTED", this.#listOnce(client, options));
      if (all !== undefined) return all;
    }
  }

  async #listOnce(client: Client, options: ListOptions): Promise<readonly ContenderInfo[]> {
    const all: ContenderInfo[] = [];
    for await (const { path, stat, data } of client.list(this.path, options)) {
      if (this.#kind.names.test(nameOf(path))) all.push({ path, token: stat.czxid, session: stat.ephemeralOwner, data });
    }
    return all.sort((a, b) => a.token - b.token);
  }
}
