/** Sequential creates, sets and a counter: nothing acknowledged is lost, and nothing is applied twice, at any server. */
import { checkAtAll, Workload } from "../workload.ts";
import { LoadClients } from "./clients.ts";
import type { BeginLoad, Load, LoadWorld } from "./load.ts";

const writers = 4;

export class Sets implements Load {
  readonly #clients: LoadClients;
  readonly #workload: Workload;
  readonly #urls: readonly string[];

  private constructor(clients: LoadClients, workload: Workload, urls: readonly string[]) {
    this.#clients = clients;
    this.#workload = workload;
    this.#urls = urls;
  }

  static async begin(world: LoadWorld): Promise<Sets> {
    const clients = await LoadClients.connect("sets", world, writers);
    const pace = { createPauseMs: 25 * world.slowness, setPauseMs: 15 * world.slowness };
    return new Sets(clients, await Workload.begin(world.directory, clients.all, pace), world.directUrls);
  }

  get calls(): number {
    return this.#workload.acks;
  }

  /** Resolves once every writer has had a write acknowledged after this call. */
  getsOn(): Promise<void> {
    return this.#workload.everyWriterAcked();
  }

  async end(): Promise<void> {
    await this.#workload.end();
    await this.#clients.close();
  }

  async problems(): Promise<readonly string[]> {
    return [...this.#clients.problems, ...(await checkAtAll(this.#urls, this.#workload))];
  }
}

export const sets: BeginLoad = Sets.begin;
