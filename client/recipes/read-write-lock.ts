/**
 * A lock for many readers or one writer. All stand in one line, in the order of asking: a reader waits for the writers before it, a writer
 * for everybody before it. So neither starves, and no herd wakes: a reader watches the nearest writer, a writer its predecessor.
 *
 * There is no upgrade: two readers who both want to write would wait for each other for ever. Release the read, take the write, look again.
 */

import { mutant } from "../../src/model/mutant.ts";
import { nameOf } from "../../src/model/path.ts";
import type { Client } from "../client.ts";
import type { DataInput } from "../data.ts";
import { ZabraError } from "../error.ts";
import type { CallOptions } from "../operations.ts";
import { awaitTurn, tryForTurn } from "./contender.ts";
import { Grant, SharedGrant, withGrant } from "./grant.ts";
import { type Layout, readNames, writeNames } from "./layout.ts";
import { type ContenderInfo, Queue, type WaitsFor } from "./queue.ts";
import type { WaitOptions } from "./wait.ts";

export interface ReadWriteLockOptions {
  /** Says who asks, for people who look at the queue. */
  readonly data?: DataInput;
  /** Whose nodes to make. Those of Curator's InterProcessReadWriteLock and kazoo's ReadLock and WriteLock are respected in any case. Default `zabra`. */
  readonly layout?: Layout;
}

export interface ReadWriteContender extends ContenderInfo {
  readonly mode: "read" | "write";
}

const isWrite = ({ path }: ContenderInfo): boolean => writeNames.test(nameOf(path));
const names = new RegExp(`${readNames.source}|${writeNames.source}`);

const nearestWriter: WaitsFor = (before) => {
  if (mutant("a reader waits for nobody")) return undefined;
  return before.findLast(isWrite);
};
const nearestOfAll: WaitsFor = (before) =>
  mutant("a writer waits for writers alone") ? before.findLast(isWrite) : before.at(-1);

/** A lock for many readers or one writer, all in one line, so neither starves. No upgrade. */
export class ReadWriteLock {
  readonly #client: Client;
  readonly #readers: Queue;
  readonly #writers: Queue;
  readonly #data: DataInput;
  readonly #reading = new Set<SharedGrant>();

  /** `path` is the queue's node; it is made, as a container, when it is missing. Throws BAD_ARGUMENTS and CLOSED. */
  constructor(client: Client, path: string, options: ReadWriteLockOptions = {}) {
    const layout = options.layout ?? "zabra";
    this.#client = client;
    this.#readers = new Queue(client, path, { role: "read", layout, names, waitsFor: nearestWriter });
    this.#writers = new Queue(client, path, { role: "write", layout, names, waitsFor: nearestOfAll });
    this.#data = options.data;
  }

  get path(): string {
    return this.#readers.path;
  }

  /** Resolves when no writer holds it or waits before us. Rejects with TIMEOUT or ABORTED (the place is given up), SESSION_EXPIRED (only without `reopen`), CLOSED, NO_AUTH. */
  async read(options: WaitOptions = {}): Promise<SharedGrant> {
    return this.#add(new SharedGrant(this.#client, await awaitTurn(this.#client, this.#readers, this.#data, options)));
  }

  /** Resolves to a grant if no writer holds it or waits, else to undefined. Rejects as `read`. */
  async tryRead(options: WaitOptions = {}): Promise<SharedGrant | undefined> {
    const node = await tryForTurn(this.#client, this.#readers, this.#data, options);
    return node === undefined ? undefined : this.#add(new SharedGrant(this.#client, node));
  }

  /** Resolves when nobody else holds it. Rejects as `read`, and with BAD_ARGUMENTS while this very object holds a read: it would wait for itself. */
  async write(options: WaitOptions = {}): Promise<Grant> {
    this.#refuseUpgrade();
    return new Grant(this.#client, await awaitTurn(this.#client, this.#writers, this.#data, options));
  }

  /** Resolves to a grant if nobody holds it or waits, else to undefined. Rejects as `write`. */
  async tryWrite(options: WaitOptions = {}): Promise<Grant | undefined> {
    this.#refuseUpgrade();
    const node = await tryForTurn(this.#client, this.#writers, this.#data, options);
    return node === undefined ? undefined : new Grant(this.#client, node);
  }

  /** Runs `work` while holding a read. Rejects as `read` and as `work`; and with SESSION_EXPIRED or FENCED when it was lost before the end. */
  async withRead<T>(work: (signal: AbortSignal, grant: SharedGrant) => Promise<T>, options: WaitOptions = {}): Promise<T> {
    return withGrant(await this.read(options), work);
  }

  /** Runs `work` while holding the write. Rejects as `write` and as `work`; and with SESSION_EXPIRED or FENCED when it was lost before the end. */
  async withWrite<T>(work: (signal: AbortSignal, grant: Grant) => Promise<T>, options: WaitOptions = {}): Promise<T> {
    return withGrant(await this.write(options), work);
  }

  /** All who hold or wait, in the order of asking. */
  async contenders(options: CallOptions = {}): Promise<readonly ReadWriteContender[]> {
    const all = await this.#readers.contenders(this.#client, options);
    return all.map((one) => ({ ...one, mode: isWrite(one) ? "write" : "read" }));
  }

  #add(grant: SharedGrant): SharedGrant {
    this.#reading.add(grant);
    grant.signal.addEventListener("abort", () => this.#reading.delete(grant), { once: true });
    return grant;
  }

  #refuseUpgrade(): void {
    if (this.#reading.size === 0) return;
    const detail =
      "this ReadWriteLock object holds a read, and the write would wait for it: release it first (flows of their own need objects of their own)";
    throw new ZabraError("BAD_ARGUMENTS", { path: this.path, detail });
  }
}
