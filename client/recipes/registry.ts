/**
 * Service registration: an instance says that it is there, what it is and how it is; it goes from the list when its process
 * dies, and comes back by itself after a lost session. Who looks for instances uses `discovery.ts`.
 *
 *     const registration = await register(client, "shop", { payload: { url }, weight: 2, zone: "a", health: () => db.ping() });
 *     await registration.drain();   // no new work; wait for what runs
 *     await registration.close();
 *
 *   registering ──▶ up ⇄ unhealthy (by the health callback) ──drain──▶ draining ──close──▶ closed
 *
 * An instance lies at `/services/SERVICE/ID`, ephemeral, described by JSON. It is a `PersistentEphemeral`: another's node of
 * the same id is waited for, one that a former session of this process left is replaced.
 */
import { joinPath } from "../../src/model/path.ts";
import type { Zxid } from "../../src/model/zxid.ts";
import type { Client } from "../client.ts";
import { ZabraError } from "../error.ts";
import { requireInteger, requireName, requireNumber, requireOpen } from "./check.ts";
import { PersistentEphemeral } from "./persistent-ephemeral.ts";
import { orAborted, type WaitOptions } from "./wait.ts";

export const registryRoot = "/services";

export type InstanceStatus = "up" | "unhealthy" | "draining";

/** What an instance says about itself. */
export interface InstanceDescription {
  /** Whatever its users need, such as a URL. JSON. */
  readonly payload?: unknown;
  /** Its share of the work beside the others', 0 to 1,000; 0: none while others are there. Default 1. */
  readonly weight?: number | undefined;
  /** Where it is; users in the same zone prefer it. */
  readonly zone?: string | undefined;
}

export interface RegisterOptions extends InstanceDescription, WaitOptions {
  /** Unique in the service: a host name, a pod's name. Default: the number of the session. */
  readonly id?: string | undefined;
  /** The services' node. Default `/services`. */
  readonly root?: string | undefined;
  /** Whether it can work. It throws, resolves to false or takes longer than `healthMs`: it cannot. `signal` fires when nobody waits for it any more. */
  readonly health?: ((signal: AbortSignal) => boolean | Promise<boolean>) | undefined;
  /** How often it is asked, and how long it may take, ms: 10 to 3,600,000. Default 5,000. */
  readonly healthMs?: number | undefined;
  /** So many answers in a row, other than the last, change the status: 1 to 100. Default 2. */
  readonly healthThreshold?: number | undefined;
}

/** The data of an instance's node. */
export interface InstanceRecord {
  readonly payload: unknown;
  readonly weight: number;
  readonly zone: string | undefined;
  readonly status: InstanceStatus;
}

/** An instance as it is listed. */
export interface Instance {
  readonly id: string;
  readonly payload: unknown;
  readonly weight: number;
  readonly zone: string | undefined;
  readonly status: InstanceStatus;
  readonly path: string;
  /** Its registration: another when it registered again. */
  readonly czxid: Zxid;
}

const healthMsDefault = 5_000;
const healthThresholdDefault = 2;

/**
 * Registers an instance of `service`. `timeoutMs` and `signal` are for the registering alone. With a health callback, it is asked first.
 * Resolves when the instance is listed. Rejects with BAD_ARGUMENTS, TIMEOUT (as when another has its id), ABORTED, NO_AUTH, LIMIT, CLOSED.
 */
export async function register(client: Client, service: string, options: RegisterOptions = {}): Promise<Registration> {
  const root = options.root ?? registryRoot;
  requireOpen(client, root);
  requireName("service", service);
  const id = options.id ?? `i-${client.session?.id ?? 0}`;
  requireName("id", id);
  checkDescription(options);
  requireInteger("healthMs", options.healthMs ?? healthMsDefault, 10, 3_600_000);
  requireInteger("healthThreshold", options.healthThreshold ?? healthThresholdDefault, 1, 100);
  const registration = new Registration(client, joinPath(joinPath(root, service), id), id, options);
  try {
    await registration.begin(options);
    return registration;
  } catch (error) {
    void registration.close();
    throw error;
  }
}

function checkDescription({ payload, weight, zone }: InstanceDescription): void {
  if (weight !== undefined) requireNumber("weight", weight, 0, 1_000);
  if (zone !== undefined) requireName("zone", zone);
  if (payload === undefined) return;
  try {
    if (JSON.stringify(payload) !== undefined) return;
  } catch {
    // As no JSON, below.
  }
  throw new ZabraError("BAD_ARGUMENTS", { detail: "payload is no JSON" });
}

/** An instance that is registered, and comes back by itself after a lost session. */
export class Registration {
  readonly id: string;
  readonly path: string;
  readonly #client: Client;
  readonly #options: RegisterOptions;
  readonly #closing = new AbortController();
  #node: PersistentEphemeral | undefined;
  #description: InstanceDescription;
  #healthy = true;
  #draining = false;
  /** Answers in a row that differ from `#healthy`. */
  #contrary = 0;

  /** Use `register`. */
  constructor(client: Client, path: string, id: string, options: RegisterOptions) {
    this.#client = client;
    this.path = path;
    this.id = id;
    this.#options = options;
    const { payload, weight, zone } = options;
    this.#description = { payload, weight, zone };
  }

  get status(): InstanceStatus {
    if (this.#draining) return "draining";
    return this.#healthy ? "up" : "unhealthy";
  }

  /** Whether it is in the list now, as far as this process knows. */
  get listed(): boolean {
    return this.#node?.state === "held";
  }

  /** Fires when it is kept registered no longer: after `close`, or with the refusal that ended it. */
  get signal(): AbortSignal {
    return this.#node?.signal ?? this.#closing.signal;
  }

  /** @internal */
  async begin(options: WaitOptions): Promise<void> {
    if (this.#options.health !== undefined) this.#healthy = await this.#ask();
    this.#node = new PersistentEphemeral(this.#client, this.path, this.#record());
    await this.#node.ready(options);
    if (this.#options.health !== undefined) void this.#watchHealth();
  }

  /** Changes what it says about itself. Resolves when it is listed like that. Rejects with BAD_ARGUMENTS, LIMIT, TIMEOUT, ABORTED, CLOSED. */
  async update(description: InstanceDescription, options: WaitOptions = {}): Promise<void> {
    checkDescription(description);
    const before = this.#description;
    this.#description = { ...before, ...description };
    try {
      await this.#write(options);
    } catch (thrown) {
      const error = ZabraError.from(thrown, this.path);
      if (error.code === "LIMIT") this.#description = before;
      throw error;
    }
  }

  /**
   * Asks for no new work. Resolves when it is listed as draining; those who follow the list see it a moment later, so go on
   * serving until what runs is done and nothing new came for a while. Rejects as `update`.
   */
  async drain(options: WaitOptions = {}): Promise<void> {
    this.#draining = true;
    await this.#write(options);
  }

  /** Asks for work again after `drain`. */
  async resume(options: WaitOptions = {}): Promise<void> {
    this.#draining = false;
    await this.#write(options);
  }

  /** Leaves the list. Resolves when it is gone from it; never rejects. */
  async close(): Promise<void> {
    this.#closing.abort(new ZabraError("CLOSED", { path: this.path, detail: "the registration was closed" }));
    await this.#node?.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #record(): string {
    const { payload, weight = 1, zone } = this.#description;
    const record: InstanceRecord = { payload, weight, zone, status: this.status };
    return JSON.stringify(record);
  }

  async #write(options: WaitOptions): Promise<void> {
    if (this.#node === undefined || this.#closing.signal.aborted)
      throw new ZabraError("CLOSED", { path: this.path, detail: "the registration was closed" });
    await this.#node.set(this.#record(), options);
  }

  // ---- health

  async #watchHealth(): Promise<void> {
    const { signal } = this.#closing;
    const everyMs = this.#options.healthMs ?? healthMsDefault;
    while (!signal.aborted && !this.signal.aborted) {
      try {
        await this.#client.sleep(everyMs, { signal });
        await this.#hear(await this.#ask());
      } catch {
        // Closed, or the write was refused: then the node has ended, with the reason.
      }
    }
  }

  async #hear(healthy: boolean): Promise<void> {
    this.#contrary = healthy === this.#healthy ? 0 : this.#contrary + 1;
    if (this.#contrary < (this.#options.healthThreshold ?? healthThresholdDefault)) return;
    this.#contrary = 0;
    this.#healthy = healthy;
    await this.#write({});
  }

  async #ask(): Promise<boolean> {
    const patience = new AbortController();
    const cancel = this.#client.after(this.#options.healthMs ?? healthMsDefault, () => patience.abort());
    try {
      const answer = Promise.resolve(this.#options.health?.(patience.signal));
      return (await orAborted(answer, patience.signal)) === true;
    } catch {
      return false;
    } finally {
      cancel();
    }
  }
}
