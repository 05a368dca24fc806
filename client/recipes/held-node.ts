/** An ephemeral node that was just made, as what a `Grant` rests on. Used by claims of a queue and by shards. */
import type { SessionId, Zxid } from "../../src/model/zxid.ts";
import type { Client } from "../client.ts";
import type { CreatedNode } from "../operations.ts";
import type { Held } from "./grant.ts";
import { untilSessionEnds, whenGone } from "./when-gone.ts";

export class HeldNode implements Held {
  readonly path: string;
  readonly token: Zxid;
  readonly session: SessionId;
  readonly #client: Client;
  #left = false;

  constructor(client: Client, { path, stat }: Pick<CreatedNode, "path" | "stat">) {
    this.#client = client;
    this.path = path;
    this.token = stat.czxid;
    this.session = stat.ephemeralOwner;
  }

  whenGone(signal: AbortSignal): Promise<void> {
    return whenGone(this.#client, { path: this.path, czxid: this.token }, signal);
  }

  async leave(): Promise<void> {
    if (this.#left) return;
    this.#left = true;
    if (this.#client.session?.id !== this.session) return;
    await this.#client.delete(this.path, { ...untilSessionEnds, guard: { path: this.path, czxid: this.token } }).catch(() => {});
  }

  /** Somebody else deletes the node, such as a txn of ours. */
  forget(): void {
    this.#left = true;
  }
}
