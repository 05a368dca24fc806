/**
 * An HTTP proxy over the live list of instances. A request that an instance could not answer (it was killed, it is
 * gone) is given to another: right for requests that may be repeated, such as GET. An instance that failed is left alone for a
 * moment, because the list still has a killed one until its session ends.
 */
import { Agent, createServer, type IncomingMessage, request, type Server, type ServerResponse } from "node:http";
import type { Client } from "zabra";
import { type Discovery, discover } from "zabra/recipes";

const avoidMs = 1_000;
const attemptsMax = 20;
const patienceMs = 5_000;

export async function startProxy(client: Client, service: string): Promise<Server> {
  const proxy = new InstanceProxy(await discover(client, service));
  const server = createServer((incoming, response) => void proxy.serve(incoming, response));
  server.once("close", () => proxy.close());
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return server;
}

class InstanceProxy {
  readonly #discovery: Discovery;
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 64 });
  readonly #failedMs = new Map<string, number>();

  constructor(discovery: Discovery) {
    this.#discovery = discovery;
  }

  async serve(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
    for (let attempt = 0; attempt < attemptsMax; attempt += 1) {
      using use = await this.#discovery.use({ strategy: "leastUsed", exclude: this.#avoided(), timeoutMs: patienceMs });
      try {
        const answer = await this.#ask(use.instance.payload, incoming.url ?? "/");
        response.setHeader("x-instance", use.instance.id);
        response.end(answer);
        return;
      } catch {
        this.#failedMs.set(use.instance.id, performance.now());
      }
    }
    response.statusCode = 502;
    response.end();
  }

  close(): void {
    this.#discovery.close();
    this.#agent.destroy();
  }

  /** Unless that would be all of them. */
  #avoided(): ReadonlySet<string> {
    for (const [id, sinceMs] of this.#failedMs) if (performance.now() - sinceMs > avoidMs) this.#failedMs.delete(id);
    const avoided = new Set(this.#failedMs.keys());
    return this.#discovery.choose({ exclude: avoided }) === undefined ? new Set() : avoided;
  }

  #ask(payload: unknown, path: string): Promise<Buffer> {
    const { url } = payload as { readonly url: string };
    return new Promise((resolve, reject) => {
      const outgoing = request(new URL(path, url), { agent: this.#agent }, (answer) => {
        const chunks: Buffer[] = [];
        answer.on("data", (chunk: Buffer) => chunks.push(chunk));
        answer.on("error", reject);
        answer.on("end", () => (answer.complete ? resolve(Buffer.concat(chunks)) : reject(new Error("cut off"))));
      });
      outgoing.on("error", reject);
      outgoing.end();
    });
  }
}
