/** L-1: on a healed world there is one leader soon, and everybody serves. */
import type { Cluster } from "../cluster.ts";
import { Check, Invariant } from "./violation.ts";
import { within } from "./within.ts";

export class OneLeaderServes extends Invariant {
  readonly leader = new Check("L-1 one leader, all serve");

  await(cluster: Cluster, ms: number): void {
    // A process that stands still has a status all the same.
    within(this.leader, cluster, ms, () => {
      // What a failed disk stopped late, its supervisor starts again.
      for (const server of cluster.servers) if (server.halted) server.start(server.lostData);
      return cluster.servers.every((server) => !server.paused) && allServe(cluster);
    });
  }
}

function allServe(cluster: Cluster): boolean {
  let leaders = 0;
  for (const server of cluster.servers) {
    const status = server.status();
    if (status === undefined || !status.serving) return false;
    if (status.role === "leading") leaders += 1;
  }
  return leaders === 1;
}
