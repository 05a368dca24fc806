/** The public API of the recipes. */
export {
  Cache,
  type CacheChange,
  type CachedNode,
  type CacheListener,
  type CacheOptions,
  cacheChildren,
  cacheNode,
  cacheTree,
} from "./cache.ts";
export type { ContenderInfo } from "./contender.ts";
export { Grant } from "./grant.ts";
export { Election, type ElectionOptions, type Leadership, Term } from "./leader.ts";
export { Lock, type LockOptions, withLock } from "./lock.ts";
export { type KeeperState, PersistentEphemeral } from "./persistent-ephemeral.ts";
export type { WaitOptions } from "./wait.ts";
