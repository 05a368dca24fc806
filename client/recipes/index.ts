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
export { Config, type WatchConfigOptions, watchConfig } from "./config.ts";
export { type ConfigDifference, differences } from "./config-diff.ts";
export type { ConfigLayout, ConfigRevision } from "./config-history.ts";
export { type ApplyOptions, type ConfigPlan, ConfigStore, type ConfigStoreOptions } from "./config-store.ts";
export { Grant, SharedGrant } from "./grant.ts";
export type { Layout } from "./layout.ts";
export { Election, type ElectionOptions, type Leadership, Term } from "./leader.ts";
export { LeaderLease, type LeaderLeaseOptions, LeaseTerm } from "./lease.ts";
export { Lock, type LockOptions, withLock } from "./lock.ts";
export { MultiGrant, MultiLock } from "./multi-lock.ts";
export { type KeeperState, PersistentEphemeral } from "./persistent-ephemeral.ts";
export type { ContenderInfo } from "./queue.ts";
export { type ReadWriteContender, ReadWriteLock, type ReadWriteLockOptions } from "./read-write-lock.ts";
export { Semaphore, type SemaphoreOptions } from "./semaphore.ts";
export type { SchemaIssue, SchemaResult, StandardSchema } from "./standard-schema.ts";
export type { WaitOptions } from "./wait.ts";
