/**
 * One session: what is replicated (timeout, password hash, reply table), and what the leader has
 * proposed beyond that. The proposed part is volatile, equals the replicated part when nothing is
 * outstanding, and is set back to it when leadership is gained or lost.
 */
import { ByteReader, ByteWriter } from "../model/bytes.ts";
import type { SessionId, Zxid } from "../model/zxid.ts";
import { readOutcome, writeOutcome } from "./reply-record.ts";
import { ReplyTable } from "./reply-table.ts";

export class SessionRecord {
  readonly id: SessionId;
  readonly passwordHash: Uint8Array;
  timeoutMs: number;
  /** Of the last logged renewal; at first the session's id. A connection of a lower generation may not write. */
  generation: number;
  replies: ReplyTable;
  /** Changed since its record was put into the store. */
  dirty = false;

  /** The leader's view after the last proposed txn. Invariants: proposedLastSeq ≥ replies.lastSeq, proposedAckedSeq ≤ proposedLastSeq. */
  proposedLastSeq: number;
  proposedAckedSeq: number;
  proposedTotalBytes: number;
  proposedTimeoutMs: number;
  proposedGeneration: number;
  /** Renewals that are proposed and not applied. */
  proposedRenewals = 0;
  /** A closeSession is proposed: nothing more is accepted or confirmed. */
  closing = false;

  constructor(id: SessionId, timeoutMs: number, passwordHash: Uint8Array, replies: ReplyTable, generation: number = id) {
    this.id = id;
    this.timeoutMs = timeoutMs;
    this.passwordHash = passwordHash;
    this.replies = replies;
    this.proposedLastSeq = replies.lastSeq;
    this.proposedAckedSeq = replies.ackedSeq;
    this.proposedTotalBytes = replies.totalBytes;
    this.proposedTimeoutMs = timeoutMs;
    this.generation = generation;
    this.proposedGeneration = generation;
  }

  resetProposed(): void {
    this.#resetWrites();
    this.proposedTimeoutMs = this.timeoutMs;
    this.proposedGeneration = this.generation;
    this.proposedRenewals = 0;
    this.closing = false;
  }

  /** A write was applied. At a follower, which proposes nothing, the proposed part goes along. */
  appliedWrite(): void {
    if (this.proposedLastSeq < this.replies.lastSeq) this.#resetWrites();
  }

  appliedRenewal(): void {
    if (this.proposedRenewals > 0) this.proposedRenewals -= 1;
    if (this.proposedRenewals > 0) return;
    this.proposedTimeoutMs = this.timeoutMs;
    this.proposedGeneration = this.generation;
  }

  #resetWrites(): void {
    this.proposedLastSeq = this.replies.lastSeq;
    this.proposedAckedSeq = this.replies.ackedSeq;
    this.proposedTotalBytes = this.replies.totalBytes;
  }
}

export function encodeSession(session: SessionRecord): Uint8Array {
  const writer = new ByteWriter();
  writer.varint(session.id);
  writer.varint(session.timeoutMs);
  writer.varint(session.generation);
  writer.bytes(session.passwordHash);
  writer.varint(session.replies.ackedSeq);
  let total = session.replies.totalUpTo(session.replies.ackedSeq);
  writer.varint(session.replies.lastSeq - session.replies.ackedSeq);
  for (const [, reply] of session.replies.entries()) {
    writer.varint(reply.zxid);
    writer.varint(reply.totalBytes - total);
    total = reply.totalBytes;
    writeOutcome(writer, reply.outcome);
  }
  return writer.take();
}

export function decodeSession(bytes: Uint8Array): SessionRecord {
  const reader = new ByteReader(bytes);
  const id = reader.varint() as SessionId;
  const timeoutMs = reader.varint();
  const generation = reader.varint();
  const passwordHash = reader.bytes().slice();
  const replies = new ReplyTable(reader.varint());
  for (let left = reader.varint(); left > 0; left -= 1) {
    const zxid = reader.varint() as Zxid;
    const size = reader.varint();
    replies.add(replies.lastSeq + 1, zxid, readOutcome(reader), size);
  }
  return new SessionRecord(id, timeoutMs, passwordHash, replies, generation);
}
