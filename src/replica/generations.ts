/**
 * Which directories are in use, over time: a snapshot comes in as the next generation beside the live one,
 * becomes the live one, and what it replaced goes.
 *
 * Invariants:
 * - No generation's name is used twice by one process: an earlier one's directories may still be on their way out.
 * - A directory that the durable epoch record names stays. Until a record is durable in both its copies, any of
 *   the two before it may be what the next start finds; so nothing is removed while the record is being saved.
 */
import type { EpochRecordFile } from "../log/epoch-record.ts";
import { createLog, type Log } from "../log/log.ts";
import { assert } from "../model/assert.ts";
import { mutant } from "../model/mutant.ts";
import type { TokenSource } from "../model/tokens.ts";
import type { Zxid } from "../model/zxid.ts";
import type { KeyValue } from "../tree/key-value.ts";
import { SnapshotSink } from "../tree/snapshot-image.ts";
import { openStore } from "../tree/write-behind-store.ts";
import type { SnapshotInstall } from "../zab/context.ts";
import type { Drivers, ReplicaOptions } from "./options.ts";
import { nextGeneration, type Storage } from "./storage.ts";

interface Directories {
  readonly log: Log;
  readonly kv: KeyValue;
  readonly generation: number;
}

export class Generations {
  readonly #options: ReplicaOptions;
  readonly #drivers: Drivers;
  readonly #tokens: TokenSource;
  readonly #epochs: EpochRecordFile;
  #live: Storage;
  #leftovers: readonly string[];
  /** The last one that this process has begun. */
  #begun = 0;
  #installs: Install[] = [];
  /** Out of use, and kept while the epoch record is being saved. */
  #superseded: Directories[] = [];
  /** Logs on their way out: their completions are still theirs. */
  #retired: Log[] = [];

  constructor(options: ReplicaOptions, drivers: Drivers, tokens: TokenSource, storage: Storage) {
    this.#options = options;
    this.#drivers = drivers;
    this.#tokens = tokens;
    this.#epochs = storage.epochs;
    this.#live = storage;
    this.#leftovers = storage.leftovers;
  }

  begin(zxid: Zxid): SnapshotInstall {
    this.#begun = Math.max(this.#begun + 1, nextGeneration(this.#drivers));
    const install = new Install(this.#options, this.#drivers, this.#tokens, {
      zxid,
      generation: this.#begun,
      onAbandon: () => this.#abandon(install),
    });
    this.#installs.push(install);
    return install;
  }

  /** The install's directories are the live ones. The epoch record must name them: durably, or in a save under way. */
  complete(done: SnapshotInstall): Storage {
    const install = this.#installs.find((other) => other === done);
    assert(install !== undefined, "a completed install must have been begun here");
    assert(
      this.#epochs.record.generation === install.generation || mutant("SNAP switches before its log"),
      "the epoch record must name the installed generation",
    );
    this.#installs = [];
    this.#supersede(this.#live);
    this.#live = install.open(this.#options, this.#tokens, this.#epochs);
    return this.#live;
  }

  #abandon(install: Install): void {
    this.#installs = this.#installs.filter((other) => other !== install);
    this.#supersede(install);
  }

  #supersede(old: Directories): void {
    old.kv.close();
    this.#superseded.push(old);
  }

  endTurn(nowMs: number): void {
    for (const install of this.#installs) install.log.endTurn(nowMs);
    if (this.#epochs.saving) return;
    this.#removeLeftovers();
    for (const old of this.#superseded) this.#retire(old);
    this.#superseded = [];
  }

  /** What a server had before it was damaged is kept until it has everything again: maybe nobody else has it. */
  #removeLeftovers(): void {
    if (!this.#epochs.durable.member && !mutant("damaged data is removed before it is made up for")) return;
    for (const name of this.#leftovers) this.#remove(name);
    this.#leftovers = [];
  }

  /** The log removes itself once nothing of it is in flight. */
  #retire(old: Directories): void {
    assert(old.generation !== this.#epochs.durable.generation, "the directories that the epoch record names stay");
    old.log.remove();
    this.#retired.push(old.log);
    this.#remove(`store-${old.generation}`);
  }

  #remove(name: string): void {
    this.#drivers.disk.submit({ type: "remove", token: this.#tokens.next(), file: name });
  }

  onDiskDone(token: number, nowMs: number): void {
    for (const { log } of [...this.#installs, ...this.#superseded]) if (log.onDiskDone(token, nowMs)) return;
    for (const log of this.#retired) if (log.onDiskDone(token, nowMs)) break;
    this.#retired = this.#retired.filter((log) => !log.removed);
  }

  onStoreCommitted(token: number): void {
    for (const install of this.#installs) if (install.onStoreCommitted(token)) return;
  }

  onStoreSynced(token: number): void {
    for (const install of this.#installs) if (install.onStoreSynced(token)) return;
  }
}

/** A store and a log built beside the live ones while a snapshot comes in. */
class Install implements SnapshotInstall {
  readonly log: Log;
  readonly generation: number;
  readonly kv: KeyValue;
  readonly #sink: SnapshotSink;
  readonly #chunkBytes: number;
  readonly #onAbandon: () => void;
  #finished = false;

  /** `generation`: one that this process has not used yet, since an abandoned one's directories may still be on their way out. */
  constructor(
    options: ReplicaOptions,
    drivers: Drivers,
    tokens: TokenSource,
    parts: { readonly zxid: Zxid; readonly generation: number; readonly onAbandon: () => void },
  ) {
    this.#onAbandon = parts.onAbandon;
    this.generation = parts.generation;
    this.#chunkBytes = options.limits.snapshot_chunk_bytes;
    this.log = createLog({ disk: drivers.disk, tokens, directory: `log-${this.generation}`, limits: options.limits }, parts.zxid);
    this.kv = drivers.openStore(`store-${this.generation}`, true);
    this.#sink = new SnapshotSink(this.kv, tokens);
  }

  get pending(): number {
    return Math.ceil(this.#sink.pending / this.#chunkBytes);
  }

  get synced(): boolean {
    return this.#finished && this.#sink.synced;
  }

  write(pairs: readonly (readonly [key: Uint8Array, value: Uint8Array])[]): string | undefined {
    return this.#sink.write(pairs);
  }

  finish(): void {
    this.#finished = true;
  }

  abandon(): void {
    this.#onAbandon();
  }

  /** The live storage from here on: the epoch record names it. */
  open(options: ReplicaOptions, tokens: TokenSource, epochs: EpochRecordFile): Storage {
    const opening = openStore({ kv: this.kv, tokens, limits: options.limits });
    assert(opening.type === "ok", "an installed store must open");
    const { log, kv, generation } = this;
    return { epochs, log, store: opening.store, kv, generation, treeless: false, fresh: false, leftovers: [] };
  }

  onStoreCommitted(token: number): boolean {
    return this.#sink.onStoreCommitted(token);
  }

  onStoreSynced(token: number): boolean {
    return this.#sink.onStoreSynced(token);
  }
}
