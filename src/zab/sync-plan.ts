/**
 * How to bring one learner to the leader's history. Pure. Two logs that share a zxid are identical up
 * to it (a learner takes a leader's whole initial history before NEWLEADER, and zxids are dense), so
 * the common prefix ends at the greatest zxid that both hold. ZooKeeper must not TRUNC over an epoch
 * boundary because it knows only the learner's last zxid; here the learner names its last zxid of
 * every epoch, which settles it.
 */
import { mutant } from "../model/mutant.ts";
import { counterOf, epochOf, makeZxid, type Zxid } from "../model/zxid.ts";

export interface SyncInput {
  /** The learner's tails: the last zxid of each epoch, newest first, then the zxid before its log. */
  readonly learnerTails: readonly Zxid[];
  readonly learnerLast: Zxid;
  /** The same of the leader. */
  readonly leaderTails: readonly Zxid[];
  readonly leaderBase: Zxid;
}

export type SyncPlan =
  | { readonly type: "diff"; readonly after: Zxid }
  | { readonly type: "trunc"; readonly to: Zxid }
  | { readonly type: "snap" };

export function planSync(input: SyncInput): SyncPlan {
  const common = commonPrefix(input.learnerTails, input.leaderTails);
  if (common === undefined || common < input.leaderBase) return { type: "snap" };
  if (common === input.learnerLast) return { type: "diff", after: common };
  return { type: "trunc", to: common };
}

/** The greatest zxid in both logs, as far as the tails tell. */
export function commonPrefix(learner: readonly Zxid[], leader: readonly Zxid[]): Zxid | undefined {
  for (const tail of learner) {
    const epoch = epochOf(tail);
    const match = leader.find((zxid) => epochOf(zxid) === epoch);
    if (match === undefined) continue;
    if (mutant("DIFF to a diverged log")) return tail;
    return makeZxid(epoch, Math.min(counterOf(tail), counterOf(match)));
  }
  return undefined;
}
