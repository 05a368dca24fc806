/**
 * The leader's side of discovery, synchronisation and broadcast, and the hand-over to the next epoch
 * in place. A candidate becomes an established leader when a quorum has acked NEWLEADER: everything in
 * its initial history is committed then. Only counted servers count: voters that are members, over the
 * link that is open now.
 */
import { assert, must } from "../model/assert.ts";
import { buggify } from "../model/buggify.ts";
import { mutant } from "../model/mutant.ts";
import {
  counterOf,
  type Epoch,
  makeEpoch,
  makeZxid,
  nextZxid,
  type ServerId,
  type Zxid,
  zeroEpoch,
  zeroZxid,
} from "../model/zxid.ts";
import type { ZabContext } from "./context.ts";
import { DigestCheck } from "./digest-check.ts";
import { Handover } from "./handover.ts";
import { LearnerHandler } from "./learner-handler.ts";
import { Lease } from "./lease.ts";
import type { AckEpochMessage, AckMessage, FollowerInfoMessage, HeartbeatAckMessage, LogEntry, PeerMessage } from "./message.ts";
import { hasQuorum, quorumReached } from "./quorum.ts";

type Phase = "discovery" | "synchronisation" | "broadcast";

export class Leader {
  readonly #context: ZabContext;
  readonly lease: Lease;
  readonly #handlers = new Map<ServerId, LearnerHandler>();
  readonly #startedMs: number;
  #phase: Phase = "discovery";
  #epoch: Epoch = zeroEpoch;
  #leaderInfoSent = false;
  #committed: Zxid = zeroZxid;
  #commitSent: Zxid = zeroZxid;
  /** The last entry before this epoch's first, when the epoch began by a hand-over. */
  #epochBase: Zxid = zeroZxid;
  #turnEntries: LogEntry[] = [];
  #turnPrev: Zxid = zeroZxid;
  #heartbeatMs = Number.NEGATIVE_INFINITY;
  #roundWanted = false;
  readonly #digests: DigestCheck;
  #handover: Handover | undefined;
  #failure: string | undefined;

  constructor(context: ZabContext, infos: ReadonlyMap<ServerId, FollowerInfoMessage>, leaseReads: boolean) {
    this.#context = context;
    this.#startedMs = context.nowMs;
    this.lease = new Lease({
      limits: context.limits,
      config: context.config,
      self: context.id,
      enabled: leaseReads,
      nowMs: context.nowMs,
    });
    this.#digests = new DigestCheck(context);
    for (const [peer, info] of infos) this.#addHandler(peer, info);
  }

  get epoch(): Epoch {
    return this.#epoch;
  }

  get established(): boolean {
    return this.#phase === "broadcast";
  }

  /** False while the last message of an epoch is on its way: requests wait in the queue. */
  get proposing(): boolean {
    return this.established && !(this.#handover?.draining ?? false);
  }

  get committed(): Zxid {
    return this.#committed;
  }

  get failure(): string | undefined {
    return this.#failure;
  }

  get waitingFor(): string {
    return this.established ? "" : `waiting for a quorum to synchronise (${this.#phase})`;
  }

  get handlers(): ReadonlyMap<ServerId, LearnerHandler> {
    return this.#handlers;
  }

  /** The log is kept after this zxid for learners that are being synchronised. */
  get pinnedZxid(): Zxid | undefined {
    let pinned: Zxid | undefined;
    for (const handler of this.#handlers.values()) {
      const pin = handler.pinnedZxid;
      if (pin !== undefined && (pinned === undefined || pin < pinned)) pinned = pin;
    }
    return pinned;
  }

  leaseValid(): boolean {
    return this.established && this.#context.nowMs < this.lease.validUntilMs(this.#context.nowMs);
  }

  /** A heartbeat that will leave in this turn: when a quorum has acked it, every read that came before is current. */
  wantRound(): number {
    this.#roundWanted = true;
    return this.lease.lastId + (mutant("a read round is not fresh") ? 0 : 1);
  }

  onMessage(from: ServerId, message: PeerMessage): void {
    if (message.type === "followerInfo") return this.#addHandler(from, message);
    const handler = this.#handlers.get(from);
    if (handler === undefined) return;
    if (message.type === "ackEpoch") this.#onAckEpoch(handler, message);
    else if (message.type === "ack") this.#onAck(handler, message);
    else if (message.type === "snapChunkAck") handler.onChunkAck(message.index);
    else if (message.type === "heartbeatAck" && message.epoch === this.#epoch) this.#onHeartbeatAck(handler, message);
    else if (message.type === "digestReply") this.#digests.onReply(from, message);
  }

  onLost(peer: ServerId): void {
    this.#handlers.get(peer)?.close();
    this.#handlers.delete(peer);
    this.lease.forget(peer);
  }

  stop(): void {
    for (const handler of this.#handlers.values()) handler.close();
  }

  // ---- proposals

  get nextZxid(): Zxid {
    const last = this.#context.log.lastZxid;
    const first = makeZxid(this.#epoch, 1);
    return last < first ? first : nextZxid(last);
  }

  get counterLeft(): boolean {
    return counterOf(this.nextZxid) < this.#context.limits.counter_max || mutant("the counter runs over");
  }

  /** Appends to our log; the turn's entries leave in one PROPOSAL. */
  propose(zxid: Zxid, payload: Uint8Array): void {
    assert(this.proposing, "only an established leader proposes");
    assert(zxid === this.nextZxid, "zxids must be dense");
    if (this.#turnEntries.length === 0) this.#turnPrev = this.#context.log.lastZxid;
    this.#context.log.append(zxid, payload);
    this.#turnEntries.push({ zxid, payload });
  }

  /** Once a turn, after its events. */
  advance(): void {
    this.#checkHealth();
    if (this.#phase === "discovery") this.#advanceDiscovery();
    this.#sendProposals();
    for (const handler of this.#handlers.values()) this.#advanceHandler(handler);
    if (this.#phase === "synchronisation") this.#maybeEstablish();
    if (this.established) {
      this.#advanceCommit();
      this.#advanceHandover();
    }
    this.#maybeHeartbeat();
  }

  // ---- discovery

  #addHandler(peer: ServerId, info: FollowerInfoMessage): void {
    this.#handlers.get(peer)?.close();
    this.lease.forget(peer);
    const handler = new LearnerHandler(this.#context, peer, info, this.lease.lastId);
    this.#handlers.set(peer, handler);
    if (this.#leaderInfoSent) this.#sendLeaderInfo(handler);
  }

  #sendLeaderInfo(handler: LearnerHandler): void {
    if (handler.info.acceptedEpoch > this.#epoch) {
      if (this.established) this.#beginHandover(handler.info.acceptedEpoch);
      else this.#fail("a server has accepted a later epoch");
      return;
    }
    handler.leaderInfoSent = true;
    handler.progress();
    this.#context.send(handler.id, { type: "leaderInfo", epoch: this.#epoch });
  }

  #advanceDiscovery(): void {
    if (this.#epoch === zeroEpoch) this.#maybeChooseEpoch();
    if (this.#epoch === zeroEpoch || this.#context.durableEpochs().accepted < this.#epoch) return;
    if (!this.#leaderInfoSent) {
      this.#leaderInfoSent = true;
      for (const handler of this.#handlers.values()) this.#sendLeaderInfo(handler);
    }
    if (!this.#countingQuorum((handler) => handler.ackEpoch?.counts === true && handler.ackEpoch.epoch === this.#epoch)) return;
    this.#phase = "synchronisation";
    this.#context.saveEpochs({ currentEpoch: this.#epoch });
    for (const handler of this.#handlers.values()) if (handler.ackEpoch !== undefined) handler.startSync(this.#epoch);
  }

  /** New epoch: above every acceptedEpoch of a quorum, ours included. */
  #maybeChooseEpoch(): void {
    if (!this.#countingQuorum(() => true)) return;
    let highest: Epoch = this.#context.record.acceptedEpoch;
    for (const handler of this.#handlers.values()) {
      if (handler.info.acceptedEpoch > highest) highest = handler.info.acceptedEpoch;
    }
    this.#epoch = makeEpoch(highest + 1);
    this.#context.saveEpochs({ acceptedEpoch: this.#epoch });
  }

  #onAckEpoch(handler: LearnerHandler, message: AckEpochMessage): void {
    handler.progress();
    if (this.#handover !== undefined && message.epoch === this.#handover.epoch) {
      handler.handoverAcked = message.epoch;
      return;
    }
    const current = this.established ? message.epoch <= this.#epoch : message.epoch === this.#epoch;
    if (!current || handler.ackEpoch !== undefined) return;
    if (message.counts && !this.established && this.#moreRecent(message)) return this.#fail("a server has a more recent history");
    handler.ackEpoch = message;
    if (this.#phase !== "discovery") handler.startSync(this.#epoch);
  }

  #moreRecent(message: AckEpochMessage): boolean {
    const ours = this.#phase === "discovery" ? this.#context.durableEpochs().current : this.#epoch;
    if (message.currentEpoch !== ours) return message.currentEpoch > ours;
    return message.lastZxid > this.#context.log.lastZxid;
  }

  // ---- synchronisation

  #advanceHandler(handler: LearnerHandler): void {
    if (handler.stalled) return this.#context.host.closeLink(handler.id, "synchronisation makes no progress");
    if (!handler.syncing || this.#phase === "discovery") return;
    if (!handler.pump(this.#epoch) || this.#handover?.draining) return;
    if (!this.#provenTo(handler)) return handler.progress();
    handler.newLeaderSent = this.#epoch;
    handler.memberSent = handler.info.rejoining;
    this.#context.send(handler.id, { type: "newLeader", epoch: this.#epoch, zxid: handler.cursor, member: true });
  }

  /**
   * A rejoining server becomes a member only through a leader that has proved, after its FOLLOWERINFO
   * and without its help, that a quorum still follows: a deposed leader would make it vote twice.
   */
  #provenTo(handler: LearnerHandler): boolean {
    if (!handler.info.rejoining || mutant("a wiped server is a member at once")) return true;
    return this.established && this.lease.confirmed(handler.infoRound + 1, handler.id);
  }

  #maybeEstablish(): void {
    if (this.#context.durableEpochs().current < this.#epoch) return;
    const early = mutant("serves before a quorum acked NEWLEADER");
    if (!this.#countingQuorum((handler) => early || handler.newLeaderAcked === this.#epoch)) return;
    this.#phase = "broadcast";
    this.#committed = this.#context.log.lastZxid;
    this.#commitSent = this.#committed;
    this.#context.mark("established");
    for (const handler of this.#handlers.values()) this.#maybeUpToDate(handler);
  }

  /** UPTODATE only from an established leader: the first word about what is committed. */
  #maybeUpToDate(handler: LearnerHandler): void {
    if (!this.established || handler.upToDateSent || handler.newLeaderAcked !== this.#epoch) return;
    handler.upToDateSent = true;
    const committed = mutant("COMMITs before UPTODATE are lost") ? zeroZxid : this.#committed;
    this.#context.send(handler.id, { type: "upToDate", epoch: this.#epoch, committed });
  }

  // ---- broadcast

  /** In parts: what one turn proposes may be more than a frame takes. */
  #sendProposals(): void {
    const entries = this.#turnEntries;
    if (entries.length === 0) return;
    this.#turnEntries = [];
    let prev = this.#turnPrev;
    for (let from = 0; from < entries.length; ) {
      const bytesMax = buggify("a proposal for each entry") ? 0 : this.#context.limits.proposal_bytes_max;
      const to = endOfPart(entries, from, bytesMax);
      const part = from === 0 && to === entries.length ? entries : entries.slice(from, to);
      prev = this.#sendProposal(prev, part);
      from = to;
    }
  }

  /** The last zxid sent. */
  #sendProposal(prev: Zxid, entries: readonly LogEntry[]): Zxid {
    const last = must(entries.at(-1), "an entry").zxid;
    const message: PeerMessage = { type: "proposal", epoch: this.#epoch, prev, entries };
    for (const handler of this.#handlers.values()) {
      if (!handler.live) continue;
      assert(handler.cursor === prev, "a live learner has been sent everything before");
      handler.cursor = last;
      this.#context.send(handler.id, message);
    }
    return last;
  }

  #onAck(handler: LearnerHandler, message: AckMessage): void {
    if (message.zxid > handler.cursor) return this.#context.host.closeLink(handler.id, "it acks what it was not sent");
    handler.onAck(message);
    if (message.newLeader) this.#maybeUpToDate(handler);
  }

  #onHeartbeatAck(handler: LearnerHandler, message: HeartbeatAckMessage): void {
    if (handler.installing) handler.progress();
    if (handler.votes) this.lease.onAck(handler.id, message.id, this.#context.nowMs);
    if (handler.upToDateSent)
      this.#digests.onReport(handler.id, message.applied, { high: message.digestHigh, low: message.digestLow });
  }

  #advanceCommit(): void {
    const reached = quorumReached(this.#context.config, (id) => this.#ackedBy(id)) as Zxid;
    if (reached > this.#committed) this.#committed = reached;
    if (this.#committed === this.#commitSent || buggify("a COMMIT leaves late")) return;
    this.#commitSent = this.#committed;
    const message: PeerMessage = { type: "commit", epoch: this.#epoch, zxid: this.#committed };
    for (const handler of this.#handlers.values()) if (handler.upToDateSent) this.#context.send(handler.id, message);
  }

  #ackedBy(id: ServerId): Zxid {
    const { log } = this.#context;
    if (id === this.#context.id) return mutant("leader counts itself before its fsync") ? log.lastZxid : log.durableZxid;
    const handler = this.#handlers.get(id);
    if (handler === undefined || !handler.votes || handler.newLeaderAcked === undefined) return zeroZxid;
    if (handler.newLeaderAcked >= this.#epoch || mutant("acks of a past epoch count")) return handler.ackedZxid;
    // It holds entries of this epoch, but its currentEpoch is the last one's: in an election they would count for nothing.
    return handler.ackedZxid < this.#epochBase ? handler.ackedZxid : this.#epochBase;
  }

  #maybeHeartbeat(): void {
    const due = this.#context.nowMs - this.#heartbeatMs >= this.#context.limits.heartbeat_ms;
    if (this.#epoch === zeroEpoch || !(due || this.#roundWanted || buggify("a heartbeat ahead of time"))) return;
    this.#roundWanted = false;
    this.#heartbeatMs = this.#context.nowMs;
    const message: PeerMessage = { type: "heartbeat", epoch: this.#epoch, id: this.lease.nextHeartbeat(this.#context.nowMs) };
    for (const handler of this.#handlers.values()) if (handler.ackEpoch !== undefined) this.#context.send(handler.id, message);
  }

  // ---- hand-over to the next epoch, in place

  #advanceHandover(): void {
    if (this.#handover === undefined && this.#counterEnds && !mutant("the counter runs over")) this.#beginHandover(this.#epoch);
    const handover = this.#handover;
    if (handover === undefined) return;
    const outcome = handover.advance();
    if (outcome === "failed") this.#fail("the hand-over to the next epoch found no quorum");
    else if (outcome === "drain") this.#drain(handover);
    else if (outcome === "done") this.#finishHandover(handover);
  }

  /** Of this epoch. The log's last entry may be of the one before: a leader that nobody writes to would begin epochs without end. */
  get #counterEnds(): boolean {
    const { log, limits } = this.#context;
    if (mutant("an idle leader hands over again")) return counterOf(log.lastZxid) >= limits.handover_counter;
    return counterOf(this.nextZxid) > limits.handover_counter;
  }

  #beginHandover(above: Epoch): void {
    if (this.#handover !== undefined) return;
    const highest = Math.max(above, this.#epoch, this.#context.record.acceptedEpoch);
    this.#handover = new Handover(this.#context, makeEpoch(highest + 1), this.#handlers, (has) => this.#countingQuorum(has));
  }

  /** From here until the quorum's ACKs no proposal is made and no lease holds. */
  #drain(handover: Handover): void {
    this.lease.drop();
    const zxid = this.#context.log.lastZxid;
    for (const handler of this.#handlers.values()) {
      if (!handler.live) continue;
      handler.newLeaderSent = handover.epoch;
      this.#context.send(handler.id, {
        type: "newLeader",
        epoch: handover.epoch,
        zxid,
        member: handler.memberSent || !handler.info.rejoining,
      });
    }
  }

  #finishHandover(handover: Handover): void {
    this.#advanceCommit();
    assert(this.#committed === this.#context.log.lastZxid, "a finished hand-over has committed the old epoch");
    this.#epoch = handover.epoch;
    this.#epochBase = this.#committed;
    this.#handover = undefined;
    this.lease.drop();
    for (const handler of this.#handlers.values()) {
      if (!handler.leaderInfoSent) this.#sendLeaderInfo(handler);
      this.#maybeUpToDate(handler);
    }
    this.#context.mark("handover");
    this.#context.host.log("info", "a new epoch begins in place", { epoch: this.#epoch });
  }

  // ---- health

  #checkHealth(): void {
    const { nowMs, limits, log } = this.#context;
    const syncing = log.syncingSinceMs;
    if (syncing !== undefined && nowMs - syncing >= limits.sync_stall_ms) this.#fail("our own disk does not sync");
    const heardMs = this.lease.quorumHeardMs(nowMs);
    if (this.established && nowMs - heardMs >= limits.silence_ms && !mutant("a leader without a quorum stays"))
      this.#fail("no quorum answers");
    if (this.#digests.weDiffer) this.#fail("our tree differs from a quorum's");
    const late = !this.established && nowMs - this.#startedMs >= limits.establish_ms;
    if (late && (this.#phase === "discovery" || !this.#someProgress())) this.#fail("no quorum synchronised in time");
  }

  #someProgress(): boolean {
    for (const handler of this.#handlers.values()) if (!handler.info.observer && !handler.stalled && handler.syncing) return true;
    return false;
  }

  /** A quorum of members, us included, for whose handlers `has` holds. */
  #countingQuorum(has: (handler: LearnerHandler) => boolean): boolean {
    return hasQuorum(this.#context.config, (id) => {
      if (id === this.#context.id) return true;
      const handler = this.#handlers.get(id);
      return handler?.votes === true && has(handler);
    });
  }

  #fail(reason: string): void {
    this.#failure ??= reason;
  }
}

/** Of entries from `from` on, one and as many more as `bytesMax` of payload take. */
function endOfPart(entries: readonly LogEntry[], from: number, bytesMax: number): number {
  let bytes = 0;
  let to = from;
  while (to < entries.length) {
    bytes += must(entries[to], "an entry").payload.length;
    if (to > from && bytes > bytesMax) break;
    to += 1;
  }
  return to;
}
