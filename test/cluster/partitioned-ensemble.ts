/** Server processes whose links run through proxies of ours, so that the network between them can fail in any shape. */
import { LinkProxy } from "../support/link-proxy.ts";
import { type EnsembleOptions, ProcessEnsemble } from "./process-ensemble.ts";

interface Link {
  readonly dialler: number;
  readonly listener: number;
  readonly proxy: LinkProxy;
}

export class PartitionedEnsemble {
  readonly servers: ProcessEnsemble;
  readonly #links: readonly Link[];

  private constructor(servers: ProcessEnsemble, links: readonly Link[]) {
    this.servers = servers;
    this.#links = links;
  }

  static async start(options: EnsembleOptions): Promise<PartitionedEnsemble> {
    const links: Link[] = [];
    const peerPort = async (dialler: number, to: { readonly id: number; readonly peer: number }): Promise<number> => {
      const proxy = await LinkProxy.start(to.peer);
      links.push({ dialler, listener: to.id, proxy });
      return proxy.port;
    };
    return new PartitionedEnsemble(await ProcessEnsemble.start({ ...options, peerPort }), links);
  }

  get ids(): readonly number[] {
    return this.servers.members.map((member) => member.id);
  }

  /** Connections made between servers so far. */
  get connections(): number {
    return this.#links.reduce((sum, { proxy }) => sum + proxy.accepted, 0);
  }

  /** What `from` sends does not reach `to`; the other way is as it was. */
  block(from: number, to: number): void {
    for (const { dialler, listener, proxy } of this.#links) {
      if (dialler === from && listener === to) proxy.hold("out");
      if (dialler === to && listener === from) proxy.hold("back");
    }
  }

  isolate(id: number): void {
    for (const other of this.ids) {
      this.block(id, other);
      this.block(other, id);
    }
  }

  slow(delayMs: number): void {
    for (const { proxy } of this.#links) proxy.slow(delayMs);
  }

  /** Resets the connections of one server. */
  cut(id: number): void {
    for (const { dialler, listener, proxy } of this.#links) if (dialler === id || listener === id) proxy.cut();
  }

  heal(): void {
    for (const { proxy } of this.#links) proxy.heal();
  }

  async close(): Promise<void> {
    await this.servers.close();
    await Promise.all(this.#links.map(({ proxy }) => proxy.close()));
  }
}
