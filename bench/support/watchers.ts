/** Watchers of one configuration, each a client of its own, and when each value came to each. */
import { setTimeout as delay } from "node:timers/promises";
import { type Client, connect } from "../../client/index.ts";
import { type Config, type StandardSchema, watchConfig } from "../../client/recipes/index.ts";

/** A value, and when a watcher had it. */
export type Seen = readonly [value: number, atMs: number];

const openAtOnce = 50;

const schema: StandardSchema<number> = {
  "~standard": {
    version: 1,
    vendor: "bench",
    validate: (value) => (typeof value === "number" ? { value } : { issues: [{ message: "no number" }] }),
  },
};

/** One clock for all processes of a machine. */
export function machineMs(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}

export class Watchers {
  readonly #clients: Client[] = [];
  readonly #configs: Config<number>[] = [];
  #seen: Seen[] = [];
  #bad = 0;

  static async open(urls: readonly string[], count: number, path: string): Promise<Watchers> {
    const watchers = new Watchers();
    for (let i = 0; i < count; i += openAtOnce)
      await Promise.all(
        Array.from({ length: Math.min(openAtOnce, count - i) }, (_, j) =>
          watchers.#openOne(urls[(i + j) % urls.length] ?? "", path),
        ),
      );
    return watchers;
  }

  async #openOne(url: string, path: string): Promise<void> {
    const client = await connect(url, { sessionTimeoutMs: 60_000 });
    const config = await watchConfig(client, path, schema);
    config.onChange((value) => {
      if (typeof value === "number") this.#seen.push([value, machineMs()]);
      else this.#bad += 1;
    });
    this.#clients.push(client);
    this.#configs.push(config);
  }

  /** Resolves when all have it. */
  async have(value: number): Promise<void> {
    while (!this.#configs.every((config) => config.value === value)) await delay(2);
  }

  /** What came since the last call. */
  take(): { readonly seen: readonly Seen[]; readonly bad: number } {
    const taken = { seen: this.#seen, bad: this.#bad };
    this.#seen = [];
    this.#bad = 0;
    return taken;
  }

  async close(): Promise<void> {
    await Promise.all(this.#clients.map((client) => client.close({ keepSession: true })));
  }
}
