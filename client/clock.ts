/**
 * The client's monotonic clock, ms. `performance.now()` stands still while a machine is suspended, and
 * a session would seem to last through the night. So a jump of the wall clock ahead of it counts as
 * time passed: a suspend, or somebody setting the clock forward, which at worst ends a session early.
 * Wall time is used for nothing else.
 */
export interface MonotonicClock {
  nowMs(): number;
}

/** Above what a slewed wall clock gains between two looks; machines do not sleep for less. */
const jumpMs = 100;

export class SystemClock implements MonotonicClock {
  readonly #monotonic: () => number;
  readonly #wall: () => number;
  #suspendedMs = 0;
  #gap: number;

  constructor(monotonic: () => number = () => performance.now(), wall: () => number = () => Date.now()) {
    this.#monotonic = monotonic;
    this.#wall = wall;
    this.#gap = wall() - monotonic();
  }

  nowMs(): number {
    const monotonic = this.#monotonic();
    const gap = this.#wall() - monotonic;
    if (gap - this.#gap > jumpMs) this.#suspendedMs += gap - this.#gap;
    this.#gap = gap;
    return monotonic + this.#suspendedMs;
  }
}

/** The wall clock, ms. Only for what people mean by it, such as the time of a cron job: never for a deadline, an order or a lease. */
export function wallClockMs(): number {
  return Date.now();
}

/** Such as `2026-01-31T12:00:00.000Z`; in the order of time. */
export function formatTime(wallMs: number): string {
  return new Date(wallMs).toISOString();
}

/** NaN: it is no time. */
export function parseTime(text: string): number {
  return Date.parse(text);
}
