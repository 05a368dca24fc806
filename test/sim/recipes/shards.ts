/** Shards: each is held by at most one at any true time, its tokens rise, and when all is quiet all are owned, in shares that differ by one at most. */
import { type Client, unless } from "../../../client/index.ts";
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
    try {
      await unless(
        "TIMEOUT",
        owner.when((own) => own.size > 0, { timeoutMs: random.between(100, 1_500) }),
      );
      await client.sleep(random.between(0, 500));
    } finally {
      await owner.close();
    }
  };
  await stage.during(stage.repeat(round), () => {
    for (const one of holders.values()) one.look();
  });
  // The first has all of them before the others come.
  const owners: ShardOwner[] = [];
  for (const client of stage.clients) {
    const owner = await join(client);
    if (owners.length === 0) await owner.when((own) => own.size === shards.length);
    owners.push(owner);
  }
  const share = shards.length / owners.length;
  const isFair = (count: number): boolean => count >= Math.floor(share) && count <= Math.ceil(share);
  const even = (): boolean =>
    owners.reduce((sum, owner) => sum + owner.shards.size, 0) === shards.length &&
    owners.every((owner) => isFair(owner.shards.size));
  const alike = (): boolean =>
    owners.every(({ owners: seen }) =>
      owners.every(({ name, shards: own }) => [...own.keys()].every((one) => seen.get(one) === name)),
    );
  await stage.eventually("shards: all are owned, evenly, after quiet, and all know by whom", 15_000, () => even() && alike());
  await Promise.all(owners.map((owner) => owner.close()));
}

export const recipe: RecipeWorkload = {
  name: "shards",
  plays: ["ownShards", "ShardOwner"],
  bugs: [
    { name: "a shard is taken from its owner", breaks: "shard: at most 1 hold", seed: 14 },
    { name: "a token forgets the epoch", breaks: "shard: tokens rise", seed: 1 },
    { name: "a share is never given up", breaks: "shards: all are owned, evenly, after quiet, and all know by whom", seed: 1 },
  ],
  play,
};
