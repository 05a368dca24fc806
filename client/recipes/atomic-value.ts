/**
 * A value that many change, none losing another's change: read, compute, and write on condition that it is still what was read; again if
 * not. The condition is on the very node (czxid) and its version, so one that was deleted and made anew is not taken for the old one.
 *
 * A write is applied at most once, also when its reply is lost. Only when the session, the deadline or the signal ends first is its
 * outcome unknown: then the call rejects with `outcome: "unknown"`, and is not tried again, because that might apply it twice.
 */
import { mutant } from "../../src/model/mutant.ts";
import { parentOf } from "../../src/model/path.ts";
import type { Zxid } from "../../src/model/zxid.ts";
import type { Client } from "../client.ts";
import { type DataInput, type NodeValue, toBytes } from "../data.ts";
import { unless, ZabraError } from "../error.ts";
import type { ReadOptions } from "../operations.ts";
import type { Transaction } from "../transaction.ts";
import { requireOpen } from "./check.ts";
import { goesOn, type WaitOptions, withLimit } from "./wait.ts";
import { untilSessionEnds } from "./when-gone.ts";

const retryMs = 20;

export interface AtomicUpdate {
  readonly before: NodeValue | undefined;
  readonly after: Uint8Array | undefined;
  readonly zxid: Zxid;
}

/** A value that many change, none losing another's change: compare and set on the very node that was read. */
export class AtomicValue {
  readonly path: string;
  readonly #client: Client;

  /** Throws BAD_ARGUMENTS and CLOSED. The node is made with the first update, with its parents. */
  constructor(client: Client, path: string) {
    requireOpen(client, path);
    this.#client = client;
    this.path = path;
  }

  /** Resolves to the value; undefined: there is none yet. */
  get(options: ReadOptions = {}): Promise<NodeValue | undefined> {
    return unless("NO_NODE", this.#client.get(this.path, options));
  }

  /**
   * Replaces the value by what `change` makes of it. `change` may be called several times, and must do nothing else.
   * Resolves when written. Rejects with what `change` throws, TIMEOUT, ABORTED, SESSION_EXPIRED (these may have outcome `unknown`), LIMIT, NO_AUTH.
   */
  update(change: (before: NodeValue | undefined) => DataInput, options: WaitOptions = {}): Promise<AtomicUpdate> {
    return withLimit(this.#client, this.path, options, async (signal) => {
      for (;;) {
        const updated = await this.#once(change, signal);
        if (updated !== undefined) return updated;
      }
    });
  }

  /** Writes `after` if the value is still the very one that was read as `before` (undefined: none). Resolves to whether it was. Rejects as `update`. */
  async replace(before: NodeValue | undefined, after: DataInput, options: WaitOptions = {}): Promise<boolean> {
    const written = await withLimit(this.#client, this.path, options, (signal) => this.#write(before, toBytes(after), signal));
    return written !== undefined;
  }

  async #once(change: (before: NodeValue | undefined) => DataInput, signal: AbortSignal): Promise<AtomicUpdate | undefined> {
    const before = await this.#attempt(() => this.get({ ...untilSessionEnds, signal }).then((value) => ({ value })), signal);
    if (before === undefined) return undefined;
    const after = toBytes(change(before.value));
    const zxid = await this.#attempt(() => this.#write(before.value, after, signal), signal);
    return zxid === undefined ? undefined : { before: before.value, after, zxid };
  }

  /** undefined: try again. */
  async #attempt<T>(work: () => Promise<T>, signal: AbortSignal): Promise<T | undefined> {
    try {
      return await work();
    } catch (thrown) {
      const error = ZabraError.from(thrown, this.path);
      const mayHaveBeen = error.outcome === "unknown" && !mutant("a write of unknown outcome is tried again");
      if (mayHaveBeen || !goesOn(this.#client, error)) throw error;
      await this.#client.sleep(retryMs, { signal });
      return undefined;
    }
  }

  /** undefined: it is no longer what it was. */
  async #write(before: NodeValue | undefined, after: Uint8Array | undefined, signal: AbortSignal): Promise<Zxid | undefined> {
    const options = { ...untilSessionEnds, signal };
    const transaction = this.#client.transaction();
    if (before === undefined) transaction.ifAbsent(this.path).create(this.path, after);
    else if (mutant("an atomic write without its condition")) transaction.ifPresent(this.path).set(this.path, after);
    else unchanged(transaction, before).set(this.path, after);
    const commit = transaction.commit(options).catch((error: unknown) => this.#withParents(error, before === undefined, options));
    return (await unless("CONDITION_FAILED", commit))?.zxid;
  }

  /** The very first write: makes the parents, and says that it is to be tried again. */
  async #withParents(error: unknown, creates: boolean, options: ReadOptions): Promise<never> {
    if (creates && error instanceof ZabraError && error.code === "NO_NODE") {
      await this.#client.ensurePath(parentOf(this.path) ?? "/", options);
      throw new ZabraError("CONDITION_FAILED", { path: this.path });
    }
    throw error;
  }
}

/** Versions wrap, past −1, which means any: there the value itself is the condition. */
function unchanged(transaction: Transaction, { path, stat, data }: NodeValue): Transaction {
  if (!mutant("a value is known by its version")) transaction.ifCzxid(path, stat.czxid);
  return stat.version === -1 ? transaction.ifValue(path, data) : transaction.ifVersion(path, stat.version);
}
