/** What the recipes' tests share: a real server in this process, clients behind gates, and errors as codes. */
import type { Test } from "tap";
import { type Client, type ClientOptions, connect, ZabraError } from "../../../client/index.ts";
import { type Ensemble, type Server, startEnsemble, startServer } from "../../../server/index.ts";
import { Gate } from "../gate.ts";

const sessionTimeoutMs = 1_500;
const limits = { replies_per_session_max: 1_100, session_timeout_ms_min: 200, reap_interval_ms: 50 };

export interface Gated {
  readonly client: Client;
  readonly gate: Gate;
}

export class World {
  readonly #urls: readonly string[];
  readonly #opened: Gated[] = [];

  private constructor(urls: readonly string[]) {
    this.#urls = urls;
  }

  /** One server; it and all clients are closed with the test. */
  static async start(t: Test): Promise<World> {
    const server: Server = await startServer({ limits, zookeeperPort: false });
    await server.ready();
    const world = new World([server.url]);
    t.teardown(async () => {
      await world.#close();
      await server.close();
    });
    return world;
  }

  /** Three servers. */
  static async startThree(t: Test): Promise<{ readonly world: World; readonly ensemble: Ensemble }> {
    const ensemble = await startEnsemble({ limits, zookeeper: false });
    const world = new World(ensemble.urls);
    t.teardown(async () => {
      await world.#close();
      await ensemble.close();
    });
    return { world, ensemble };
  }

  async open(options: ClientOptions = {}): Promise<Gated> {
    const gate = await Gate.make();
    const client = await connect(this.#urls, { sessionTimeoutMs, dial: gate.dial, ...options });
    const gated = { client, gate };
    this.#opened.push(gated);
    return gated;
  }

  async client(options: ClientOptions = {}): Promise<Client> {
    return (await this.open(options)).client;
  }

  async #close(): Promise<void> {
    for (const { gate } of this.#opened) gate.open();
    await Promise.all(this.#opened.map(({ client }) => client.close()));
  }
}

/** "OK", or the error's code. */
export function code(promise: Promise<unknown>): Promise<string> {
  return promise.then(
    () => "OK",
    (error: unknown) => (error instanceof ZabraError ? error.code : String(error)),
  );
}

/** What it rejects with. */
export function rejection(promise: Promise<unknown>): Promise<ZabraError> {
  return promise.then(
    () => {
      throw new Error("it resolved");
    },
    (error: unknown) => ZabraError.from(error),
  );
}

/** Waits until the session of a client behind a shut gate is lost, then lets it connect again. */
export async function loseSession({ client, gate }: Gated): Promise<void> {
  const lost = new Promise<void>((resolve) => {
    const stop = client.onState((state) => {
      if (state.type !== "lost") return;
      stop();
      resolve();
    });
  });
  gate.shut();
  await lost;
  gate.open();
}
