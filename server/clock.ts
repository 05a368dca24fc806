/**
 * The three clocks of a turn. `monotonicMs` is CLOCK_MONOTONIC (what `process.hrtime` reads), which
 * stands still while the machine is suspended; `bootMs` runs on, and `wallMs` is set by people and NTP.
 *
 * Node has no CLOCK_BOOTTIME, but `os.uptime()` reads /proc/uptime, which is that clock in steps of 10 ms,
 * for some 7 µs. That is too much for every turn, so between readings the boot clock is carried on by
 * the monotonic one, and it is read anew every 100 ms, and at once when the wall clock has moved
 * otherwise than the monotonic clock: the sign of a suspend. The steps would look like movement, so
 * the offset between the clocks moves only when a reading differs by more than two of them.
 */
import { uptime } from "node:os";
import { performance } from "node:perf_hooks";
import type { Now } from "../src/replica/event.ts";

export interface ClockSources {
  /** All in milliseconds. */
  monotonic(): number;
  wall(): number;
  boot(): number;
}

export const systemClockSources: ClockSources = {
  monotonic: () => performance.now(),
  wall: () => Date.now(),
  boot: () => uptime() * 1000,
};

const bootSampleMs = 100;
const bootStepMs = 20;
const wallGapMs = 5;

export class Clock {
  readonly #sources: ClockSources;
  #monotonicMs: number;
  #wallMs: number;
  #bootOffsetMs: number;
  #bootSampledMs: number;

  constructor(sources: ClockSources = systemClockSources) {
    this.#sources = sources;
    this.#monotonicMs = sources.monotonic();
    this.#wallMs = sources.wall();
    this.#bootOffsetMs = sources.boot() - this.#monotonicMs;
    this.#bootSampledMs = this.#monotonicMs;
  }

  /** Called once a turn, after the inbox was closed. */
  now(): Now {
    const monotonicMs = this.#sources.monotonic();
    const wallMs = this.#sources.wall();
    const gap = Math.abs(wallMs - this.#wallMs - (monotonicMs - this.#monotonicMs));
    this.#monotonicMs = monotonicMs;
    this.#wallMs = wallMs;
    if (gap > wallGapMs || monotonicMs - this.#bootSampledMs >= bootSampleMs) this.#sampleBoot(monotonicMs);
    return { monotonicMs, wallMs, bootMs: monotonicMs + this.#bootOffsetMs };
  }

  #sampleBoot(monotonicMs: number): void {
    this.#bootSampledMs = monotonicMs;
    const offset = this.#sources.boot() - monotonicMs;
    if (offset - this.#bootOffsetMs > bootStepMs) this.#bootOffsetMs = offset;
  }
}
