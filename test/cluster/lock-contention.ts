/**
 * Many contenders, each a client with a session of its own, on one lock of a real ensemble: how many hand-overs, how fair, and whether ever two
 * held at once, judged at a resource that checks tokens (Redis where there is one). Used by the test and by the long script.
 */
import { setTimeout as delay } from "node:timers/promises";
import { FencedRedis, type RedisLike } from "../../client/fencing/index.ts";
import { type Client, connect, ZabraError } from "../../client/index.ts";
import { type Grant, Lock } from "../../client/recipes/index.ts";

/** What the lock protects. Each call rejects with FENCED when a later holder was there. */
export interface Resource {
  /** Resolves to who was left inside. */
  enter(grant: Grant, who: string): Promise<string>;
  leave(grant: Grant): Promise<void>;
}

export class RedisResource implements Resource {
  readonly #fenced: FencedRedis;

  constructor(redis: RedisLike) {
    this.#fenced = new FencedRedis(redis);
  }

  async enter({ token }: Grant, who: string): Promise<string> {
    const [before] = await this.#fenced.run({ token }, "contention", [["getset", "{contention}:owner", who]]);
    return typeof before === "string" ? before : "";
  }

  async leave({ token }: Grant): Promise<void> {
    await this.#fenced.run({ token }, "contention", [["set", "{contention}:owner", ""]]);
  }
}

/** The same in memory. */
export class MemoryResource implements Resource {
  #token = 0;
  #owner = "";

  async enter({ token }: Grant, who: string): Promise<string> {
    this.#check(token);
    const before = this.#owner;
    this.#owner = who;
    return before;
  }

  async leave({ token }: Grant): Promise<void> {
    this.#check(token);
    this.#owner = "";
  }

  #check(token: number): void {
    if (token < this.#token) throw new ZabraError("FENCED");
    this.#token = token;
  }
}

export interface ContentionReport {
  readonly handovers: number;
  readonly seconds: number;
  /** Of each contender, in rising order. */
  readonly turns: readonly number[];
  readonly longestWaitMs: number;
  /** Grants that ended before they were given back. */
  readonly lost: number;
  readonly refused: number;
  readonly problems: readonly string[];
}

export interface ContentionOptions {
  readonly urls: readonly string[];
  readonly contenders: number;
  readonly sessionTimeoutMs: number;
  readonly resource: Resource;
  /** Between a contender's turns; default 0. */
  readonly pauseMs?: number;
  readonly path?: string;
}

export class Contention {
  readonly #options: ContentionOptions;
  readonly #clients: Client[] = [];
  readonly #turns: number[];
  readonly #problems: string[] = [];
  /** By the names that the resource knows. */
  readonly #held = new Map<string, Grant>();
  #going = true;
  #lost = 0;
  #refused = 0;
  #longestWaitMs = 0;
  #startedMs = 0;
  #working: Promise<unknown> = Promise.resolve();
  readonly #path: string;

  private constructor(options: ContentionOptions) {
    this.#options = options;
    this.#path = options.path ?? "/contention";
    this.#turns = Array.from({ length: options.contenders }, () => 0);
  }

  static async begin(options: ContentionOptions): Promise<Contention> {
    const contention = new Contention(options);
    for (let i = 0; i < options.contenders; i += 1)
      contention.#clients.push(await connect(options.urls, { sessionTimeoutMs: options.sessionTimeoutMs }));
    contention.#startedMs = performance.now();
    const working = contention.#clients.map((client, i) => contention.#contend(client, i));
    contention.#working = Promise.all(
      working.map((one, i) => one.catch((error: unknown) => contention.#problems.push(`contender ${i}: ${String(error)}`))),
    );
    return contention;
  }

  get handovers(): number {
    return this.#turns.reduce((sum, one) => sum + one, 0);
  }

  /** So far. */
  get problems(): readonly string[] {
    return this.#problems;
  }

  /** Who stands where, for one who asks why nobody gets on. */
  async describe(): Promise<string> {
    const witness = await connect(this.#options.urls);
    const queue = await new Lock(witness, this.#path).contenders();
    await witness.close();
    const clients = this.#clients.map(({ session, state }, i) => `${i}: ${state.type}, session ${session?.id.toString(16)}`);
    const held = [...this.#held.keys()];
    const places = queue.map(({ path, token, session: owner }) => `${path} at ${token} of ${owner.toString(16)}`);
    return `clients ${clients.join("; ")}; inside: ${held.join(", ") || "nobody"}; queue: ${places.join(", ") || "empty"}`;
  }

  /** Lets the last turns end, and says how it was. */
  async end(): Promise<ContentionReport> {
    const seconds = (performance.now() - this.#startedMs) / 1_000;
    const turns = [...this.#turns].sort((a, b) => a - b);
    this.#going = false;
    await this.#working;
    const left = await new Lock(this.#clients[0] as Client, this.#path).contenders();
    if (left.length > 0) this.#problems.push(`${left.length} contenders were left in the queue`);
    await Promise.all(this.#clients.map((client) => client.close()));
    return {
      handovers: this.handovers,
      seconds,
      turns,
      longestWaitMs: this.#longestWaitMs,
      lost: this.#lost,
      refused: this.#refused,
      problems: this.#problems,
    };
  }

  async #contend(client: Client, index: number): Promise<void> {
    const lock = new Lock(client, this.#path, { data: `contender ${index}` });
    for (let turn = 0; this.#going; turn += 1) {
      const askedMs = performance.now();
      const grant = await this.#acquire(lock);
      this.#longestWaitMs = Math.max(this.#longestWaitMs, performance.now() - askedMs);
      await this.#work(grant, `${index}/${turn}`);
      this.#turns[index] = (this.#turns[index] ?? 0) + 1;
      await grant.release();
      await delay(this.#options.pauseMs ?? 0);
    }
  }

  /** A full disk refuses writes; that is told, and passes. */
  async #acquire(lock: Lock): Promise<Grant> {
    for (;;) {
      try {
        return await lock.acquire();
      } catch (error) {
        if (!(error instanceof ZabraError) || error.code !== "READ_ONLY") throw error;
        await delay(100);
      }
    }
  }

  async #work(grant: Grant, who: string): Promise<void> {
    this.#held.set(who, grant);
    for (const [other, one] of this.#held) {
      if (other !== who && one.held) this.#problems.push(`${other} holds while ${who} is granted`);
    }
    try {
      const before = await this.#options.resource.enter(grant, who);
      if (this.#held.get(before)?.held === true) this.#problems.push(`${before} was inside when ${who} came`);
      await this.#options.resource.leave(grant);
    } catch (error) {
      if (!(error instanceof ZabraError) || error.code !== "FENCED") throw error;
      this.#refused += 1;
      if (grant.held) this.#problems.push(`${who} was refused with token ${grant.token}, and holds`);
    } finally {
      if (!grant.held) this.#lost += 1;
      this.#held.delete(who);
    }
  }
}

/** Runs for `ms`; `disturb` is called every `everyMs` meanwhile. */
export async function contend(
  options: ContentionOptions,
  ms: number,
  everyMs: number,
  disturb: (round: number) => Promise<void>,
): Promise<ContentionReport> {
  const contention = await Contention.begin(options);
  const endMs = performance.now() + ms;
  for (let round = 0; performance.now() < endMs; round += 1) {
    await delay(Math.min(everyMs, Math.max(0, endMs - performance.now())));
    if (performance.now() < endMs) await disturb(round);
  }
  return contention.end();
}
