/** A claim on an item of a `WorkQueue`: a grant, and what there is to do. */
import { mutant } from "../../src/model/mutant.ts";
import type { Client } from "../client.ts";
import type { NodeValue } from "../data.ts";
import { Grant } from "./grant.ts";
import type { HeldNode } from "./held-node.ts";
import { untilSessionEnds } from "./when-gone.ts";

/** An item of a `WorkQueue` that is ours to do: a grant, which ends as any other does. `ack` it, or release it for others. */
export class Claim extends Grant {
  /** The item. */
  readonly item: NodeValue;
  /** How many claims there were on it, this one counted. */
  readonly attempts: number;
  readonly #client: Client;
  readonly #node: HeldNode;

  /** Use `WorkQueue.take`. */
  constructor(client: Client, node: HeldNode, item: NodeValue, attempts: number) {
    super(client, node);
    this.#client = client;
    this.#node = node;
    this.item = item;
    this.attempts = attempts;
  }

  get text(): string {
    return this.item.text;
  }

  /**
   * The work is done: removes the item. Resolves when it is gone. Rejects with FENCED or SESSION_EXPIRED when the claim was lost: then another
   * may be doing the work again.
   */
  async ack(): Promise<void> {
    const done = this.#client.transaction().delete(this.path);
    if (!mutant("an ack leaves its item")) done.delete(this.item.path);
    await done.commit(mutant("an ack without its guard") ? untilSessionEnds : { ...untilSessionEnds, guard: this.guard });
    this.#node.forget();
    await this[Symbol.asyncDispose]();
  }
}
