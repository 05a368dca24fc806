/** Contenders on one lock: never two at once, as tokens at a resource tell, and nobody is left in the queue. */
import { setTimeout as delay } from "node:timers/promises";
import { Contention, type ContentionReport, MemoryResource } from "../lock-contention.ts";
import { type BeginLoad, callTimeoutMs, type Load, type LoadWorld } from "./load.ts";

const contenders = 4;

class Locks implements Load {
  readonly #contention: Contention;
  #report: ContentionReport | undefined;

  constructor(contention: Contention) {
    this.#contention = contention;
  }

  get calls(): number {
    return this.#contention.handovers;
  }

  /** A turn, of whomever. */
  async getsOn(): Promise<void> {
    const before = this.calls;
    const untilMs = performance.now() + callTimeoutMs;
    while (this.calls === before) {
      if (performance.now() > untilMs)
        throw new Error(
          `nobody got the lock for ${callTimeoutMs} ms after all faults: ${this.#contention.problems.join("; ")}; ${await this.#contention.describe()}`,
        );
      await delay(5);
    }
  }

  async end(): Promise<void> {
    this.#report = await this.#contention.end();
  }

  async problems(): Promise<readonly string[]> {
    return this.#report?.problems ?? [];
  }
}

export const locks: BeginLoad = async ({ urls, directory, sessionTimeoutMs, slowness }: LoadWorld) =>
  new Locks(
    await Contention.begin({
      urls,
      contenders,
      sessionTimeoutMs,
      resource: new MemoryResource(),
      pauseMs: 50 * slowness,
      path: directory,
    }),
  );
