/**
 * I-8, NEWLEADER is an atom on the disk: when it is acked, the platter has the leader's whole history of that epoch,
 * nothing else behind it, and currentEpoch; and whatever a crash leaves, currentEpoch still stands for its history.
 */
import { type Epoch, epochOf, formatZxid, type Zxid } from "../../../src/model/zxid.ts";
import type { PeerMessage } from "../../../src/zab/message.ts";
import type { GhostLog } from "./ghost-log.ts";
import type { Platters } from "./platters.ts";
import { Check, Invariant } from "./violation.ts";

export class NewLeaderAtom extends Invariant {
  readonly atom = new Check("NEWLEADER is one step on the platter");
  readonly restart = new Check("after a restart currentEpoch still implies its history");
  readonly #ghost: GhostLog;
  readonly #platters: Platters;
  /** The end of the history that NEWLEADER told each learner, by learner and epoch. */
  readonly #told = new Map<string, Zxid>();
  /** The same, whoever was told first: no server has less in that epoch. */
  readonly #ends = new Map<Epoch, Zxid>();

  constructor(ghost: GhostLog, platters: Platters) {
    super();
    this.#ghost = ghost;
    this.#platters = platters;
  }

  /** End of the initial history that the leader of an epoch told its learners of. */
  historyOf(epoch: Epoch): Zxid | undefined {
    return this.#ends.get(epoch);
  }

  onSend(from: number, to: number, message: PeerMessage): void {
    if (message.type === "newLeader") {
      this.#told.set(`${to} ${message.epoch}`, message.zxid);
      if (!this.#ends.has(message.epoch)) this.#ends.set(message.epoch, message.zxid);
    } else if (message.type === "ack" && message.newLeader) this.#onAck(from, message.epoch);
  }

  /** What a crash has left: currentEpoch without the history that it stands for would win elections wrongly. */
  onStart(id: number): void {
    const found = this.#platters.read(id);
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

  #onAck(id: number, epoch: Epoch): void {
    const end = this.#told.get(`${id} ${epoch}`);
    const found = this.#platters.read(id);
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
}
