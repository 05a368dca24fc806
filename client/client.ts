/**
 * `Client`: one method an operation, over a `Driver`. It checks arguments, applies the chroot, and turns
 * answers into values and errors; what is retried and when is decided below.
 *
 * All calls wait while there is no connection, up to their deadline. Every write is applied at most once,
 * over any number of reconnects. Any call may reject with TIMEOUT, ABORTED, OVERLOADED (too many calls
 * waiting here), SESSION_EXPIRED, CLOSED, BAD_ARGUMENTS and NO_AUTH; further codes stand at each method.
 */
import type { Acl, AuthId } from "../src/model/acl.ts";
import { type ErrorCode, errorTable } from "../src/model/error.ts";
import { productionLimits } from "../src/model/limits.ts";
import type { Condition, ListCursor, ListEntry, MultiReadRequest, Outcome, Result } from "../src/model/request.ts";
import type { Stat } from "../src/model/stat.ts";
import type { WatchEvent } from "../src/model/watch.ts";
import type { SessionId, Zxid } from "../src/model/zxid.ts";
import { onceAborted } from "./abort.ts";
import { Chroot, checkSize } from "./chroot.ts";
import { type MonotonicClock, SystemClock } from "./clock.ts";
import { type ClientRequest, type ClientState, defaultConnectionOptions, type WatchKind } from "./connection-event.ts";
import { type DataInput, NodeValue, toBytes } from "./data.ts";
import { defaultDial } from "./default-dial.ts";
import { Driver, type Reply } from "./driver.ts";
import { unless, ZabraError } from "./error.ts";
import { parseHosts } from "./hosts.ts";
import {
  type CallOptions,
  type ChangedNode,
  type ChangesOptions,
  type Children,
  type CreatedNode,
  type CreateOptions,
  createRequest,
  type Level,
  type ListOptions,
  type ListPage,
  type MultiInput,
  type MultiReadItem,
  type MultiReadResult,
  type MultiResult,
  type ReadOptions,
  type SubscribeOptions,
  toGuards,
  toReadLevel,
  type VersionOptions,
  type WatchOptions,
  type WriteOptions,
  type Written,
} from "./operations.ts";
import { Stream } from "./stream.ts";
import { type DeleteRecursiveOptions, deleteSubtree } from "./subtree.ts";
import { systemTimers, type Timers } from "./timers.ts";
import { Transaction } from "./transaction.ts";
import type { Dial } from "./transport.ts";
import type { WatchHandler } from "./watch-handlers.ts";

export interface ClientOptions {
  /** Session timeout, ms, 1,000 to 300,000: how long ephemerals outlive this process. Default 10,000. */
  readonly sessionTimeoutMs?: number | undefined;
  /** Default deadline of calls, ms. Default 30,000. */
  readonly callTimeoutMs?: number | undefined;
  /** How long `connect` tries, ms. Default 30,000. */
  readonly connectTimeoutMs?: number | undefined;
  /** Gives up connecting. */
  readonly signal?: AbortSignal | undefined;
  /** All paths are below this one, which must exist. Default `/`. */
  readonly chroot?: string | undefined;
  /** Default level of reads. Default `linearizable`. */
  readonly level?: Level | undefined;
  /** A session to go on with, from `client.session` of an earlier process. Only one process may use it at a time. */
  readonly session?: { readonly id: SessionId; readonly password: Uint8Array } | undefined;
  /** After the session is lost, open another for later calls. Default true. */
  readonly reopen?: boolean | undefined;
  /** Requests in flight, 1 to 900. Default 500. */
  readonly outstandingMax?: number | undefined;
  /** For other networks, and for tests. */
  readonly dial?: Dial | undefined;
  readonly clock?: MonotonicClock | undefined;
  readonly timers?: Timers | undefined;
  readonly random?: (() => number) | undefined;
}

const callTimeoutMsDefault = 30_000;
const timeoutMsMax = 2 ** 31;
const outstandingLimit = 900;
const pageSizeDefault = 1_000;
const ensureAttemptsMax = 16;

interface Settings {
  readonly callTimeoutMs: number;
  readonly level: Level;
}

type WatchingRequest = Extract<ClientRequest, { readonly type: "exists" | "getData" | "getChildren" }>;

interface CallParts {
  readonly watch?: WatchHandler | undefined;
  /** As `watch`, told the server's paths. */
  readonly rawWatch?: WatchHandler | undefined;
  readonly level?: Level | undefined;
  readonly guard?: WriteOptions["guard"];
}

/**
 * Connects to any of the servers. Resolves once a session is open.
 * @param hosts `ws://host:port`, several separated by commas or as a list. Without a port, 2180.
 * Rejects with TIMEOUT, ABORTED, or SESSION_EXPIRED when `options.session` has ended and `reopen` is false.
 */
export async function connect(hosts: string | readonly string[], options: ClientOptions = {}): Promise<Client> {
  const urls = parseHosts(hosts);
  const dial = options.dial ?? (await defaultDial());
  const driver = new Driver({
    urls,
    dial,
    clock: options.clock ?? new SystemClock(),
    timers: options.timers ?? systemTimers,
    options: {
      ...defaultConnectionOptions,
      hosts: urls.length,
      timeoutMs: options.sessionTimeoutMs ?? productionLimits.session_timeout_ms_default,
      session: options.session,
      reopen: options.reopen ?? true,
      outstandingMax: Math.min(Math.max(1, options.outstandingMax ?? defaultConnectionOptions.outstandingMax), outstandingLimit),
      random: options.random ?? Math.random,
    },
  });
  const chroot = new Chroot(options.chroot ?? "/");
  const client = new Client(driver, chroot, {
    callTimeoutMs: options.callTimeoutMs ?? callTimeoutMsDefault,
    level: options.level ?? "linearizable",
  });
  await opened(driver, urls, options);
  return client;
}

function opened(driver: Driver, urls: readonly string[], options: ClientOptions): Promise<void> {
  return new Promise((resolve, reject) => {
    let stopListening = (): void => {};
    const finish = (error: ZabraError | undefined): void => {
      cancelTimer();
      stop();
      stopListening();
      if (error === undefined) return resolve();
      driver.close();
      reject(error);
    };
    const onAbort = (): void => finish(new ZabraError("ABORTED", { cause: options.signal?.reason }));
    const cancelTimer = driver.after(options.connectTimeoutMs ?? callTimeoutMsDefault, () =>
      finish(new ZabraError("TIMEOUT", { detail: `no session at ${urls.join(", ")}` })),
    );
    const stop = driver.onState((state) => {
      if (state.type === "connected") finish(undefined);
      else if (state.type === "lost" && options.reopen === false) finish(new ZabraError("SESSION_EXPIRED"));
    });
    if (options.signal?.aborted === true) return onAbort();
    stopListening = onceAborted(options.signal, onAbort);
    driver.start();
  });
}

/** A session with the servers, and what is asked for in it. */
export class Client {
  readonly #driver: Driver;
  readonly #chroot: Chroot;
  readonly #settings: Settings;

  /** Use `connect`. */
  constructor(driver: Driver, chroot: Chroot, settings: Settings) {
    this.#driver = driver;
    this.#chroot = chroot;
    this.#settings = settings;
  }

  // ---- the session

  get state(): ClientState {
    return this.#driver.connection.state;
  }

  /** Calls `listener` with every later state; it runs synchronously and must be short. Returns what ends that. */
  onState(listener: (state: ClientState) => void): () => void {
    return this.#driver.onState(listener);
  }

  /** What another process needs to go on with the session. The password is a secret. */
  get session(): { readonly id: SessionId; readonly password: Uint8Array; readonly timeoutMs: number } | undefined {
    return this.#driver.connection.session;
  }

  /** Until when the session may be relied on, on the clock of `nowMs()`; undefined without a session. */
  get validUntilMs(): number | undefined {
    return this.#driver.connection.validUntilMs;
  }

  /** The client's monotonic clock, ms. */
  nowMs(): number {
    return this.#driver.nowMs();
  }

  /** Runs `run` once, `ms` from now, by this client's timers. Returns what cancels it. Recipes wait by this, so that they run in virtual time too. */
  after(ms: number, run: () => void): () => void {
    return this.#driver.after(ms, run);
  }

  /** Resolves `ms` from now, by this client's timers. Rejects with ABORTED when `signal` fires first. */
  sleep(ms: number, options: { readonly signal?: AbortSignal | undefined } = {}): Promise<void> {
    const { signal } = options;
    return new Promise((resolve, reject) => {
      const onAbort = (): void => {
        cancel();
        reject(new ZabraError("ABORTED", { cause: signal?.reason }));
      };
      const cancel = this.after(ms, () => {
        stopListening();
        resolve();
      });
      if (signal?.aborted === true) return onAbort();
      const stopListening = onceAborted(signal, onAbort);
    });
  }

  /** The highest zxid that this client has seen: pass it on, and another client's `atLeast` reads see what this one saw. */
  get lastZxid(): Zxid {
    return this.#driver.connection.lastZxid;
  }

  /** A client of the part of the tree below `path`, over the same session. */
  within(path: string): Client {
    return new Client(this.#driver, new Chroot(this.#chroot.global(path)), this.#settings);
  }

  /**
   * Ends the session: its ephemerals go. Calls in flight are awaited for a moment, others reject with CLOSED.
   * With `keepSession` the session stays for another process to go on with (`session`), until it expires;
   * no call is awaited. Resolves when closed; never rejects.
   */
  close(options: { readonly keepSession?: boolean } = {}): Promise<void> {
    return new Promise((resolve) => {
      if (this.state.type === "closed") return resolve();
      const stop = this.onState((state) => {
        if (state.type !== "closed") return;
        stop();
        resolve();
      });
      this.#driver.close(options.keepSession);
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  // ---- writes

  /**
   * Creates a node. Resolves to its path (with the suffix, if sequential) and stat. Fires `exist` watches
   * of the path and `children` watches of the parent.
   * Rejects with NODE_EXISTS, NO_NODE (no parent), NO_CHILDREN_FOR_EPHEMERALS, INVALID_ACL, LIMIT, FENCED.
   */
  async create(path: string, data?: DataInput, options: CreateOptions = {}): Promise<CreatedNode> {
    const request = createRequest(this.#chroot.global(path, options.sequential ?? false), data, options);
    checkSize([path], [request.data]);
    const reply = await this.#call(request, path, options, options);
    const result = expect(reply.outcome.result, "created");
    return { path: this.#chroot.local(result.path), stat: result.stat, zxid: reply.zxid };
  }

  /**
   * Creates `path` and its missing ancestors as persistent nodes (or containers). Resolves when all exist.
   * Rejects as `create`, but never with NODE_EXISTS or NO_NODE.
   */
  async ensurePath(path: string, options: CallOptions & { readonly kind?: "persistent" | "container" } = {}): Promise<void> {
    if (path === "/") return;
    for (let attempt = 0; attempt < ensureAttemptsMax; attempt += 1) {
      const isThere = unless("NODE_EXISTS", this.create(path, undefined, options)).then(() => true);
      if ((await unless("NO_NODE", isThere)) === true) return;
      // A container above may be reaped before we are in it.
      await this.ensurePath(path.slice(0, path.lastIndexOf("/")) || "/", options);
    }
    throw new ZabraError("NO_NODE", { path, detail: "what is above it is not there, or deleted again and again" });
  }

  /**
   * Deletes a node without children. Fires its `data`, `exist` and `children` watches, and the parent's
   * `children` watches. Rejects with NO_NODE, BAD_VERSION, NOT_EMPTY, FENCED.
   */
  async delete(path: string, options: VersionOptions = {}): Promise<Written> {
    const reply = await this.#call(
      { type: "delete", path: this.#chroot.global(path), version: options.version ?? -1 },
      path,
      options,
      options,
    );
    return { zxid: reply.zxid };
  }

  /** Replaces a node's data. Fires its `data` and `exist` watches. Rejects with NO_NODE, BAD_VERSION, LIMIT, FENCED. */
  async set(path: string, data: DataInput, options: VersionOptions = {}): Promise<ChangedNode> {
    const bytes = toBytes(data);
    checkSize([path], [bytes]);
    const reply = await this.#call(
      { type: "setData", path: this.#chroot.global(path), data: bytes, version: options.version ?? -1 },
      path,
      options,
      options,
    );
    return { stat: expect(reply.outcome.result, "stat").stat, zxid: reply.zxid };
  }

  /** Replaces a node's ACL; `version` is compared with `stat.aversion`. Fires no watches. Rejects with NO_NODE, BAD_VERSION, INVALID_ACL, FENCED. */
  async setAcl(path: string, acl: Acl, options: VersionOptions = {}): Promise<ChangedNode> {
    const reply = await this.#call(
      { type: "setAcl", path: this.#chroot.global(path), acl, version: options.version ?? -1 },
      path,
      options,
      options,
    );
    return { stat: expect(reply.outcome.result, "stat").stat, zxid: reply.zxid };
  }

  /**
   * All or nothing under one zxid (up to 128 operations), on conditions. Fires what its operations fire.
   * Rejects with CONDITION_FAILED, or the failing operation's code, and in `codes` one an operation.
   */
  async multi(input: MultiInput, options: WriteOptions = {}): Promise<MultiResult> {
    const then = input.then.map((operation) => this.#chroot.operation(operation));
    const otherwise = input.otherwise?.map((operation) => this.#chroot.operation(operation));
    const conditions = (input.conditions ?? []).map(
      (condition): Condition => ({ ...condition, path: this.#chroot.global(condition.path) }),
    );
    const all = [...conditions, ...then, ...(otherwise ?? [])];
    checkSize(
      all.map((one) => one.path),
      all.map((one) => ("data" in one ? one.data : undefined)),
    );
    const reply = await this.#call({ type: "multi", conditions, then, otherwise }, undefined, options, options);
    const result = expect(reply.outcome.result, "multi");
    return { branch: result.branch, outcomes: result.outcomes.map((outcome) => this.#localOutcome(outcome)), zxid: reply.zxid };
  }

  /** A multi, built step by step. */
  transaction(): Transaction {
    return new Transaction((input, options) => this.multi(input, options));
  }

  /**
   * Deletes a node and everything below it: in one txn up to 10,000 nodes, else in several, from below
   * (then not atomic). Resolves to the number of nodes deleted, near enough when others write there too.
   * Fires what the deletes fire. Rejects with NO_NODE, FENCED.
   */
  deleteRecursive(path: string, options: DeleteRecursiveOptions = {}): Promise<number> {
    return deleteSubtree(this, path, options, (one) =>
      this.#call({ type: "deleteRecursive", path: this.#chroot.global(one) }, one, options, options),
    );
  }

  // ---- reads

  /** Resolves to the node's stat, or undefined when there is none. `watch` waits for its creation, change or deletion. */
  async exists(path: string, options: WatchOptions = {}): Promise<Stat | undefined> {
    const request = { type: "exists", path: this.#chroot.global(path), watch: options.watch !== undefined } as const;
    const reply = await unless("NO_NODE", this.#call(request, path, options, options));
    return reply === undefined ? undefined : expect(reply.outcome.result, "stat").stat;
  }

  /** Resolves to the node's data and stat. `watch` waits for its change or deletion. Rejects with NO_NODE. */
  async get(path: string, options: WatchOptions = {}): Promise<NodeValue> {
    const request = { type: "getData", path: this.#chroot.global(path), watch: options.watch !== undefined } as const;
    const reply = await this.#call(request, path, options, options);
    const { data, stat } = expect(reply.outcome.result, "data");
    return new NodeValue(path, data?.slice(), stat, reply.zxid, reply.level);
  }

  /** Resolves to the names of the children (all of them: `list` has pages). `watch` waits for a child to come or go, or the node to go. Rejects with NO_NODE. */
  async children(path: string, options: WatchOptions = {}): Promise<Children> {
    const request = { type: "getChildren", path: this.#chroot.global(path), watch: options.watch !== undefined } as const;
    const reply = await this.#call(request, path, options, options);
    const { names, stat } = expect(reply.outcome.result, "children");
    return { names, stat, zxid: reply.zxid };
  }

  /**
   * The nodes below `path` in path order, all at one zxid, page after page. Rejects with NO_NODE, and with
   * COMPACTED when a page comes too late (30 s) or from another server than the first: begin again.
   */
  async *list(path: string, options: ListOptions = {}): AsyncGenerator<ListEntry, void, undefined> {
    for (let cursor: ListCursor | undefined, page: ListPage | undefined; page === undefined || cursor !== undefined; ) {
      page = await this.listPage(path, options, cursor);
      yield* page.entries;
      cursor = page.cursor;
    }
  }

  /** One page of `list`; `cursor` is that of the page before. */
  async listPage(path: string, options: ListOptions = {}, cursor?: ListCursor): Promise<ListPage> {
    const { recursive = false, prefix = "", withData = false, withDetails = false, pageSize = pageSizeDefault } = options;
    const limit = Math.min(Math.max(1, Math.floor(pageSize)), productionLimits.list_page_max);
    const reply = await this.#call(
      { type: "list", path: this.#chroot.global(path), recursive, prefix, withData, withDetails, limit, cursor },
      path,
      options,
      options,
    );
    const result = expect(reply.outcome.result, "list");
    const entries = result.entries.map((entry) => ({
      path: this.#chroot.local(entry.path),
      stat: entry.stat,
      data: entry.data?.slice(),
      ...(entry.details === undefined ? {} : { details: entry.details }),
    }));
    return { entries, zxid: result.zxid, cursor: result.cursor };
  }

  /** Rejects with NO_NODE. */
  async getAcl(path: string, options: ReadOptions = {}): Promise<{ readonly acl: Acl; readonly stat: Stat }> {
    const reply = await this.#call({ type: "getAcl", path: this.#chroot.global(path) }, path, options, options);
    const { acl, stat } = expect(reply.outcome.result, "acl");
    return { acl, stat };
  }

  /** A quorum barrier: `session` reads after it see every write that was complete before it, whoever wrote. Rejects with NO_QUORUM. */
  async sync(options: CallOptions = {}): Promise<Written> {
    const reply = await this.#call({ type: "sync", path: this.#chroot.global("/") }, undefined, options, {});
    return { zxid: reply.zxid };
  }

  /** Several reads at one zxid. Resolves to one outcome each; a missing node fails its own read only. */
  async multiRead(items: readonly MultiReadItem[], options: ReadOptions = {}): Promise<MultiReadResult> {
    const reads = items.map((item): MultiReadRequest["reads"][number] => ({
      type: readTypes[item.type],
      path: this.#chroot.global(item.path),
      watch: false,
    }));
    const reply = await this.#call({ type: "multiRead", reads }, undefined, options, options);
    const result = expect(reply.outcome.result, "multiRead");
    return { outcomes: result.outcomes, zxid: result.zxid };
  }

  /** Resolves to the paths of this session's ephemerals at or below `path`. */
  async getEphemerals(path = "/", options: ReadOptions = {}): Promise<readonly string[]> {
    const reply = await this.#call({ type: "getEphemerals", prefix: this.#chroot.global(path) }, path, options, options);
    return expect(reply.outcome.result, "paths").paths.map(this.#chroot.local);
  }

  /** Resolves to the number of descendants, the node not counted; costs no more for many. Rejects with NO_NODE. */
  async countSubtree(path: string, options: ReadOptions = {}): Promise<number> {
    const reply = await this.#call({ type: "countSubtree", path: this.#chroot.global(path) }, path, options, options);
    return expect(reply.outcome.result, "count").count;
  }

  // ---- identity

  /** Authenticates this connection and every later one, such as with scheme `digest` and `user:password`. Rejects with AUTH_FAILED. */
  async addAuth(scheme: string, credentials: string | Uint8Array, options: CallOptions = {}): Promise<void> {
    await this.#call({ type: "addAuth", scheme, credentials: toBytes(credentials) ?? new Uint8Array(0) }, undefined, options, {});
  }

  /** Resolves to the identities that ACLs are compared with. */
  async whoAmI(options: ReadOptions = {}): Promise<readonly AuthId[]> {
    const reply = await this.#call({ type: "whoAmI" }, undefined, options, options);
    return expect(reply.outcome.result, "identities").identities;
  }

  // ---- watches and streams

  /** Removes this client's one-shot watches on a node: of `data` (with `exist`), of `children`, or both. Their handlers are not called. */
  async unwatch(path: string, which: "data" | "children" | "any" = "any", options: CallOptions = {}): Promise<void> {
    const global = this.#chroot.global(path);
    const kinds: readonly WatchKind[] =
      which === "children" ? ["child"] : which === "data" ? ["data", "exist"] : ["data", "exist", "child"];
    for (const kind of kinds) this.#driver.dropWatch(kind, global);
    await unless("NO_WATCHER", this.#call({ type: "removeWatches", path: global, kind: which }, path, options, {}));
  }

  /**
   * The node and its children (`recursive`: all below): first a `snapshot` batch at some zxid, then every
   * change after it, once, in order, over reconnects and new sessions. The node need not exist.
   * Ends with NO_AUTH, LIMIT, ABORTED, CLOSED; with COMPACTED only if `onCompacted` is `error`.
   */
  subscribe(path: string, options: SubscribeOptions = {}): Stream {
    const { recursive = false, withData = true, onCompacted = "snapshot" } = options;
    const spec = { path: this.#chroot.global(path), recursive, withData, fromZxid: undefined, onCompacted };
    return new Stream(this.#driver, spec, this.#chroot.local, options.signal);
  }

  /** As `subscribe`, without a snapshot: the changes after `fromZxid`. Ends with COMPACTED when no server has them any more. */
  changes(path: string, options: ChangesOptions): Stream {
    const { recursive = false, withData = true, fromZxid } = options;
    const spec = { path: this.#chroot.global(path), recursive, withData, fromZxid, onCompacted: "error" } as const;
    return new Stream(this.#driver, spec, this.#chroot.local, options.signal);
  }

  /**
   * Resolves with the first event after this call: of the node's data and existence, or of its `children`.
   * Rejects with SESSION_EXPIRED when the session ends first; NO_NODE for `children`.
   */
  watch(path: string, which: "data" | "children" = "data", options: ReadOptions = {}): Promise<WatchEvent> {
    const request =
      which === "data" ? ({ type: "exists", watch: true } as const) : ({ type: "getChildren", watch: true } as const);
    return this.#nextEvent({ ...request, path: this.#chroot.global(path) }, path, options);
  }

  /** Resolves when there is no such node, now or later. Rejects with SESSION_EXPIRED when the session ends first. */
  async whenDeleted(path: string, options: ReadOptions = {}): Promise<void> {
    const request = { type: "getData", path: this.#chroot.global(path), watch: true } as const;
    let event: WatchEvent | undefined;
    do event = await unless("NO_NODE", this.#nextEvent(request, path, options));
    while (event !== undefined && event.type !== "nodeDeleted");
  }

  async #nextEvent(request: WatchingRequest, path: string, options: ReadOptions): Promise<WatchEvent> {
    const { promise, resolve, reject } = withResolvers<WatchEvent>();
    const handler: WatchHandler = (notification) => {
      if (notification.type === "watchLost") reject(new ZabraError(notification.code, { path }));
      else resolve({ ...notification, path });
    };
    const onAbort = (): void => {
      for (const kind of allKinds) this.#driver.forgetWatch(kind, request.path, handler);
      reject(new ZabraError("ABORTED", { path, cause: options.signal?.reason }));
    };
    const read = this.#call(request, path, options, { level: options.level, rawWatch: handler });
    (request.type === "exists" ? unless("NO_NODE", read) : read).catch(reject);
    const stopListening = onceAborted(options.signal, onAbort);
    try {
      return await promise;
    } finally {
      stopListening();
    }
  }

  // ---- inside

  #call(request: ClientRequest, path: string | undefined, options: CallOptions, parts: CallParts): Promise<Reply> {
    const timeoutMs = options.timeoutMs ?? this.#settings.callTimeoutMs;
    if (!(timeoutMs >= 1 && timeoutMs <= timeoutMsMax))
      throw new ZabraError("BAD_ARGUMENTS", { path, detail: `timeoutMs must be 1 to ${timeoutMsMax}` });
    return this.#driver.call({
      request,
      level: toReadLevel(parts.level ?? this.#settings.level),
      guards: toGuards(parts.guard).map((guard) => ({ path: this.#chroot.global(guard.path), czxid: guard.czxid })),
      timeoutMs,
      signal: options.signal,
      path,
      watch: parts.rawWatch ?? this.#localized(parts.watch),
    });
  }

  /** Handlers are told our paths. */
  #localized(watch: WatchHandler | undefined): WatchHandler | undefined {
    if (watch === undefined || this.#chroot.prefix === "") return watch;
    return (notification) => watch({ ...notification, path: this.#chroot.local(notification.path) });
  }

  #localOutcome(outcome: Outcome): Outcome {
    const { result } = outcome;
    return result.type === "created" ? { ...outcome, result: { ...result, path: this.#chroot.local(result.path) } } : outcome;
  }
}

const allKinds: readonly WatchKind[] = ["data", "exist", "child"];
const readTypes = { get: "getData", children: "getChildren", exists: "exists" } as const;

interface Resolvers<T> {
  readonly promise: Promise<T>;
  readonly resolve: (value: T) => void;
  readonly reject: (reason: ZabraError) => void;
}

function withResolvers<T>(): Resolvers<T> {
  let resolve: (value: T) => void = () => {};
  let reject: (reason: ZabraError) => void = () => {};
  const promise = new Promise<T>((yes, no) => {
    resolve = yes;
    reject = no;
  });
  return { promise, resolve, reject };
}

/** The result that an operation always has; anything else is a broken server. */
function expect<Type extends Result["type"]>(result: Result, type: Type): Extract<Result, { readonly type: Type }> {
  if (!isType(result, type)) throw new ZabraError("PROTOCOL", { detail: `a result of type ${result.type} instead of ${type}` });
  return result;
}

function isType<Type extends Result["type"]>(result: Result, type: Type): result is Extract<Result, { readonly type: Type }> {
  return result.type === type;
}

/** What a code means, in a sentence. */
export function describeCode(code: ErrorCode): string {
  return errorTable[code].sentence;
}
