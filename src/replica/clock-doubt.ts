/**
 * Tells a turn before which the clock, or our running, cannot be trusted: the loop stalled longer than
 * the lease guard, or wall or boot clock moved more than the guard past the monotonic one (a suspended
 * machine stops the monotonic clock, so the stall alone would not show).
 */
import { mutant } from "../model/mutant.ts";
import type { Now } from "./event.ts";

export interface Doubt {
  /** We did not run for so long beyond the guard; 0 for a clock that moved alone. */
  readonly stalledMs: number;
  /** The machine slept: time has passed that the monotonic clock does not show. */
  readonly suspended: boolean;
}

export class ClockDoubt {
  readonly #guardMs: number;
  #last: Now | undefined;

  constructor(guardMs: number) {
    this.#guardMs = guardMs;
  }

  /** undefined: the time since the last turn is in no doubt. */
  check(now: Now): Doubt | undefined {
    const last = this.#last;
    this.#last = now;
    if (last === undefined) return undefined;
    const passedMs = now.monotonicMs - last.monotonicMs;
    const bootMs = now.bootMs - last.bootMs - passedMs;
    const wallMs = now.wallMs - last.wallMs - passedMs;
    const unseen = mutant("a suspend goes unseen");
    const suspended = bootMs > this.#guardMs && !unseen;
    const stalledMs = Math.max(0, passedMs - this.#guardMs);
    const moved = Math.abs(wallMs) > this.#guardMs && !unseen;
    return suspended || stalledMs > 0 || moved ? { stalledMs, suspended } : undefined;
  }
}
