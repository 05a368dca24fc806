/**
 * Writing a configuration: what differs, all of it in one txn, with the values of the past kept and a way back to them.
 *
 *     const store = new ConfigStore(client, "/config/app", { schema });
 *     await store.apply({ port: 8080 }, { note: "move the port" });
 *     await store.rollback();
 *
 * Why a write is never half seen: the new value (of all keys), its entry in the history and the removal of the oldest entry
 * are one multi, on condition that the node and the keys that it touches are as they were when they were read. What
 * somebody wrote without the recipe is put into the history before it is replaced. A value that does not fit the schema is not written.
 */

import { productionLimits } from "../../src/model/limits.ts";
import { mutant } from "../../src/model/mutant.ts";
import { joinPath, nameOf } from "../../src/model/path.ts";
import type { Stat } from "../../src/model/stat.ts";
import type { Zxid } from "../../src/model/zxid.ts";
import type { Client } from "../client.ts";
import { toText } from "../data.ts";
import { unless, ZabraError } from "../error.ts";
import type { CallOptions } from "../operations.ts";
import type { Transaction } from "../transaction.ts";
import { requireInteger, requireName, requireOpen } from "./check.ts";
import { type ConfigDifference, differences } from "./config-diff.ts";
import {
  type ConfigLayout,
  type ConfigRevision,
  encodeEntry,
  entryPath,
  historyPath,
  isKey,
  readHistory,
} from "./config-history.ts";
import { requireSchema, type StandardSchema, validate } from "./standard-schema.ts";
import { type WaitOptions, withLimit } from "./wait.ts";

export interface ConfigStoreOptions {
  /** Each child is a key, rather than the node's data being the whole value. Default false. */
  readonly keys?: boolean | undefined;
  /** Values of the past that are kept, 1 to 100. Default 20. */
  readonly keep?: number | undefined;
  /** What does not fit is not written. */
  readonly schema?: StandardSchema | undefined;
}

export interface ApplyOptions extends WaitOptions {
  /** Kept with the value, for people. */
  readonly note?: string | undefined;
}

/** What `plan` found, to be looked at and then committed. */
export interface ConfigPlan {
  /** Empty: there is nothing to do. */
  readonly differences: readonly ConfigDifference[];
  /** Writes it. Resolves to the zxid. Rejects with CONDITION_FAILED when the configuration was changed after the plan was made, and as `apply`. */
  commit(options?: CallOptions): Promise<Zxid>;
}

interface Key {
  readonly text: string;
  readonly stat: Stat;
}

/** What is there. */
interface Found {
  readonly root: Key | undefined;
  readonly keys: ReadonlyMap<string, Key>;
  readonly history: readonly ConfigRevision[];
  readonly value: unknown;
  /** Of the last write to it, by whomever. */
  readonly changedAt: Zxid;
}

const keepDefault = 20;
/** Entries beyond `keep` that one write removes; the rest is left for the next. */
const prunedMax = 8;
const attemptsMax = 100;

/** Writes a configuration whole, on condition that it is as it was read, and keeps the values of the past. */
export class ConfigStore {
  readonly path: string;
  readonly #client: Client;
  readonly #layout: ConfigLayout;
  readonly #keep: number;
  readonly #schema: StandardSchema | undefined;

  /** Throws BAD_ARGUMENTS and CLOSED. */
  constructor(client: Client, path: string, options: ConfigStoreOptions = {}) {
    requireOpen(client, path);
    requireInteger("keep", options.keep ?? keepDefault, 1, 100);
    if (options.schema !== undefined) requireSchema(options.schema);
    this.#client = client;
    this.path = path;
    this.#layout = options.keys === true ? "keys" : "node";
    this.#keep = options.keep ?? keepDefault;
    this.#schema = options.schema;
  }

  /** Resolves to the value that is there; undefined: none. Text that is no JSON is given as it is. */
  async read(options: CallOptions = {}): Promise<unknown> {
    return (await this.#read(options)).value;
  }

  /** Resolves to the values of the past that are kept, oldest first; the last is the one in force, unless somebody wrote without the recipe. */
  history(options: CallOptions = {}): Promise<readonly ConfigRevision[]> {
    return readHistory(this.#client, this.path, options);
  }

  /** Resolves to what `value` would change. Writes nothing. Rejects with BAD_ARGUMENTS when it does not fit the schema. */
  async plan(given: unknown, options: ApplyOptions = {}): Promise<ConfigPlan> {
    const value = await this.#check(given);
    const found = await this.#read({ signal: options.signal });
    return {
      differences: differences(found.value, value),
      commit: (call = {}) => this.#commit(found, value, options.note ?? "", call),
    };
  }

  /**
   * Makes `value` the configuration, whatever it was. Missing parents are made. Resolves to the zxid of the write, or of the last
   * one when nothing differs. Rejects with BAD_ARGUMENTS when it does not fit the schema or is no JSON, LIMIT when it is too large, TIMEOUT, ABORTED.
   */
  async apply(given: unknown, options: ApplyOptions = {}): Promise<Zxid> {
    const value = await this.#check(given);
    return withLimit(this.#client, this.path, options, async (signal) => {
      for (let attempt = 0; attempt < attemptsMax; attempt += 1) {
        const found = await this.#read({ signal });
        if (found.root !== undefined && differences(found.value, value).length === 0) return found.changedAt;
        const zxid = await unless("CONDITION_FAILED", this.#commit(found, value, options.note ?? "", { signal }));
        if (zxid !== undefined) return zxid;
      }
      throw new ZabraError("CONDITION_FAILED", { path: this.path, detail: "others change it again and again" });
    });
  }

  /**
   * Goes back to a value of the past: to `revision`, or to the latest that differs from what is there. Itself a new revision.
   * Resolves to the revision that it went back to. Rejects with NO_NODE when there is no such, and as `apply`.
   */
  async rollback(revision?: number, options: ApplyOptions = {}): Promise<ConfigRevision> {
    const target = await this.find(revision, { signal: options.signal });
    await this.apply(target.value, { note: `back to ${target.revision}`, ...options });
    return target;
  }

  /** Resolves to what `rollback` would go back to. Rejects with NO_NODE. */
  async find(revision?: number, options: CallOptions = {}): Promise<ConfigRevision> {
    const { history, value } = await this.#read(options);
    const target = history.findLast((one) =>
      revision === undefined ? differences(one.value, value).length > 0 : one.revision === revision,
    );
    if (target === undefined) throw new ZabraError("NO_NODE", { path: this.path, detail: whyNoTarget(revision, history) });
    return target;
  }

  // ---- reading

  /** Resolves to the value as JSON has it. */
  async #check(given: unknown): Promise<unknown> {
    if (this.#schema !== undefined) await validate(this.#client, this.path, this.#schema, given);
    const value = normalized(this.path, given);
    if (this.#layout === "node") return value;
    if (!isObject(value))
      throw new ZabraError("BAD_ARGUMENTS", { path: this.path, detail: "with keys, the value must be an object" });
    for (const key of Object.keys(value)) requireName("key", key);
    return value;
  }

  async #read(options: CallOptions): Promise<Found> {
    const root = await unless("NO_NODE", this.#client.get(this.path, options));
    if (root === undefined) return { root: undefined, keys: new Map(), history: [], value: undefined, changedAt: 0 as Zxid };
    const keys = new Map<string, Key>();
    if (this.#layout === "keys") {
      for await (const { path, stat, data } of this.#client.list(this.path, { ...options, withData: true }))
        if (isKey(path)) keys.set(nameOf(path), { text: toText(data), stat });
    }
    const history = await this.history(options);
    return { root, keys, history, value: this.#valueOf(root.text, keys), changedAt: this.#changedAt(root.stat, keys) };
  }

  #valueOf(text: string, keys: ReadonlyMap<string, Key>): unknown {
    if (this.#layout === "node") return text === "" ? undefined : fromJson(text);
    return Object.fromEntries([...keys].map(([name, key]) => [name, fromJson(key.text)]));
  }

  /** In the layout of keys, the node's pzxid tells of keys that came or went. */
  #changedAt(root: Stat, keys: ReadonlyMap<string, Key>): Zxid {
    if (this.#layout === "node") return root.mzxid;
    let last: Zxid = root.mzxid > root.pzxid ? root.mzxid : root.pzxid;
    for (const { stat } of keys.values()) if (stat.mzxid > last) last = stat.mzxid;
    return last;
  }

  // ---- writing

  async #commit(seen: Found, value: unknown, note: string, options: CallOptions): Promise<Zxid> {
    const found = mutant("a plan is written upon anything") ? await this.#read(options) : seen;
    if (found.root === undefined) await this.#client.ensurePath(this.path, options);
    if (found.history.length === 0) await this.#client.ensurePath(historyPath(this.path), options);
    const transaction = this.#client.transaction();
    if (mutant("keys are written one by one") && isObject(value))
      for (const [name, one] of Object.entries(value))
        await unless("NO_NODE", this.#client.set(joinPath(this.path, name), JSON.stringify(one), options));
    this.#putValue(transaction, found, value);
    const added = this.#putHistory(transaction, found, value, note);
    const excess = Math.max(0, found.history.length + added - this.#keep);
    for (const old of found.history.slice(0, Math.min(prunedMax, excess))) transaction.delete(old.path);
    if (transaction.operations.length > productionLimits.multi_operations_max)
      throw new ZabraError("LIMIT", {
        path: this.path,
        detail: `multi_operations_max is ${productionLimits.multi_operations_max}: too many keys change at once`,
      });
    return (await transaction.commit(options)).zxid;
  }

  /** The node's version is the condition that all writers of the recipe meet at; a key's own, for those who write it alone. */
  #putValue(transaction: Transaction, { root, keys }: Found, value: unknown): void {
    const version = root?.stat.version ?? 0;
    transaction.ifVersion(this.path, version);
    if (root !== undefined) transaction.ifCzxid(this.path, root.stat.czxid);
    if (this.#layout === "node") {
      transaction.set(this.path, JSON.stringify(value));
      return;
    }
    transaction.set(this.path, undefined);
    const wanted = isObject(value) ? value : {};
    for (const [name, one] of Object.entries(wanted)) this.#putKey(transaction, name, keys.get(name), one);
    for (const [name, key] of keys)
      if (!Object.hasOwn(wanted, name)) transaction.delete(joinPath(this.path, name), key.stat.version);
  }

  #putKey(transaction: Transaction, name: string, key: Key | undefined, value: unknown): void {
    const path = joinPath(this.path, name);
    if (key === undefined) transaction.ifAbsent(path).create(path, JSON.stringify(value));
    else if (differences(fromJson(key.text), value).length > 0)
      transaction.ifVersion(path, key.stat.version).ifCzxid(path, key.stat.czxid).set(path, JSON.stringify(value));
  }

  /** How many entries it adds. */
  #putHistory(transaction: Transaction, found: Found, value: unknown, note: string): number {
    const layout = this.#layout;
    const put = (entry: { value: unknown; note: string }): void => {
      transaction.create(entryPath(this.path), encodeEntry({ layout, ...entry }), { sequential: true });
    };
    const unrecorded = found.value !== undefined && differences(found.history.at(-1)?.value, found.value).length > 0;
    const wasEmpty = layout === "keys" && found.keys.size === 0;
    if (unrecorded && !wasEmpty) put({ value: found.value, note: "written without the recipe" });
    if (!mutant("a value is not kept")) put({ value, note });
    return unrecorded && !wasEmpty ? 2 : 1;
  }
}

function whyNoTarget(revision: number | undefined, history: readonly ConfigRevision[]): string {
  if (revision === undefined) return "there is no value of the past that differs";
  const kept = history.length === 0 ? "none" : history.map((one) => one.revision).join(", ");
  return `revision ${revision} is not kept; kept are: ${kept}`;
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function normalized(path: string, value: unknown): unknown {
  try {
    return JSON.parse(JSON.stringify(value)) as unknown;
  } catch (cause) {
    throw new ZabraError("BAD_ARGUMENTS", { path, detail: "the value is no JSON", cause });
  }
}

function fromJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return text;
  }
}
