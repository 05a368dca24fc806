/** L-2: every call that a client has made ends, in an answer or by its deadline. */
import type { Cluster } from "../cluster.ts";
import { Check, Invariant } from "./violation.ts";
import { within } from "./within.ts";

export class CallsEnd extends Invariant {
  readonly calls = new Check("L-2 every call ends");

  await(cluster: Cluster, ms: number): void {
    within(this.calls, cluster, ms, () => cluster.clients.every((client) => client.settled || cluster.gone.has(client)));
  }
}
