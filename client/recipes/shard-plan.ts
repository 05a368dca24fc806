/**
 * Which shards a member should take or give up, from what it sees: a pure function, so every member comes to the same shares.
 * Placement is sticky: nobody gives up more than its share demands, and of unequal shares the larger go to those who have more
 * already. It only has to converge; that no two own a shard is the owner nodes' business. Used by `shards.ts`.
 */
import { unitHash } from "./choose.ts";

export interface ShardView {
  /** In the order of their joining. */
  readonly members: readonly string[];
  readonly shards: readonly string[];
  /** Shard to the member that owns it. Its owner may be a member no more. */
  readonly owners: ReadonlyMap<string, string>;
}

export interface ShardPlan {
  readonly take: readonly string[];
  readonly release: readonly string[];
}

export function planFor(me: string, view: ShardView): ShardPlan {
  const own = view.shards.filter((shard) => view.owners.get(shard) === me);
  const spare = own.length - shareOf(me, view);
  if (!view.members.includes(me) || spare === 0) return { take: [], release: [] };
  const preferred = (shards: readonly string[]): readonly string[] =>
    shards.toSorted((a, b) => unitHash(`${me}/${a}`) - unitHash(`${me}/${b}`));
  if (spare > 0) return { take: [], release: preferred(own).slice(-spare) };
  const free = view.shards.filter((shard) => !view.owners.has(shard));
  return { take: preferred(free).slice(0, -spare), release: [] };
}

/** All get the whole part; those who own most already get one of the rest. */
function shareOf(me: string, { members, shards, owners }: ShardView): number {
  const counts = new Map(members.map((member) => [member, 0]));
  for (const owner of owners.values()) {
    const count = counts.get(owner);
    if (count !== undefined) counts.set(owner, count + 1);
  }
  const byCount = members.toSorted((a, b) => (counts.get(b) ?? 0) - (counts.get(a) ?? 0));
  const rank = byCount.indexOf(me);
  return Math.floor(shards.length / members.length) + (rank < shards.length % members.length ? 1 : 0);
}
