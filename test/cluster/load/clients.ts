/** Clients of a load, and what befell their sessions. */
import { setTimeout as delay } from "node:timers/promises";
import { type Client, connect } from "../../../client/index.ts";
import { callTimeoutMs, type LoadWorld } from "./load.ts";

export class LoadClients {
  readonly all: readonly Client[];
  readonly problems: string[] = [];

  private constructor(name: string, clients: readonly Client[]) {
    this.all = clients;
    for (const [index, client] of clients.entries()) {
      client.onState((state) => {
        if (state.type === "lost") this.problems.push(`${name}: client ${index}, which lives, lost its session`);
      });
    }
  }

  static async connect(name: string, world: LoadWorld, count: number): Promise<LoadClients> {
    const { sessionTimeoutMs, urls } = world;
    const options = { sessionTimeoutMs, callTimeoutMs, connectTimeoutMs: callTimeoutMs };
    return new LoadClients(name, await Promise.all(Array.from({ length: count }, () => connect(urls, options))));
  }

  get(index: number): Client {
    const client = this.all[index];
    if (client === undefined) throw new Error(`no client ${index}`);
    return client;
  }

  async allConnected(): Promise<void> {
    const untilMs = performance.now() + callTimeoutMs;
    for (const client of this.all) {
      while (client.state.type !== "connected") {
        if (performance.now() > untilMs) throw new Error(`a client is ${client.state.type} ${callTimeoutMs} ms after all faults`);
        await delay(5);
      }
    }
  }

  async close(): Promise<void> {
    await Promise.all(this.all.map((client) => client.close()));
  }
}
