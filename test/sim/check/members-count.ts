/**
 * I-24, configuration: only members count. Who is an observer, or was wiped and has not been made a member again, casts no vote
 * that counts, confirms no epoch, leads nothing, and is nobody's candidate. (Consecutive configurations wait for changes of
 * membership: here the voters are fixed.)
 */
import type { PeerMessage } from "../../../src/zab/message.ts";
import { Check, Invariant } from "./violation.ts";

export class MembersCount extends Invariant {
  readonly members = new Check("only members count");
  readonly #voters: number;
  /** Wiped servers that have not been made members again. */
  readonly #rejoining = new Set<number>();
  /** Whom a NEWLEADER that is not acked yet makes a member, in which epoch: it is one as soon as it has saved that. */
  readonly #offered = new Map<number, number>();

  constructor(voters: number) {
    super();
    this.#voters = voters;
  }

  /** Voters have the lowest ids. */
  isMember(server: number): boolean {
    return server <= this.#voters && !this.#rejoining.has(server);
  }

  onWipe(server: number): void {
    this.#rejoining.delete(server);
    this.#offered.delete(server);
  }

  onSend(from: number, to: number, message: PeerMessage): void {
    switch (message.type) {
      case "followerInfo":
        // Not rejoining any more: it has saved what it was offered, though its ACK may never have left.
        if (!message.rejoining && this.#offered.has(from)) return this.onWipe(from);
        this.#offered.delete(from);
        if (message.rejoining) this.#rejoining.add(from);
        return;
      case "newLeader":
        if (message.member && this.#rejoining.has(to)) this.#offered.set(to, message.epoch);
        return this.#judge(true, from, "leads");
      case "upToDate":
        return this.#judge(true, from, "leads");
      case "ack":
        if (message.newLeader && this.#offered.get(from) === message.epoch) this.onWipe(from);
        return;
      case "vote":
        if (message.state !== "looking") return;
        this.#judge(message.counts, from, "votes");
        return this.#judge(message.counts, message.leader, "is a candidate");
      case "ackEpoch":
        return this.#judge(message.counts, from, "confirms an epoch");
    }
  }

  /** Of a member there is nothing to say, in an ensemble that has none but members. */
  #judge(counts: boolean, server: number, what: string): void {
    if (this.isMember(server) || this.#offered.has(server)) return;
    this.members.hold(!counts, () => `server ${server} ${what} and is no voting member`);
  }
}
