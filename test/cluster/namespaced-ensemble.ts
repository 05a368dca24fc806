/**
 * Server processes that are hosts of their own: each in a network namespace with an address and firewall, all on one bridge in another
 * namespace, this process beside them. Packets are really dropped (nft), lost at random, or wait (tc). Needs root, `ip`, `nft` and `tc`.
 */
import { execFileSync } from "node:child_process";
import type { Network } from "./network.ts";
import { type EnsembleOptions, ProcessEnsemble } from "./process-ensemble.ts";

const rules = `table inet zabra {
  counter lost {}
  set blocked { type ipv4_addr; counter; }
  chain input {
    type filter hook input priority 0;
    ip saddr @blocked drop
  }
}`;

function run(program: string, ...args: readonly string[]): string {
  return execFileSync(program, args, { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });
}

export class NamespacedEnsemble implements Network {
  #servers: ProcessEnsemble | undefined;
  readonly #name = `zb${process.pid}`;
  /** The third number of all addresses. */
  readonly #subnet = process.pid % 250;
  readonly #count: number;
  /** `from to` → how often it is blocked. */
  readonly #blocks = new Map<string, number>();
  /** Drops of blocks that are over, by `from to`. */
  readonly #dropped = new Map<string, number>();

  private constructor(count: number) {
    this.#count = count;
  }

  /** A sentence: why it cannot be had here. */
  static missing(): string | undefined {
    if (process.getuid?.() !== 0) return "network namespaces take root";
    for (const [program = "", ...args] of [
      ["ip", "netns", "add", `zb${process.pid}try`],
      ["ip", "netns", "del", `zb${process.pid}try`],
      ["nft", "--version"],
      ["tc", "-V"],
    ]) {
      try {
        run(program, ...args);
      } catch (error) {
        return `${program} ${args.join(" ")}: ${error instanceof Error ? error.message.split("\n")[0] : String(error)}`;
      }
    }
    return undefined;
  }

  static async start(options: EnsembleOptions): Promise<NamespacedEnsemble> {
    const network = new NamespacedEnsemble(options.servers ?? 3);
    try {
      network.#build();
      network.#servers = await ProcessEnsemble.start({
        ...options,
        host: (id) => network.#host(id),
        prefix: (id) => ["ip", "netns", "exec", network.#space(id)],
      });
    } catch (error) {
      network.#tearDown();
      throw error;
    }
    return network;
  }

  get servers(): ProcessEnsemble {
    if (this.#servers === undefined) throw new Error("no servers yet");
    return this.#servers;
  }

  get ids(): readonly number[] {
    return Array.from({ length: this.#count }, (_, i) => i + 1);
  }

  block(from: number, to: number): void {
    const pair = `${from} ${to}`;
    const blocks = this.#blocks.get(pair) ?? 0;
    this.#blocks.set(pair, blocks + 1);
    if (blocks === 0) this.#nft(to, `add element inet zabra blocked { ${this.#host(from)} }`);
  }

  unblock(from: number, to: number): void {
    const pair = `${from} ${to}`;
    const blocks = this.#blocks.get(pair) ?? 0;
    if (blocks === 0) return;
    this.#blocks.set(pair, blocks - 1);
    if (blocks > 1) return;
    this.#dropped.set(pair, this.touched(from, to));
    this.#nft(to, `delete element inet zabra blocked { ${this.#host(from)} }`);
  }

  /** By element of the set; its counter goes with it. */
  touched(from: number, to: number): number {
    const before = this.#dropped.get(`${from} ${to}`) ?? 0;
    if ((this.#blocks.get(`${from} ${to}`) ?? -1) < 0) return before;
    const listed = this.#nft(to, "list set inet zabra blocked");
    const packets = new RegExp(`${this.#host(from).replaceAll(".", "\\.")} counter packets (\\d+)`).exec(listed)?.[1];
    return before + Number(packets ?? 0);
  }

  lose(percent: number): void {
    for (const id of this.ids) {
      this.#nft(id, "flush chain inet zabra input; add rule inet zabra input ip saddr @blocked drop");
      // This process is no part of it: its clients have faults of their own.
      if (percent > 0)
        this.#nft(
          id,
          `add rule inet zabra input ip saddr != ${this.#host(254)} numgen random mod 100 < ${percent} counter name lost drop`,
        );
    }
  }

  lost(): number {
    return this.ids.reduce(
      (sum, id) => sum + Number(/packets (\d+)/.exec(this.#nft(id, "list counter inet zabra lost"))?.[1] ?? 0),
      0,
    );
  }

  narrow(id: number, kbit: number | undefined): void {
    const device = ["netns", "exec", this.#space(id), "tc", "qdisc"];
    if (kbit === undefined) run("ip", ...device, "del", "dev", "eth0", "root");
    else run("ip", ...device, "add", "dev", "eth0", "root", "tbf", "rate", `${kbit}kbit`, "burst", "16kb", "latency", "2s");
  }

  waited(id: number): number {
    const told = run("ip", "netns", "exec", this.#space(id), "tc", "-s", "qdisc", "show", "dev", "eth0");
    return Number(/overlimits (\d+)/.exec(told)?.[1] ?? 0);
  }

  heal(): void {
    for (const [pair, blocks] of this.#blocks) {
      const [from = 0, to = 0] = pair.split(" ").map(Number);
      for (let left = blocks; left > 0; left -= 1) this.unblock(from, to);
    }
  }

  async close(): Promise<void> {
    await this.#servers?.close();
    this.#tearDown();
  }

  #space(id: number | "hub"): string {
    return `${this.#name}-${id}`;
  }

  #host(id: number): string {
    return `10.119.${this.#subnet}.${id}`;
  }

  #nft(id: number, command: string): string {
    return run("ip", "netns", "exec", this.#space(id), "nft", command);
  }

  #build(): void {
    const hub = this.#space("hub");
    run("ip", "netns", "add", hub);
    run("ip", "-n", hub, "link", "add", "bridge", "type", "bridge");
    run("ip", "-n", hub, "link", "set", "bridge", "up");
    for (const id of this.ids) {
      const space = this.#space(id);
      run("ip", "netns", "add", space);
      run("ip", "-n", hub, "link", "add", `p${id}`, "type", "veth", "peer", "name", "eth0", "netns", space);
      this.#plug(`p${id}`);
      run("ip", "-n", space, "address", "add", `${this.#host(id)}/24`, "dev", "eth0");
      for (const device of ["lo", "eth0"]) run("ip", "-n", space, "link", "set", device, "up");
      this.#nft(id, rules);
    }
    run("ip", "-n", hub, "link", "add", "ours", "type", "veth", "peer", "name", this.#name, "netns", "1");
    this.#plug("ours");
    run("ip", "address", "add", `${this.#host(254)}/24`, "dev", this.#name);
    run("ip", "link", "set", this.#name, "up");
  }

  #plug(port: string): void {
    run("ip", "-n", this.#space("hub"), "link", "set", port, "master", "bridge", "up");
  }

  /** The links go with their namespaces. */
  #tearDown(): void {
    for (const id of ["hub", ...this.ids] as const) {
      try {
        run("ip", "netns", "del", this.#space(id));
      } catch {
        // It was not made.
      }
    }
  }
}
