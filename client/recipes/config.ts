/**
 * A configuration that a program follows: typed by a schema, replaced while it runs, never by something bad.
 *
 *     const config = await watchConfig(client, "/config/app", z.object({ port: z.number() }));
 *     config.onChange((value) => server.listen(value.port));
 *
 *   opening ──good value──▶ live ◀──good──┐
 *      └─bad: from the history─▶ live ──bad, gone──▶ live with `error`, the last good value stays ──close──▶ ended
 *
 * Invariants: `value` has passed the schema; the zxid that it is from never falls (values are validated one after
 * another, the newest of those that wait next); keys that were changed in one txn change here in one step. While the connection is
 * gone the last value stays.
 */
import { mutant } from "../../src/model/mutant.ts";
import { nameOf } from "../../src/model/path.ts";
import type { Zxid } from "../../src/model/zxid.ts";
import type { Client } from "../client.ts";
import { unless, ZabraError } from "../error.ts";
import { Listeners } from "../listeners.ts";
import { type Cache, type CachedNode, cacheChildren, cacheNode } from "./cache.ts";
import { isKey, readHistory } from "./config-history.ts";
import { requireSchema, type StandardSchema, unfit, validate } from "./standard-schema.ts";
import { until, type WaitOptions, withLimit } from "./wait.ts";

export interface WatchConfigOptions<Value> extends WaitOptions {
  /** Each child of the node is a key, and the value an object of them all, rather than the node's data. Default false. */
  readonly keys?: boolean | undefined;
  /** Makes a value of a node's text. Default `JSON.parse`. */
  readonly parse?: ((text: string) => unknown) | undefined;
  /** Used while there is no good value in the tree. Without it, opening rejects then. */
  readonly fallback?: Value | undefined;
}

/** What a node's text or its absence makes. */
type Raw = { readonly type: "value"; readonly text: string } | { readonly type: "none" };

/**
 * Follows the configuration at `path`. `timeoutMs` and `signal` are for the opening alone.
 * Resolves with the first good value: the tree's; else, when that one is bad, the latest good one of its history; else `fallback`.
 * Rejects with NO_NODE or BAD_ARGUMENTS (saying what does not fit) when there is none, TIMEOUT, ABORTED, NO_AUTH, CLOSED.
 */
export async function watchConfig<Value>(
  client: Client,
  path: string,
  schema: StandardSchema<Value>,
  options: WatchConfigOptions<Value> = {},
): Promise<Config<Value>> {
  requireSchema(schema);
  return withLimit(client, path, options, async (signal) => {
    const cache = await (options.keys === true ? cacheChildren : cacheNode)(client, path, { signal });
    const first = new Reading(client, cache, schema, options);
    try {
      const { value, zxid, error } = await first.begin(signal);
      return new Config(first, cache, value, zxid, error);
    } catch (error) {
      cache.close();
      throw error;
    }
  });
}

interface Good<Value> {
  readonly value: Value;
  readonly zxid: Zxid;
  /** Why it is not what the tree has now. */
  readonly error: ZabraError | undefined;
}

/** From the state of the tree to a value. */
class Reading<Value> {
  readonly #client: Client;
  readonly #cache: Cache;
  readonly #schema: StandardSchema<Value>;
  readonly #options: WatchConfigOptions<Value>;

  constructor(client: Client, cache: Cache, schema: StandardSchema<Value>, options: WatchConfigOptions<Value>) {
    this.#client = client;
    this.#cache = cache;
    this.#schema = schema;
    this.#options = options;
  }

  /** What is there now; equal texts are equal values. */
  raw(): Raw {
    if (this.#options.keys !== true) {
      const { node } = this.#cache;
      return node === undefined || node.text === "" ? { type: "none" } : { type: "value", text: node.text };
    }
    const keys = this.#keys();
    return keys.length === 0 ? { type: "none" } : { type: "value", text: JSON.stringify(keys) };
  }

  #keys(): readonly (readonly [string, string])[] {
    const isOurs = ({ path }: CachedNode): boolean => isKey(path);
    const keys = [...this.#cache.descendants()].filter(isOurs).map((node) => [nameOf(node.path), node.text] as const);
    return keys.sort(([a], [b]) => (a < b ? -1 : 1));
  }

  /** Rejects with NO_NODE or BAD_ARGUMENTS. */
  async value(raw: Raw, unchecked = false): Promise<Value> {
    const { path } = this.#cache;
    if (raw.type === "none") throw new ZabraError("NO_NODE", { path, detail: "there is no value" });
    if (unchecked) return this.#parsed(raw.text) as Value;
    return validate(this.#client, path, this.#schema, this.#parsed(raw.text));
  }

  #parsed(text: string): unknown {
    if (this.#options.keys !== true) return this.#parse(this.#cache.path, text);
    const keys = JSON.parse(text) as readonly (readonly [string, string])[];
    return Object.fromEntries(keys.map(([name, one]) => [name, this.#parse(`${this.#cache.path}/${name}`, one)]));
  }

  #parse(path: string, text: string): unknown {
    const parse = this.#options.parse ?? JSON.parse;
    try {
      return parse(text) as unknown;
    } catch (thrown) {
      throw unfit(path, thrown instanceof Error ? thrown.message : String(thrown), thrown);
    }
  }

  wait(config: Config<Value>, holds: () => boolean, options: WaitOptions): Promise<void> {
    return withLimit(this.#client, config.path, options, (signal) => until(config, holds, signal));
  }

  async begin(signal: AbortSignal): Promise<Good<Value>> {
    const { zxid } = this.#cache;
    try {
      return { value: await this.value(this.raw()), zxid, error: undefined };
    } catch (thrown) {
      const error = ZabraError.from(thrown);
      const earlier = await this.#earlier(signal);
      if (earlier !== undefined) return { value: earlier.value, zxid: 0 as Zxid, error };
      if (this.#options.fallback !== undefined) return { value: this.#options.fallback, zxid: 0 as Zxid, error };
      throw error;
    }
  }

  /** The latest good value of the history. */
  async #earlier(signal: AbortSignal): Promise<{ readonly value: Value } | undefined> {
    const history = await readHistory(this.#client, this.#cache.path, { signal });
    for (const { value } of history.toReversed()) {
      const good = await unless(
        "BAD_ARGUMENTS",
        validate(this.#client, this.#cache.path, this.#schema, value).then((one) => ({ value: one })),
      );
      if (good !== undefined) return good;
    }
    return undefined;
  }
}

/** A configuration that is followed: the last value that has passed the schema. */
export class Config<Value> {
  readonly path: string;
  readonly #reading: Reading<Value>;
  readonly #cache: Cache;
  readonly #changed = new Listeners<[Value, Value]>();
  readonly #failed = new Listeners<[ZabraError]>();
  #value: Value;
  #zxid: Zxid;
  #error: ZabraError | undefined;
  /** Of the last state that was judged. */
  #text: string | undefined;
  #judging = false;

  /** Use `watchConfig`. */
  constructor(reading: Reading<Value>, cache: Cache, value: Value, zxid: Zxid, error: ZabraError | undefined) {
    this.path = cache.path;
    this.#reading = reading;
    this.#cache = cache;
    this.#value = value;
    this.#zxid = zxid;
    this.#error = error;
    // The tree may have moved on while the first value was judged.
    if (error === undefined && zxid === cache.zxid) this.#text = textOf(reading.raw());
    cache.onChange(() => void this.#judge());
    if (this.#text === undefined) void this.#judge();
  }

  /** The last good value. */
  get value(): Value {
    return this.#value;
  }

  /** The tree had `value` at this zxid; 0: it is from the history or the fallback. */
  get zxid(): Zxid {
    return this.#zxid;
  }

  /** Why the tree's present value is not used: NO_NODE, or BAD_ARGUMENTS with what does not fit. undefined: it is used. */
  get error(): ZabraError | undefined {
    return this.#error;
  }

  /** Whether there is no connection: the tree may have moved on. */
  get stale(): boolean {
    return this.#cache.stale;
  }

  /** Fires when it is followed no longer, with why. `value` stays. */
  get signal(): AbortSignal {
    return this.#cache.signal;
  }

  /** Calls `listener` with every later good value and the one before. It runs synchronously and must be short. Returns what ends that. */
  onChange(listener: (value: Value, before: Value) => void): () => void {
    return this.#changed.add(listener);
  }

  /** Calls `listener` with what is wrong, each time the tree's value becomes one that is not used. Returns what ends that. */
  onError(listener: (error: ZabraError) => void): () => void {
    return this.#failed.add(listener);
  }

  /** Resolves as soon as `holds` is true of the value. Rejects with TIMEOUT, ABORTED, CLOSED. */
  when(holds: (value: Value) => boolean, options: WaitOptions = {}): Promise<void> {
    return this.#reading.wait(this, () => holds(this.#value), options);
  }

  /** Follows it no longer. */
  close(): void {
    this.#cache.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  /** One at a time, so that an older value never comes after a newer. */
  async #judge(): Promise<void> {
    if (this.#judging && !mutant("two values are judged at once")) return;
    this.#judging = true;
    while (!this.signal.aborted) {
      const raw = this.#reading.raw();
      const { zxid } = this.#cache;
      if (textOf(raw) === this.#text) break;
      this.#text = textOf(raw);
      await this.#judgeOne(raw, zxid);
    }
    this.#judging = this.#error !== undefined && mutant("a bad value is the last");
  }

  async #judgeOne(raw: Raw, zxid: Zxid): Promise<void> {
    try {
      const value = await this.#reading.value(raw, mutant("a bad value is passed on"));
      if (!this.signal.aborted) this.#accept(value, zxid);
    } catch (thrown) {
      this.#error = ZabraError.from(thrown, this.path);
      this.#failed.tell(this.#error);
    }
  }

  #accept(value: Value, zxid: Zxid): void {
    const before = this.#value;
    this.#value = value;
    this.#zxid = zxid;
    this.#error = undefined;
    this.#changed.tell(value, before);
  }
}

/** A node without data has no value, so the empty text is free to say so. */
function textOf(raw: Raw): string {
  return raw.type === "none" ? "" : raw.text;
}
