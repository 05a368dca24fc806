/** The public API of the recipes. */

export { type AtomicUpdate, AtomicValue } from "./atomic-value.ts";
export { Barrier } from "./barrier.ts";
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
export type { Strategy } from "./choose.ts";
export { Claim } from "./claim.ts";
export { type ParticipantWork, type ParticipateOptions, participate } from "./commit-participant.ts";
export type { Decision } from "./commit-record.ts";
export { Config, type WatchConfigOptions, watchConfig } from "./config.ts";
export { type ConfigDifference, differences } from "./config-diff.ts";
export type { ConfigLayout, ConfigRevision } from "./config-history.ts";
export { type ApplyOptions, type ConfigPlan, ConfigStore, type ConfigStoreOptions } from "./config-store.ts";
export { Counter } from "./counter.ts";
export { type CronEvent, CronJob, type CronJobOptions, type CronRun, everyMs, type MissedTicks, type Tick } from "./cron-job.ts";
export { type ChooseOptions, type DiscoverOptions, Discovery, discover, type Use } from "./discovery.ts";
export { DoubleBarrier, Inside } from "./double-barrier.ts";
export { Grant, SharedGrant } from "./grant.ts";
export type { Layout } from "./layout.ts";
export { Election, type ElectionOptions, type Leadership, Term } from "./leader.ts";
export { LeaderLease, type LeaderLeaseOptions, LeaseTerm } from "./lease.ts";
export { Lock, type LockOptions, withLock } from "./lock.ts";
export { MultiGrant, MultiLock } from "./multi-lock.ts";
export { type JoinOptions, type Member, Membership, Party } from "./party.ts";
export { type KeeperState, PersistentEphemeral } from "./persistent-ephemeral.ts";
export type { ContenderInfo } from "./queue.ts";
export { type ReadWriteContender, ReadWriteLock, type ReadWriteLockOptions } from "./read-write-lock.ts";
export {
  type Instance,
  type InstanceDescription,
  type InstanceStatus,
  type RegisterOptions,
  Registration,
  register,
} from "./registry.ts";
export { Semaphore, type SemaphoreOptions } from "./semaphore.ts";
export { type OwnShardsOptions, ownShards, ShardOwner } from "./shards.ts";
export type { SchemaIssue, SchemaResult, StandardSchema } from "./standard-schema.ts";
export { type TransactOptions, transact } from "./two-phase-commit.ts";
export type { WaitOptions } from "./wait.ts";
export { type ConsumeOptions, type PutOptions, WorkQueue, type WorkQueueOptions } from "./work-queue.ts";
