/**
 * What the parts of ZAB share: who we are, the durable state, the turn's clock, and the way out.
 * A role object lives as long as the role; the context lives as long as the server.
 */
import type { EpochRecord, EpochRecordFile } from "../log/epoch-record.ts";
import type { Log } from "../log/log.ts";
import { assert } from "../model/assert.ts";
import type { Limits } from "../model/limits.ts";
import { mutant } from "../model/mutant.ts";
import type { Epoch, ServerId, Zxid } from "../model/zxid.ts";
import type { PeerMessage } from "./message.ts";
import { isVoter, type QuorumConfig } from "./quorum.ts";

export interface SnapshotReader {
  /** The image's zxid: log entries after it follow the image. */
  readonly zxid: Zxid;
  /** The next pairs, about snapshot_chunk_bytes; empty after the last. */
  next(): readonly (readonly [key: Uint8Array, value: Uint8Array])[];
  release(): void;
}

/** A store and a log being built beside the live ones. */
export interface SnapshotInstall {
  readonly log: Log;
  readonly generation: number;
  /** Chunks handed over and not yet durable. */
  readonly pending: number;
  /** What is wrong with the chunk, if anything: then the transfer must be given up. */
  write(pairs: readonly (readonly [key: Uint8Array, value: Uint8Array])[]): string | undefined;
  /** The image has been written whole and its sync is done. */
  readonly synced: boolean;
  finish(): void;
  abandon(): void;
}

export interface Digest {
  readonly high: number;
  readonly low: number;
}

/** What ZAB asks of the replica around it. */
export interface ZabHost {
  send(peer: ServerId, message: PeerMessage): void;
  closeLink(peer: ServerId, reason: string): void;
  log(
    level: "debug" | "info" | "warn" | "error",
    message: string,
    fields?: Readonly<Record<string, string | number | boolean>>,
  ): void;
  halt(exitCode: 70 | 78, reason: string): void;
  readonly appliedZxid: Zxid;
  /** The tree digest after `zxid`, while it is remembered. */
  digestAt(zxid: Zxid): Digest | undefined;
  /** undefined while too many are open. */
  openSnapshot(): SnapshotReader | undefined;
  beginInstall(zxid: Zxid): SnapshotInstall;
  /** The epoch record names the new directories: store and log are switched together. */
  completeInstall(install: SnapshotInstall): void;
}

export class ZabContext {
  readonly id: ServerId;
  readonly limits: Limits;
  readonly host: ZabHost;
  readonly config: QuorumConfig;
  readonly epochs: EpochRecordFile;
  readonly links = new Map<ServerId, number>();
  log: Log;
  /** Monotonic clock of this turn, ms. */
  nowMs = 0;
  /** Until then we promised a leader to help nobody else; also set at boot, since the promise is not on disk. */
  promiseUntilMs = 0;
  promisedLeader: ServerId | undefined;
  /** The tree was found to differ from a quorum's: no vote, no service, until a snapshot has replaced it. */
  fenced = false;
  /** Our tree and another's differ and it is not known whose is wrong: no service, but log and vote. */
  suspended = false;
  /** The tree was lost, the log was not: log and vote, but lead nobody, until a snapshot has come. */
  treeless: boolean;

  constructor(parts: {
    id: ServerId;
    limits: Limits;
    host: ZabHost;
    config: QuorumConfig;
    epochs: EpochRecordFile;
    log: Log;
    treeless: boolean;
  }) {
    this.id = parts.id;
    this.limits = parts.limits;
    this.host = parts.host;
    this.config = parts.config;
    this.epochs = parts.epochs;
    this.log = parts.log;
    this.treeless = parts.treeless;
  }

  get record(): EpochRecord {
    return this.epochs.record;
  }

  get isVoter(): boolean {
    return isVoter(this.config, this.id);
  }

  /** A voter whose word counts: not one that was wiped and has not been made a member again. */
  get isVotingMember(): boolean {
    return this.isVoter && this.record.member && !this.fenced;
  }

  get inPromise(): boolean {
    return this.nowMs < this.promiseUntilMs && !mutant("a promise is not kept");
  }

  /** Nothing of ours is on its way to the disk, so what we say of our log is what a restart would find. */
  get settled(): boolean {
    return (this.log.idle || mutant("votes while its log is being written")) && !this.epochs.saving;
  }

  send(peer: ServerId, message: PeerMessage): void {
    if (this.links.has(peer)) this.host.send(peer, message);
  }

  broadcast(message: PeerMessage): void {
    for (const peer of this.links.keys()) this.host.send(peer, message);
  }

  /** A named thing that a test wants to have seen happen. */
  mark(name: string): void {
    this.host.log("debug", name, { mark: true });
  }

  saveEpochs(change: Partial<EpochRecord>): void {
    const next = { ...this.epochs.record, ...change };
    assert(next.acceptedEpoch >= this.record.acceptedEpoch, "acceptedEpoch must not fall");
    assert(next.currentEpoch >= this.record.currentEpoch, "currentEpoch must not fall");
    assert(next.currentEpoch <= next.acceptedEpoch, "currentEpoch must not exceed acceptedEpoch");
    this.epochs.save(next);
  }

  durableEpochs(): { accepted: Epoch; current: Epoch } {
    return { accepted: this.epochs.durable.acceptedEpoch, current: this.epochs.durable.currentEpoch };
  }
}
