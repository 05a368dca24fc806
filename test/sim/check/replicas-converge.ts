/** L-3: when all is quiet, all replicas come to the same zxid, flushed. (What they hold then: I-22, replica-identity.ts.) */
import type { Cluster } from "../cluster.ts";
import { Check, Invariant } from "./violation.ts";
import { within } from "./within.ts";

export class ReplicasConverge extends Invariant {
  readonly alike = new Check("L-3 replicas come to the same zxid");

  await(cluster: Cluster, ms: number): void {
    within(this.alike, cluster, ms, () => allFlushed(cluster));
  }
}

function allFlushed(cluster: Cluster): boolean {
  const first = cluster.servers[0]?.status()?.flushedZxid;
  return cluster.servers.every((server) => {
    const status = server.status();
    return status?.serving && status.flushedZxid === first && status.lastAppliedZxid === first && status.lastLoggedZxid === first;
  });
}
