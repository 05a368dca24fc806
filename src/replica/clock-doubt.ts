/**
 * Tells a turn before which the clock, or our running, cannot be trusted: the loop stalled longer than
 * the lease guard, or wall or boot clock moved more than the guard past the monotonic one (a suspended
 * machine stops the monotonic clock, so the stall alone would not show).
 */
import { mutant } from "../model/mutant.ts";
import type { Now } from "./event.ts";

export class ClockDoubt {
  readonly #guardMs: number;
  #last: Now | undefined;

  constructor(guardMs: number) {
    this.#guardMs = guardMs;
  }

  /** True when the time since the last turn is in doubt. */
  check(now: Now): boolean {
    const last = this.#last;
    this.#last = now;
    if (last === undefined) return false;
    const passedMs = now.monotonicMs - last.monotonicMs;
    const bootMs = now.bootMs - last.bootMs - passedMs;
    const wallMs = now.wallMs - last.wallMs - passedMs;
    if (mutant("a suspend goes unseen")) return passedMs > this.#guardMs;
    return passedMs > this.#guardMs || bootMs > this.#guardMs || Math.abs(wallMs) > this.#guardMs;
  }
}
