/**
 * One place in a queue. A contender is an ephemeral sequential child of the queue's node; it has its turn when nobody that it must wait for
 * has a lower czxid: nobody at all for a lock, no writer for a reader.
 *
 *   joining ──created──▶ waiting ──nobody to wait for──▶ turn ──leave──▶ gone
 *      └──────────────────┴── leave, session lost ─────────────────────▶ gone
 *
 * Why it is safe. czxids only grow, so once a state shows nobody to wait for, there will never be one: the state
 * read need only be as new as our own create. A turn lasts as long as our node, which lasts as long
 * as our session. The order is by czxid, not by name: the suffix may wrap, and czxid is the fencing token.
 * No herd: a contender watches one other alone, and looks at the whole queue again when that has gone
 * (it may have given up, with a lower one still there).
 */
import { assert } from "../../src/model/assert.ts";
import { mutant } from "../../src/model/mutant.ts";
import { joinPath } from "../../src/model/path.ts";
import type { Client } from "../client.ts";
import type { DataInput } from "../data.ts";
import { ZabraError } from "../error.ts";
import { HeldNode } from "./held-node.ts";
import type { ContenderInfo, Queue } from "./queue.ts";
import { isSessionLoss, orAborted, type WaitOptions, withLimit } from "./wait.ts";
import { untilSessionEnds } from "./when-gone.ts";

type Phase = "waiting" | "turn" | "gone";

export class Contender {
  readonly node: HeldNode;
  readonly #client: Client;
  readonly #queue: Queue;
  #phase: Phase = "waiting";

  private constructor(client: Client, queue: Queue, node: HeldNode) {
    this.#client = client;
    this.#queue = queue;
    this.node = node;
  }

  get phase(): Phase {
    return this.#phase;
  }

  /** Joins the queue. `signal` ends the waiting; a create that is under way is undone behind it. */
  static async join(client: Client, queue: Queue, data: DataInput, signal: AbortSignal): Promise<Contender> {
    const spec = { path: joinPath(queue.path, queue.prefix(client)), sequential: true, data };
    return new Contender(client, queue, await HeldNode.join(client, spec, signal));
  }

  /** Whether it is our turn. Never takes that back. */
  async look(signal: AbortSignal): Promise<boolean> {
    return (await orAborted(this.#before(), signal)) === undefined;
  }

  /** Resolves when it is our turn. Rejects with the signal's ABORTED, or SESSION_EXPIRED. */
  async wait(signal: AbortSignal): Promise<void> {
    for (
      let before = await orAborted(this.#before(), signal);
      before !== undefined;
      before = await orAborted(this.#before(), signal)
    ) {
      await this.#client.whenDeleted(before.path, { ...untilSessionEnds, level: "session", signal });
      if (mutant("the predecessor's end is a turn")) return;
    }
  }

  /** Whom to wait for; undefined: it is our turn. */
  async #before(): Promise<ContenderInfo | undefined> {
    const { path, czxid, zxid } = this.node;
    const all = await this.#queue.contendersAt(this.#client, zxid);
    const place = all.findIndex((other) => other.path === path && other.token === czxid);
    if (place < 0) throw new ZabraError("SESSION_EXPIRED", { path, detail: "the contender's node is gone" });
    const before = this.#queue.waitsFor(all.slice(0, place));
    assert(before === undefined || this.#phase === "waiting", "nobody to wait for comes before a turn");
    if (before === undefined && this.#phase === "waiting") this.#phase = "turn";
    return before;
  }

  /** Gives up the place. Resolves when the node is gone, be it with its session; never rejects. */
  leave(): Promise<void> {
    this.#phase = "gone";
    return this.node.leave();
  }
}

/**
 * Joins and waits for the turn. A session that is lost meanwhile costs the place in the queue, nothing
 * else: it joins again in the next one.
 */
export function awaitTurn(client: Client, queue: Queue, data: DataInput, options: WaitOptions): Promise<HeldNode> {
  return withLimit(client, queue.path, options, async (signal) => {
    for (;;) {
      const node = await tryTurn(client, queue, data, signal);
      if (node !== undefined) return node;
    }
  });
}

/** undefined: the session was lost, and another is there or will be. */
async function tryTurn(client: Client, queue: Queue, data: DataInput, signal: AbortSignal): Promise<HeldNode | undefined> {
  let contender: Contender | undefined;
  try {
    contender = await Contender.join(client, queue, data, signal);
    await contender.wait(signal);
    // A process that stood still may learn of its turn after the end of its session: that is no turn.
    if (contender.node.holds) return contender.node;
    throw new ZabraError("SESSION_EXPIRED", { path: queue.path });
  } catch (error) {
    void contender?.leave();
    if (signal.aborted || !isSessionLoss(client, error)) throw error;
    return undefined;
  }
}

/** Joins, looks once, and leaves unless it is our turn; then undefined. */
export function tryForTurn(client: Client, queue: Queue, data: DataInput, options: WaitOptions): Promise<HeldNode | undefined> {
  return withLimit(client, queue.path, options, async (signal) => {
    const contender = await Contender.join(client, queue, data, signal);
    try {
      if (await contender.look(signal)) return contender.node;
    } catch (error) {
      void contender.leave();
      throw error;
    }
    await contender.leave();
    return undefined;
  });
}
