/** A barrier: while its node is there, those who wait are held; when it is removed, all go on. Anybody sets and removes it. */
import { mutant } from "../../src/model/mutant.ts";
import { parentOf } from "../../src/model/path.ts";
import type { Client } from "../client.ts";
import { unless } from "../error.ts";
import { requireOpen } from "./check.ts";
import { lookUntil } from "./look.ts";
import { type WaitOptions, withLimit } from "./wait.ts";
import { untilSessionEnds } from "./when-gone.ts";

/** While its node is there, those who wait are held; when it is removed, all go on. */
export class Barrier {
  readonly path: string;
  readonly #client: Client;

  /** Throws BAD_ARGUMENTS and CLOSED. */
  constructor(client: Client, path: string) {
    requireOpen(client, path);
    this.#client = client;
    this.path = path;
  }

  /** Holds those who wait from now on. Resolves to whether it was not set before. */
  set(options: WaitOptions = {}): Promise<boolean> {
    return withLimit(this.#client, this.path, options, async (signal) => {
      const call = { ...untilSessionEnds, signal };
      await this.#client.ensurePath(parentOf(this.path) ?? "/", call);
      return (await unless("NODE_EXISTS", this.#client.create(this.path, undefined, call))) !== undefined;
    });
  }

  /** Lets all go on. Resolves to whether it was set before. */
  remove(options: WaitOptions = {}): Promise<boolean> {
    return withLimit(this.#client, this.path, options, async (signal) => {
      const removed = await unless("NO_NODE", this.#client.delete(this.path, { ...untilSessionEnds, signal }));
      return removed !== undefined || mutant("each who removes is told that it was set");
    });
  }

  /** Resolves when it is not set, at once or later, also over lost sessions. Rejects with TIMEOUT, ABORTED, CLOSED, NO_AUTH. */
  async wait(options: WaitOptions = {}): Promise<void> {
    await withLimit(this.#client, this.path, options, (signal) =>
      lookUntil(this.#client, this.path, () => this.#isOpen(signal), signal),
    );
  }

  async #isOpen(signal: AbortSignal): Promise<true | undefined> {
    const level = mutant("a barrier is looked at without a quorum") ? "session" : "linearizable";
    const found = await this.#client.exists(this.path, { ...untilSessionEnds, level, signal });
    return found === undefined ? true : undefined;
  }
}
