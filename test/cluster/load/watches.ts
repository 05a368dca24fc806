/**
 * One-shot watches on a node that is set again and again: none is missed, and no reply shows a change to a client whose watch has not
 * told it yet.
 */
import { setTimeout as delay } from "node:timers/promises";
import type { Client } from "../../../client/index.ts";
import { LoadClients } from "./clients.ts";
import { type BeginLoad, callTimeoutMs, calmMs, isReadOnly, type Load, type LoadWorld } from "./load.ts";

const watchers = 3;

class Watches implements Load {
  readonly #path: string;
  readonly #world: LoadWorld;
  readonly #clients: LoadClients;
  readonly #problems: string[] = [];
  readonly #loops: readonly Promise<void>[];
  readonly #writer: Promise<void>;
  #running = true;
  #version = 0;
  /** The last version; known when all is written. */
  #last = Number.POSITIVE_INFINITY;
  calls = 0;

  constructor(world: LoadWorld, clients: LoadClients) {
    this.#world = world;
    this.#path = `${world.directory}/watched`;
    this.#clients = clients;
    this.#writer = this.#write();
    this.#loops = clients.all.slice(1).map((client, index) => this.#follow(client, index));
  }

  getsOn(): Promise<void> {
    return this.#clients.allConnected();
  }

  async end(): Promise<void> {
    this.#running = false;
    await this.#writer;
    await Promise.all(this.#loops);
    await this.#clients.close();
  }

  async problems(): Promise<readonly string[]> {
    return [...this.#clients.problems, ...this.#problems];
  }

  async #write(): Promise<void> {
    while (this.#running) {
      try {
        const { stat } = await this.#clients.get(0).set(this.#path, "", { timeoutMs: callTimeoutMs });
        this.#version = stat.version;
        this.calls += 1;
      } catch (error) {
        if (!isReadOnly(error)) this.#problems.push(`watches: a set failed: ${String(error)}`);
      }
      await delay(40 * this.#world.slowness);
    }
    this.#last = this.#version;
  }

  async #follow(client: Client, index: number): Promise<void> {
    try {
      while ((await this.#one(client, index)) < this.#last) this.calls += 1;
    } catch (error) {
      this.#problems.push(`watcher ${index}: ${String(error)}`);
    }
  }

  /** From the registration of a watch to its event. Resolves to the version that the registration showed. */
  async #one(client: Client, index: number): Promise<number> {
    let told = false;
    const watch = (): void => {
      told = true;
    };
    const options = { timeoutMs: callTimeoutMs, level: index % 2 === 0 ? "linearizable" : "session" } as const;
    const seen = (await client.exists(this.#path, { ...options, watch }))?.version ?? -1;
    let calmSinceMs: number | undefined;
    while (!told && seen < this.#last) {
      const { version } = (await client.get(this.#path, options)).stat;
      if (version > seen && !told)
        this.#problems.push(`watcher ${index} was shown version ${version} before its watch on ${seen} fired`);
      if (this.#last !== Number.POSITIVE_INFINITY) calmSinceMs ??= performance.now();
      if (calmSinceMs !== undefined && performance.now() > calmSinceMs + calmMs) {
        this.#problems.push(`watcher ${index}: no event after version ${seen}, and the last is ${this.#last}`);
        return this.#last;
      }
      await delay(20 * this.#world.slowness);
    }
    return seen;
  }
}

export const watches: BeginLoad = async (world) => {
  const clients = await LoadClients.connect("watches", world, watchers + 1);
  await clients.get(0).ensurePath(`${world.directory}/watched`);
  // Half of the watchers read what their server has: it must have the node.
  await Promise.all(clients.all.map((client) => client.sync()));
  return new Watches(world, clients);
};
