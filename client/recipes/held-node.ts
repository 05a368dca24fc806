/**
 * An ephemeral node of ours in a recipe: a place in a queue, a lease of a semaphore. It is there while our session is and until we leave, and
 * never a second time: who comes back has another node with a higher czxid.
 *
 * No orphans. Create and delete have no deadline of their own: exactly-once retries carry them to an answer, or the session ends and takes
 * the node along. A caller that stops waiting leaves in the background.
 */
import { mutant } from "../../src/model/mutant.ts";
import { parentOf, rootPath } from "../../src/model/path.ts";
import type { Guard } from "../../src/model/request.ts";
import type { SessionId, Zxid } from "../../src/model/zxid.ts";
import type { Client } from "../client.ts";
import type { DataInput } from "../data.ts";
import { unless, ZabraError } from "../error.ts";
import type { CreatedNode } from "../operations.ts";
import { orAborted } from "./wait.ts";
import { untilSessionEnds, whenGone } from "./when-gone.ts";

/** A container may be reaped between our look and our create. */
const joinsMax = 16;
/** Between two attempts to leave while writes are refused. */
const refusedMs = 250;

export interface HeldNodeSpec {
  /** With `sequential`, the name's beginning. */
  readonly path: string;
  readonly sequential: boolean;
  readonly data: DataInput;
  readonly guard?: Guard | undefined;
}

export class HeldNode {
  readonly path: string;
  readonly czxid: Zxid;
  readonly session: SessionId;
  /** A state as new as this shows the node. */
  readonly zxid: Zxid;
  readonly #client: Client;
  /** A sequential name is never used again; any other may be somebody else's node by the time we look. */
  readonly #nameIsUnique: boolean;
  #left = false;

  private constructor(client: Client, created: Pick<CreatedNode, "path" | "stat" | "zxid">, nameIsUnique: boolean) {
    this.#client = client;
    this.#nameIsUnique = nameIsUnique;
    this.path = created.path;
    this.czxid = created.stat.czxid;
    this.session = created.stat.ephemeralOwner;
    this.zxid = created.zxid;
  }

  /** A node that the caller has just made, such as by a transaction. */
  static made(client: Client, created: Pick<CreatedNode, "path" | "stat" | "zxid">): HeldNode {
    return new HeldNode(client, created, false);
  }

  /** Makes the node, and its parent as a container when it is missing. `signal` ends the waiting; a create that is under way is undone behind it. */
  static async join(client: Client, spec: HeldNodeSpec, signal: AbortSignal): Promise<HeldNode> {
    const joined = createEphemeral(client, spec).then((created) => new HeldNode(client, created, spec.sequential));
    try {
      return await orAborted(joined, signal);
    } catch (error) {
      joined.then((node) => node.leave()).catch(() => {});
      throw error;
    }
  }

  get guard(): Guard {
    return { path: this.path, czxid: this.czxid };
  }

  get left(): boolean {
    return this.#left;
  }

  /** Until when the node is sure to be there unless somebody deletes it, on the clock of `client.nowMs()`; 0: it is not. */
  get validUntilMs(): number {
    return this.#left || this.#client.session?.id !== this.session ? 0 : (this.#client.validUntilMs ?? 0);
  }

  /** Whether it is, by the clock, now. */
  get holds(): boolean {
    const { validUntilMs } = this;
    return this.#client.nowMs() < validUntilMs || (validUntilMs > 0 && mutant("a grant outlives its deadline"));
  }

  /** Resolves when it is gone, by whoever. Rejects with ABORTED, SESSION_EXPIRED. */
  whenGone(signal: AbortSignal): Promise<void> {
    if (!this.#nameIsUnique) return whenGone(this.#client, this.guard, signal);
    return this.#client.whenDeleted(this.path, { ...untilSessionEnds, level: "session", signal });
  }

  /** Somebody deleted it with other things: there is nothing to leave. */
  forget(): void {
    this.#left = true;
  }

  /** Resolves when the node is gone, be it with its session; never rejects. While the servers' disks are full it goes on asking. */
  async leave(): Promise<void> {
    if (this.#left) return;
    this.#left = true;
    if (mutant("who gives up stays in the queue")) return;
    while (this.#client.session?.id === this.session && (await this.#isRefused()))
      await this.#client.sleep(refusedMs).catch(() => {});
  }

  /** True: nothing was deleted, and it must be tried again, or those behind us would wait as long as our session lives. */
  #isRefused(): Promise<boolean> {
    return this.#client.delete(this.path, { ...untilSessionEnds, guard: this.guard }).then(
      () => false,
      (error: unknown) => error instanceof ZabraError && error.code === "READ_ONLY",
    );
  }
}

/** With its parent, as a container, when that is missing. */
export async function createEphemeral(client: Client, { path, sequential, data, guard }: HeldNodeSpec): Promise<CreatedNode> {
  const parent = parentOf(path) ?? rootPath;
  const kind = mutant("a member outlives its process") ? "persistent" : "ephemeral";
  for (let attempt = 0; attempt < joinsMax; attempt += 1) {
    const created = await unless("NO_NODE", client.create(path, data, { ...untilSessionEnds, kind, sequential, guard }));
    if (created !== undefined) return created;
    await client.ensurePath(parent, { kind: "container", ...untilSessionEnds });
  }
  throw new ZabraError("NO_NODE", { path: parent, detail: "it is deleted again and again" });
}
