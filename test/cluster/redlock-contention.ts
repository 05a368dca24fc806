/** The same contention on Redlock's lock, at one Redis: who has it is decided by polling, so there is no order. For comparison only. */
import type { Redis } from "ioredis";
import Redlock from "redlock";
import type { ContentionReport } from "./lock-contention.ts";

const lockMs = 10_000;

export async function contendByRedlock(redis: Redis, contenders: number, ms: number): Promise<ContentionReport> {
  // Its types are of an older ioredis.
  const redlock = new Redlock([redis as unknown as Redlock.CompatibleRedisClient], {
    retryCount: -1,
    retryDelay: 10,
    retryJitter: 10,
  });
  const turns = Array.from({ length: contenders }, () => 0);
  const startedMs = performance.now();
  let longestWaitMs = 0;
  const work = async (index: number): Promise<void> => {
    while (performance.now() - startedMs < ms) {
      const askedMs = performance.now();
      const lock = await redlock.lock("redlock", lockMs);
      longestWaitMs = Math.max(longestWaitMs, performance.now() - askedMs);
      await redis.getset("redlock:owner", String(index));
      await redis.set("redlock:owner", "");
      turns[index] = (turns[index] ?? 0) + 1;
      await lock.unlock();
    }
  };
  await Promise.all(turns.map((_, index) => work(index)));
  turns.sort((a, b) => a - b);
  const seconds = (performance.now() - startedMs) / 1_000;
  return {
    handovers: turns.reduce((sum, one) => sum + one, 0),
    seconds,
    turns,
    longestWaitMs,
    lost: 0,
    refused: 0,
    problems: [],
  };
}
