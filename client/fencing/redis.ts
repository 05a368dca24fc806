/**
 * Writes to Redis that only the latest holder of a lock can do. Each resource has a fence key with the highest token seen; a script
 * compares and writes in one step, so a holder that was paused past its deadline is refused however late it comes.
 *
 *     const grant = await lock.acquire();
 *     const fenced = new FencedRedis(redis);
 *     await fenced.claim(grant, "report");               // from here on every former holder is refused
 *     await fenced.run(grant, "report", [["set", "report", text], ["incr", "report:version"]]);
 *
 * It takes any client with ioredis's `eval`. The data may be read by anybody, but must be written through a fence alone.
 * A fence is as durable as the Redis that keeps it: one that loses writes in a failover may forget the last tokens.
 */
import { ZabraError } from "../error.ts";

/** A `Grant` or `Term`; grants of readers and semaphores have no token, because they are not exclusive. */
export interface Holder {
  readonly token: number;
  /** Called first: it throws when the grant has ended by its own clock. */
  check?(): void;
}

/** A Redis command with its arguments, such as `["hset", "user:1", "name", "ann"]`. */
export type Command = readonly [name: string, ...args: (string | number | Uint8Array)[]];

/** What is needed of ioredis. */
export interface RedisLike {
  eval(script: string, numberOfKeys: number, ...args: (string | number | Buffer)[]): Promise<unknown>;
}

export interface FencedRedisOptions {
  /** The fence key of resource `r` is this + `{r}`. Default `fence:`. */
  readonly prefix?: string;
}

/** KEYS[1]: the fence. ARGV: the token, then each command as its length and words. Tokens are below 2^53, which Lua's numbers hold exactly. */
const script = `
local last = redis.call('get', KEYS[1])
if last and tonumber(last) > tonumber(ARGV[1]) then return {0, last} end
if last ~= ARGV[1] then redis.call('set', KEYS[1], ARGV[1]) end
local results = {1}
local at = 2
while at <= #ARGV do
  local words = {}
  local count = tonumber(ARGV[at])
  for i = 1, count do words[i] = ARGV[at + i] end
  results[#results + 1] = redis.call(unpack(words))
  at = at + count + 1
end
return {unpack(results)}
`;

const commandsMax = 128;
const wordsMax = 1_000;

/** Writes to Redis that only the latest holder of a lock can do. */
export class FencedRedis {
  readonly #redis: RedisLike;
  readonly #prefix: string;

  constructor(redis: RedisLike, options: FencedRedisOptions = {}) {
    this.#redis = redis;
    this.#prefix = options.prefix ?? "fence:";
  }

  /** Raises the fence: resolves when every holder before this one is refused. Rejects as `run`. To be called first thing under a grant. */
  async claim(holder: Holder, resource: string): Promise<void> {
    await this.run(holder, resource, []);
  }

  /**
   * Runs up to 128 commands in one step, if no later holder was here. Resolves to their results. In a Redis cluster their keys must be in the
   * resource's slot: give them the hash tag `{resource}`. Rejects with FENCED when a later holder was here, with what ended the grant when that
   * is known already, BAD_ARGUMENTS, and with Redis's own errors (then nothing, or a part of the commands, was done).
   */
  async run(holder: Holder, resource: string, commands: readonly Command[]): Promise<readonly unknown[]> {
    checkArguments(holder, resource, commands);
    holder.check?.();
    const words = commands.flatMap((command) => [command.length, ...command].map(toWord));
    const answer = await this.#redis.eval(script, 1, this.fenceKey(resource), String(holder.token), ...words);
    if (!Array.isArray(answer)) throw new ZabraError("PROTOCOL", { detail: "Redis answered a script with no list" });
    const [done, ...results] = answer as readonly unknown[];
    if (done === 1) return results;
    throw new ZabraError("FENCED", {
      detail: `${resource}: token ${holder.token} is below ${String(results[0])}, that of a later holder`,
    });
  }

  /** `SET key value` under the fence of `key`. Rejects as `run`. */
  async set(holder: Holder, key: string, value: string | Uint8Array): Promise<void> {
    await this.run(holder, key, [["set", key, value]]);
  }

  /** Where the highest token of a resource is kept. A resource with a hash tag of its own keeps it. */
  fenceKey(resource: string): string {
    return /\{[^}]+\}/.test(resource) ? `${this.#prefix}${resource}` : `${this.#prefix}{${resource}}`;
  }
}

function toWord(word: string | number | Uint8Array): string | Buffer {
  return word instanceof Uint8Array ? Buffer.from(word.buffer, word.byteOffset, word.byteLength) : String(word);
}

function checkArguments(holder: Holder, resource: string, commands: readonly Command[]): void {
  if (resource === "") throw new ZabraError("BAD_ARGUMENTS", { detail: "resource must not be empty" });
  if (!Number.isSafeInteger(holder.token) || holder.token <= 0)
    throw new ZabraError("BAD_ARGUMENTS", { detail: `token must be a grant's, not ${holder.token}` });
  if (commands.length > commandsMax)
    throw new ZabraError("BAD_ARGUMENTS", { detail: `${commands.length} commands; at most ${commandsMax}` });
  for (const command of commands) {
    if (command.length === 0 || command[0] === "") throw new ZabraError("BAD_ARGUMENTS", { detail: "a command without a name" });
    if (command.length > wordsMax)
      throw new ZabraError("BAD_ARGUMENTS", { detail: `${command[0]}: ${command.length} words; at most ${wordsMax}` });
  }
}
