/** A queue of work: every item that was put is done, one consumer at a time has it, and nothing is left. */
import { setTimeout as delay } from "node:timers/promises";
import { WorkQueue } from "../../../client/recipes/index.ts";
import { LoadClients } from "./clients.ts";
import { type BeginLoad, callTimeoutMs, calmMs, isReadOnly, type Load, type LoadWorld } from "./load.ts";

const consumers = 3;

class Queues implements Load {
  readonly #world: LoadWorld;
  readonly #clients: LoadClients;
  readonly #queues: readonly WorkQueue[];
  readonly #problems: string[] = [];
  readonly #put = new Set<string>();
  readonly #done = new Set<string>();
  /** By whom it is being done. */
  readonly #doing = new Map<string, number>();
  readonly #stop = new AbortController();
  readonly #putting: Promise<void>;
  readonly #consuming: Promise<unknown>;
  #running = true;

  constructor(world: LoadWorld, clients: LoadClients) {
    this.#world = world;
    this.#clients = clients;
    this.#queues = clients.all.map((client) => new WorkQueue(client, world.directory));
    this.#putting = this.#produce();
    this.#consuming = Promise.all(this.#queues.slice(1).map((queue, who) => this.#consume(queue, who)));
  }

  get calls(): number {
    return this.#put.size + this.#done.size;
  }

  getsOn(): Promise<void> {
    return this.#clients.allConnected();
  }

  async end(): Promise<void> {
    this.#running = false;
    await this.#putting;
    const untilMs = performance.now() + calmMs;
    while ((await this.#left()) > 0 && performance.now() < untilMs) await delay(50);
    this.#stop.abort();
    await this.#consuming;
  }

  async problems(): Promise<readonly string[]> {
    const problems = [...this.#problems];
    for (const id of this.#put) if (!this.#done.has(id)) problems.push(`item ${id} was put and never done`);
    const left = await this.#left();
    if (left > 0) problems.push(`${left} items are left in the queue`);
    for (const queue of this.#queues) queue.close();
    await this.#clients.close();
    return [...this.#clients.problems, ...problems];
  }

  async #left(): Promise<number> {
    const queue = this.#queues[0];
    if (queue === undefined || this.#put.size === 0) return 0;
    const { items, dead } = await queue.counts({ timeoutMs: callTimeoutMs });
    return items + dead;
  }

  async #produce(): Promise<void> {
    for (let n = 0; this.#running; n += 1) {
      const id = `item-${n}`;
      try {
        await this.#queues[0]?.put(id, { id, timeoutMs: callTimeoutMs });
        this.#put.add(id);
      } catch (error) {
        if (!isReadOnly(error)) this.#problems.push(`putting ${id}: ${String(error)}`);
      }
      await delay(80 * this.#world.slowness);
    }
  }

  async #consume(queue: WorkQueue, who: number): Promise<void> {
    const work = async ({ text }: { readonly text: string }): Promise<void> => {
      const other = this.#doing.get(text);
      if (other !== undefined) this.#problems.push(`consumers ${other} and ${who} have ${text} at the same time`);
      this.#doing.set(text, who);
      await delay(5);
      this.#doing.delete(text);
      this.#done.add(text);
    };
    const onError = (error: unknown): void => {
      if (!isReadOnly(error)) this.#problems.push(`consumer ${who}: ${String(error)}`);
    };
    while (!this.#stop.signal.aborted) {
      try {
        await queue.consume(work, { signal: this.#stop.signal, onError });
      } catch (error) {
        onError(error);
        await delay(100);
      }
    }
  }
}

export const queues: BeginLoad = async (world) => {
  const clients = await LoadClients.connect("queues", world, consumers + 1);
  await clients.get(0).ensurePath(world.directory);
  return new Queues(world, clients);
};
