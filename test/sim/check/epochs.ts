/**
 * I-7, epochs: one leader an epoch, ever; a server counts once an epoch; acceptedEpoch and currentEpoch never fall on a
 * server that was not wiped; and the acceptedEpoch that ACKEPOCH tells of is on the platter by then.
 */
import type { Epoch } from "../../../src/model/zxid.ts";
import type { PeerMessage } from "../../../src/zab/message.ts";
import type { Platters } from "./platters.ts";
import { Check, Invariant } from "./violation.ts";

export class Epochs extends Invariant {
  readonly oneLeader = new Check("one leader an epoch");
  readonly neverFall = new Check("epochs never fall");
  readonly countsOnce = new Check("a server counts once an epoch");
  readonly onPlatter = new Check("ACKEPOCH is on the platter");
  readonly #platters: Platters;
  readonly #leaderOf = new Map<Epoch, number>();
  readonly #accepted = new Map<number, Epoch>();
  readonly #current = new Map<number, Epoch>();
  readonly #counted = new Map<number, Epoch>();

  constructor(platters: Platters) {
    super();
    this.#platters = platters;
  }

  onSend(from: number, message: PeerMessage): void {
    switch (message.type) {
      case "newLeader":
      case "upToDate":
        return this.#leads(from, message.epoch);
      case "followerInfo":
        return this.#rises(this.#accepted, from, message.acceptedEpoch, "acceptedEpoch");
      case "ackEpoch":
        if (message.counts) this.#counts(from, message.epoch);
        this.#rises(this.#accepted, from, message.epoch, "acceptedEpoch");
        this.#rises(this.#current, from, message.currentEpoch, "currentEpoch");
        return this.#onAckEpoch(from, message.epoch);
      case "ack":
        if (message.newLeader) this.#rises(this.#current, from, message.epoch, "currentEpoch");
        return;
    }
  }

  leaderOf(epoch: Epoch): number | undefined {
    return this.#leaderOf.get(epoch);
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

  /** An ACKEPOCH that counts is a vote for the epoch's leader: nobody has two. */
  #counts(server: number, epoch: Epoch): void {
    const before = this.#counted.get(server) ?? 0;
    this.countsOnce.hold(epoch > before, () => `server ${server} counts in epoch ${epoch} after it has counted in ${before}`);
    this.#counted.set(server, epoch);
  }

  #rises(map: Map<number, Epoch>, server: number, epoch: Epoch, name: string): void {
    const before = map.get(server);
    if (before !== undefined)
      this.neverFall.hold(epoch >= before, () => `${name} of server ${server} fell from ${before} to ${epoch}`);
    if (before === undefined || epoch > before) map.set(server, epoch);
  }

  #onAckEpoch(id: number, epoch: Epoch): void {
    if (this.#platters.server(id) === undefined) return;
    const found = this.#platters.read(id);
    this.onPlatter.hold(
      found !== undefined && found.accepted >= epoch,
      () => `server ${id} acked epoch ${epoch}, its platter has acceptedEpoch ${found?.accepted ?? "of nothing"}`,
    );
  }
}
