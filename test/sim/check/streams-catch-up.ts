/** L-6: every stream of a session that lives reaches the end of the log. */
import type { Cluster } from "../cluster.ts";
import { Check, Invariant } from "./violation.ts";
import { within } from "./within.ts";

export class StreamsCatchUp extends Invariant {
  readonly streams = new Check("L-6 streams catch up");

  await(cluster: Cluster, ms: number): void {
    for (const client of cluster.clients) {
      const { stream } = client;
      if (stream === undefined || client.session === undefined || cluster.gone.has(client)) continue;
      within(this.streams, cluster, ms, () => !cluster.checks.watches.lags(stream) || client.session === undefined);
    }
  }
}
