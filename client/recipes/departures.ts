/**
 * What a client has given up and not yet taken away, by path. Whoever counts nodes would count a client twice that came again before its
 * last node was gone.
 */
import type { Client } from "../client.ts";

export class Departures {
  readonly #byClient = new WeakMap<Client, Map<string, Promise<void>>>();

  /** Resolves when all that was noted of this client at this path is done. */
  async settled(client: Client, path: string): Promise<void> {
    await this.#byClient.get(client)?.get(path);
  }

  /** `leaving`: resolves when the node is gone; whether it rejects is nobody's concern. */
  note(client: Client, path: string, leaving: Promise<void>): void {
    const paths = this.#byClient.get(client) ?? new Map<string, Promise<void>>();
    this.#byClient.set(client, paths);
    const before = paths.get(path);
    const all = leaving.catch(() => {}).then(() => before);
    paths.set(path, all);
    void all.then(() => {
      if (paths.get(path) === all) paths.delete(path);
    });
  }
}
