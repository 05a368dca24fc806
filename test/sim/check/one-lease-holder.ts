/**
 * I-13, one lease holder in true time. The follower's half of the lease, in true time: whoever acked a heartbeat casts no vote that counts
 * and accepts no other leader's epoch until P has run on its own clock since the *receipt* of that
 * heartbeat, and neither within P after boot. And the sum of it: when a leader is established, every
 * lease that an earlier epoch's leader could rightly hold has ended. (And I-14, the holder is the latest: lease-holder-is-latest.ts.)
 */
import { type Limits, leaseMs } from "../../../src/model/limits.ts";
import type { PeerMessage } from "../../../src/zab/message.ts";
import type { SimClock } from "../clock.ts";
import type { MembersCount } from "./members-count.ts";
import { Check, Invariant } from "./violation.ts";

interface Member {
  readonly clock: SimClock;
  promiseUntil: number;
  promisedTo: number;
  bootUntil: number;
  /** Receipt of the heartbeats that were not acked yet: id and monotonic time. */
  readonly received: Receipt[];
}

interface Receipt {
  readonly from: number;
  readonly epoch: number;
  readonly id: number;
  readonly at: number;
}

interface LeaseGhost {
  readonly leader: number;
  readonly epoch: number;
  readonly sentAt: Map<number, number>;
  readonly acked: Map<number, number>;
  /** True time until which a lease may rightly be believed. */
  until: number;
}

export class OneLeaseHolder extends Invariant {
  readonly promise = new Check("no vote inside a promise");
  readonly exclusive = new Check("one lease holder in true time");
  readonly #limits: Limits;
  readonly #voters: number;
  readonly #membership: MembersCount;
  readonly #members = new Map<number, Member>();
  readonly #leases = new Map<number, LeaseGhost>();
  /** Off while some clock runs outside ±ρ, where the lease promises nothing. */
  enabled = true;

  constructor(limits: Limits, voters: number, membership: MembersCount) {
    super();
    this.#membership = membership;
    this.#limits = limits;
    this.#voters = voters;
  }

  add(id: number, clock: SimClock): void {
    this.#members.set(id, { clock, promiseUntil: -Infinity, promisedTo: 0, bootUntil: -Infinity, received: [] });
  }

  /** `fresh`: on an empty disk, so that no earlier process of it can have promised anything. */
  onStart(id: number, at: number, fresh: boolean): void {
    const member = this.#members.get(id);
    if (member === undefined) return;
    member.bootUntil = fresh ? -Infinity : member.clock.monotonic(at) + this.#limits.promise_ms;
    member.promiseUntil = -Infinity;
    member.received.length = 0;
  }

  onDeliver(from: number, to: number, message: PeerMessage, at: number): void {
    if (message.type === "heartbeat") {
      const member = this.#members.get(to);
      if (member === undefined) return;
      if (member.received.length > 64) member.received.shift();
      member.received.push({ from, epoch: message.epoch, id: message.id, at: member.clock.monotonic(at) });
    }
    if (message.type === "heartbeatAck") this.#onAck(from, to, message.epoch, message.id);
  }

  onSend(from: number, to: number, message: PeerMessage, at: number): void {
    const member = this.#members.get(from);
    if (member === undefined) return;
    const now = member.clock.monotonic(at);
    // A server that rejoins becomes a member only by a leader that a quorum *without it* has confirmed after this message:
    // whoever its earlier process promised anything to has lost that quorum, or is that leader.
    if (message.type === "followerInfo" && message.rejoining) member.bootUntil = Number.NEGATIVE_INFINITY;
    switch (message.type) {
      case "heartbeat":
        return this.#onHeartbeat(from, message.epoch, message.id, at);
      case "heartbeatAck":
        return this.#promises(member, to, message.epoch, message.id);
      case "vote":
        if (message.state === "looking" && message.counts) {
          this.#free(from, member, now, 0, "cast a vote");
          this.#endLeases(from, at);
        }
        return;
      case "ackEpoch":
        if (message.counts) this.#free(from, member, now, to, "sent ACKEPOCH");
        return;
      case "upToDate":
        return this.#onEstablished(from, message.epoch, at);
    }
  }

  #promises(member: Member, to: number, epoch: number, id: number): void {
    const receipt = receiptOf(member.received, to, epoch, id);
    if (receipt === undefined) return;
    const until = receipt.at + this.#limits.promise_ms;
    if (until > member.promiseUntil) {
      member.promiseUntil = until;
      member.promisedTo = to;
    }
  }

  #free(id: number, member: Member, now: number, to: number, what: string): void {
    if (!this.enabled || this.#voters === 1) return;
    const slack = 0.001;
    if (to === 0 || to !== member.promisedTo) {
      this.promise.hold(
        now >= member.promiseUntil - slack,
        () =>
          `server ${id} ${what} ${(member.promiseUntil - now).toFixed(2)} ms before its promise to server ${member.promisedTo} ended`,
      );
    }
    this.promise.hold(now >= member.bootUntil - slack, () => `server ${id} ${what} within P after boot`);
  }

  /** Until when, in true time, the leader of an epoch may rightly believe in its lease; as far as is known now. */
  leaseUntil(epoch: number, leader: number): number | undefined {
    const lease = this.#leases.get(epoch);
    return lease?.leader === leader ? lease.until : undefined;
  }

  /** Epochs below this one whose lease may rightly be believed at a time: epoch and end. */
  *leasesBefore(epoch: number): Iterable<{ readonly leader: number; readonly epoch: number; readonly until: number }> {
    for (const lease of this.#leases.values()) if (lease.epoch < epoch) yield lease;
  }

  // ---- leases

  #onHeartbeat(leader: number, epoch: number, id: number, at: number): void {
    let lease = this.#leases.get(epoch);
    if (lease === undefined || lease.leader !== leader) {
      lease = { leader, epoch, sentAt: new Map(), acked: new Map(), until: -Infinity };
      this.#leases.set(epoch, lease);
    }
    if (!lease.sentAt.has(id)) lease.sentAt.set(id, at);
    lease.sentAt.delete(id - 256);
  }

  /** Who votes leads no more, whatever the others still promise it. */
  #endLeases(leader: number, at: number): void {
    for (const lease of this.#leases.values()) if (lease.leader === leader) lease.until = Math.min(lease.until, at);
  }

  #onAck(from: number, to: number, epoch: number, id: number): void {
    const lease = this.#leases.get(epoch);
    if (lease === undefined || lease.leader !== to || !this.#membership.isMember(from)) return;
    lease.acked.set(from, Math.max(id, lease.acked.get(from) ?? 0));
    const ids = [...lease.acked.values()].sort((a, b) => b - a);
    const needed = Math.floor(this.#voters / 2);
    const quorumId = ids[needed - 1];
    const sentAt = quorumId === undefined ? undefined : lease.sentAt.get(quorumId);
    const clock = this.#members.get(to)?.clock;
    if (sentAt === undefined || clock === undefined) return;
    const until = clock.trueAt(clock.monotonic(sentAt) + leaseMs(this.#limits));
    if (until > lease.until && until !== Infinity) lease.until = until;
  }

  #onEstablished(leader: number, epoch: number, at: number): void {
    if (!this.enabled) return;
    for (const [other, lease] of this.#leases) {
      if (other >= epoch || lease.leader === leader) continue;
      if (at - lease.until > 2 * this.#limits.promise_ms) {
        this.#leases.delete(other);
        continue;
      }
      this.exclusive.hold(
        lease.until <= at,
        () =>
          `server ${leader} is established in epoch ${epoch} while server ${lease.leader} may hold its lease of epoch ${lease.epoch} for ${(lease.until - at).toFixed(2)} ms`,
      );
    }
  }
}

/** Most acks are of what came last. */
function receiptOf(received: readonly Receipt[], from: number, epoch: number, id: number): Receipt | undefined {
  for (let i = received.length - 1; i >= 0; i -= 1) {
    const receipt = received[i] as Receipt;
    if (receipt.id === id && receipt.from === from && receipt.epoch === epoch) return receipt;
  }
  return undefined;
}
