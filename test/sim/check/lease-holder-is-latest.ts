/**
 * I-14, a lease holder has the latest epoch that commits: when the first entry of an epoch is committed, no leader of an earlier one,
 * whoever it was, may still believe in its lease.
 */
import { epochOf, formatZxid } from "../../../src/model/zxid.ts";
import type { GhostEntry } from "./ghost-log.ts";
import type { OneLeaseHolder } from "./one-lease-holder.ts";
import { Check, Invariant } from "./violation.ts";

export class LeaseHolderIsLatest extends Invariant {
  readonly latest = new Check("a lease holder has the latest epoch that commits");
  readonly #leases: OneLeaseHolder;
  #epoch = 0;

  constructor(leases: OneLeaseHolder) {
    super();
    this.#leases = leases;
  }

  onCommitted(entry: GhostEntry): void {
    const epoch = epochOf(entry.zxid);
    if (epoch <= this.#epoch) return;
    this.#epoch = epoch;
    for (const lease of this.#leases.leasesBefore(epoch)) {
      // A hand-over in place: the same leader goes on under a new epoch.
      if (lease.leader === entry.by) continue;
      this.latest.hold(
        lease.until <= entry.committedAt,
        () =>
          `${formatZxid(entry.zxid)} of server ${entry.by} is committed while server ${lease.leader} may hold its lease of epoch ${lease.epoch}`,
      );
    }
  }
}
