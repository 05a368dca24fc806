/**
 * What a leader does with requests, its own clients' and forwarded ones: decides writes and proposes
 * them, confirms reads and heartbeats, resumes and expires sessions, reaps containers and TTL nodes.
 * Lives as long as one leadership; its clocks and owners are rebuilt from the sessions and from what
 * the servers register. Everything that waits is bounded.
 */
import { buggify } from "../model/buggify.ts";
import type { ErrorCode } from "../model/error.ts";
import type { Limits } from "../model/limits.ts";
import { mutant } from "../model/mutant.ts";
import type { TxnSource, Write } from "../model/request.ts";
import { type ConnectionId, makeZxid, type ServerId, type SessionId, type Zxid, zeroZxid } from "../model/zxid.ts";
import { ExpiryQueue } from "../session/expiry-queue.ts";
import type { Txn } from "../tree/txn.ts";
import type { Leader } from "../zab/leader.ts";
import type { ConfirmMessage, ForwardedWrite, RegisterMessage, RequestMessage, ResumeMessage } from "../zab/message.ts";
import type { Doubt } from "./clock-doubt.ts";
import type { Now } from "./event.ts";
import type { StateMachine } from "./state-machine.ts";

interface Owner {
  server: ServerId;
  connection: ConnectionId;
  generation: number;
}

interface AwaitedRound {
  readonly round: number;
  readonly from: ServerId;
  readonly message: ConfirmMessage | ResumeMessage;
}

export interface LeaderParts {
  readonly id: ServerId;
  readonly limits: Limits;
  readonly leader: Leader;
  readonly machine: StateMachine;
  /** Encodes a txn for log and peers. */
  readonly encode: (txn: Txn) => Uint8Array;
  /** To a server's request side; our own included. */
  readonly answer: (server: ServerId, message: RequestMessage) => void;
  readonly mark: (name: string) => void;
  readonly warn: (text: string) => void;
  readonly freeBytes: () => number;
}

const expiredPerTurn = 100;
/** Of how long a refused client is asked to wait. */
const hintMsMin = 10;
const hintMsMax = 1_000;
const outstandingFull = "outstanding_txns_max or outstanding_bytes_max is reached";
const reapedPerTurn = 100;

export class RequestsAtLeader {
  readonly #parts: LeaderParts;
  readonly #expiry: ExpiryQueue;
  readonly #owners = new Map<SessionId, Owner>();
  /** Writes that wait while an epoch is handed over. */
  #queue: { from: ServerId; forwarded: ForwardedWrite }[] = [];
  /** Confirmed resumes that wait for the same, because they are to be logged. */
  #resumes: { from: ServerId; message: ResumeMessage }[] = [];
  #awaited: AwaitedRound[] = [];
  /** Proposed and not yet applied, in order: their txns need not be decoded again. */
  #proposed: Txn[] = [];
  #proposedHead = 0;
  #outstandingBytes = 0;
  #now: Now;
  #lastGeneration = 0;
  #stampBaseMs: number;
  #stampBaseMonotonicMs: number;
  #lastProposedMs = 0;
  #reapedMs = 0;
  /** Where leases are off: the heartbeat that must be confirmed before sessions are expired. */
  #expiryRound: number | undefined;

  constructor(parts: LeaderParts, now: Now) {
    this.#parts = parts;
    this.#now = now;
    this.#expiry = new ExpiryQueue(parts.limits.heartbeat_ms);
    this.#stampBaseMs = parts.machine.lastStampMs;
    this.#stampBaseMonotonicMs = now.monotonicMs;
    this.#lastProposedMs = now.monotonicMs;
    this.#restartTimers(mutant("a new leader does not restart the timers") ? 0.2 : 1);
  }

  get outstanding(): number {
    return this.#proposed.length - this.#proposedHead;
  }

  /**
   * Heartbeats that came while we stood still are read later by as much, so deadlines are put off by that, and by no more: with its full timeout
   * again at each stall, no session would end at a leader that stalls now and then. Only a machine that slept shows nobody how long.
   */
  onClockDoubt({ stalledMs, suspended }: Doubt): void {
    if (suspended || mutant("a stall restarts the timers")) this.#restartTimers(1);
    else this.#expiry.putOff(stalledMs);
  }

  /** Every session gets its timeout again. */
  #restartTimers(part: number): void {
    for (const session of this.#parts.machine.sessions())
      this.#expiry.touch(session.id, session.timeoutMs * part, this.#now.monotonicMs);
  }

  beginTurn(now: Now): void {
    this.#now = now;
  }

  onMessage(from: ServerId, message: RequestMessage): void {
    if (message.type === "forward") for (const forwarded of message.writes) this.#onWrite(from, forwarded);
    else if (message.type === "confirm") this.#onConfirm(from, message);
    else if (message.type === "resume") this.#awaitOr(from, message);
    else if (message.type === "register") this.#onRegister(from, message);
  }

  /** Once a turn, after its events. */
  advance(): void {
    this.#answerRounds();
    this.#drainQueue();
    this.#drainResumes();
    for (const warning of this.#parts.machine.takeQuotaWarnings()) this.#parts.warn(warning);
    if (!this.#parts.leader.proposing) return;
    if (this.#mayExpire() || mutant("an expiry is proposed without a lease")) this.#expire();
    this.#reap();
    this.#maybeStamp();
  }

  // ---- writes

  #onWrite(from: ServerId, forwarded: ForwardedWrite): void {
    if (!this.#parts.leader.proposing || this.#queue.length > 0) {
      if (this.#queue.length >= this.#parts.limits.outstanding_txns_max)
        return this.#refuse(from, forwarded, "OVERLOADED", outstandingFull);
      this.#queue.push({ from, forwarded });
      return;
    }
    this.#decide(from, forwarded);
  }

  #drainQueue(): void {
    if (this.#queue.length === 0 || !this.#parts.leader.proposing) return;
    const queue = this.#queue;
    this.#queue = [];
    for (const { from, forwarded } of queue) this.#decide(from, forwarded);
  }

  /** After the writes that came before them. */
  #drainResumes(): void {
    if (this.#resumes.length === 0 || !this.#parts.leader.proposing) return;
    const resumes = this.#resumes;
    this.#resumes = [];
    for (const { from, message } of resumes) this.#resume(from, message);
  }

  #decide(from: ServerId, forwarded: ForwardedWrite): void {
    const { write } = forwarded;
    if (this.#moved(from, forwarded)) return;
    // Before any refusal: "overloaded" says that the write was not applied.
    if (this.#parts.machine.isRepeated(write.source)) return this.#parts.mark("dedupe hit");
    if (this.#full() || buggify("refused although there is room"))
      return this.#refuse(from, forwarded, "OVERLOADED", outstandingFull);
    if (this.#parts.freeBytes() < this.#parts.limits.free_space_reserve_bytes)
      return this.#refuse(from, forwarded, "READ_ONLY", "free_space_reserve_bytes");
    const prepared = this.#parts.machine.prepare(write, this.#context());
    if (prepared.type === "txn") this.#propose(prepared.txn);
    else if (prepared.type === "refuse") this.#refuse(from, forwarded, prepared.code, prepared.detail);
    else this.#parts.mark("dedupe hit");
  }

  #full(): boolean {
    const { limits, leader } = this.#parts;
    return (
      this.outstanding >= limits.outstanding_txns_max ||
      this.#outstandingBytes >= limits.outstanding_bytes_max ||
      !leader.counterLeft
    );
  }

  /** It begins with a number, for which clients wait: how long what is outstanding takes, judged by its oldest. */
  #overloadHint(why: string): string {
    const oldest = this.#proposed[this.#proposedHead];
    const ageMs = oldest === undefined ? 0 : this.#stampMs() - oldest.stampMs;
    return `${Math.min(Math.max(ageMs, hintMsMin), hintMsMax)} ms until it is worth trying again: ${why}`;
  }

  #context(): { zxid: Zxid; wallMs: number; stampMs: number } {
    return { zxid: this.#parts.leader.nextZxid, wallMs: this.#now.wallMs, stampMs: this.#stampMs() };
  }

  /** Cluster time goes on from the last stamp by our monotonic clock; it never falls. */
  #stampMs(): number {
    const elapsedMs = this.#now.monotonicMs - this.#stampBaseMonotonicMs;
    return Math.floor(this.#stampBaseMs + Math.max(0, elapsedMs));
  }

  #propose(txn: Txn): void {
    const payload = this.#parts.encode(txn);
    this.#parts.leader.propose(txn.zxid, payload);
    this.#proposed.push(txn);
    this.#outstandingBytes += payload.length;
    this.#lastProposedMs = this.#now.monotonicMs;
  }

  /** The txn with this zxid, if we proposed it; called in zxid order as txns are applied. */
  takeProposed(zxid: Zxid, bytes: number): Txn | undefined {
    const txn = this.#proposed[this.#proposedHead];
    if (txn === undefined || txn.zxid !== zxid) return undefined;
    this.#proposedHead += 1;
    this.#outstandingBytes -= bytes;
    if (this.#proposedHead >= 1024) {
      this.#proposed = this.#proposed.slice(this.#proposedHead);
      this.#proposedHead = 0;
    }
    return txn;
  }

  #refuse(from: ServerId, forwarded: ForwardedWrite, code: ErrorCode, detail: string): void {
    this.#parts.answer(from, {
      type: "refusal",
      connection: forwarded.connection,
      number: numberOf(forwarded.write.source),
      code,
      detail: code === "OVERLOADED" ? this.#overloadHint(detail) : detail,
    });
  }

  // ---- sessions

  /** A forward by a connection that is not the session's latest is dropped ("session moved"). */
  #moved(from: ServerId, forwarded: ForwardedWrite): boolean {
    const session = sessionOf(forwarded.write);
    if (session === 0) return false;
    const owner = this.#owners.get(session);
    const movable = mutant("a session that moved still writes from its old server") || mutant("an acknowledged seq is new again");
    if (this.#isOlder(session, forwarded.generation) && !movable) {
      this.#parts.mark("session moved");
      this.#parts.answer(from, { type: "moved", session, connection: forwarded.connection });
      return true;
    }
    if (owner === undefined)
      this.#owners.set(session, { server: from, connection: forwarded.connection, generation: forwarded.generation });
    return false;
  }

  /** The session was resumed since by another connection: in this leadership, or, if that was logged, in any before. */
  #isOlder(session: SessionId, generation: number): boolean {
    const owner = this.#owners.get(session);
    if (owner !== undefined && owner.generation > generation) return true;
    return this.#parts.machine.sessionGeneration(session) > generation && !mutant("a generation dies with its leader");
  }

  #onRegister(from: ServerId, message: RegisterMessage): void {
    for (const { session, connection, generation } of message.sessions) {
      if (this.#isOlder(session, generation)) this.#parts.answer(from, { type: "moved", session, connection });
      else if (this.#parts.machine.sessionLive(session)) this.#own(session, { server: from, connection, generation });
    }
  }

  #own(session: SessionId, owner: Owner): void {
    const before = this.#owners.get(session);
    this.#owners.set(session, owner);
    if (before === undefined || (before.server === owner.server && before.connection === owner.connection)) return;
    this.#parts.answer(before.server, { type: "moved", session, connection: before.connection });
  }

  #resume(from: ServerId, message: ResumeMessage): void {
    const { machine } = this.#parts;
    const { session, connection } = message;
    const code = !machine.sessionLive(session)
      ? "SESSION_EXPIRED"
      : machine.passwordMatches(session, message.passwordHash)
        ? "OK"
        : "AUTH_FAILED";
    if (code !== "OK") return this.#answerResume(from, message, code, 0, this.#parts.leader.committed);
    // It must not go back in time; another server, of whatever ensemble it has seen, may do better.
    if (message.lastZxid > this.#parts.leader.committed) return this.#answerResume(from, message, "NO_QUORUM", 0, zeroZxid);
    const generation = this.#nextGeneration();
    const changed = machine.sessionTimeoutMs(session) !== message.timeoutMs && !mutant("a renewal is not logged");
    const toLog = message.logged || changed;
    if (toLog && !this.#parts.leader.proposing) return this.#postpone(from, message);
    const zxid = toLog ? this.#renew(message, generation) : this.#parts.leader.committed;
    if (zxid === undefined) return this.#answerResume(from, message, "OVERLOADED", 0, this.#parts.leader.committed);
    this.#own(session, { server: from, connection, generation });
    this.#expiry.touch(session, message.timeoutMs, this.#now.monotonicMs);
    this.#answerResume(from, message, "OK", generation, zxid);
  }

  #postpone(from: ServerId, message: ResumeMessage): void {
    if (this.#resumes.length < this.#parts.limits.outstanding_txns_max) this.#resumes.push({ from, message });
    else this.#answerResume(from, message, "OVERLOADED", 0, this.#parts.leader.committed);
  }

  /** What a new leader must know too is a txn: a changed timeout, and a generation that keeps an old connection's writes out. Its zxid; undefined: no room. */
  #renew(message: ResumeMessage, generation: number): Zxid | undefined {
    if (this.#full()) return undefined;
    const write: Write = {
      source: { type: "internal", session: message.session },
      request: { type: "renewSession", timeoutMs: message.timeoutMs, generation },
      guards: [],
      identities: [],
    };
    const prepared = this.#parts.machine.prepare(write, this.#context());
    if (prepared.type !== "txn") return undefined;
    this.#propose(prepared.txn);
    return prepared.txn.zxid;
  }

  #answerResume(from: ServerId, message: ResumeMessage, code: ErrorCode, generation: number, zxid: Zxid): void {
    const { connection, timeoutMs } = message;
    this.#parts.answer(from, { type: "resumed", connection, code, generation, zxid, timeoutMs });
  }

  #nextGeneration(): number {
    const { leader } = this.#parts;
    this.#lastGeneration = Math.max(this.#lastGeneration, leader.nextZxid, makeZxid(leader.epoch, 0)) + 1;
    return this.#lastGeneration;
  }

  onSessionCreated(session: SessionId, timeoutMs: number, server: ServerId): void {
    this.#expiry.touch(session, timeoutMs, this.#now.monotonicMs);
    if (!this.#owners.has(session)) this.#owners.set(session, { server, connection: 0, generation: session });
  }

  onSessionClosed(session: SessionId): void {
    this.#expiry.remove(session);
    this.#owners.delete(session);
  }

  /** Inside a live lease; where leases are off, after a quorum round that began when somebody was due. */
  #mayExpire(): boolean {
    const { leader } = this.#parts;
    if (buggify("an expiry waits")) return false;
    if (leader.lease.enabled) return leader.leaseValid();
    if (this.#expiryRound !== undefined) {
      if (!leader.lease.confirmed(this.#expiryRound)) return false;
      this.#expiryRound = undefined;
      return true;
    }
    if (this.#expiry.expired(this.#now.monotonicMs, 1).length > 0) this.#expiryRound = leader.wantRound();
    return false;
  }

  /** Proposed only inside a live lease; once logged an expiry applies unconditionally. */
  #expire(): void {
    for (const session of this.#expiry.expired(this.#now.monotonicMs, expiredPerTurn)) {
      if (this.#full()) return;
      const write: Write = {
        source: { type: "internal", session },
        request: { type: "closeSession" },
        guards: [],
        identities: [],
      };
      const prepared = this.#parts.machine.prepare(write, this.#context());
      if (prepared.type !== "txn") continue;
      this.#parts.mark("session expired");
      this.#propose(prepared.txn);
    }
  }

  // ---- confirmations

  #onConfirm(from: ServerId, message: ConfirmMessage): void {
    this.#touch(message.touched);
    this.#awaitOr(from, message);
  }

  #touch(sessions: readonly SessionId[]): void {
    const { machine } = this.#parts;
    for (const session of sessions) {
      const timeoutMs = machine.sessionLive(session) ? machine.sessionTimeoutMs(session) : undefined;
      if (timeoutMs !== undefined) this.#expiry.touch(session, timeoutMs, this.#now.monotonicMs);
    }
  }

  /** Inside the lease at once; else after a heartbeat round begun now. */
  #awaitOr(from: ServerId, message: ConfirmMessage | ResumeMessage): void {
    const doubtful = mutant("a deposed leader confirms");
    if (this.#parts.leader.leaseValid() || doubtful) return this.#confirmed(from, message);
    this.#parts.mark("lease fallback");
    if (this.#awaited.length >= this.#parts.limits.outstanding_txns_max) return;
    this.#awaited.push({ round: this.#parts.leader.wantRound(), from, message });
  }

  #answerRounds(): void {
    let answered = 0;
    for (const { round, from, message } of this.#awaited) {
      if (!this.#parts.leader.lease.confirmed(round)) break;
      answered += 1;
      this.#confirmed(from, message);
    }
    if (answered > 0) this.#awaited = this.#awaited.slice(answered);
  }

  #confirmed(from: ServerId, message: ConfirmMessage | ResumeMessage): void {
    if (message.type === "resume") return this.#resume(from, message);
    const ended: SessionId[] = [];
    for (const session of message.touched) if (!this.#parts.machine.sessionLive(session)) ended.push(session);
    const behind = mutant("a leader reads behind its own commit");
    const zxid = behind ? this.#parts.machine.appliedZxid : this.#parts.leader.committed;
    this.#parts.answer(from, { type: "confirmed", id: message.id, zxid, ended });
  }

  // ---- housekeeping

  #reap(): void {
    const { machine, limits } = this.#parts;
    if (this.#now.monotonicMs - this.#reapedMs < limits.reap_interval_ms || buggify("a reaping waits")) return;
    this.#reapedMs = this.#now.monotonicMs;
    const due = machine.dueForReaping(this.#stampMs(), reapedPerTurn);
    if (due.length === 0 || this.#full()) return;
    const txn = machine.prepareReap(due, this.#context());
    if (txn !== undefined) this.#propose(txn);
  }

  #maybeStamp(): void {
    const { machine, limits } = this.#parts;
    const idleMs = this.#now.monotonicMs - this.#lastProposedMs;
    // Not in the turns that a stamp itself makes: stamps would follow each other for ever.
    const early = idleMs >= limits.cluster_time_stamp_ms >> 3 && buggify("a stamp ahead of time");
    const due = idleMs >= limits.cluster_time_stamp_ms || early;
    if (due && machine.needsStamps && !this.#full() && !mutant("idle time is not logged"))
      this.#propose(machine.prepareStamp(this.#context()));
  }
}

function numberOf(source: TxnSource): number {
  if (source.type === "session") return source.seq;
  return source.type === "origin" ? source.counter : 0;
}

function sessionOf(write: Write): SessionId | 0 {
  return write.source.session;
}
