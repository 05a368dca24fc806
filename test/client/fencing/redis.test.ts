/** Fenced writes to Redis, on ioredis-mock; and a paused holder in virtual time. The same on a real server: `test/foreign/fencing.foreign.ts`. */
import { Redis } from "ioredis";
import RedisMock from "ioredis-mock";
import t from "tap";
import { FencedRedis } from "../../../client/fencing/index.ts";
import { ZabraError } from "../../../client/index.ts";
import { Lock } from "../../../client/recipes/index.ts";
import { virtualEnsemble } from "../../sim/testing.ts";

function told(promise: Promise<unknown>): Promise<string> {
  return promise.then(
    () => "OK",
    (error: unknown) => (error instanceof ZabraError ? `${error.code}: ${error.detail}` : String(error)),
  );
}

t.test("a lower token is refused, an equal or higher one not", async (t) => {
  const redis = new RedisMock();
  await redis.flushall();
  const fenced = new FencedRedis(redis);
  await fenced.set({ token: 5 }, "k", "five");
  await fenced.set({ token: 5 }, "k", "five again");
  await fenced.set({ token: 2 ** 52 + 1 }, "k", "late epoch");
  t.equal(
    await told(fenced.set({ token: 2 ** 52 }, "k", "stale")),
    `FENCED: k: token ${2 ** 52} is below ${2 ** 52 + 1}, that of a later holder`,
  );
  t.equal(await redis.get("k"), "late epoch");
  t.equal(await redis.get(fenced.fenceKey("k")), String(2 ** 52 + 1));
});

t.test("several commands in one step, with their results; none of a refused holder", async (t) => {
  const redis = new RedisMock();
  await redis.flushall();
  const fenced = new FencedRedis(redis);
  const results = await fenced.run({ token: 7 }, "r", [
    ["set", "a", "x y"],
    ["incr", "n"],
    ["incrby", "n", 41],
  ]);
  t.same(results.slice(1), [1, 42]);
  await fenced.claim({ token: 8 }, "r");
  t.match(await told(fenced.run({ token: 7 }, "r", [["incr", "n"]])), /^FENCED/);
  t.equal(await redis.get("n"), "42");
  t.equal(await redis.get("a"), "x y");
});

t.test("fence keys share the slot of their resource", async (t) => {
  const fenced = new FencedRedis(new RedisMock());
  t.equal(fenced.fenceKey("report"), "fence:{report}");
  t.equal(fenced.fenceKey("a{report}b"), "fence:a{report}b");
  t.equal(new FencedRedis(new RedisMock(), { prefix: "f:" }).fenceKey("r"), "f:{r}");
});

t.test("bad input is refused by name", async (t) => {
  const fenced = new FencedRedis(new RedisMock());
  for (const [promise, message] of [
    [fenced.claim({ token: 1 }, ""), /^BAD_ARGUMENTS: resource/],
    [fenced.claim({ token: 0 }, "r"), /^BAD_ARGUMENTS: token must be a grant's, not 0/],
    [fenced.claim({ token: Number.NaN }, "r"), /^BAD_ARGUMENTS: token/],
    [fenced.run({ token: 1 }, "r", [[""]]), /^BAD_ARGUMENTS: a command without a name/],
    [
      fenced.run(
        { token: 1 },
        "r",
        Array.from({ length: 129 }, () => ["incr", "n"] as const),
      ),
      /^BAD_ARGUMENTS: 129 commands; at most 128/,
    ],
    [fenced.run({ token: 1 }, "r", [["del", ...Array.from({ length: 1_000 }, () => "k")]]), /^BAD_ARGUMENTS: del: 1001 words/],
  ] as const)
    t.match(await told(promise), message);
});

t.test("ioredis fits by its type", async (t) => {
  const redis = new Redis({ lazyConnect: true });
  t.ok(new FencedRedis(redis));
  redis.disconnect();
});

t.test("a paused holder: its own clock tells it, and if it does not look, Redis does", async (t) => {
  const redis = new RedisMock();
  await redis.flushall();
  const fenced = new FencedRedis(redis);
  const ensemble = virtualEnsemble({ seed: 2 });
  const [late, next] = await ensemble.run(async () => {
    const [one, two] = [await ensemble.client({ sessionTimeoutMs: 1_000 }), await ensemble.client({ sessionTimeoutMs: 1_000 })];
    const held = await new Lock(one, "/l").acquire();
    ensemble.pause(one, 5_000);
    return [held, await new Lock(two, "/l").acquire()];
  });
  await fenced.set(next, "report", "by two");
  t.match(await told(fenced.set(late, "report", "by one")), /^SESSION_EXPIRED/);
  t.match(await told(fenced.set({ token: late.token }, "report", "by one")), /^FENCED: report/);
  t.equal(await redis.get("report"), "by two");
});
