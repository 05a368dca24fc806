/** Many clients of the library in one process, each with an ephemeral node: who loses a session, and when all are back. Used by `long/overload.ts`. */
import { setTimeout as delay } from "node:timers/promises";
import { type Client, connect, type ZabraError } from "../../client/index.ts";

const joiningAtOnce = 100;

export class Crowd {
  readonly #clients: Client[] = [];
  readonly #root: string;
  /** Sessions that ended, although their clients lived. */
  lost = 0;
  /** Clients that were without a connection for a while. */
  suspended = 0;

  private constructor(root: string) {
    this.#root = root;
  }

  static async gather(urls: readonly string[], count: number, root: string): Promise<Crowd> {
    const crowd = new Crowd(root);
    const first = await connect(urls);
    await first.ensurePath(root);
    await first.close();
    for (let i = 0; i < count; i += joiningAtOnce)
      await Promise.all(Array.from({ length: Math.min(joiningAtOnce, count - i) }, (_, k) => crowd.#join(urls, i + k)));
    return crowd;
  }

  async #join(urls: readonly string[], number: number): Promise<void> {
    const client = await connect(urls, { connectTimeoutMs: 60_000, callTimeoutMs: 120_000 });
    client.onState(({ type }) => {
      if (type === "lost") this.lost += 1;
      else if (type === "suspended") this.suspended += 1;
    });
    this.#clients.push(client);
    await client.create(`${this.#root}/c${number}`, "", { kind: "ephemeral" });
  }

  get connected(): number {
    return this.#clients.filter(({ state }) => state.type === "connected").length;
  }

  /** Resolves to the ms it took until all are connected; rejects when `deadlineMs` was not enough. */
  async allBack(deadlineMs: number): Promise<number> {
    const beganMs = performance.now();
    while (this.connected < this.#clients.length) {
      if (performance.now() - beganMs > deadlineMs)
        throw new Error(`${this.connected} of ${this.#clients.length} are connected after ${deadlineMs} ms`);
      await delay(20);
    }
    return performance.now() - beganMs;
  }

  /** How many of the ephemerals are not there. */
  async missing(): Promise<number> {
    const [first] = this.#clients;
    let there = 0;
    if (first !== undefined) for await (const _ of first.list(this.#root)) there += 1;
    return this.#clients.length - there;
  }

  async leave(): Promise<void> {
    const failed: ZabraError[] = [];
    for (let i = 0; i < this.#clients.length; i += joiningAtOnce)
      await Promise.all(
        this.#clients.slice(i, i + joiningAtOnce).map((client) => client.close().catch((error) => failed.push(error))),
      );
    if (failed.length > 0) throw new Error(`${failed.length} clients did not close`, { cause: failed[0] });
  }
}
