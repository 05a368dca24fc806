/** A bound in simulated time on what must come about once a world is healed. */
import type { Cluster } from "../cluster.ts";
import type { Check } from "./violation.ts";

/** Runs until `condition` holds, at most `ms`. */
export function within(check: Check, cluster: Cluster, ms: number, condition: () => boolean): void {
  const end = cluster.scheduler.now + ms;
  while (cluster.scheduler.now < end && !condition()) cluster.run(cluster.slow);
  check.hold(condition(), () => `not within ${ms} ms\n${cluster.describe()}`);
}
