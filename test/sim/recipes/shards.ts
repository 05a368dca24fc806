/** Shards: each is held by at most one at any true time, its tokens rise, and when all is quiet all are owned, in shares that differ by one at most. */
import type { Client } from "../../../client/index.ts";
import { type Grant, ownShards, type ShardOwner } from "../../../client/recipes/index.ts";
import { Holders } from "../recipe-harness/holders.ts";
import type { RecipeStage, RecipeWorkload } from "../recipe-harness/stage.ts";

const path = "/shards/s";
const shards = ["0", "1", "2", "3", "4"];

async function play(stage: RecipeStage): Promise<void> {
  const holders = new Map(shards.map((shard) => [shard, new Holders(stage, { name: "shard", max: 1 })]));
  const { random } = stage;
  const join = (client: Client): Promise<ShardOwner> =>
    ownShards(client, path, {
      shards,
      name: stage.nameOf(client),
      settleMs: 60,
      timeoutMs: 10_000,
      run: async (shard: string, signal: AbortSignal, grant: Grant) => {
        const of = holders.get(shard);
        const holder = of?.add(client, grant);
        await client.sleep(60_000, { signal }).catch(() => {});
        // Users' work does not end at once.
        await client.sleep(random.between(0, 30));
        if (holder !== undefined) of?.remove(holder);
      },
    });
  const round = async (client: Client): Promise<void> => {
    const owner = await join(client);
    await client.sleep(random.between(100, 1_500));
    await owner.close();
  };
  await stage.during(stage.repeat(round), () => {
    for (const one of holders.values()) one.look();
  });
  const owners = await Promise.all(stage.clients.map(join));
  const even = (): boolean =>
    owners.reduce((sum, owner) => sum + owner.shards.size, 0) === shards.length &&
    owners.every((owner) => owner.shards.size >= 1);
  await stage.ensemble.until(even, 15_000);
  stage.check("shards: all are owned, evenly, after quiet", even());
  await Promise.all(owners.map((owner) => owner.close()));
}

export const recipe: RecipeWorkload = {
  name: "shards",
  plays: ["ownShards", "ShardOwner"],
  bugs: [{ name: "a shard is taken from its owner", seed: 14 }],
  play,
};
