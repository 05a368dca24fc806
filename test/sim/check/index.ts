/**
 * The invariants, one file each, in the order of their numbers; checks.ts puts them together and tells each what it judges. Behind
 * them stand the books that nobody else keeps: the ghost log of all that was ever broadcast (ghost-log.ts), a second, naive
 * tree (model.ts), what power cuts would leave (platters.ts), and coverage marks (marks.ts).
 */
export { Agreement } from "./agreement.ts";
export { Bounds } from "./bounds.ts";
export { CallsEnd } from "./calls-end.ts";
export { CalmStaysCalm } from "./calm-stays-calm.ts";
export { CommittedNeverLost } from "./committed-never-lost.ts";
export { Damage } from "./damage-is-not-absence.ts";
export { DurableQuorum } from "./durable-quorum.ts";
export { Ephemerals } from "./ephemerals.ts";
export { Epochs } from "./epochs.ts";
export { ExactWatches } from "./exact-watches.ts";
export { ExactlyOnce } from "./exactly-once.ts";
export { GlobalPrimaryOrder } from "./global-primary-order.ts";
export { Integrity } from "./integrity.ts";
export { LateServersRejoin } from "./late-servers-rejoin.ts";
export { LeaseHolderIsLatest } from "./lease-holder-is-latest.ts";
export { LinearizableReads } from "./linearizable-reads.ts";
export { LogShape } from "./log-shape.ts";
export { MembersCount } from "./members-count.ts";
export { NewLeaderAtom } from "./newleader-atom.ts";
export { NoEarlyExpiry } from "./no-early-expiry.ts";
export { NoOrphan } from "./no-orphan.ts";
export { OldLinks } from "./old-links.ts";
export { OneLeaderServes } from "./one-leader-serves.ts";
export { OneLeaseHolder } from "./one-lease-holder.ts";
export { PrimaryIntegrity } from "./primary-integrity.ts";
export { PrimaryOrder } from "./primary-order.ts";
export { QueuesDrain } from "./queues-drain.ts";
export { RegisterSearch } from "./register-search.ts";
export { ReplicaIdentity } from "./replica-identity.ts";
export { ReplicasConverge } from "./replicas-converge.ts";
export { SameRun } from "./same-run.ts";
export { SessionOrder } from "./session-order.ts";
export { Stats } from "./stats.ts";
export { StreamsCatchUp } from "./streams-catch-up.ts";
export { TotalOrder } from "./total-order.ts";
export { TreeOfTheLog } from "./tree-of-the-log.ts";
export { TtlNodes } from "./ttl.ts";

/** Number, file, and what it says. */
export const inOrder: readonly (readonly [id: string, file: string, says: string])[] = [
  ["I-1", "integrity.ts", "what is delivered was broadcast by a primary"],
  ["I-2", "agreement.ts", "delivered prefixes are comparable"],
  ["I-3", "total-order.ts", "one order everywhere"],
  ["I-4", "primary-order.ts", "a primary's order"],
  ["I-5", "global-primary-order.ts", "the order of primaries"],
  ["I-6", "primary-integrity.ts", "a leader has delivered what came before it"],
  ["I-7", "epochs.ts", "one leader an epoch; epochs never fall"],
  ["I-8", "newleader-atom.ts", "NEWLEADER is an atom on the disk"],
  ["I-9", "damage-is-not-absence.ts", "damage is not absence"],
  ["I-10", "committed-never-lost.ts", "committed is never lost"],
  ["I-11", "durable-quorum.ts", "no reply before a durable quorum"],
  ["I-12", "log-shape.ts", "the log has no gaps"],
  ["I-13", "one-lease-holder.ts", "one lease holder in true time"],
  ["I-14", "lease-holder-is-latest.ts", "the lease holder has the latest epoch"],
  ["I-15", "linearizable-reads.ts", "linearizable, by zxids"],
  ["I-15", "register-search.ts", "linearizable, by search"],
  ["I-16", "session-order.ts", "the order of a session"],
  ["I-17", "exactly-once.ts", "exactly once"],
  ["I-18", "no-early-expiry.ts", "no early expiry"],
  ["I-19", "ephemerals.ts", "ephemerals have live owners"],
  ["I-19", "ttl.ts", "TTL nodes live out their time"],
  ["I-20", "exact-watches.ts", "watches and streams are the log's exact filter"],
  ["I-21", "stats.ts", "the algebra of stats"],
  ["I-22", "replica-identity.ts", "replicas are alike"],
  ["I-23", "tree-of-the-log.ts", "snapshot and log make the state"],
  ["I-24", "members-count.ts", "only members count"],
  ["I-25", "old-links.ts", "messages of old links do nothing"],
  ["I-26", "bounds.ts", "everything is bounded"],
  ["I-27", "no-orphan.ts", "what failed is not applied"],
  ["I-28", "same-run.ts", "the same seed gives the same run"],
  ["L-1", "one-leader-serves.ts", "one leader, and all serve"],
  ["L-2", "calls-end.ts", "every call ends"],
  ["L-3", "replicas-converge.ts", "replicas come together"],
  ["L-4", "late-servers-rejoin.ts", "late servers catch up"],
  ["L-5", "queues-drain.ts", "queues drain"],
  ["L-6", "streams-catch-up.ts", "streams catch up"],
  ["L-7", "calm-stays-calm.ts", "calm stays calm"],
];
