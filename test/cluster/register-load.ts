/**
 * Clients that read and set one register, linearizably, and the record of it, which is judged by search (Wing and Gong): calls and
 * returns in time, and nothing that the servers say of themselves.
 */
import { setTimeout as delay } from "node:timers/promises";
import { type Client, toText, ZabraError } from "../../client/index.ts";
import { failure, okOutcome, type Request, success } from "../../src/model/request.ts";
import type { SessionId, Zxid } from "../../src/model/zxid.ts";
import { linearizable, registerPath } from "../sim/check/register-search.ts";
import { History, type Operation } from "../sim/history.ts";

const callTimeoutMs = 60_000;
const stat = {} as never;

export class RegisterLoad {
  readonly #path: string;
  readonly #history = new History();
  readonly #loops: Promise<void>[];
  #running = true;
  #written = 0;

  /** `pauseMs` between two calls of a client: long histories are too hard to judge. */
  constructor(path: string, clients: readonly Client[], pauseMs: number) {
    this.#path = path;
    this.#loops = clients.map((client, index) => this.#loop(client, index, pauseMs));
  }

  static async begin(path: string, clients: readonly Client[], pauseMs: number): Promise<RegisterLoad> {
    await clients[0]?.ensurePath(path.slice(0, path.lastIndexOf("/")));
    return new RegisterLoad(path, clients, pauseMs);
  }

  get calls(): number {
    return this.#history.operations.length;
  }

  async end(): Promise<void> {
    this.#running = false;
    await Promise.all(this.#loops);
  }

  /** What is wrong, in words; undefined: an order explains all calls. After `end`. */
  problem(): string | undefined {
    const verdict = linearizable(this.#history.operations);
    if (verdict === undefined) return `the history of ${this.calls} calls is too hard to judge`;
    return verdict ? undefined : `no order explains the ${this.calls} calls of ${this.#path}`;
  }

  async #loop(client: Client, index: number, pauseMs: number): Promise<void> {
    for (let turn = 0; this.#running; turn += 1) {
      if ((turn + index) % 3 === 0) await this.#write(client, index);
      else await this.#read(client, index);
      await delay(pauseMs);
    }
  }

  async #write(client: Client, index: number): Promise<void> {
    this.#written += 1;
    const text = `v${this.#written}`;
    const data = Buffer.from(text);
    // One call of ours is one operation of the register: set it, or make it.
    const made = this.#written === 1;
    const request: Request = made
      ? { type: "create", path: registerPath, data, kind: "persistent", sequential: false, ttlMs: 0, acl: [] }
      : { type: "setData", path: registerPath, data, version: -1 };
    const call = made
      ? client.create(this.#path, text, { timeoutMs: callTimeoutMs })
      : client.set(this.#path, text, { timeoutMs: callTimeoutMs });
    await this.#record(
      this.#begin(index, request, true),
      call.then(() => okOutcome),
    );
  }

  async #read(client: Client, index: number): Promise<void> {
    const operation = this.#begin(index, { type: "getData", path: registerPath, watch: false }, false);
    const read = client.get(this.#path, { timeoutMs: callTimeoutMs });
    await this.#record(
      operation,
      read.then(({ data }) => success({ type: "data", data: Buffer.from(toText(data) ?? ""), stat })),
    );
  }

  #begin(client: number, request: Request, isWrite: boolean): Operation {
    return this.#history.begin({
      client,
      session: 1 as SessionId,
      request,
      isWrite,
      level: { type: "linearizable" },
      seq: 0,
      guards: [],
      invokedAt: performance.now(),
      sessionFloor: 0 as Zxid,
    });
  }

  async #record(operation: Operation, call: Promise<typeof okOutcome>): Promise<void> {
    try {
      const outcome = await call;
      this.#history.end(operation, performance.now(), 0 as Zxid, outcome);
    } catch (error) {
      if (!(error instanceof ZabraError)) throw error;
      if (error.code === "NO_NODE") this.#history.end(operation, performance.now(), 0 as Zxid, failure("NO_NODE"));
      else operation.state = error.outcome === "unknown" ? "unknown" : "failed";
    }
  }
}
