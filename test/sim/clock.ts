/**
 * A machine's three clocks as functions of true time: monotonic (own rate, stands still while the
 * machine is suspended), boot (same rate, runs on while suspended), wall (boot plus jumps). The
 * rate may change at run time. Invariant: monotonic and boot never fall.
 */
import type { Now } from "../../src/replica/event.ts";

export class SimClock {
  #rate: number;
  #baseTrue: number;
  #baseMonotonic: number;
  #baseBoot: number;
  #wallOffset: number;
  #suspended = false;

  constructor(trueMs: number, rate: number, startMs: number, wallOffset: number) {
    this.#rate = rate;
    this.#baseTrue = trueMs;
    this.#baseMonotonic = startMs;
    this.#baseBoot = startMs;
    this.#wallOffset = wallOffset;
  }

  get rate(): number {
    return this.#rate;
  }

  get suspended(): boolean {
    return this.#suspended;
  }

  now(trueMs: number): Now {
    const boot = this.#boot(trueMs);
    return { monotonicMs: this.monotonic(trueMs), wallMs: Math.floor(boot + this.#wallOffset), bootMs: boot };
  }

  monotonic(trueMs: number): number {
    if (this.#suspended) return this.#baseMonotonic;
    return this.#baseMonotonic + (trueMs - this.#baseTrue) * this.#rate;
  }

  /** True time at which the monotonic clock will show `monotonicMs`, if nothing changes. */
  trueAt(monotonicMs: number): number {
    if (this.#suspended) return Infinity;
    return this.#baseTrue + (monotonicMs - this.#baseMonotonic) / this.#rate;
  }

  setRate(trueMs: number, rate: number): void {
    this.#rebase(trueMs);
    this.#rate = rate;
  }

  jumpWall(byMs: number): void {
    this.#wallOffset += byMs;
  }

  suspend(trueMs: number): void {
    this.#rebase(trueMs);
    this.#suspended = true;
  }

  resume(trueMs: number): void {
    this.#rebase(trueMs);
    this.#suspended = false;
  }

  #boot(trueMs: number): number {
    return this.#baseBoot + (trueMs - this.#baseTrue) * this.#rate;
  }

  #rebase(trueMs: number): void {
    const boot = this.#boot(trueMs);
    this.#baseMonotonic = this.monotonic(trueMs);
    this.#baseBoot = boot;
    this.#baseTrue = trueMs;
  }
}
