/** How long a recipe waits: a caller's signal and deadline as one, and promises that end with it. Used by every recipe that waits. */
import { onceAborted } from "../abort.ts";
import type { Client } from "../client.ts";
import { ZabraError } from "../error.ts";

/** What waiting takes. */
export interface WaitOptions {
  /** Gives up: rejects with ABORTED, and what was begun (a place in a queue) is undone. */
  readonly signal?: AbortSignal | undefined;
  /** How long to wait, ms, above 0; then TIMEOUT. Default: without end. */
  readonly timeoutMs?: number | undefined;
}

/** Longer than any timer: such a wait has no end of its own. */
const timerMsMax = 2 ** 31;
/** One for all: a reason of its own for each would cost a stack trace a wait. */
const over = new ZabraError("ABORTED", { detail: "the wait is over" });

/** The caller's signal and timeout as one signal. Dispose of it when the wait is over. */
export class WaitLimit {
  readonly #controller = new AbortController();
  readonly #options: WaitOptions;
  readonly #cancelTimer: (() => void) | undefined;
  readonly #stopListening: () => void;
  #timedOut = false;

  constructor(client: Client, options: WaitOptions) {
    this.#options = options;
    const { signal, timeoutMs } = options;
    if (timeoutMs !== undefined && !(timeoutMs > 0))
      throw new ZabraError("BAD_ARGUMENTS", { detail: `timeoutMs must be above 0, not ${timeoutMs}` });
    const onAbort = (): void => this.#controller.abort(signal?.reason);
    if (signal?.aborted === true) onAbort();
    this.#stopListening = onceAborted(signal, onAbort);
    if (timeoutMs !== undefined && timeoutMs < timerMsMax) this.#cancelTimer = client.after(timeoutMs, () => this.#expire());
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  #expire(): void {
    this.#timedOut = true;
    this.#controller.abort(over);
  }

  /** What the caller is told; undefined: it is not our doing. `outcome`: of a write that it may have ended. */
  error(path: string, outcome: ZabraError["outcome"] = "failed"): ZabraError | undefined {
    if (!this.signal.aborted) return undefined;
    return this.#timedOut
      ? new ZabraError("TIMEOUT", { path, outcome })
      : new ZabraError("ABORTED", { path, outcome, cause: this.#options.signal?.reason });
  }

  /** The wait is over: frees what it holds and ends what still runs under its signal. */
  dispose(): void {
    this.#controller.abort(over);
    this.#cancelTimer?.();
    this.#stopListening();
  }
}

/** `promise`, or ABORTED as soon as the signal fires. */
export function orAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const onAbort = (): void => reject(new ZabraError("ABORTED", { cause: signal.reason }));
    if (signal.aborted) onAbort();
    const stopListening = onceAborted(signal, onAbort);
    promise.then(resolve, reject).finally(stopListening);
  });
}

/** Resolves when the signal fires, or at once when it has. */
export function untilAborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else onceAborted(signal, resolve);
  });
}

/** Runs `wait` under the caller's limit; what ends it by that is told as TIMEOUT or ABORTED of `path`. */
export async function withLimit<T>(
  client: Client,
  path: string,
  options: WaitOptions,
  wait: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const limit = new WaitLimit(client, options);
  try {
    return await wait(limit.signal);
  } catch (thrown) {
    const error = ZabraError.from(thrown, path);
    throw limit.error(path, error.outcome) ?? error;
  } finally {
    limit.dispose();
  }
}

/** Something that changes, and may end. */
export interface Changing {
  /** Calls `look` after every later change. Returns what ends that. */
  onChange(look: () => void): () => void;
  /** Fires when it changes no more, with why. */
  readonly signal: AbortSignal;
}

/** Resolves as soon as `holds`, looked at now and after every change. Rejects with ABORTED, what ended `changing`, or what `holds` throws. */
export function until(changing: Changing, holds: () => boolean, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const settle = (end: () => void): void => {
      for (const stop of stops) stop();
      end();
    };
    const look = (): void => {
      try {
        if (holds()) settle(resolve);
      } catch (error) {
        settle(() => reject(error));
      }
    };
    const onAbort = (): void => settle(() => reject(new ZabraError("ABORTED", { cause: signal.reason })));
    const onEnded = (): void => settle(() => reject(changing.signal.reason));
    const stops = [changing.onChange(look)];
    if (signal.aborted) return onAbort();
    if (changing.signal.aborted) return onEnded();
    stops.push(onceAborted(signal, onAbort), onceAborted(changing.signal, onEnded));
    look();
  });
}

/**
 * Whether a recipe that this ended can go on: the client opens another session, or the server asks to come again. What it then
 * does again must bear being done twice when the outcome is unknown.
 */
export function goesOn(client: Client, error: ZabraError): boolean {
  return error.code === "SESSION_EXPIRED" ? isSessionLoss(client, error) : error.retryable;
}

/** Whether the session was lost, and the client opens another. */
export function isSessionLoss(client: Client, error: unknown): boolean {
  const { type } = client.state;
  return ZabraError.from(error).code === "SESSION_EXPIRED" && type !== "lost" && type !== "closed";
}
