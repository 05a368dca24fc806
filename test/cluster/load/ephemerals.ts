/**
 * Ephemeral nodes: those of clients that live are there whenever one looks; those of a client that vanished are not gone before its
 * timeout; those are gone in the end, and those of sessions that were closed.
 */
import { setTimeout as delay } from "node:timers/promises";
import { type Client, connect } from "../../../client/index.ts";
import { openAcl } from "../../../src/model/acl.ts";
import { NativeClient } from "../../server/native-client.ts";
import { LoadClients } from "./clients.ts";
import { type BeginLoad, callTimeoutMs, calmMs, isReadOnly, type Load, type LoadWorld } from "./load.ts";

const keepers = 3;
const abandonedTimeoutMs = 4_000;
/** To a server that may stand still. */
const dialMs = 2_000;

interface Abandoned {
  readonly path: string;
  /** When its client was last known to live. */
  readonly aliveMs: number;
}

class Ephemerals implements Load {
  readonly #world: LoadWorld;
  readonly #clients: LoadClients;
  readonly #problems: string[] = [];
  readonly #abandoned: Abandoned[] = [];
  readonly #loops: readonly Promise<void>[];
  #running = true;
  calls = 0;

  constructor(world: LoadWorld, clients: LoadClients) {
    this.#world = world;
    this.#clients = clients;
    this.#loops = [this.#observe(), this.#comeAndGo(), this.#abandon()].map((loop) =>
      loop.catch((error: unknown) => {
        this.#problems.push(`ephemerals: ${String(error)}`);
      }),
    );
  }

  /** The last one looks at the others. */
  get #observer(): Client {
    return this.#clients.get(keepers);
  }

  async end(): Promise<void> {
    this.#running = false;
    await Promise.all(this.#loops);
  }

  async problems(): Promise<readonly string[]> {
    const untilMs = performance.now() + calmMs;
    for (const { path } of this.#abandoned) {
      while ((await this.#exists(path)) && performance.now() < untilMs) await delay(100);
      if (await this.#exists(path)) this.#problems.push(`${path} is still there ${calmMs} ms after all faults`);
    }
    await this.#clients.close();
    return [...this.#clients.problems, ...this.#problems];
  }

  getsOn(): Promise<void> {
    return this.#clients.allConnected();
  }

  async #exists(path: string): Promise<boolean> {
    const there = (await this.#observer.exists(path, { timeoutMs: callTimeoutMs })) !== undefined;
    this.calls += 1;
    return there;
  }

  async #pause(ms: number): Promise<void> {
    await delay(ms * this.#world.slowness);
  }

  async #observe(): Promise<void> {
    for (let turn = 0; this.#running; turn += 1) {
      const path = `${this.#world.directory}/keeper-${turn % keepers}`;
      if (!(await this.#exists(path))) this.#problems.push(`${path} is gone, and its client lives`);
      await this.#watchAbandoned();
      await this.#pause(60);
    }
  }

  async #watchAbandoned(): Promise<void> {
    const last = this.#abandoned.at(-1);
    if (last === undefined || performance.now() > last.aliveMs + abandonedTimeoutMs) return;
    const there = await this.#exists(last.path);
    // What is judged is when the answer was there: the node may go while the question is under way.
    if (!there && performance.now() < last.aliveMs + abandonedTimeoutMs)
      this.#problems.push(`${last.path} went before its session's timeout`);
  }

  async #comeAndGo(): Promise<void> {
    const { urls, sessionTimeoutMs, directory } = this.#world;
    while (this.#running) {
      const client = await connect(urls, { sessionTimeoutMs, callTimeoutMs, connectTimeoutMs: callTimeoutMs });
      try {
        const { path } = await client.create(`${directory}/guest-`, "", { kind: "ephemeral", sequential: true });
        // `close` waits for a moment only: without a leader the session is left to expire.
        this.#abandoned.unshift({ path, aliveMs: 0 });
      } catch (error) {
        if (!isReadOnly(error)) throw error;
      }
      await client.close();
      await this.#pause(200);
    }
  }

  async #abandon(): Promise<void> {
    for (let n = 0; this.#running; n += 1) {
      const url = this.#world.directUrls[n % this.#world.directUrls.length] ?? "";
      const abandoned = await this.#abandonOne(url, `${this.#world.directory}/abandoned-${n}`);
      if (abandoned !== undefined) this.#abandoned.push(abandoned);
      await this.#pause(1_000);
    }
  }

  /** A client that vanishes without a word. undefined: the server was in no state to take it. */
  async #abandonOne(url: string, path: string): Promise<Abandoned | undefined> {
    const dialled = NativeClient.connect(url, abandonedTimeoutMs).then(
      async (client) => {
        const request = {
          type: "create",
          path,
          data: new Uint8Array(0),
          kind: "ephemeral",
          sequential: false,
          ttlMs: 0,
          acl: openAcl,
        } as const;
        // The session's clock runs from the last that the server heard of it, which was after this.
        const aliveMs = performance.now();
        const [reply] = await client.ask([client.message(request, true)]).catch(() => []);
        client.close();
        return reply?.outcome.code === "OK" ? { path, aliveMs } : undefined;
      },
      () => undefined,
    );
    const late = new AbortController();
    const first = await Promise.race([dialled, delay(dialMs, undefined, { signal: late.signal }).catch(() => undefined)]);
    late.abort();
    if (first === undefined) void dialled.then((one) => one !== undefined && this.#abandoned.unshift(one));
    return first;
  }
}

export const ephemerals: BeginLoad = async (world) => {
  const clients = await LoadClients.connect("ephemerals", world, keepers + 1);
  await clients.get(0).ensurePath(world.directory);
  for (let i = 0; i < keepers; i += 1) await clients.get(i).create(`${world.directory}/keeper-${i}`, "", { kind: "ephemeral" });
  return new Ephemerals(world, clients);
};
