/**
 * The follower's and observer's side: discovery, synchronisation, broadcast. The order on disk is the
 * heart of it (ZOOKEEPER-2678, 3911, 4643, 4646, 4785): everything sent before NEWLEADER is durable in
 * the log, then currentEpoch is, then the ACK leaves. Nothing is applied before UPTODATE. What a step
 * waits for is read from durable state each turn, never from a callback, so a completion that belongs
 * to an older role can neither be missed nor mistaken.
 */
import { assert } from "../model/assert.ts";
import { buggify } from "../model/buggify.ts";
import { crc32c } from "../model/crc32c.ts";
import { mutant } from "../model/mutant.ts";
import { type Epoch, type ServerId, type Zxid, zeroEpoch, zeroZxid } from "../model/zxid.ts";
import type { SnapshotInstall, ZabContext } from "./context.ts";
import type {
  CommitMessage,
  HeartbeatMessage,
  LeaderInfoMessage,
  NewLeaderMessage,
  PeerMessage,
  ProposalMessage,
  SnapChunkMessage,
  UpToDateMessage,
} from "./message.ts";

type Phase = "discovery" | "synchronisation" | "broadcast";
const tailsSent = 64;

export class Learner {
  readonly #context: ZabContext;
  readonly leader: ServerId;
  readonly #startedMs: number;
  #phase: Phase = "discovery";
  #infoSent = false;
  #epoch: Epoch = zeroEpoch;
  /** LEADERINFO received and not yet answered by ACKEPOCH. */
  #offered: { epoch: Epoch; counts: boolean } | undefined;
  #newLeader: NewLeaderMessage | undefined;
  #newLeaderSaved = false;
  #newLeaderAcked = false;
  #syncStarted = false;
  #acked: Zxid = zeroZxid;
  #committed: Zxid = zeroZxid;
  #install: SnapshotInstall | undefined;
  #chunksExpected = 0;
  #chunkAcked = -1;
  /** A TRUNC is on its way to the disk; `#held` has what came meanwhile, bounded by the leader's sync window. */
  #truncating = false;
  #held: PeerMessage[] = [];
  #heardMs: number;
  #failure: string | undefined;

  constructor(context: ZabContext, leader: ServerId) {
    this.#context = context;
    this.leader = leader;
    this.#heardMs = context.nowMs;
    this.#startedMs = context.nowMs;
  }

  get epoch(): Epoch {
    return this.#epoch;
  }

  /** Past UPTODATE: commits are applied and clients served. */
  get serving(): boolean {
    return this.#phase === "broadcast";
  }

  get committed(): Zxid {
    return this.#committed;
  }

  /** Why this leader must be left; undefined while all is well. */
  get failure(): string | undefined {
    return this.#failure;
  }

  get waitingFor(): string {
    if (this.#install !== undefined) return `receiving a snapshot from server ${this.leader}`;
    return this.serving ? "" : `synchronising with server ${this.leader}`;
  }

  get phase(): Phase {
    return this.#phase;
  }

  onMessage(message: PeerMessage): void {
    this.#heardMs = this.#context.nowMs;
    if (message.type === "heartbeat") return this.#onHeartbeat(message);
    this.#settleTruncation();
    if (this.#truncating || this.#held.length > 0) this.#held.push(message);
    else this.#handle(message);
  }

  onLost(): void {
    this.#fail("the connection was lost");
  }

  /**
   * Leaves the role; a half received snapshot is thrown away (ZOOKEEPER-3642). Not one that the epoch record
   * names: that save may be durable already, with the leader's epoch as currentEpoch, which the old log does not hold.
   */
  stop(): void {
    const install = this.#install;
    if (install === undefined) return;
    if (this.#context.record.generation === install.generation && !mutant("a named snapshot is thrown away"))
      return this.#switchToInstall(install);
    this.#install = undefined;
    install.abandon();
  }

  /** Once a turn, after its events. */
  advance(): void {
    if (mutant("SNAP switches before its log")) this.#switchEarly();
    this.#checkSilence();
    this.#releaseHeld();
    if (this.#phase === "discovery") this.#maybeSendInfo();
    this.#maybeAckEpoch();
    this.#maybeAckChunks();
    this.#advanceNewLeader();
    this.#maybeAck();
  }

  // ---- discovery

  #maybeSendInfo(): void {
    const context = this.#context;
    if (this.#infoSent || !context.settled) return;
    this.#infoSent = true;
    const { accepted } = context.durableEpochs();
    context.send(this.leader, {
      type: "followerInfo",
      acceptedEpoch: accepted,
      observer: !context.isVoter,
      rejoining: context.isVoter && !context.record.member,
    });
  }

  #onLeaderInfo(message: LeaderInfoMessage): void {
    const accepted = this.#context.record.acceptedEpoch;
    const raises = message.epoch > accepted || mutant("an accepted epoch is accepted again");
    if (message.epoch < accepted) return this.#fail("the leader's epoch is below ours");
    if (raises) this.#context.saveEpochs({ acceptedEpoch: message.epoch });
    this.#offered = { epoch: message.epoch, counts: raises && this.#context.isVotingMember };
    if (this.#phase === "discovery") this.#epoch = message.epoch;
  }

  /** ACKEPOCH waits until acceptedEpoch is durable and no promise to another leader runs. */
  #maybeAckEpoch(): void {
    const context = this.#context;
    const offered = this.#offered;
    if (offered === undefined) return;
    if (context.durableEpochs().accepted < offered.epoch && !mutant("ACKEPOCH before acceptedEpoch is durable")) return;
    if (context.inPromise && context.promisedLeader !== this.leader) return;
    const settled = context.settled || (mutant("ACKEPOCH before acceptedEpoch is durable") && context.log.idle);
    if (this.#phase === "discovery" && !settled) return;
    this.#offered = undefined;
    context.send(this.leader, {
      type: "ackEpoch",
      epoch: offered.epoch,
      currentEpoch: context.durableEpochs().current,
      lastZxid: context.log.durableZxid,
      tails: context.fenced || context.treeless ? [] : context.log.tails(tailsSent),
      counts: offered.counts,
      appliedZxid: context.host.appliedZxid,
    });
    if (this.#phase === "discovery") this.#phase = "synchronisation";
  }

  // ---- synchronisation

  #handle(message: PeerMessage): void {
    switch (message.type) {
      case "leaderInfo":
        return this.#onLeaderInfo(message);
      case "diff":
        return this.#onDiff(message.zxid);
      case "trunc":
        return this.#onTrunc(message.zxid);
      case "snap":
        return this.#onSnap(message.zxid);
      case "snapChunk":
        return this.#onSnapChunk(message);
      case "proposal":
        return this.#onProposal(message);
      case "newLeader":
        return this.#onNewLeader(message);
      case "upToDate":
        return this.#onUpToDate(message);
      case "commit":
        return this.#onCommit(message);
      case "fence":
        return this.#onFence(message.resync);
      default:
        return;
    }
  }

  #onDiff(after: Zxid): void {
    if (after !== this.#context.log.lastZxid) return this.#fail("DIFF does not start at our last zxid");
    this.#syncFrom(after);
    this.#context.mark("diff");
  }

  #onTrunc(to: Zxid): void {
    const context = this.#context;
    if (to < context.host.appliedZxid) {
      context.host.halt(
        70,
        `the leader wants to cut the log to ${to}, but ${context.host.appliedZxid} is applied: a committed transaction was lost`,
      );
      return;
    }
    context.mark("trunc");
    context.log.truncate(to, context.nowMs);
    this.#truncating = !mutant("TRUNC is acked before it is durable");
    this.#syncFrom(to);
  }

  /** From here on what becomes durable is acked, first as progress, after NEWLEADER for good. */
  #syncFrom(zxid: Zxid): void {
    this.#syncStarted = true;
    this.#acked = zxid;
  }

  #onSnap(zxid: Zxid): void {
    this.#context.mark("snap");
    this.#install = this.#context.host.beginInstall(zxid);
    this.#syncFrom(zxid);
    this.#chunksExpected = 0;
  }

  #onSnapChunk(message: SnapChunkMessage): void {
    const install = this.#install;
    if (install === undefined || message.index !== this.#chunksExpected) return this.#fail("a snapshot chunk is out of place");
    if (chunkCrc(message.pairs) !== message.crc) return this.#fail("a snapshot chunk is damaged");
    this.#chunksExpected += 1;
    const fault = message.pairs.length > 0 ? install.write(message.pairs) : undefined;
    if (fault !== undefined) return this.#fail(`the snapshot is damaged: ${fault}`);
    if (message.done) install.finish();
  }

  /** Cumulative, and only of what has left memory: this is the transfer's back-pressure. */
  #maybeAckChunks(): void {
    if (this.#install === undefined) return;
    const index = this.#chunksExpected - 1 - this.#install.pending;
    if (index <= this.#chunkAcked || buggify("a chunk is acked late")) return;
    this.#chunkAcked = index;
    this.#context.send(this.leader, { type: "snapChunkAck", epoch: this.#epoch, index });
  }

  #onProposal(message: ProposalMessage): void {
    const log = this.#install?.log ?? this.#context.log;
    if (message.prev !== log.lastZxid) return this.#fail(`a proposal leaves a gap: ${message.prev} after ${log.lastZxid}`);
    for (const entry of message.entries) log.append(entry.zxid, entry.payload);
  }

  #onNewLeader(message: NewLeaderMessage): void {
    const log = this.#install?.log ?? this.#context.log;
    if (log.lastZxid !== message.zxid) return this.#fail("NEWLEADER does not follow the last proposal");
    this.#newLeader = message;
    this.#newLeaderSaved = false;
    this.#newLeaderAcked = false;
    if (mutant("currentEpoch before history")) this.#saveNewLeader(message);
  }

  #advanceNewLeader(): void {
    const message = this.#newLeader;
    if (message === undefined || this.#newLeaderAcked) return;
    const log = this.#install?.log ?? this.#context.log;
    // An installed log without entries is at its base at once; its files must be durable before the epoch record names them.
    const there = log.opened && log.durableZxid >= message.zxid;
    const synced = there && (this.#install?.synced ?? true) && !this.#truncating;
    const historyDurable = synced || (mutant("NEWLEADER acked before the history is durable") && this.#install === undefined);
    if (historyDurable && !this.#newLeaderSaved) this.#saveNewLeader(message);
    if (!this.#newLeaderSaved || !this.#epochDurable(message)) return;
    if (this.#install !== undefined) this.#switchToInstall(this.#install);
    this.#newLeaderAcked = true;
    this.#epoch = message.epoch;
    if (mutant("a sync stream commits")) {
      this.#phase = "broadcast";
      this.#raiseCommitted(message.zxid);
    }
    this.#acked = this.#context.log.durableZxid;
    this.#context.send(this.leader, { type: "ack", epoch: message.epoch, zxid: this.#acked, newLeader: true });
  }

  #saveNewLeader(message: NewLeaderMessage): void {
    this.#newLeaderSaved = true;
    const record = this.#context.record;
    const acceptedEpoch = message.epoch > record.acceptedEpoch ? message.epoch : record.acceptedEpoch;
    const generation = this.#install?.generation ?? record.generation;
    this.#context.saveEpochs({ acceptedEpoch, currentEpoch: message.epoch, generation, member: record.member || message.member });
  }

  #epochDurable(message: NewLeaderMessage): boolean {
    const durable = this.#context.epochs.durable;
    const generation = this.#install?.generation ?? durable.generation;
    // A server that rejoins in the epoch that it knew already becomes a member by this record alone.
    const member = durable.member || !message.member;
    return durable.currentEpoch >= message.epoch && durable.generation === generation && member;
  }

  /** The epoch record names the new directories: from here on they are the only ones. */
  #switchToInstall(install: SnapshotInstall): void {
    this.#install = undefined;
    this.#context.fenced = false;
    this.#context.treeless = false;
    this.#context.host.completeInstall(install);
    assert(this.#context.log === install.log, "the installed log must be the log now");
  }

  /** Planted bug: the image alone is not what the old log held. */
  #switchEarly(): void {
    const install = this.#install;
    if (install === undefined || !install.synced || !install.log.idle || this.#context.epochs.saving) return;
    if (this.#context.epochs.durable.generation === install.generation) this.#switchToInstall(install);
    else this.#context.saveEpochs({ generation: install.generation });
  }

  #onUpToDate(message: UpToDateMessage): void {
    if (!this.#newLeaderAcked || message.epoch !== this.#epoch) return this.#fail("UPTODATE before our ACK of NEWLEADER");
    assert(message.committed <= this.#context.log.lastZxid, "UPTODATE commits what we do not have");
    this.#phase = "broadcast";
    this.#raiseCommitted(message.committed);
  }

  // ---- broadcast

  #onCommit(message: CommitMessage): void {
    if (this.#phase !== "broadcast") return this.#fail("COMMIT before UPTODATE");
    if (message.zxid > this.#context.log.lastZxid) return this.#fail("COMMIT of what we do not have");
    this.#raiseCommitted(message.zxid);
  }

  #raiseCommitted(zxid: Zxid): void {
    if (zxid > this.#committed) this.#committed = zxid;
  }

  #onHeartbeat(message: HeartbeatMessage): void {
    const context = this.#context;
    // Our leader may be ahead of us (a hand-over), or we may have accepted its next epoch already; a later epoch than
    // both would have come from another leader, over another link.
    if (this.#epoch === zeroEpoch || message.epoch < this.#epoch) return;
    context.promiseUntilMs = Math.max(context.promiseUntilMs, context.nowMs + context.limits.promise_ms);
    context.promisedLeader = this.leader;
    const digest = context.host.digestAt(context.host.appliedZxid);
    context.send(this.leader, {
      type: "heartbeatAck",
      epoch: message.epoch,
      id: message.id,
      applied: digest === undefined ? zeroZxid : context.host.appliedZxid,
      digestHigh: digest?.high ?? 0,
      digestLow: digest?.low ?? 0,
    });
  }

  #onFence(resync: boolean): void {
    this.#context.mark("fenced");
    this.#context.host.log("error", "our tree differs from the quorum's: fenced", { resync });
    if (!resync) {
      this.#context.suspended = true;
      return;
    }
    this.#context.fenced = true;
    this.#fail("fenced: a snapshot must replace the tree");
  }

  /** Cumulative ACK of what has become durable since the last one. Before NEWLEADER it only shows progress. */
  #maybeAck(): void {
    if (!this.#syncStarted) return;
    const log = this.#install?.log ?? this.#context.log;
    const durable = mutant("ack before fsync") ? log.lastZxid : log.durableZxid;
    if (durable <= this.#acked || this.#truncating || buggify("an ACK leaves late")) return;
    this.#acked = durable;
    this.#context.send(this.leader, { type: "ack", epoch: this.#epoch, zxid: durable, newLeader: false });
  }

  /** The cut is durable once the log is idle: nothing is appended before, so that comes soon. */
  #settleTruncation(): void {
    if (this.#truncating && this.#context.log.idle) this.#truncating = false;
  }

  #releaseHeld(): void {
    this.#settleTruncation();
    if (this.#truncating || this.#held.length === 0) return;
    const held = this.#held;
    this.#held = [];
    for (const message of held) this.#handle(message);
  }

  #checkSilence(): void {
    const context = this.#context;
    const silent = context.nowMs - this.#heardMs;
    if (this.#phase === "broadcast" && silent >= context.limits.silence_ms) this.#fail("the leader is silent");
    else if (this.#epoch === zeroEpoch && context.nowMs - this.#startedMs >= 3 * context.limits.promise_ms)
      this.#fail("the candidate did not answer");
    else if (silent >= context.limits.establish_ms) this.#fail("synchronisation makes no progress");
  }

  #fail(reason: string): void {
    this.#failure ??= reason;
  }
}

export function chunkCrc(pairs: readonly (readonly [key: Uint8Array, value: Uint8Array])[]): number {
  let crc = 0;
  for (const [key, value] of pairs) crc = crc32c(value, crc32c(key, crc));
  return crc;
}
