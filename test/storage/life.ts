/**
 * A short life of one server's storage on the virtual file system, with the shipping driver, log, epoch record and
 * generations: appends and turnovers, the idle marker, TRUNC, trim, a snapshot that is given up and one that is
 * installed, an epoch's end. At every step it knows what it was told is durable; `judge` holds that against a state.
 */
import type { NodeDisk } from "../../server/disk.ts";
import { Inbox } from "../../server/inbox.ts";
import type { Disk } from "../../src/log/disk.ts";
import type { EpochRecord } from "../../src/log/epoch-record.ts";
import type { Log } from "../../src/log/log.ts";
import { must } from "../../src/model/assert.ts";
import { type Limits, tinyLimits } from "../../src/model/limits.ts";
import { TokenSource } from "../../src/model/tokens.ts";
import { makeEpoch, type Zxid, zeroEpoch, zeroZxid } from "../../src/model/zxid.ts";
import { Generations } from "../../src/replica/generations.ts";
import type { ReplicaOptions } from "../../src/replica/options.ts";
import { openStorage, type Storage } from "../../src/replica/storage.ts";
import type { KeyValue, KeyValueWrite } from "../../src/tree/key-value.ts";
import { appliedKey } from "../../src/tree/store-keys.ts";
import { appliedValue } from "../../src/tree/znode-codec.ts";
import type { SnapshotInstall } from "../../src/zab/context.ts";
import { entriesOf, payloadOf, zxid } from "../log/support.ts";
import type { State } from "./crash-states.ts";
import { root, VirtualFs } from "./virtual-fs.ts";

export const limits: Limits = { ...tinyLimits, log_segment_bytes: 2_048, history_txns_min: 3, history_bytes_min: 1_000 };

export const options: ReplicaOptions = {
  id: 1,
  ensemble: [{ id: 1, observer: false }],
  rejoin: false,
  leaseReads: true,
  limits,
  boot: 1,
  freshClusterId: "c",
  foundAboveEpoch: zeroEpoch,
};

interface Entry {
  readonly zxid: Zxid;
  readonly payload: Uint8Array;
}

/** What one generation's log may hold. */
interface World {
  entries: Entry[];
  /** Before a cut that is not known to be durable. */
  beforeCut: Entry[] | undefined;
  durable: Zxid;
  /** No entry after it may be missing at the front. */
  trimmedTo: Zxid;
  branch: number;
}

/** The tree store: one file that a commit replaces, old or new in a power cut, as LMDB's last meta page. */
class FileStore implements KeyValue {
  readonly #virtual: VirtualFs;
  readonly #directory: string;
  readonly #onDone: (token: number) => void;
  readonly #pairs = new Map<string, readonly [Uint8Array, Uint8Array]>();
  #closed = false;

  constructor(virtual: VirtualFs, directory: string, onDone: (token: number) => void) {
    this.#virtual = virtual;
    this.#directory = `${root}/${directory}`;
    this.#onDone = onDone;
    virtual.makeDirectory(this.#directory);
    virtual.syncDirectory(root);
    const file = virtual.names.get(`${this.#directory}/data.mdb`);
    if (file !== undefined && file !== "directory" && file.content.length > 0)
      this.#set({ key: appliedKey, value: file.content });
  }

  #set({ key, value }: KeyValueWrite): void {
    if (value !== undefined) this.#pairs.set(Buffer.from(key).toString("hex"), [key, value]);
  }
  get(key: Uint8Array): Uint8Array | undefined {
    return this.#pairs.get(Buffer.from(key).toString("hex"))?.[1];
  }
  range(start: Uint8Array, end: Uint8Array, limit: number): (readonly [Uint8Array, Uint8Array])[] {
    const within = (key: Uint8Array): boolean => Buffer.compare(start, key) <= 0 && Buffer.compare(key, end) < 0;
    return [...this.#pairs.values()].filter(([key]) => within(key)).slice(0, limit);
  }
  image(): never {
    throw new Error("nobody takes an image here");
  }
  prepare(): void {}
  commit(writes: readonly KeyValueWrite[], token: number): void {
    for (const write of writes) this.#set(write);
    const content = must(this.get(appliedKey), "the applied zxid").slice();
    this.#virtual.change(`${this.#directory}/data.mdb`, { content, durable: content, dirty: new Set() });
    queueMicrotask(() => {
      if (this.#closed) return;
      this.#virtual.syncDirectory(this.#directory);
      this.#virtual.step();
      this.#onDone(token);
    });
  }
  condemn(reason: string): void {
    throw new Error(reason);
  }
  close(): void {
    this.#closed = true;
  }
}

/** Recovery's disk over a state: it reads, and what it submits is left undone. */
class StateDisk implements Disk {
  readonly #state: State;
  constructor(state: State) {
    this.#state = state;
  }
  list(directory: string): string[] {
    const prefix = directory === "" ? `${root}/` : `${root}/${directory}/`;
    const names = [...this.#state.keys()].filter((path) => path.startsWith(prefix)).map((path) => path.slice(prefix.length));
    return names.filter((name) => !name.includes("/")).sort();
  }
  size(file: string): number | undefined {
    const found = this.#state.get(`${root}/${file}`);
    return found === undefined || found === "directory" ? undefined : found.length;
  }
  read(file: string, offset: number, length: number): Uint8Array {
    const found = this.#state.get(`${root}/${file}`);
    if (found === undefined || found === "directory") throw new Error(`no such file: ${file}`);
    return found.subarray(offset, offset + length);
  }
  submit(): void {}
  freeBytes(): number {
    return 2 ** 40;
  }
}

export class Life {
  readonly virtual: VirtualFs;
  readonly #inbox = new Inbox();
  readonly #tokens = new TokenSource();
  readonly #disk: NodeDisk;
  readonly #stores: number[] = [];
  readonly #worlds = new Map<number, World>();
  /** Saves asked for, oldest first; the first is the durable one, undefined when there is none yet. */
  #records: (EpochRecord | undefined)[] = [undefined];
  #storage: Storage;
  readonly #generations: Generations;
  #install: SnapshotInstall | undefined;
  #nowMs = 0;
  readonly #drivers;

  constructor(virtual: VirtualFs, makeDisk: (directory: string, inbox: Inbox) => NodeDisk) {
    this.virtual = virtual;
    this.#disk = makeDisk(root, this.#inbox);
    this.#drivers = {
      disk: this.#disk,
      openStore: (directory: string) => new FileStore(virtual, directory, (token) => this.#stores.push(token)),
    };
    const opening = openStorage(options, this.#drivers, this.#tokens);
    if (opening.type !== "ok") throw new Error(opening.reason);
    this.#storage = opening.storage;
    this.#generations = new Generations(options, this.#drivers, this.#tokens, opening.storage);
    // What a power cut left is on the platter: all that is found now must be found for ever.
    const { log, epochs, generation, fresh } = opening.storage;
    this.#worlds.set(generation, { ...newWorld(log), entries: entriesOf(log, 1_000), durable: log.lastZxid });
    if (!fresh) this.#records = [epochs.record];
  }

  get #log(): Log {
    return this.#storage.log;
  }

  get #world(): World {
    return must(this.#worlds.get(this.#storage.generation), "a world");
  }

  // ---- turns

  async until(condition: () => boolean): Promise<void> {
    for (let turns = 0; !condition(); turns += 1) {
      if (turns > 5_000) throw new Error("stuck");
      this.#turn();
      await Promise.resolve();
    }
  }

  #turn(): void {
    for (const event of this.#inbox.take()) {
      if (event.type !== "diskDone") throw new Error(`unexpected ${event.type}`);
      const { token } = event;
      const mine = this.#storage.epochs.onDiskDone(token) || this.#log.onDiskDone(token, this.#nowMs);
      if (!mine) this.#generations.onDiskDone(token, this.#nowMs);
    }
    for (const token of this.#stores.splice(0)) {
      this.#generations.onStoreCommitted(token);
      this.#generations.onStoreSynced(token);
    }
    this.#log.endTurn(this.#nowMs);
    this.#generations.endTurn(this.#nowMs);
    this.#note();
  }

  /** What the server may rely on from here on. */
  #note(): void {
    noteLog(this.#world, this.#log);
    if (this.#install !== undefined) noteLog(must(this.#worlds.get(this.#install.generation), "a world"), this.#install.log);
    const { durable } = this.#storage.epochs;
    const at = this.#records.indexOf(durable);
    if (at > 0) this.#records = this.#records.slice(at);
  }

  // ---- the life

  async #save(change: Partial<EpochRecord>): Promise<void> {
    const record = { ...this.#storage.epochs.record, ...change };
    this.#records.push(record);
    this.#storage.epochs.save(record);
    await this.until(() => !this.#storage.epochs.saving);
  }

  #append(log: Log, epoch: number, counter: number): void {
    const world =
      log === this.#log ? this.#world : must(this.#worlds.get(must(this.#install, "an install").generation), "a world");
    const id = zxid(epoch, counter);
    const payload = payloadOf(id, 180, world.branch);
    world.entries.push({ zxid: id, payload });
    log.append(id, payload);
  }

  async #write(epoch: number, from: number, to: number): Promise<void> {
    for (let counter = from; counter <= to; counter += 1) this.#append(this.#log, epoch, counter);
    await this.until(() => this.#log.idle);
  }

  async play(): Promise<void> {
    await this.until(() => this.#log.idle);
    await this.#save({ foundation: "founding", clusterId: "c" });
    await this.#save({ foundation: "founded" });
    await this.#save({ acceptedEpoch: makeEpoch(1), currentEpoch: makeEpoch(1) });
    await this.#write(1, 1, 3);
    for (let counter = 4; counter <= 10; counter += 1) await this.#write(1, counter, counter);
    this.#nowMs += limits.log_marker_idle_ms;
    await this.until(() => this.#log.idle);
    await this.#truncate(zxid(1, 9));
    await this.#save({ acceptedEpoch: makeEpoch(2) });
    await this.#save({ currentEpoch: makeEpoch(2) });
    for (let counter = 1; counter <= 5; counter += 2) await this.#write(2, counter, counter + 1);
    // A batch of four sectors, and one that makes its file longer.
    await this.#write(2, 7, 14);
    await this.#write(2, 15, 26);
    await this.#truncateAndSave(zxid(1, 7), 3);
    await this.#write(3, 1, 2);
    await this.#applyAndTrim(zxid(1, 7));
    await this.#beginInstall(zxid(4, 5), false);
    await this.#beginInstall(zxid(4, 6), true);
    await this.#write(5, 3, 4);
    await this.until(() => this.#disk.inFlight === 0 && this.#inbox.size === 0);
  }

  /** What a server does first after a power cut: everything of the opening, then a write and a promise. */
  async resume(): Promise<void> {
    await this.until(() => this.#log.idle && !this.#storage.epochs.saving);
    await this.#save({ foundation: "founded", clusterId: "c" });
    this.#append(this.#log, 9, 1);
    await this.until(() => this.#log.idle && !this.#storage.epochs.saving);
    await this.#save({ acceptedEpoch: makeEpoch(9), currentEpoch: makeEpoch(9) });
    await this.#truncate(this.#world.entries.at(-2)?.zxid ?? this.#log.base);
    this.#append(this.#log, 10, 1);
    await this.until(() => this.#log.idle && this.#disk.inFlight === 0 && this.#inbox.size === 0);
  }

  async #truncate(to: Zxid): Promise<void> {
    const world = this.#world;
    world.beforeCut = world.entries.slice();
    world.entries = world.entries.filter((entry) => entry.zxid <= to);
    world.branch += 1;
    world.durable = to < world.durable ? to : world.durable;
    this.#log.truncate(to, this.#nowMs);
    await this.until(() => this.#log.idle);
  }

  /** Both under way at once, and entries behind them. */
  async #truncateAndSave(to: Zxid, epoch: number): Promise<void> {
    const truncated = this.#truncate(to);
    await this.#save({ acceptedEpoch: makeEpoch(epoch), currentEpoch: makeEpoch(epoch) });
    await truncated;
  }

  /** The trim while an append and a save are under way. */
  async #applyAndTrim(to: Zxid): Promise<void> {
    const token = this.#tokens.next();
    this.#storage.kv.commit([{ key: appliedKey, value: appliedValue(to) }], token);
    await this.until(() => this.#stores.length > 0);
    await this.until(() => this.#stores.length === 0);
    const { acceptedEpoch } = this.#storage.epochs.record;
    this.#append(this.#log, 3, 3);
    this.#turn();
    const saved = this.#save({ acceptedEpoch: makeEpoch(acceptedEpoch + 1) });
    this.#world.trimmedTo = to;
    this.#log.trim(to);
    if (this.#log.base === zeroZxid) throw new Error("nothing was trimmed");
    await saved;
    await this.until(() => this.#log.idle);
  }

  async #beginInstall(to: Zxid, whole: boolean): Promise<void> {
    const install = this.#generations.begin(to);
    this.#install = install;
    this.#worlds.set(install.generation, newWorld(install.log));
    install.write([[appliedKey, appliedValue(to)]]);
    install.finish();
    this.#append(install.log, 5, 1);
    if (!whole) return this.#abandon(install);
    await this.until(() => install.synced && install.log.opened && install.log.durableZxid === zxid(5, 1));
    await this.#save({ generation: install.generation, acceptedEpoch: makeEpoch(5), currentEpoch: makeEpoch(5) });
    this.#install = undefined;
    this.#storage = this.#generations.complete(install);
    await this.until(() => this.#disk.inFlight === 0 && this.#inbox.size === 0);
    this.#append(this.#log, 5, 2);
    await this.until(() => this.#log.idle);
    await this.#save({ acceptedEpoch: makeEpoch(6), currentEpoch: makeEpoch(6) });
  }

  /** In the middle of its first writes. */
  async #abandon(install: SnapshotInstall): Promise<void> {
    await this.until(() => install.log.opened);
    this.#install = undefined;
    install.abandon();
    await this.until(() => this.#disk.inFlight === 0 && this.#inbox.size === 0);
  }

  close(): Promise<void> {
    return this.#disk.close();
  }

  // ---- judgement

  /** Tells apart what was promised at different steps. */
  get promised(): string {
    const worlds = [...this.#worlds].map(([generation, { durable, trimmedTo, branch, beforeCut, entries }]) =>
      [generation, durable, trimmedTo, branch, beforeCut === undefined, entries.length].join(),
    );
    return `${worlds.join(";")} ${this.#records.length} ${this.#records[0]?.acceptedEpoch} ${this.#records[0]?.generation}`;
  }

  /** What is wrong with what a server finds in this state, or "". */
  judge(state: State): string {
    const openStore = (directory: string): KeyValue => new FileStore(VirtualFs.of(state), directory, () => {});
    const opening = openStorage(options, { disk: new StateDisk(state), openStore }, new TokenSource());
    if (opening.type !== "ok") return `refused: ${opening.reason}`;
    const { epochs, log, generation, fresh } = opening.storage;
    if (fresh) return this.#records[0] === undefined ? "" : "a durable epoch record is gone";
    const known = this.#records.some((record) => record !== undefined && sameRecord(record, epochs.record));
    if (!known) return `the epoch record has accepted ${epochs.record.acceptedEpoch}, which is neither durable nor being saved`;
    const world = this.#worlds.get(generation);
    return world === undefined ? `generation ${generation} was never begun` : judgeLog(world, log);
  }
}

function newWorld(log: Log): World {
  return { entries: [], beforeCut: undefined, durable: log.durableZxid, trimmedTo: log.base, branch: 0 };
}

function noteLog(world: World, log: Log): void {
  if (world.beforeCut !== undefined && log.idle) world.beforeCut = undefined;
  if (log.durableZxid > world.durable) world.durable = log.durableZxid;
}

function sameRecord(a: EpochRecord, b: EpochRecord): boolean {
  return JSON.stringify(a) === JSON.stringify({ ...a, ...b });
}

function judgeLog(world: World, log: Log): string {
  if (log.base > world.trimmedTo) return `the log begins after ${log.base}, and entries after ${world.trimmedTo} were to stay`;
  if (log.lastZxid < world.durable) return `the log ends at ${log.lastZxid}, and ${world.durable} was durable`;
  const found = entriesOf(log, 1_000);
  const wanted = [world.entries, ...(world.beforeCut === undefined ? [] : [world.beforeCut])];
  return wanted.some((entries) => isPrefix(found, entries, log.base)) ? "" : "the log holds what was never appended there";
}

function isPrefix(found: readonly { zxid: Zxid; payload: Uint8Array }[], entries: readonly Entry[], base: Zxid): boolean {
  const after = entries.filter((entry) => entry.zxid > base);
  return found.every(({ zxid: id, payload }, index) => {
    const entry = after[index];
    return entry !== undefined && entry.zxid === id && Buffer.from(payload).equals(entry.payload);
  });
}
