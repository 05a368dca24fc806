/**
 * Fast leader election: rounds, notifications and the total order of votes (epoch, zxid, id), as in
 * ZooKeeper's FastLeaderElection, with two additions. A server casts no vote while its promise to a
 * leader runs or while anything of its own is on its way to the disk: its notification then only asks
 * (`counts: false`). And whoever serves answers with its leader, so nobody who hears a live leader
 * helps another (pre-vote, Raft thesis §9.6).
 */

import { buggify } from "../model/buggify.ts";
import { mutant } from "../model/mutant.ts";
import { counterOf, type Epoch, makeZxid, type ServerId, type Zxid, zeroEpoch, zeroZxid } from "../model/zxid.ts";
import type { ZabContext } from "./context.ts";
import type { VoteMessage } from "./message.ts";
import { hasQuorum, isVoter } from "./quorum.ts";

export interface Vote {
  readonly leader: ServerId;
  readonly epoch: Epoch;
  readonly zxid: Zxid;
}

export type ElectionResult = { readonly type: "lead" } | { readonly type: "follow"; readonly leader: ServerId };

/** True when `a` wins over `b`. */
export function isBetter(a: Vote, b: Vote): boolean {
  if (mutant("vote ignores zxid")) return a.leader > b.leader;
  if (mutant("vote compares counters without epochs"))
    return counterOf(a.zxid) > counterOf(b.zxid) || (counterOf(a.zxid) === counterOf(b.zxid) && a.leader > b.leader);
  if (a.epoch !== b.epoch) return a.epoch > b.epoch;
  if (a.zxid !== b.zxid) return a.zxid > b.zxid;
  return a.leader > b.leader;
}

export class Election {
  readonly #context: ZabContext;
  /** Latest counting notification of each looking peer. */
  readonly #received = new Map<ServerId, VoteMessage>();
  #round: number;
  #vote: Vote | undefined;
  #sentAtMs = Number.NEGATIVE_INFINITY;
  #sentRound = -1;
  #agreedSinceMs: number | undefined;
  #result: ElectionResult | undefined;

  constructor(context: ZabContext, round: number) {
    this.#context = context;
    this.#round = round;
  }

  get round(): number {
    return this.#round;
  }

  get waitingFor(): string {
    if (this.#vote === undefined) return this.#waitingToVote();
    if (this.#vote.leader === this.#context.id && this.#belowFloor())
      return "waiting for the server that the ensemble was recovered from";
    if (this.#vote.leader === this.#context.id && this.#context.treeless)
      return "the tree of this server is lost: waiting for a leader that has all that is in its log";
    return `electing a leader, round ${this.#round}, vote for server ${this.#vote.leader}`;
  }

  #waitingToVote(): string {
    const { isVotingMember, isVoter, record } = this.#context;
    if (isVotingMember) return "waiting before voting";
    if (isVoter && !record.member) return "this server has lost its data and rejoins: it waits for a leader, and has no vote";
    return "looking for a leader";
  }

  /** Ask or tell a peer that has just connected. */
  onConnected(peer: ServerId): void {
    this.#context.send(peer, this.#notification());
  }

  /** Whoever voted for it votes anew, in a new round: others may never have heard of it, and would wait for ever for a vote that nobody takes back. */
  onLost(peer: ServerId): void {
    this.#received.delete(peer);
    if (this.#vote?.leader === peer && !mutant("a vote for a dead server stands")) this.#vote = undefined;
  }

  onVote(from: ServerId, message: VoteMessage): void {
    if (message.state === "leading" && message.leader === from) return this.#follow(from);
    if (message.state !== "looking" || !message.counts || !isVoter(this.#context.config, from)) return;
    this.#received.set(from, message);
    if (this.#vote !== undefined && message.round < this.#round) this.#context.send(from, this.#notification());
  }

  /** Once a turn. The result, when there is one. */
  advance(): ElectionResult | undefined {
    if (this.#result !== undefined) return this.#result;
    if (this.#vote === undefined) this.#maybeStart();
    if (this.#vote !== undefined) this.#adopt(this.#vote);
    this.#maybeResend();
    return this.#decide();
  }

  /** An established leader: join it, whatever our vote. Safe because LEADERINFO is checked against acceptedEpoch. */
  #follow(leader: ServerId): void {
    this.#result = { type: "follow", leader };
  }

  #maybeStart(): void {
    const context = this.#context;
    if (!context.isVotingMember || context.inPromise || !context.settled) return;
    this.#round += 1;
    this.#vote = this.#own();
    this.#sentAtMs = Number.NEGATIVE_INFINITY;
  }

  #own(): Vote {
    const context = this.#context;
    return { leader: context.id, epoch: context.durableEpochs().current, zxid: context.log.durableZxid };
  }

  /** Rule 2 and 4 of fast leader election: the highest round wins, in it the best vote. */
  #adopt(before: Vote): void {
    let vote = before;
    for (const message of this.#received.values()) {
      if (message.round <= this.#round) continue;
      this.#round = message.round;
      vote = this.#own();
    }
    for (const [from, message] of this.#received) {
      if (message.round !== this.#round || !this.#wins(message, vote)) continue;
      if (from !== message.leader && !this.#context.links.has(message.leader)) continue;
      vote = message;
      this.#context.mark("vote conflict");
    }
    if (vote.leader === before.leader && vote.zxid === before.zxid && this.#sentRound === this.#round) return;
    this.#vote = { leader: vote.leader, epoch: vote.epoch, zxid: vote.zxid };
    this.#agreedSinceMs = undefined;
    this.#broadcast();
  }

  /** A server without a tree votes for nobody but the one whose log holds all of its own. */
  #wins(vote: Vote, over: Vote): boolean {
    const own = over.leader === this.#context.id && this.#treeless;
    return isBetter(vote, over) || (own && vote.epoch === over.epoch && vote.zxid === over.zxid && vote.leader !== over.leader);
  }

  #maybeResend(): void {
    const due = this.#context.nowMs - this.#sentAtMs >= this.#context.limits.vote_resend_ms;
    if (due || buggify("votes are told again")) this.#broadcast();
  }

  #broadcast(): void {
    this.#sentAtMs = this.#context.nowMs;
    this.#sentRound = this.#vote === undefined ? -1 : this.#round;
    this.#context.broadcast(this.#notification());
  }

  /** Our present word; also what a candidate and its learners say until they serve. */
  notification(counts = true): VoteMessage {
    const message = this.#notification();
    return { ...message, counts: message.counts && counts };
  }

  #notification(): VoteMessage {
    const vote = this.#vote ?? { leader: this.#context.id, epoch: zeroEpoch, zxid: zeroZxid };
    const counts = this.#vote !== undefined && !(vote.leader === this.#context.id && this.#treeless);
    return {
      type: "vote",
      state: "looking",
      round: this.#round,
      leader: vote.leader,
      epoch: vote.epoch,
      zxid: vote.zxid,
      counts,
    };
  }

  #decide(): ElectionResult | undefined {
    if (this.#result !== undefined) return this.#result;
    const vote = this.#vote;
    if (vote === undefined || this.#context.inPromise || !this.#context.settled) return undefined;
    if (vote.leader === this.#context.id && !this.#mayLead()) return undefined;
    if (!hasQuorum(this.#context.config, (id) => this.#agrees(id, vote))) {
      this.#agreedSinceMs = undefined;
      return undefined;
    }
    this.#agreedSinceMs ??= this.#context.nowMs;
    const waited = this.#context.nowMs - this.#agreedSinceMs >= this.#context.limits.finalize_vote_ms;
    if (!waited && !this.#everyoneAgrees(vote)) return undefined;
    this.#result = vote.leader === this.#context.id ? { type: "lead" } : { type: "follow", leader: vote.leader };
    return this.#result;
  }

  /** Whatever others agree on. */
  #mayLead(): boolean {
    if (this.#treeless) return false;
    return !this.#belowFloor() || mutant("an empty server leads a recovered ensemble");
  }

  get #treeless(): boolean {
    return this.#context.treeless && !mutant("a server leads without its tree");
  }

  /** A leader without the log that the ensemble was founded with would have it truncated. */
  #belowFloor(): boolean {
    return this.#context.log.durableZxid < this.#context.record.floorZxid;
  }

  #agrees(id: ServerId, vote: Vote): boolean {
    if (id === this.#context.id) return true;
    const message = this.#received.get(id);
    return message !== undefined && message.round === this.#round && message.leader === vote.leader && message.zxid === vote.zxid;
  }

  /** No better vote can come from a connected voter: every one of them has voted alike. */
  #everyoneAgrees(vote: Vote): boolean {
    for (const id of this.#context.links.keys()) {
      if (isVoter(this.#context.config, id) && !this.#agrees(id, vote)) return false;
    }
    return true;
  }
}

/** What a serving server answers to one that looks. */
export function servingNotification(
  state: "leading" | "following" | "observing",
  leader: ServerId,
  epoch: Epoch,
  round: number,
): VoteMessage {
  return { type: "vote", state, round, leader, epoch, zxid: makeZxid(epoch, 0), counts: false };
}
