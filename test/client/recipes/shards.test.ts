/** Shard ownership against a real server: all owned, shares even, nobody twice, work ended before a shard moves; and the plan by itself. */
import t from "tap";
import { type OwnShardsOptions, ownShards } from "../../../client/recipes/index.ts";
import { planFor } from "../../../client/recipes/shard-plan.ts";
import { until } from "../gate.ts";
import { code, loseSession, rejection, World } from "./world.ts";

const names = (n: number): string[] => Array.from({ length: n }, (_, i) => `s${i}`);

t.test("the plan converges, moves no more than it must, and evens out", async (t) => {
  for (const [shardCount, steps] of [
    [10, [1, 2, 3, 4, 3, 1, 5]],
    [3, [5, 2, 4]],
    [16, [4, 3, 4]],
  ] as const) {
    const shards = names(shardCount);
    let owners = new Map<string, string>();
    let before = 0;
    for (const count of steps) {
      const members = Array.from({ length: count }, (_, i) => `m${i}`);
      owners = new Map([...owners].filter(([, owner]) => members.includes(owner)));
      const orphans = shardCount - owners.size;
      let moved = 0;
      for (let round = 0; round < 10; round += 1) {
        for (const me of members) {
          const { take, release } = planFor(me, { members, shards, owners });
          for (const shard of release) owners.delete(shard);
          for (const shard of take) owners.set(shard, me);
          moved += take.length;
        }
      }
      const counts = members.map((me) => [...owners.values()].filter((owner) => owner === me).length);
      t.equal(owners.size, shardCount);
      t.ok(Math.max(...counts) - Math.min(...counts) <= 1, `${counts}`);
      const fair = Math.ceil(shardCount / count) * Math.max(0, count - before);
      t.ok(moved <= orphans + fair, `${moved} moved, of ${orphans} orphans and ${fair} for newcomers`);
      before = count;
    }
  }
});

t.test("ownShards", async (t) => {
  const world = await World.start(t);
  const shards = names(7);
  const running = new Map<string, string>();
  const problems: string[] = [];
  const options = (name: string): OwnShardsOptions => ({
    shards,
    name,
    settleMs: 20,
    run: async (shard, signal, grant) => {
      if (running.has(shard)) problems.push(`${name} runs ${shard} while ${running.get(shard)} does`);
      running.set(shard, name);
      if (!grant.held) problems.push(`${name} runs ${shard} without holding it`);
      await new Promise<void>((resolve) => signal.addEventListener("abort", () => setTimeout(resolve, 5), { once: true }));
      if (running.get(shard) === name) running.delete(shard);
    },
  });
  const path = "/shards/a";
  const gated = await world.open();
  const a = await ownShards(gated.client, path, options("a"));
  await a.when((owned) => owned.size === 7);
  const tokens = new Map([...a.shards].map(([shard, grant]) => [shard, grant.token]));
  const b = await ownShards(await world.client(), path, options("b"));
  const c = await ownShards(await world.client(), path, options("c"));
  const even = (): boolean => [a, b, c].every(({ shards: owned }) => owned.size >= 2) && running.size === 7;
  await until(even);
  for (const [shard, grant] of [...b.shards, ...c.shards]) t.ok(grant.token > (tokens.get(shard) ?? 0), "tokens rise");
  await c.close();
  await until(() => a.shards.size + b.shards.size === 7 && running.size === 7);
  const lost = [...a.shards.values()];
  await loseSession(gated);
  t.ok(
    lost.every((grant) => grant.signal.aborted),
    "a lost session ends its shards",
  );
  await until(() => a.shards.size >= 3 && b.shards.size >= 3 && running.size === 7);
  t.same([...new Set(a.owners.values())].sort(), ["a", "b"]);
  await Promise.all([a.close(), b.close()]);
  t.equal(running.size, 0);
  t.same(problems, []);

  const other = await world.client();
  t.match(await rejection(ownShards(other, path, { shards: ["x"] })), {
    code: "BAD_ARGUMENTS",
    detail: /\["x"\] here and \["s0"/,
  });
  t.match(await rejection(ownShards(other, path, { shards: [] })), { code: "BAD_ARGUMENTS", detail: /number of shards/ });
  t.match(await rejection(ownShards(other, path, { shards: ["x", "x"] })), { code: "BAD_ARGUMENTS", detail: /differ/ });
  t.match(await rejection(ownShards(other, path, { shards: ["a/b"] })), { code: "BAD_ARGUMENTS", detail: /shard "a\/b"/ });
  await other.close();
  t.equal(await code(ownShards(other, path, { shards })), "CLOSED");
});
