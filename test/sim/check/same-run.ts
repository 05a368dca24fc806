/** I-28, determinism: the same seed gives the same run, event by event. One seed in fifty is run twice (swarm.ts). */
import type { Cluster } from "../cluster.ts";
import { Check, Invariant } from "./violation.ts";

export class SameRun extends Invariant {
  readonly same = new Check("the same seed gives the same run");

  judge(first: Cluster, second: Cluster): void {
    this.same.hold(
      first.trace.hash === second.trace.hash && first.scheduler.events === second.scheduler.events,
      () =>
        `seed ${first.seed} gave ${first.scheduler.events} events with hash ${first.trace.hash}, and ${second.scheduler.events} with ${second.trace.hash}`,
    );
  }
}
