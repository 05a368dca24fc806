/**
 * What a server has said must be on its platter, at that moment: ACKEPOCH its acceptedEpoch (I-7), the ACK
 * of NEWLEADER(e) the leader's whole history of e, nothing else behind it, and currentEpoch = e (I-8). And
 * a leader serves only when a quorum's platters hold its history and its epoch (I-6).
 */
import { EpochRecordFile } from "../../../src/log/epoch-record.ts";
import { recover } from "../../../src/log/recovery.ts";
import { TokenSource } from "../../../src/model/tokens.ts";
import { type Epoch, epochOf, formatZxid, type Zxid } from "../../../src/model/zxid.ts";
import type { PeerMessage } from "../../../src/zab/message.ts";
import type { SimServer } from "../server.ts";
import type { GhostLog } from "./ghost-log.ts";
import { Check } from "./violation.ts";

interface OnPlatter {
  readonly accepted: Epoch;
  readonly current: Epoch;
  readonly last: Zxid;
}

export class NewLeaderChecks {
  readonly accepted = new Check("ACKEPOCH is on the platter");
  readonly atom = new Check("NEWLEADER is one step on the platter");
  readonly established = new Check("a leader serves when a quorum holds its history");
  readonly #ghost: GhostLog;
  readonly #servers: readonly SimServer[];
  readonly #voters: number;
  /** The end of the history that NEWLEADER told each learner, by learner and epoch. */
  readonly #told = new Map<string, Zxid>();
  readonly #judged = new Set<Epoch>();

  constructor(ghost: GhostLog, servers: readonly SimServer[], voters: number) {
    this.#ghost = ghost;
    this.#servers = servers;
    this.#voters = voters;
  }

  onSend(from: number, to: number, message: PeerMessage): void {
    if (message.type === "newLeader") this.#told.set(`${to} ${message.epoch}`, message.zxid);
    else if (message.type === "ackEpoch") this.#onAckEpoch(from, message.epoch);
    else if (message.type === "ack" && message.newLeader) this.#onAck(from, message.epoch);
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
    const { acceptedEpoch, currentEpoch, generation } = opening.record;
    const log = recover(server.platter, `log-${generation}`);
    return { accepted: acceptedEpoch, current: currentEpoch, last: log.type === "ok" ? log.last : (0 as Zxid) };
  }
}
