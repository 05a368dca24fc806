/** L-5: when nobody asks any more, nothing is left in the servers' queues. */
import type { Cluster } from "../cluster.ts";
import { Check, Invariant } from "./violation.ts";
import { within } from "./within.ts";

export class QueuesDrain extends Invariant {
  readonly drains = new Check("L-5 queues drain");

  await(cluster: Cluster, ms: number): void {
    within(this.drains, cluster, ms, () => cluster.servers.every((server) => (server.status()?.outstanding ?? 0) === 0));
  }
}
