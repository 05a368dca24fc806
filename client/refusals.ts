/**
 * Which refusals are waited out, and for how long. Waits grow while refusals follow each other; an answer
 * sets them back. Owned by `connection.ts`.
 */
import type { ErrorCode } from "../src/model/error.ts";

/** Refusals of writes that were not logged: the same seq must come again. */
const notLogged: ReadonlySet<ErrorCode> = new Set([
  "OVERLOADED",
  "THROTTLED",
  "OUT_OF_ORDER",
  "READ_ONLY",
  "NO_QUORUM",
  "TIMEOUT",
  "CONNECTION_LOSS",
]);
/** Of those, the ones by which no copy of the write is on its way. */
const notApplied: ReadonlySet<ErrorCode> = new Set(["OVERLOADED", "THROTTLED", "OUT_OF_ORDER", "READ_ONLY"]);
/** Refusals of reads that pass by themselves. */
const passing: ReadonlySet<ErrorCode> = new Set(["OVERLOADED", "THROTTLED", "CONNECTION_LOSS"]);

/** A read refused with NO_QUORUM this long before its deadline is asked again: the server's own wait is bounded. */
export const noQuorumMs = 1_000;
const waitMsMin = 5;
const waitMsMax = 1_000;

export function isPassingForWrite(code: ErrorCode): boolean {
  return notLogged.has(code);
}

export function isPassingForRead(code: ErrorCode, leftMs: number): boolean {
  return code === "NO_QUORUM" ? leftMs > noQuorumMs : passing.has(code);
}

export function provesNotApplied(code: ErrorCode): boolean {
  return notApplied.has(code);
}

export class RefusalBackoff {
  readonly #random: () => number;
  #count = 0;

  constructor(random: () => number) {
    this.#random = random;
  }

  onAnswer(): void {
    this.#count = 0;
  }

  /** How long to wait, ms; `detail` is a number when the server asks for more. */
  next(detail: string): number {
    const asked = Number.parseInt(detail, 10);
    const own = Math.min(waitMsMin * 2 ** this.#count, waitMsMax);
    this.#count = Math.min(this.#count + 1, 16);
    const wait = Number.isFinite(asked) && asked > own ? Math.min(asked, waitMsMax) : own;
    return wait * (0.5 + this.#random() / 2);
  }
}
