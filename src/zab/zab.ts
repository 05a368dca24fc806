/**
 * ZAB's facade: which role this server has, and the passage between roles. Election, then discovery,
 * synchronisation and broadcast as leader or learner. A role is an object that lives as long as the
 * role does; the log, the epoch record and their completions live on (a completion that was dropped at
 * a role change would leave memory behind the disk, schedule "a dropped completion").
 */
import { mutant } from "../model/mutant.ts";
import { type Epoch, type ServerId, type Zxid, zeroEpoch, zeroZxid } from "../model/zxid.ts";
import type { ZabContext } from "./context.ts";
import { Election, servingNotification } from "./election.ts";
import type { Founding } from "./founding.ts";
import { Leader } from "./leader.ts";
import { Learner } from "./learner.ts";
import type { DigestQueryMessage, FollowerInfoMessage, PeerMessage, RoleName, VoteMessage } from "./message.ts";

const transitionsPerTurn = 4;

export class Zab {
  readonly #context: ZabContext;
  readonly #founding: Founding;
  readonly #leaseReads: boolean;
  #election: Election | undefined;
  #leader: Leader | undefined;
  #learner: Learner | undefined;
  /** FOLLOWERINFO that came while we were looking: whoever elected us first does not ask twice. */
  readonly #infos = new Map<ServerId, FollowerInfoMessage>();
  /** The last vote of each peer that was answered in this role. */
  readonly #answered = new Map<ServerId, { readonly message: VoteMessage; readonly atMs: number }>();
  /** Rises with every change of role. */
  #generation = 0;
  #announced = false;

  constructor(context: ZabContext, founding: Founding, leaseReads: boolean) {
    this.#context = context;
    this.#founding = founding;
    this.#leaseReads = leaseReads;
  }

  get generation(): number {
    return this.#generation;
  }

  get role(): RoleName {
    if (this.#leader?.established) return "leading";
    if (this.#learner?.serving) return this.#context.isVoter ? "following" : "observing";
    return "looking";
  }

  /** The established leader's side, while we lead. */
  get leading(): Leader | undefined {
    return this.#leader?.established ? this.#leader : undefined;
  }

  get serving(): boolean {
    return this.role !== "looking" && !this.#context.fenced && !this.#context.suspended;
  }

  /** Whom requests go to; ourselves while we lead. */
  get leaderId(): ServerId | undefined {
    if (this.#leader?.established) return this.#context.id;
    return this.#learner?.serving ? this.#learner.leader : undefined;
  }

  get epoch(): Epoch {
    return this.#leader?.epoch ?? this.#learner?.epoch ?? zeroEpoch;
  }

  /** What is committed as far as this role knows; zero before it knows anything. */
  get committed(): Zxid {
    if (this.#leader?.established) return this.#leader.committed;
    return this.#learner?.serving ? this.#learner.committed : zeroZxid;
  }

  /** Committed and synced here: may be applied. */
  get applicable(): Zxid {
    const durable = this.#context.log.durableZxid;
    if (mutant("the tree has uncommitted txns") && this.committed !== zeroZxid) return durable;
    return this.committed < durable ? this.committed : durable;
  }

  get pinnedZxid(): Zxid | undefined {
    return this.#leader?.pinnedZxid;
  }

  get waitingFor(): string {
    if (!this.#founding.founded) return this.#founding.waitingFor;
    if (this.#context.fenced || this.#context.suspended) return "the tree differs from the quorum's";
    return this.#leader?.waitingFor ?? this.#learner?.waitingFor ?? this.#election?.waitingFor ?? "";
  }

  onConnected(peer: ServerId, link: number): void {
    this.#forget(peer);
    this.#context.links.set(peer, link);
    this.#founding.onConnected(peer);
  }

  onLost(peer: ServerId): void {
    this.#context.links.delete(peer);
    this.#founding.onLost(peer);
    if (mutant("a promise ends with its link") && peer === this.#context.promisedLeader) this.#context.promiseUntilMs = 0;
    this.#forget(peer);
  }

  onMessage(from: ServerId, message: PeerMessage): void {
    if (message.type === "hello") {
      if (this.#founding.onHello(from, message) && this.#founding.founded) this.#sayWhoLeads(from);
      return;
    }
    if (!this.#founding.knows(from)) return;
    if (message.type === "vote") return this.#onVote(from, message);
    if (message.type === "digestQuery") return this.#onDigestQuery(from, message);
    if (message.type === "followerInfo") return this.#onFollowerInfo(from, message);
    this.#founding.onMessage(from, message);
    this.#leader?.onMessage(from, message);
    if (this.#learner?.leader === from) this.#learner.onMessage(message);
  }

  /** The clock cannot be trusted over the last turn: a stall, a suspend, a jump. */
  onClockDoubt(): void {
    if (!mutant("a lease outlives a suspend")) this.#leader?.lease.drop();
  }

  /** Once a turn, after its events: moves the role on, then writes the turn's log batch. */
  advance(): void {
    this.#founding.advance();
    if (this.#founding.founded) {
      for (let i = 0; i < transitionsPerTurn; i += 1) if (!this.#advanceRole()) break;
      this.#announce();
    }
    this.#context.log.endTurn(this.#context.nowMs);
  }

  /** True when the role changed. */
  #advanceRole(): boolean {
    if (this.#leader !== undefined) return this.#advanceLeader(this.#leader);
    if (this.#learner !== undefined) return this.#advanceLearner(this.#learner);
    this.#election ??= this.#newElection(0);
    const result = this.#election.advance();
    if (result === undefined) return false;
    if (result.type === "lead") return this.#lead();
    return this.#follow(result.leader);
  }

  #advanceLeader(leader: Leader): boolean {
    leader.advance();
    if (leader.failure === undefined) return false;
    this.#context.host.log("warn", "leading ends", { reason: leader.failure, epoch: leader.epoch });
    for (const peer of leader.handlers.keys()) this.#context.host.closeLink(peer, "the leader steps down");
    leader.stop();
    return this.#look();
  }

  #advanceLearner(learner: Learner): boolean {
    learner.advance();
    if (learner.failure === undefined) return false;
    this.#context.host.log("warn", "following ends", { leader: learner.leader, reason: learner.failure });
    this.#context.host.closeLink(learner.leader, learner.failure);
    learner.stop();
    return this.#look();
  }

  #lead(): boolean {
    this.#context.host.log("info", "elected", { round: this.#election?.round ?? 0 });
    this.#change();
    this.#leader = new Leader(this.#context, this.#infos, this.#leaseReads);
    this.#infos.clear();
    return true;
  }

  #follow(leader: ServerId): boolean {
    if (!this.#context.links.has(leader)) {
      this.#election = this.#newElection(this.#election?.round ?? 0);
      return false;
    }
    this.#change();
    this.#infos.clear();
    this.#learner = new Learner(this.#context, leader);
    return true;
  }

  #look(): boolean {
    this.#change();
    this.#leader = undefined;
    this.#learner = undefined;
    this.#context.suspended = false;
    this.#election = this.#newElection(this.#election?.round ?? 0);
    return true;
  }

  #newElection(round: number): Election {
    return new Election(this.#context, round);
  }

  #change(): void {
    this.#answered.clear();
    this.#generation += 1;
    this.#announced = false;
  }

  #forget(peer: ServerId): void {
    this.#answered.delete(peer);
    this.#infos.delete(peer);
    this.#election?.onLost(peer);
    this.#leader?.onLost(peer);
    if (this.#learner?.leader === peer) this.#learner.onLost();
  }

  #onFollowerInfo(from: ServerId, message: FollowerInfoMessage): void {
    if (this.#leader !== undefined) this.#leader.onMessage(from, message);
    else if (this.#learner === undefined) this.#infos.set(from, message);
    else this.#sayWhoLeads(from);
  }

  #onVote(from: ServerId, message: VoteMessage): void {
    const disturbed = mutant("no pre-vote") && message.state === "looking" && message.leader === from;
    if (disturbed && this.role !== "looking") this.#disturb();
    if (this.#leader === undefined && this.#learner === undefined) this.#election?.onVote(from, message);
    else if (message.state === "looking") this.#answer(from, message);
    else if (message.state === "leading") this.#preferEstablished(from, message);
  }

  /** Planted bug: whoever looks drags the others into its election. */
  #disturb(): void {
    this.#context.promiseUntilMs = 0;
    this.#leader?.stop();
    this.#learner?.stop();
    this.#look();
  }

  /** A candidate, or a learner of one, that hears of an established leader has no business of its own. */
  #preferEstablished(from: ServerId, message: VoteMessage): void {
    const settled = this.role !== "looking" || this.#learner?.leader === from;
    if (settled || message.leader !== from || message.epoch < this.#context.record.acceptedEpoch) return;
    this.#leader?.stop();
    this.#learner?.stop();
    this.#look();
    this.#election?.onVote(from, message);
  }

  /** A candidate and its learners say "looking" too until they serve: without an end to it they would answer each other's answers. */
  #answer(from: ServerId, message: VoteMessage): void {
    const nowMs = this.#context.nowMs;
    const before = this.#answered.get(from);
    const again = before !== undefined && nowMs - before.atMs < this.#context.limits.vote_resend_ms;
    if (this.role === "looking" && again && isSame(before.message, message) && !mutant("votes are answered without end")) return;
    this.#answered.set(from, { message, atMs: nowMs });
    this.#sayWhoLeads(from);
  }

  #sayWhoLeads(peer: ServerId): void {
    const role = this.role;
    if (role !== "looking") this.#context.send(peer, this.#servingNotification(role));
    else if (this.#election !== undefined) this.#context.send(peer, this.#election.notification(!this.#context.inPromise));
  }

  #servingNotification(role: "leading" | "following" | "observing"): VoteMessage {
    return servingNotification(role, this.leaderId ?? this.#context.id, this.epoch, this.#election?.round ?? 0);
  }

  #announce(): void {
    const role = this.role;
    if (this.#announced || role === "looking") return;
    this.#announced = true;
    this.#context.broadcast(this.#servingNotification(role));
  }

  #onDigestQuery(from: ServerId, message: DigestQueryMessage): void {
    const digest = this.#context.host.digestAt(message.zxid);
    this.#context.send(from, {
      type: "digestReply",
      zxid: message.zxid,
      known: digest !== undefined,
      digestHigh: digest?.high ?? 0,
      digestLow: digest?.low ?? 0,
    });
  }
}

function isSame(a: VoteMessage, b: VoteMessage): boolean {
  return a.round === b.round && a.leader === b.leader && a.epoch === b.epoch && a.zxid === b.zxid && a.counts === b.counts;
}
