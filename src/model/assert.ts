/**
 * Assertions. They are on in production: a server that finds its own state impossible stops
 * (exit code 70) instead of guessing, because a guess is what loses data.
 */

/** Our own bug, or a disk that lied. Never caught inside the core. */
export class InvariantError extends Error {
  override readonly name = "InvariantError";
}

/** Stops the server unless `condition` holds. Keep `message` a constant on hot paths. */
export function assert(condition: boolean, message: string): asserts condition {
  if (!condition) throw new InvariantError(message);
}

/** Returns `value`, or stops the server when it is undefined. */
export function must<T>(value: T | undefined, message: string): T {
  if (value === undefined) throw new InvariantError(message);
  return value;
}

/** Makes a `switch` over a union exhaustive at compile time. */
export function assertNever(value: never): never {
  throw new InvariantError(`unexpected variant: ${JSON.stringify(value)}`);
}
