/** A stream over a subtree that changes without pause: every change once, in order, no txn split. */
import { Streamed } from "../stream-cuts.ts";
import { LoadClients } from "./clients.ts";
import type { BeginLoad, Load } from "./load.ts";

class Streams implements Load {
  readonly #clients: LoadClients;
  readonly #streamed: Streamed;

  constructor(clients: LoadClients, streamed: Streamed) {
    this.#clients = clients;
    this.#streamed = streamed;
  }

  get calls(): number {
    return this.#streamed.ledger.received;
  }

  getsOn(): Promise<void> {
    return this.#clients.allConnected();
  }

  async end(): Promise<void> {
    await this.#streamed.end();
    await this.#clients.close();
  }

  async problems(): Promise<readonly string[]> {
    return [...this.#clients.problems, ...this.#streamed.ledger.problems()];
  }
}

export const streams: BeginLoad = async (world) => {
  const clients = await LoadClients.connect("streams", world, 2);
  const options = { root: world.directory, pauseMs: 40 * world.slowness };
  return new Streams(clients, await Streamed.begin(clients.get(0), clients.get(1), options));
};
