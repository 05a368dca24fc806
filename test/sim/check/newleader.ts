/**
 * What a server has said must be on its platter, at that moment: ACKEPOCH its acceptedEpoch (I-7), the ACK
 * of NEWLEADER(e) the leader's whole history of e, nothing else behind it, and currentEpoch = e (I-8). And
 * a leader serves only when a quorum's platters hold its history and its epoch (I-6).
 */
import { EpochRecordFile } from "../../../src/log/epoch-record.ts";
import { recover } from "../../../src/log/recovery.ts";
import { TokenSource } from "../../../src/model/tokens.ts";
import { type Epoch, epochOf, formatZxid, type Zxid } from "../../../src/model/zxid.ts";
import type { PeerMessage, VoteMessage } from "../../../src/zab/message.ts";
import type { SimServer } from "../server.ts";
import type { GhostLog } from "./ghost-log.ts";
import { Check } from "./violation.ts";

interface OnPlatter {
  readonly accepted: Epoch;
  readonly current: Epoch;
  readonly last: Zxid;
  readonly member: boolean;
  readonly sound: boolean;
}

export class NewLeaderChecks {
  readonly accepted = new Check("ACKEPOCH is on the platter");
  readonly atom = new Check("NEWLEADER is one step on the platter");
  readonly restart = new Check("after a restart currentEpoch still implies its history");
  readonly votes = new Check("a server votes with all that it has acked");
  readonly quiet = new Check("nothing of a voter's log is on its way to the disk");
  readonly established = new Check("a leader serves when a quorum holds its history");
  readonly #ghost: GhostLog;
  readonly #servers: readonly SimServer[];
  readonly #voters: number;
  /** The end of the history that NEWLEADER told each learner, by learner and epoch. */
  readonly #told = new Map<string, Zxid>();
  /** The same, whoever was told first: no server has less in that epoch. */
  readonly #ends = new Map<Epoch, Zxid>();
  readonly #acked = new Map<number, Zxid>();
  /** Being synchronised: between FOLLOWERINFO and the ACK of NEWLEADER. */
  readonly #syncing = new Set<number>();
  readonly #judged = new Set<Epoch>();

  constructor(ghost: GhostLog, servers: readonly SimServer[], voters: number) {
    this.#ghost = ghost;
    this.#servers = servers;
    this.#voters = voters;
  }

  onSend(from: number, to: number, message: PeerMessage): void {
    if (message.type === "newLeader") {
      this.#told.set(`${to} ${message.epoch}`, message.zxid);
      if (!this.#ends.has(message.epoch)) this.#ends.set(message.epoch, message.zxid);
    }
    if (message.type === "ackEpoch") this.#onAckEpoch(from, message.epoch);
    else if (message.type === "followerInfo") this.#onFollowerInfo(from);
    else if (message.type === "vote") this.#onVote(from, message);
    else if (message.type === "ack") {
      if (message.newLeader) this.#onAck(from, message.epoch);
      // Before NEWLEADER an ACK shows progress and counts for nothing: a snapshot may still be thrown away.
      if (message.newLeader) this.#syncing.delete(from);
      if (!this.#syncing.has(from)) this.#acked.set(from, message.zxid);
    }
  }

  /** Its own candidature names its durable log: all that it has acked, as far as that was committed. */
  #onVote(id: number, message: VoteMessage): void {
    if (message.state !== "looking" || !message.counts || message.leader !== id) return;
    this.#isQuiet(id, "votes for itself");
    const acked = this.#acked.get(id);
    const committed = acked !== undefined && (this.#ghost.entries.get(acked)?.index ?? -1) >= 0;
    if (acked === undefined || !committed) return;
    this.votes.hold(
      message.zxid >= acked,
      () => `server ${id} votes with ${formatZxid(message.zxid)}, but it has acked the committed ${formatZxid(acked)}`,
    );
  }

  #isQuiet(id: number, what: string): void {
    const server = this.#servers[id - 1];
    if (server === undefined) return;
    this.quiet.hold(
      !server.disk.writing(server.logDirectory, server.submittedBefore),
      () => `server ${id} ${what} while a write to its log is under way`,
    );
  }

  #onFollowerInfo(id: number): void {
    this.#syncing.add(id);
    this.#isQuiet(id, "sends FOLLOWERINFO");
  }

  onWipe(id: number): void {
    this.#acked.delete(id);
  }

  /** What a crash has left: currentEpoch without the history that it stands for would win elections wrongly. */
  onStart(id: number): void {
    const found = this.#read(id);
    // A damaged log is refused by the server itself.
    if (found === undefined || !found.member || !found.sound) return;
    const end = this.#ends.get(found.current);
    if (end === undefined) return;
    this.restart.hold(
      found.last >= end,
      () =>
        `server ${id} starts with currentEpoch ${found.current} and a log up to ${formatZxid(found.last)}, the epoch's history ends at ${formatZxid(end)}`,
    );
  }

  #onAckEpoch(id: number, epoch: Epoch): void {
    const found = this.#read(id);
    this.accepted.hold(
      found !== undefined && found.accepted >= epoch,
      () => `server ${id} acked epoch ${epoch}, its platter has acceptedEpoch ${found?.accepted ?? "of nothing"}`,
    );
  }

  #onAck(id: number, epoch: Epoch): void {
    const end = this.#told.get(`${id} ${epoch}`);
    const found = this.#read(id);
    if (end === undefined || found === undefined) return;
    this.atom.hold(
      found.current >= epoch,
      () => `server ${id} acked NEWLEADER(${epoch}), its platter has currentEpoch ${found.current}`,
    );
    this.atom.hold(
      found.last >= end,
      () =>
        `server ${id} acked NEWLEADER(${epoch}) with a history up to ${formatZxid(end)}, its platter ends at ${formatZxid(found.last)}`,
    );
    const next = this.#after(end, found.last);
    this.atom.hold(
      next === undefined || epochOf(next) >= epoch,
      () =>
        `server ${id} acked NEWLEADER(${epoch}) with a history up to ${formatZxid(end)}, behind it its platter has ${formatZxid(next ?? end)}`,
    );
  }

  /** The entry that follows `end` in the history that ends at `last`. */
  #after(end: Zxid, last: Zxid): Zxid | undefined {
    let next: Zxid | undefined;
    let cursor = last;
    while (cursor > end) {
      const entry = this.#ghost.entries.get(cursor);
      if (entry === undefined) return undefined;
      next = cursor;
      cursor = entry.prev;
    }
    return next;
  }

  /** The first turn in which a server leads an epoch. */
  onLeads(id: number, epoch: Epoch, history: Zxid | undefined): void {
    if (this.#judged.has(epoch)) return;
    this.#judged.add(epoch);
    if (history === undefined || this.#voters === 1) return;
    let holders = 0;
    for (const server of this.#servers) {
      const found = server.voter ? this.#read(server.id) : undefined;
      if (found !== undefined && found.current >= epoch && found.last >= history) holders += 1;
    }
    this.established.hold(
      holders > this.#voters / 2,
      () =>
        `server ${id} serves in epoch ${epoch}, its history up to ${formatZxid(history)} is on ${holders} of ${this.#voters} platters`,
    );
  }

  #read(id: number): OnPlatter | undefined {
    const server = this.#servers[id - 1];
    if (server === undefined) return undefined;
    const opening = EpochRecordFile.open(server.platter, new TokenSource());
    if (opening.type !== "ok") return undefined;
    const { acceptedEpoch, currentEpoch, generation, member } = opening.record;
    const log = recover(server.platter, `log-${generation}`);
    return {
      accepted: acceptedEpoch,
      current: currentEpoch,
      last: log.type === "ok" ? log.last : (0 as Zxid),
      member,
      sound: log.type === "ok",
    };
  }
}
