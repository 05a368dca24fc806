/** What users of the client catch: one class, told apart by `code` (which survives bundles and workers, where `instanceof` does not). */
import { type ErrorCode, errorTable } from "../src/model/error.ts";
import type { Outcome } from "../src/model/request.ts";

export type { ErrorCode };

export interface ZabraErrorOptions {
  readonly path?: string | undefined;
  readonly outcome?: "failed" | "unknown" | undefined;
  readonly detail?: string | undefined;
  readonly codes?: readonly ErrorCode[] | undefined;
  readonly cause?: unknown;
}

/** The one error of this library: what went wrong (`code`), where (`path`), and whether a write may have taken effect (`outcome`). */
export class ZabraError extends Error {
  override readonly name = "ZabraError";
  readonly code: ErrorCode;
  /** The node that the call was about. */
  readonly path: string | undefined;
  /**
   * `failed`: it had no effect and will have none. `unknown`: a write that was sent and not answered
   * before its deadline, its signal or the end of its session; it may have been, or may yet be, applied.
   */
  readonly outcome: "failed" | "unknown";
  /** Which limit, which argument, the oldest zxid …; empty when there is nothing to add. */
  readonly detail: string;
  /** Of a multi: one code an operation. Empty otherwise. */
  readonly codes: readonly ErrorCode[];

  constructor(code: ErrorCode, options: ZabraErrorOptions = {}) {
    super(messageOf(code, options), options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.path = options.path;
    this.outcome = options.outcome ?? "failed";
    this.detail = options.detail ?? "";
    this.codes = options.codes ?? [];
  }

  /** Whether the same call may succeed later. */
  get retryable(): boolean {
    return errorTable[this.code].retryable;
  }

  /** Any thrown thing as a ZabraError: itself, or what went wrong around us as CONNECTION_LOSS, an abort as ABORTED. */
  static from(thrown: unknown, path?: string): ZabraError {
    if (thrown instanceof ZabraError) return thrown;
    const detail = thrown instanceof Error ? thrown.message : String(thrown);
    const aborted = thrown instanceof Error && thrown.name === "AbortError";
    return new ZabraError(aborted ? "ABORTED" : "CONNECTION_LOSS", { path, detail, cause: thrown });
  }

  /** A server's refusal. */
  static refused(outcome: Outcome, path: string | undefined): ZabraError {
    const codes = outcome.result.type === "multi" ? outcome.result.outcomes.map((one) => one.code) : [];
    return new ZabraError(outcome.code, { path, detail: outcome.detail, codes });
  }
}

function messageOf(code: ErrorCode, options: ZabraErrorOptions): string {
  const where = options.path === undefined ? "" : ` (${options.path})`;
  const detail = options.detail === undefined || options.detail === "" ? "" : `: ${options.detail}`;
  const doubt = options.outcome === "unknown" ? "; whether the write was applied is unknown" : "";
  return `${code}: ${errorTable[code].sentence}${detail}${where}${doubt}`;
}

/** Runs `call` and gives undefined where it is refused with `code`. */
export async function unless<T>(code: ErrorCode, call: Promise<T>): Promise<T | undefined> {
  try {
    return await call;
  } catch (error) {
    if (error instanceof ZabraError && error.code === code) return undefined;
    throw error;
  }
}
