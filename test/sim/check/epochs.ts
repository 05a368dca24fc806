/**
 * Epochs: one established leader an epoch, ever; acceptedEpoch and currentEpoch never fall on a server
 * that was not wiped; an established leader's history holds everything committed before (committed
 * never lost, primary integrity); leaders' epochs rise in the order in which they were established.
 */
import { type Epoch, epochOf, formatZxid, type Zxid } from "../../../src/model/zxid.ts";
import type { PeerMessage } from "../../../src/zab/message.ts";
import type { GhostLog } from "./ghost-log.ts";
import { Check } from "./violation.ts";

export class EpochChecks {
  readonly oneLeader = new Check("one leader an epoch");
  readonly neverFall = new Check("epochs never fall");
  readonly countsOnce = new Check("a server counts once an epoch");
  readonly neverLost = new Check("committed is never lost");
  readonly #ghost: GhostLog;
  readonly #leaderOf = new Map<Epoch, number>();
  readonly #accepted = new Map<number, Epoch>();
  readonly #current = new Map<number, Epoch>();
  readonly established = new Map<Epoch, { leader: number; at: number }>();
  /** End of the initial history that a candidate told its learners of, by epoch. */
  readonly #history = new Map<Epoch, Zxid>();
  readonly #counted = new Map<number, Epoch>();

  constructor(ghost: GhostLog) {
    this.#ghost = ghost;
  }

  onSend(from: number, message: PeerMessage, at: number): void {
    switch (message.type) {
      case "newLeader":
        this.#leads(from, message.epoch);
        if (!this.#history.has(message.epoch)) this.#history.set(message.epoch, message.zxid);
        return;
      case "proposal":
      case "heartbeat":
        return;
      case "upToDate":
        this.#leads(from, message.epoch);
        return this.#establish(from, message.epoch, at);
      case "followerInfo":
        return this.#rises(this.#accepted, from, message.acceptedEpoch, "acceptedEpoch");
      case "ackEpoch":
        if (message.counts) this.#counts(from, message.epoch);
        this.#rises(this.#accepted, from, message.epoch, "acceptedEpoch");
        return this.#rises(this.#current, from, message.currentEpoch, "currentEpoch");
      case "ack":
        if (message.newLeader) this.#rises(this.#current, from, message.epoch, "currentEpoch");
        return;
    }
  }

  /** An ACKEPOCH that counts is a vote for the epoch's leader: nobody has two. */
  #counts(server: number, epoch: Epoch): void {
    const before = this.#counted.get(server) ?? 0;
    this.countsOnce.hold(epoch > before, () => `server ${server} counts in epoch ${epoch} after it has counted in ${before}`);
    this.#counted.set(server, epoch);
  }

  leaderOf(epoch: Epoch): number | undefined {
    return this.#leaderOf.get(epoch);
  }

  historyOf(epoch: Epoch): Zxid | undefined {
    return this.#history.get(epoch);
  }

  onWipe(server: number): void {
    this.#accepted.delete(server);
    this.#current.delete(server);
    this.#counted.delete(server);
  }

  #leads(server: number, epoch: Epoch): void {
    const known = this.#leaderOf.get(epoch);
    if (known === undefined) this.#leaderOf.set(epoch, server);
    else this.oneLeader.hold(known === server, () => `epoch ${epoch} is led by server ${known} and by server ${server}`);
  }

  #establish(leader: number, epoch: Epoch, at: number): void {
    if (this.established.has(epoch)) return;
    this.established.set(epoch, { leader, at });
    const end = this.#history.get(epoch);
    // After a hand-over in place the first UPTODATE of an epoch may come long after its first commit.
    if (end === undefined || epochOf(this.#ghost.tip) >= epoch) return;
    const contains = this.#ghost.contains(end);
    if (contains === undefined) return;
    this.neverLost.hold(
      contains,
      () =>
        `server ${leader} leads epoch ${epoch} with a history up to ${formatZxid(end)} that lacks the committed ${formatZxid(this.#ghost.tip)}`,
    );
  }

  #rises(map: Map<number, Epoch>, server: number, epoch: Epoch, name: string): void {
    const before = map.get(server);
    if (before !== undefined)
      this.neverFall.hold(epoch >= before, () => `${name} of server ${server} fell from ${before} to ${epoch}`);
    if (before === undefined || epoch > before) map.set(server, epoch);
  }
}
