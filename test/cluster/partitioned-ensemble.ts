/** Server processes whose links run through proxies of ours, so that the network between them can fail in any shape. */
import { type Direction, LinkProxy } from "../support/link-proxy.ts";
import type { Network } from "./network.ts";
import { type EnsembleOptions, ProcessEnsemble } from "./process-ensemble.ts";

interface Link {
  readonly dialler: number;
  readonly listener: number;
  readonly proxy: LinkProxy;
}

export class PartitionedEnsemble implements Network {
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

  block(from: number, to: number): void {
    const lane = this.#lane(from, to);
    lane.proxy.hold(lane.direction);
  }

  unblock(from: number, to: number): void {
    const lane = this.#lane(from, to);
    lane.proxy.release(lane.direction);
  }

  /** In chunks. */
  touched(from: number, to: number): number {
    const lane = this.#lane(from, to);
    return lane.proxy.touched(lane.direction);
  }

  #lane(from: number, to: number): { readonly proxy: LinkProxy; readonly direction: Direction } {
    for (const { dialler, listener, proxy } of this.#links) {
      if (dialler === from && listener === to) return { proxy, direction: "out" };
      if (dialler === to && listener === from) return { proxy, direction: "back" };
    }
    throw new Error(`no link between servers ${from} and ${to}`);
  }

  slow(delayMs: number): void {
    for (const { proxy } of this.#links) proxy.slow(delayMs);
  }

  cut(id: number): number {
    let reset = 0;
    for (const { dialler, listener, proxy } of this.#links) {
      if (dialler !== id && listener !== id) continue;
      reset -= proxy.reset;
      proxy.cut();
      reset += proxy.reset;
    }
    return reset;
  }

  heal(): void {
    for (const { proxy } of this.#links) proxy.heal();
  }

  async close(): Promise<void> {
    await this.servers.close();
    await Promise.all(this.#links.map(({ proxy }) => proxy.close()));
  }
}
