/**
 * A stream as its consumer sees it: an async iterable of batches, one a snapshot or the changes of one
 * or more txns, in zxid order, each change once. It outlives connections and sessions.
 *
 * What the consumer has not taken is held here, bounded: beyond that the stream is paused at the server
 * and goes on, without a gap, when the consumer has caught up. Made by `client.ts`.
 */
import type { ErrorCode } from "../src/model/error.ts";
import type { Stat } from "../src/model/stat.ts";
import type { ChangeType, StreamDelivery } from "../src/model/watch.ts";
import type { Zxid } from "../src/model/zxid.ts";
import { onceAborted } from "./abort.ts";
import type { StreamSpec } from "./connection-event.ts";
import type { Driver, StreamReceiver } from "./driver.ts";
import { ZabraError } from "./error.ts";

export interface StreamEntry {
  readonly path: string;
  readonly stat: Stat;
  /** undefined: the node has none, or the stream is without data. */
  readonly data: Uint8Array | undefined;
}

export interface StreamChange {
  readonly type: ChangeType;
  readonly path: string;
  readonly zxid: Zxid;
  /** After the change; undefined for `deleted`. */
  readonly stat: Stat | undefined;
  readonly data: Uint8Array | undefined;
}

export type StreamBatch =
  /** The whole state at `zxid`. It replaces all that came before. */
  | { readonly type: "snapshot"; readonly zxid: Zxid; readonly entries: readonly StreamEntry[] }
  /** All changes up to `zxid` have now been delivered. A txn is never split. */
  | { readonly type: "changes"; readonly zxid: Zxid; readonly changes: readonly StreamChange[] };

/** Removes the client's chroot from what the server names. */
export type LocalPath = (path: string) => string;

const heldMax = 10_000;
const heldBytesMax = 32 * 1024 * 1024;

type Snapshot = Extract<StreamDelivery, { readonly type: "snapshot" }>;
type Changes = Extract<StreamDelivery, { readonly type: "changes" }>;

interface Waiter {
  readonly resolve: (result: IteratorResult<StreamBatch, undefined>) => void;
  readonly reject: (error: ZabraError) => void;
}

const finished: IteratorResult<StreamBatch, undefined> = { done: true, value: undefined };

/** The changes of a node or a subtree, in order, each once; read it with `for await`. Leaving the loop ends it. */
export class Stream implements AsyncIterableIterator<StreamBatch, undefined>, StreamReceiver {
  readonly #driver: Driver;
  readonly #localPath: LocalPath;
  readonly #path: string;
  readonly #id: number;
  readonly #stopListening: () => void;
  #batches: StreamBatch[] = [];
  #held = 0;
  #heldBytes = 0;
  #paused = false;
  #snapshot: StreamEntry[] = [];
  #waiters: Waiter[] = [];
  #ended: ZabraError | "done" | undefined;
  #zxid: Zxid | undefined;

  constructor(driver: Driver, spec: StreamSpec, localPath: LocalPath, signal: AbortSignal | undefined) {
    this.#driver = driver;
    this.#localPath = localPath;
    this.#path = localPath(spec.path);
    this.#zxid = spec.fromZxid;
    this.#id = driver.subscribe(spec, this);
    this.#stopListening = this.#listen(signal);
  }

  /** Everything up to here was delivered or needs no delivery: where `changes` could go on. */
  get zxid(): Zxid | undefined {
    return this.#zxid;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  /** The next batch. Rejects once with what ended the stream: COMPACTED, NO_AUTH, LIMIT, ABORTED, CLOSED … */
  next(): Promise<IteratorResult<StreamBatch, undefined>> {
    const batch = this.#batches.shift();
    if (batch !== undefined) return Promise.resolve({ done: false, value: this.#hand(batch) });
    const ended = this.#ended;
    if (ended === undefined) return new Promise((resolve, reject) => this.#waiters.push({ resolve, reject }));
    this.#ended = "done";
    return ended === "done" ? Promise.resolve(finished) : Promise.reject(ended);
  }

  /** Ends the stream, also at the server. */
  return(): Promise<IteratorResult<StreamBatch, undefined>> {
    this.#driver.unsubscribe(this.#id);
    this.#batches = [];
    this.#end("done");
    return Promise.resolve(finished);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.return();
  }

  #hand(batch: StreamBatch): StreamBatch {
    this.#held -= sizeOf(batch);
    this.#heldBytes -= bytesOf(batch);
    if (this.#paused && this.#batches.length === 0) {
      this.#paused = false;
      this.#driver.resumeStream(this.#id);
    }
    return batch;
  }

  #listen(signal: AbortSignal | undefined): () => void {
    if (signal === undefined) return () => {};
    const onAbort = (): void => {
      this.#driver.unsubscribe(this.#id);
      this.#end(new ZabraError("ABORTED", { path: this.#path, cause: signal.reason }));
    };
    if (!signal.aborted) return onceAborted(signal, onAbort);
    queueMicrotask(onAbort);
    return () => {};
  }

  // ---- from the driver

  /** @internal */
  onDelivery(delivery: StreamDelivery): void {
    if (this.#ended !== undefined || delivery.type === "end") return;
    if (delivery.type === "snapshot") this.#onSnapshot(delivery);
    else this.#onChanges(delivery);
  }

  #onSnapshot(delivery: Snapshot): void {
    for (const { path, stat, data } of delivery.entries)
      this.#snapshot.push({ path: this.#localPath(path), stat, data: data?.slice() });
    if (!delivery.done) return;
    const entries = this.#snapshot;
    this.#snapshot = [];
    this.#zxid = delivery.zxid;
    this.#put({ type: "snapshot", zxid: delivery.zxid, entries });
  }

  #onChanges(delivery: Changes): void {
    this.#zxid = delivery.zxid;
    if (delivery.changes.length === 0) return;
    const changes = delivery.changes.map(({ type, path, zxid, stat, data }) => ({
      type,
      path: this.#localPath(path),
      zxid,
      stat,
      data: data?.slice(),
    }));
    this.#put({ type: "changes", zxid: delivery.zxid, changes });
  }

  /** @internal */
  onReset(): void {
    this.#snapshot = [];
  }

  /** @internal */
  onEnded(code: ErrorCode, detail: string): void {
    this.#end(new ZabraError(code, { path: this.#path, detail }));
  }

  #put(batch: StreamBatch): void {
    const waiter = this.#waiters.shift();
    if (waiter !== undefined) return waiter.resolve({ done: false, value: batch });
    this.#batches.push(batch);
    this.#held += sizeOf(batch);
    this.#heldBytes += bytesOf(batch);
    if (this.#paused || (this.#held <= heldMax && this.#heldBytes <= heldBytesMax)) return;
    this.#paused = true;
    this.#driver.pauseStream(this.#id);
  }

  /** What is held is still handed out before the end shows. */
  #end(how: ZabraError | "done"): void {
    if (this.#ended !== undefined) return;
    this.#ended = how;
    this.#snapshot = [];
    this.#stopListening();
    const waiters = this.#waiters;
    this.#waiters = [];
    for (const waiter of waiters) this.#settle(waiter);
  }

  #settle(waiter: Waiter): void {
    const ended = this.#ended;
    this.#ended = "done";
    if (ended instanceof ZabraError) waiter.reject(ended);
    else waiter.resolve(finished);
  }
}

function sizeOf(batch: StreamBatch): number {
  return batch.type === "snapshot" ? batch.entries.length : batch.changes.length;
}

function bytesOf(batch: StreamBatch): number {
  let bytes = 0;
  for (const one of batch.type === "snapshot" ? batch.entries : batch.changes)
    bytes += one.path.length + (one.data?.length ?? 0) + 100;
  return bytes;
}
