/**
 * All sessions: replicated records, changed by txns alone, and the leader's overlay over them. The
 * two views have different readers: `committed` answers clients, `live` decides at prepare.
 */
import { assert, must } from "../model/assert.ts";
import { LaneHash, LaneSum } from "../model/lane-hash.ts";
import { mutant } from "../model/mutant.ts";
import type { Outcome } from "../model/request.ts";
import type { SessionId, Zxid } from "../model/zxid.ts";
import { ReplyTable } from "./reply-table.ts";
import { decodeSession, encodeSession, SessionRecord } from "./session-record.ts";

/** The part of a store that sessions need. */
export interface RecordStore {
  records(prefix: string): Iterable<readonly [key: string, value: Uint8Array]>;
  putRecord(key: string, value: Uint8Array): void;
  removeRecord(key: string): void;
}

const recordPrefix = "session/";
const sessionSeed = 0x73657373;

export class SessionTable {
  readonly #store: RecordStore;
  readonly #sessions = new Map<SessionId, SessionRecord>();
  /** Created by a txn that is proposed and not applied. */
  readonly #proposed = new Map<SessionId, SessionRecord>();
  readonly #digest = new LaneSum();
  readonly #hash = new LaneHash();
  #dirty: SessionRecord[] = [];

  constructor(store: RecordStore) {
    this.#store = store;
    for (const [, value] of store.records(recordPrefix)) {
      const session = decodeSession(value);
      this.#sessions.set(session.id, session);
      this.#addTerm(this.#digest, session);
    }
  }

  get size(): number {
    return this.#sessions.size;
  }

  get digest(): LaneSum {
    return this.#digest;
  }

  committed(id: SessionId): SessionRecord | undefined {
    return this.#sessions.get(id);
  }

  all(): Iterable<SessionRecord> {
    return this.#sessions.values();
  }

  // ---- leader

  /** The session, if it will still exist after all that is proposed. */
  live(id: SessionId): SessionRecord | undefined {
    const session = this.#sessions.get(id) ?? this.#proposed.get(id);
    if (session?.closing && mutant("a closing session still writes")) return session;
    return session === undefined || session.closing ? undefined : session;
  }

  proposeCreate(id: SessionId, timeoutMs: number, passwordHash: Uint8Array): void {
    this.#proposed.set(id, new SessionRecord(id, timeoutMs, passwordHash, new ReplyTable(0)));
  }

  /** A write with `seq` is proposed. */
  proposeWrite(session: SessionRecord, seq: number, ackedSeq: number, bytes: number): void {
    session.proposedLastSeq = seq;
    session.proposedAckedSeq = ackedSeqOf(session.proposedAckedSeq, ackedSeq, seq);
    session.proposedTotalBytes += bytes;
  }

  proposeRenew(session: SessionRecord, timeoutMs: number, generation: number): void {
    session.proposedTimeoutMs = timeoutMs;
    session.proposedGeneration = generation;
    session.proposedRenewals += 1;
  }

  proposeClose(session: SessionRecord): void {
    session.closing = true;
  }

  resetOutstanding(): void {
    this.#proposed.clear();
    for (const session of this.#sessions.values()) session.resetProposed();
  }

  // ---- every server

  create(id: SessionId, timeoutMs: number, passwordHash: Uint8Array): void {
    assert(!this.#sessions.has(id), "a session was created twice");
    const session = this.#proposed.get(id) ?? new SessionRecord(id, timeoutMs, passwordHash, new ReplyTable(0));
    assert(session.timeoutMs === timeoutMs, "a session has another timeout than was proposed");
    this.#proposed.delete(id);
    this.#sessions.set(id, session);
    this.#addTerm(this.#digest, session);
    this.#markDirty(session);
  }

  renew(id: SessionId, timeoutMs: number, generation: number): void {
    const session = must(this.#sessions.get(id), "a renewed session does not exist");
    assert(generation >= session.generation, "a session's generation fell");
    this.#subtractTerm(session);
    session.timeoutMs = timeoutMs;
    session.generation = generation;
    session.appliedRenewal();
    this.#addTerm(this.#digest, session);
    this.#markDirty(session);
  }

  close(id: SessionId): void {
    const session = must(this.#sessions.get(id), "a closed session does not exist");
    this.#subtractTerm(session);
    this.#sessions.delete(id);
    this.#store.removeRecord(keyOf(id));
    // A dirty record of a closed session must not come back at the next flush.
    session.dirty = false;
  }

  /** A native write was applied: keep its result, forget those that the client has. */
  addReply(id: SessionId, seq: number, ackedSeq: number, zxid: Zxid, outcome: Outcome, bytes: number): void {
    const session = must(this.#sessions.get(id), "a write's session does not exist");
    this.#subtractTerm(session);
    session.replies.acknowledge(ackedSeqOf(session.replies.ackedSeq, ackedSeq, seq));
    session.replies.add(seq, zxid, outcome, bytes);
    this.#addTerm(this.#digest, session);
    if (!mutant("the reply table is not stored")) this.#markDirty(session);
    session.appliedWrite();
  }

  writeRecords(): void {
    for (const session of this.#dirty) {
      if (!session.dirty) continue;
      session.dirty = false;
      this.#store.putRecord(keyOf(session.id), encodeSession(session));
    }
    this.#dirty = [];
  }

  recomputeDigest(sum: LaneSum): void {
    for (const session of this.#sessions.values()) this.#addTerm(sum, session);
  }

  #markDirty(session: SessionRecord): void {
    if (session.dirty) return;
    session.dirty = true;
    this.#dirty.push(session);
  }

  #addTerm(sum: LaneSum, session: SessionRecord): void {
    this.#hashTerm(session);
    sum.add(this.#hash.high, this.#hash.low);
  }

  #subtractTerm(session: SessionRecord): void {
    this.#hashTerm(session);
    this.#digest.subtract(this.#hash.high, this.#hash.low);
  }

  #hashTerm(session: SessionRecord): void {
    const hash = this.#hash;
    hash.start(sessionSeed);
    hash.number(session.id);
    hash.number(session.timeoutMs);
    hash.number(session.generation);
    hash.number(session.replies.lastSeq);
    hash.number(session.replies.ackedSeq);
    hash.finish();
  }
}

/** ackedSeq never falls, and a write cannot acknowledge itself: the same rule at prepare and at apply. */
export function ackedSeqOf(before: number, claimed: number, seq: number): number {
  if (!(claimed > before)) return before;
  return Math.min(Math.floor(claimed), seq - 1);
}

function keyOf(id: SessionId): string {
  return recordPrefix + id.toString(16).padStart(14, "0");
}
