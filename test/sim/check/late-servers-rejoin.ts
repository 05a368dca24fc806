/** L-4: a server that comes back while nothing is written catches up all the same. */
import type { Cluster } from "../cluster.ts";
import { Check, Invariant } from "./violation.ts";
import { within } from "./within.ts";

export class LateServersRejoin extends Invariant {
  readonly rejoins = new Check("L-4 a server that comes back while all is idle catches up");

  comesBackIdle(cluster: Cluster, id: number): void {
    const server = cluster.server(id);
    server.crash(false);
    cluster.run(30 * cluster.slow);
    server.start();
    within(this.rejoins, cluster, 8_000 * cluster.slow, () => {
      const status = server.status();
      return status?.serving === true && status.lastAppliedZxid === cluster.checks.ghost.tip;
    });
  }
}
