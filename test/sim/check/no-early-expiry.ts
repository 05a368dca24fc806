/**
 * I-18, no early expiry. Sessions in true time: a client that was told "valid until t" is not expired before t, however
 * clocks drift within ρ and whoever leads. A session ends once, in one txn, or lives.
 */
import { formatZxid, type SessionId, type Zxid } from "../../../src/model/zxid.ts";
import type { Txn } from "../../../src/tree/txn.ts";
import { Check, Invariant } from "./violation.ts";

interface Belief {
  until: number;
  endedAt: number;
  closedByClient: boolean;
}

export class NoEarlyExpiry extends Invariant {
  readonly notEarly = new Check("expiry is not early");
  readonly inLease = new Check("an expiry is proposed inside the lease");
  readonly #beliefs = new Map<SessionId, Belief>();
  /** Off while some clock runs outside ±ρ. */
  enabled = true;
  expired = 0;

  believes(session: SessionId, until: number): void {
    const belief = this.#belief(session);
    if (until > belief.until) belief.until = until;
    this.#check(session, belief);
  }

  /** The session's end was committed; `at` is the true time at which its txn was first broadcast. */
  onCommitted(txn: Txn, at: number): void {
    if (txn.body.type !== "closeSession") return;
    const belief = this.#belief(txn.body.session);
    belief.endedAt = at;
    belief.closedByClient = txn.source.type !== "internal";
    if (!belief.closedByClient) this.expired += 1;
    this.#check(txn.body.session, belief);
  }

  /** `leaseUntil`: of the leader that proposes it, in true time. */
  onProposed(txn: Txn, at: number, leaseUntil: number | undefined): void {
    if (txn.body.type !== "closeSession" || txn.source.type !== "internal" || !this.enabled || leaseUntil === undefined) return;
    this.inLease.hold(
      at <= leaseUntil + 0.001,
      () =>
        `the expiry ${formatZxid(txn.zxid)} is proposed ${(at - leaseUntil).toFixed(1)} ms after the end of its leader's lease`,
    );
  }

  #check(session: SessionId, belief: Belief): void {
    if (!this.enabled || belief.endedAt === Infinity || belief.closedByClient || belief.until === -Infinity) return;
    this.notEarly.hold(
      belief.endedAt >= belief.until,
      () =>
        `session ${formatZxid(session as number as Zxid)} was expired ${(belief.until - belief.endedAt).toFixed(1)} ms before its client had to stop believing`,
    );
  }

  #belief(session: SessionId): Belief {
    let belief = this.#beliefs.get(session);
    if (belief === undefined)
      this.#beliefs.set(session, (belief = { until: -Infinity, endedAt: Infinity, closedByClient: false }));
    return belief;
  }
}
