/**
 * The KeyValue of a server: an LMDB environment a store directory. Reads are synchronous, in the
 * loop's thread, and see the last transaction that was committed; writes run in a thread of their own
 * (`lmdb-writer.ts`), because LMDB's B-tree work for a flush is tens of milliseconds and its sync longer.
 *
 * Invariants
 * - Transactions are committed in the order of `commit`, each whole. What is visible is durable (a
 *   transaction is synced before it becomes visible), so both completions come together, and a
 *   store that is opened again shows nothing that a power cut could take back.
 * - The shared read transaction is renewed before a completion is reported: whoever hears of a commit
 *   reads it.
 * - A failure is reported once; nothing is written or reported after it.
 * - The process ends only between transactions (`stopWriter`), or lmdb-js would hang in its cleanup.
 * - Nobody else opens the environment while a transaction is committed (`hold`), and the lock file is of this process: LMDB takes from
 *   each opener the number of the newest transaction, read a moment before, and loses what was committed in between (LMDB ITS#9496).
 *
 * A value from `get` is a view of a buffer that the next read overwrites: copy what is kept. Pairs and keys
 * from `range` and `keys` are the caller's.
 */
import { closeSync, fsyncSync, mkdirSync, openSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { Worker } from "node:worker_threads";
import type { Transaction } from "lmdb";
import { assert } from "../src/model/assert.ts";
import type { Event } from "../src/replica/event.ts";
import type { KeyValue, KeyValueImage, KeyValueWrite } from "../src/tree/key-value.ts";
import { type FromWriter, packPart, partBytes, type ToWriter, type WriterData, writerState } from "./lmdb-batch.ts";
import { condemn, demandSound, makeDurable } from "./lmdb-damage.ts";
import { openForReading, type Pair, type ReadEnvironment, readKeys, readRange, readValue } from "./lmdb-read.ts";

interface Submitted {
  readonly writes: readonly KeyValueWrite[];
  /** Undefined for a part of a transaction that is not complete. */
  readonly token: number | undefined;
  /** Writes handed over so far. */
  packed: number;
}

/** Longer than any transaction on a disk that works. */
const stopMsMax = 30_000;
/** 8 MB. */
const sparePartsMax = 32;
/** The writer's heap: it holds little but views. */
const writerLimits = { maxYoungGenerationSizeMb: 4, maxOldGenerationSizeMb: 64 };

/** Stores whose writer runs. */
const open = new Set<LmdbKeyValue>();

function addOpen(store: LmdbKeyValue): void {
  if (open.size === 0) {
    process.off("exit", stopWriters);
    process.on("exit", stopWriters);
  }
  open.add(store);
}

function stopWriters(): void {
  for (const store of open) store.stopWriter();
}

export class LmdbKeyValue implements KeyValue {
  readonly directory: string;
  readonly #environment: ReadEnvironment;
  readonly #writer: Worker;
  readonly #onEvent: (event: Event) => void;
  /** See `writerState`; busy from the start, because opening the environment is a transaction too. */
  readonly #state = new Int32Array(new SharedArrayBuffer(8)).fill(1, writerState.busy, writerState.busy + 1);
  readonly #queue: Submitted[] = [];
  /** Buffers of earlier parts, to be used again. */
  readonly #spare: ArrayBuffer[] = [];
  readonly #images = new Set<LmdbImage>();
  #packing = false;
  /** Transactions that the writer has and has not told the end of; its opening counts as one. */
  #writing = 1;
  /** Nothing more is handed over while there is one; called once nothing is being written. */
  #holder: (() => void) | undefined;
  #failed = false;
  #closed = false;
  /** Resolves when both threads have let go of the environment. */
  readonly closed: Promise<void>;
  #onClosed: () => void = () => {};

  /** Makes the directory when it is missing. Throws DamagedStoreError. */
  constructor(directory: string, onEvent: (event: Event) => void) {
    this.#onEvent = onEvent;
    this.directory = directory;
    mkdirSync(directory, { recursive: true });
    demandSound(directory);
    makeDurable(directory);
    forgetOthers(directory);
    this.#environment = openForReading(directory, false);
    syncDirectory(directory);
    this.closed = new Promise((resolve) => {
      this.#onClosed = resolve;
    });
    this.#writer = startWriter({ directory, state: this.#state });
    addOpen(this);
    this.#writer.on("message", (message: FromWriter) => this.#onMessage(message));
    this.#writer.on("error", (error) => this.#fail(error.message));
    this.#writer.on("exit", (code) => this.#onExit(code));
  }

  get(key: Uint8Array): Uint8Array | undefined {
    assert(!this.#closed, "a closed store must not be read");
    return readValue(this.#environment, key, undefined);
  }

  range(start: Uint8Array, end: Uint8Array, limit: number): Pair[] {
    assert(!this.#closed, "a closed store must not be read");
    return readRange(this.#environment, start, end, limit, undefined);
  }

  keys(start: Uint8Array, end: Uint8Array, limit: number): Uint8Array[] {
    assert(!this.#closed, "a closed store must not be read");
    return readKeys(this.#environment, start, end, limit, undefined);
  }

  image(): KeyValueImage {
    assert(!this.#closed, "a closed store must not be read");
    const image = new LmdbImage(this.#environment, (released) => this.#images.delete(released));
    this.#images.add(image);
    return image;
  }

  /** Writes that belong to the next commit and come before those given to it. */
  prepare(writes: readonly KeyValueWrite[]): void {
    this.#submit(writes, undefined);
  }

  commit(writes: readonly KeyValueWrite[], token: number): void {
    this.#submit(writes, token);
  }

  #submit(writes: readonly KeyValueWrite[], token: number | undefined): void {
    assert(!this.#closed, "a closed store must not be written");
    if (this.#failed) return;
    this.#queue.push({ writes, token, packed: 0 });
    if (!this.#packing) this.#pack();
  }

  /** A process beside this one died, maybe while it read: what it pinned is free again. */
  forgetDeadReaders(): void {
    assert(!this.#closed, "a closed store has no readers");
    this.#environment.readerCheck();
  }

  /**
   * For another process that opens the environment: calls `then` as soon as nothing is being committed, and commits nothing until the returned
   * function is called. One at a time. A closed store calls nothing.
   */
  hold(then: () => void): () => void {
    assert(this.#holder === undefined, "a store is held by one at a time");
    if (this.#closed) return () => {};
    this.#holder = then;
    this.#giveHold();
    return () => {
      if (this.#holder !== then) return;
      this.#holder = undefined;
      if (!this.#packing) this.#pack();
    };
  }

  #giveHold(): void {
    if (this.#writing === 0) this.#holder?.();
  }

  get isClosed(): boolean {
    return this.#closed;
  }

  condemn(reason: string): void {
    condemn(this.directory, reason);
  }

  /** Transactions submitted before are still written; nothing is reported of them. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    for (const image of [...this.#images]) image.release();
    if (!this.#packing) this.#pack();
  }

  /** Hands over one part a turn of the event loop, so that a large transaction delays nobody. */
  readonly #pack = (): void => {
    this.#packing = false;
    if (this.#holder !== undefined) return;
    const submitted = this.#queue[0];
    if (submitted !== undefined) {
      const { part, end } = packPart(submitted.writes, submitted.packed, submitted.token, this.#spare.pop());
      submitted.packed = end;
      if (end === submitted.writes.length) this.#queue.shift();
      if (part.token !== undefined) this.#writing += 1;
      this.#writer.postMessage(part, [part.buffer]);
    }
    if (this.#queue.length > 0) {
      this.#packing = true;
      setImmediate(this.#pack);
    } else if (this.#closed) this.#send({ type: "close" });
  };

  #send(message: ToWriter): void {
    this.#writer.postMessage(message);
  }

  #onMessage(message: FromWriter): void {
    if (message.type === "failed" && message.damaged) this.condemn(message.reason);
    if (message.type === "failed") this.#fail(message.reason);
    if (message.type === "committed" && !this.#failed && !this.#closed) this.#report(message.token, message.buffers);
    if (message.type === "opened" || message.type === "committed") this.#onWritten();
  }

  #report(token: number, buffers: readonly ArrayBuffer[]): void {
    this.#keep(buffers);
    this.#environment.resetReadTxn();
    this.#onEvent({ type: "storeCommitted", token });
    this.#onEvent({ type: "storeSynced", token });
  }

  #onWritten(): void {
    this.#writing -= 1;
    this.#giveHold();
  }

  #keep(buffers: readonly ArrayBuffer[]): void {
    for (const buffer of buffers) {
      if (this.#spare.length < sparePartsMax && buffer.byteLength === partBytes) this.#spare.push(buffer);
    }
  }

  /** For the end of the process: returns when the writer is in no transaction and will begin none. */
  stopWriter(): void {
    Atomics.store(this.#state, writerState.stop, 1);
    const untilMs = performance.now() + stopMsMax;
    while (Atomics.load(this.#state, writerState.busy) === 1) {
      const restMs = untilMs - performance.now();
      if (restMs <= 0) process.kill(process.pid, "SIGKILL");
      Atomics.wait(this.#state, writerState.busy, 1, restMs);
    }
  }

  #onExit(code: number): void {
    open.delete(this);
    if (!this.#closed) this.#fail(`the store's writer ended with code ${code}`);
    void this.#environment.close().then(() => this.#onClosed());
  }

  #fail(reason: string): void {
    if (this.#failed || this.#closed) return;
    this.#failed = true;
    this.#queue.length = 0;
    this.#onEvent({ type: "storeFailed", reason });
  }
}

/** An LMDB read transaction: it keeps its pages from being used again until it is released. */
class LmdbImage implements KeyValueImage {
  readonly #environment: ReadEnvironment;
  readonly #transaction: Transaction;
  readonly #onRelease: (image: LmdbImage) => void;
  #released = false;

  constructor(environment: ReadEnvironment, onRelease: (image: LmdbImage) => void) {
    this.#environment = environment;
    this.#transaction = environment.useReadTransaction();
    this.#onRelease = onRelease;
  }

  get(key: Uint8Array): Uint8Array | undefined {
    assert(!this.#released, "a released image must not be read");
    return readValue(this.#environment, key, this.#transaction);
  }

  range(start: Uint8Array, end: Uint8Array, limit: number): Pair[] {
    assert(!this.#released, "a released image must not be read");
    return readRange(this.#environment, start, end, limit, this.#transaction);
  }

  keys(start: Uint8Array, end: Uint8Array, limit: number): Uint8Array[] {
    assert(!this.#released, "a released image must not be read");
    return readKeys(this.#environment, start, end, limit, this.#transaction);
  }

  release(): void {
    if (this.#released) return;
    this.#released = true;
    this.#transaction.done();
    this.#onRelease(this);
  }
}

/** The writer is the file beside this one. From source (development, under tsx) a thread must load its TypeScript loader itself. */
function startWriter(workerData: WriterData): Worker {
  const options = { workerData, resourceLimits: writerLimits };
  if (!import.meta.url.endsWith(".ts")) return new Worker(new URL("./lmdb-writer.js", import.meta.url), options);
  const source = JSON.stringify(new URL("./lmdb-writer.ts", import.meta.url).href);
  return new Worker(`import("tsx/esm/api").then((tsx) => { tsx.register(); return import(${source}); })`, {
    ...options,
    eval: true,
  });
}

/**
 * A server that was killed leaves its lock file, and maybe a check of the store (store-check.ts) that lives a moment longer and would have LMDB go on with what that
 * file says: the newest transaction as of a kill in the middle of a commit, or as of the check's own opening. The data directory is ours alone, so nobody else counts.
 */
function forgetOthers(directory: string): void {
  rmSync(join(directory, "lock.mdb"), { force: true });
}

/** The names of a new environment's files, and of its directory, must survive a power cut too. */
function syncDirectory(directory: string): void {
  for (const name of [directory, dirname(directory)]) {
    const fd = openSync(name, "r");
    fsyncSync(fd);
    closeSync(fd);
  }
}
