/**
 * One place in a queue for something that one client holds at a time; what locks and elections share.
 * A contender is an ephemeral sequential child of the queue's node; the one with the lowest czxid holds.
 *
 *   joining ──created──▶ waiting ──no lower czxid──▶ first ──leave──▶ gone
 *      └──────────────────┴── leave, session lost ────────────────────▶ gone
 *
 * Why it is safe. czxids only grow, so once a state shows none lower, there will never be one: the state
 * read need only be as new as our own create. Being first lasts as long as our node, which lasts as long
 * as our session. The order is by czxid, not by name: the suffix may wrap, and czxid is the fencing token.
 * No herd: a contender watches its predecessor alone, and looks at the whole queue again when that has gone
 * (it may have given up, with a lower one still there).
 *
 * No orphans. Its create and delete have no deadline of their own: exactly-once retries carry them to an
 * answer, or the session ends and takes the node along. A caller that stops waiting leaves in the background.
 */
import { assert } from "../../src/model/assert.ts";
import { joinPath } from "../../src/model/path.ts";
import type { SessionId, Zxid } from "../../src/model/zxid.ts";
import type { Client } from "../client.ts";
import type { DataInput } from "../data.ts";
import { unless, ZabraError } from "../error.ts";
import type { CreatedNode } from "../operations.ts";
import { orAborted, WaitLimit, type WaitOptions } from "./wait.ts";

/** Ends with the session at the latest. */
const untilSessionEnds = { timeoutMs: 2 ** 31 } as const;
/** A container may be reaped between our look and our create. */
const joinsMax = 16;

export interface ContenderInfo {
  readonly path: string;
  /** The fencing token that it has, or would have: its czxid. */
  readonly token: Zxid;
  readonly session: SessionId;
  readonly data: Uint8Array | undefined;
}

type Phase = "waiting" | "first" | "gone";

export class Contender {
  readonly path: string;
  readonly token: Zxid;
  readonly session: SessionId;
  readonly #client: Client;
  readonly #queue: Queue;
  readonly #zxid: Zxid;
  #phase: Phase = "waiting";

  private constructor(client: Client, queue: Queue, created: CreatedNode) {
    this.#client = client;
    this.#queue = queue;
    this.path = created.path;
    this.token = created.stat.czxid;
    this.session = created.stat.ephemeralOwner;
    this.#zxid = created.zxid;
  }

  get phase(): Phase {
    return this.#phase;
  }

  /** Joins the queue. `signal` ends the waiting; a create that is under way is undone behind it. */
  static async join(client: Client, queue: Queue, data: DataInput, signal: AbortSignal): Promise<Contender> {
    const joined = createMember(client, queue, data).then((created) => new Contender(client, queue, created));
    try {
      return await orAborted(joined, signal);
    } catch (error) {
      joined.then((contender) => contender.leave()).catch(() => {});
      throw error;
    }
  }

  /** Whether no other is before us. Never takes that back. */
  async look(): Promise<boolean> {
    return (await this.#predecessor()) === undefined;
  }

  /** Resolves when we are first. Rejects with the signal's ABORTED, or SESSION_EXPIRED. */
  async wait(signal: AbortSignal): Promise<void> {
    for (
      let before = await orAborted(this.#predecessor(), signal);
      before !== undefined;
      before = await orAborted(this.#predecessor(), signal)
    ) {
      await this.#client.whenDeleted(before.path, { ...untilSessionEnds, level: "session", signal });
    }
  }

  /** The nearest before us; undefined: we are first. */
  async #predecessor(): Promise<ContenderInfo | undefined> {
    const all = await this.#queue.contenders(this.#client, this.#zxid);
    const place = all.findIndex((other) => other.path === this.path && other.token === this.token);
    if (place < 0) throw new ZabraError("SESSION_EXPIRED", { path: this.path, detail: "the contender's node is gone" });
    if (place === 0 && this.#phase === "waiting") this.#phase = "first";
    assert(place === 0 || this.#phase === "waiting", "nobody comes before the first");
    return place === 0 ? undefined : all[place - 1];
  }

  /** Resolves when our node is gone, by whoever. */
  whenGone(signal: AbortSignal): Promise<void> {
    return this.#client.whenDeleted(this.path, { ...untilSessionEnds, level: "session", signal });
  }

  /** Gives up the place. Resolves when the node is gone, be it with its session; never rejects. */
  async leave(): Promise<void> {
    if (this.#phase === "gone") return;
    this.#phase = "gone";
    if (this.#client.session?.id !== this.session) return;
    await this.#client.delete(this.path, { ...untilSessionEnds, guard: { path: this.path, czxid: this.token } }).catch(() => {});
  }
}

/** A node and the names of its contenders. */
export class Queue {
  readonly path: string;
  readonly prefix: string;
  readonly #isContender: (name: string) => boolean;

  constructor(path: string, prefix: string, isContender: (name: string) => boolean) {
    this.path = path;
    this.prefix = prefix;
    this.#isContender = isContender;
  }

  /** In the order of their turns, as of `zxid` or later. Empty when there is no such node. */
  async contenders(client: Client, zxid?: Zxid): Promise<readonly ContenderInfo[]> {
    const options = zxid === undefined ? {} : ({ ...untilSessionEnds, level: { atLeast: zxid } } as const);
    for (;;) {
      const all = await unless(
        "COMPACTED",
        unless("NO_NODE", this.#list(client, options)).then((list) => list ?? []),
      );
      if (all !== undefined) return all;
    }
  }

  async #list(client: Client, options: Parameters<Client["list"]>[1]): Promise<readonly ContenderInfo[]> {
    const all: ContenderInfo[] = [];
    for await (const { path, stat, data } of client.list(this.path, { ...options, withData: true })) {
      if (this.#isContender(path.slice(path.lastIndexOf("/") + 1)))
        all.push({ path, token: stat.czxid, session: stat.ephemeralOwner, data });
    }
    return all.sort((a, b) => a.token - b.token);
  }
}

async function createMember(client: Client, queue: Queue, data: DataInput): Promise<CreatedNode> {
  for (let attempt = 0; attempt < joinsMax; attempt += 1) {
    const create = client.create(joinPath(queue.path, queue.prefix), data, {
      ...untilSessionEnds,
      kind: "ephemeral",
      sequential: true,
    });
    const created = await unless("NO_NODE", create);
    if (created !== undefined) return created;
    await client.ensurePath(queue.path, { kind: "container", ...untilSessionEnds });
  }
  throw new ZabraError("NO_NODE", { path: queue.path, detail: "it is deleted again and again" });
}

/**
 * Joins and waits until first. A session that is lost meanwhile costs the place in the queue, nothing
 * else: it joins again in the next one.
 */
export async function becomeFirst(client: Client, queue: Queue, data: DataInput, options: WaitOptions): Promise<Contender> {
  const limit = new WaitLimit(client, options);
  try {
    for (;;) {
      const contender = await tryTurn(client, queue, data, limit);
      if (contender !== undefined) return contender;
    }
  } finally {
    limit.dispose();
  }
}

async function tryTurn(client: Client, queue: Queue, data: DataInput, limit: WaitLimit): Promise<Contender | undefined> {
  let contender: Contender | undefined;
  try {
    contender = await Contender.join(client, queue, data, limit.signal);
    await contender.wait(limit.signal);
    return contender;
  } catch (thrown) {
    void contender?.leave();
    const error = ZabraError.from(thrown, queue.path);
    const goesOn = error.code === "SESSION_EXPIRED" && client.state.type !== "lost" && client.state.type !== "closed";
    if (goesOn && !limit.signal.aborted) return undefined;
    throw limit.error(queue.path) ?? error;
  }
}
