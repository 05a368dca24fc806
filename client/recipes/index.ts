/** The public API of the recipes. */
export type { ContenderInfo, WaitOptions } from "./contender.ts";
export { Grant } from "./grant.ts";
export { Election, type ElectionOptions, type Leadership, Term } from "./leader.ts";
export { Lock, type LockOptions, withLock } from "./lock.ts";
