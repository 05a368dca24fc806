/**
 * The server's directories: epoch record, log and tree store, opened through recovery. The epoch record
 * names the generation in use; any other `log-n` or `store-n` is a leftover of an interrupted install.
 * `generations.ts` builds the next generation from a snapshot and removes those of before.
 *
 * A damaged epoch record or log stops the server: what it promised or acked is lost. A damaged tree does not, for everything
 * acked is in the log: the tree is built again from the log where that is whole, and otherwise comes as a snapshot, while log and vote go on.
 */
import { type EpochRecord, EpochRecordFile } from "../log/epoch-record.ts";
import { type Log, openLog } from "../log/log.ts";
import { assert } from "../model/assert.ts";
import { mutant } from "../model/mutant.ts";
import type { TokenSource } from "../model/tokens.ts";
import { zeroEpoch, zeroZxid } from "../model/zxid.ts";
import { AbsentKeyValue } from "../tree/absent-key-value.ts";
import type { KeyValue } from "../tree/key-value.ts";
import { SnapshotSource } from "../tree/snapshot-image.ts";
import { DamagedStoreError } from "../tree/store-error.ts";
import { openStore, type WriteBehindStore } from "../tree/write-behind-store.ts";
import type { SnapshotReader } from "../zab/context.ts";
import type { Drivers, ReplicaOptions } from "./options.ts";

export interface Storage {
  readonly epochs: EpochRecordFile;
  readonly log: Log;
  readonly store: WriteBehindStore;
  readonly kv: KeyValue;
  readonly generation: number;
  /** The tree was lost, and the log does not reach back far enough to build it: a snapshot must come. */
  readonly treeless: boolean;
  /** Nothing was there: the server starts empty. */
  readonly fresh: boolean;
  /** Directories of other generations, found at opening. */
  readonly leftovers: readonly string[];
}

export type StorageOpening =
  | { readonly type: "ok"; readonly storage: Storage; readonly notes: readonly string[] }
  | { readonly type: "refused"; readonly exitCode: 70 | 78; readonly reason: string };

export function openStorage(options: ReplicaOptions, drivers: Drivers, tokens: TokenSource): StorageOpening {
  const opening = EpochRecordFile.open(drivers.disk, tokens);
  if (opening.type === "newer") return { type: "refused", exitCode: 78, reason: opening.reason };
  if (opening.type === "damaged") return damaged(options, drivers, tokens, opening.reason, undefined);
  if (opening.type === "absent") return openEmpty(options, drivers, tokens);
  if (options.rejoin && mutant("--rejoin throws sound data away"))
    return damaged(options, drivers, tokens, "it was told to rejoin", opening.record);
  const problem = recordProblem(options, opening.record);
  if (problem !== undefined) return { type: "refused", exitCode: 78, reason: problem };
  return openDirectories(options, drivers, tokens, opening.file, false);
}

function openDirectories(
  options: ReplicaOptions,
  drivers: Drivers,
  tokens: TokenSource,
  epochs: EpochRecordFile,
  fresh: boolean,
): StorageOpening {
  const record = epochs.record;
  const generation = record.generation;
  const existing = !fresh && record.foundation === "founded";
  const opened = openLog({ disk: drivers.disk, tokens, directory: `log-${generation}`, limits: options.limits, existing });
  if (opened.type === "damaged") return damaged(options, drivers, tokens, opened.reason, record);
  const notes = opened.tornTailCut ? ["a torn batch at the end of the log was cut: it was never acknowledged"] : [];
  const tree = openTree(options, drivers, tokens, opened.log, generation, notes);
  if (typeof tree === "string") return { type: "refused", exitCode: 70, reason: tree };
  const { appliedZxid } = tree.store;
  if (appliedZxid > opened.log.lastZxid) {
    const reason = `the tree is at ${appliedZxid}, but the log ends at ${opened.log.lastZxid}`;
    return damaged(options, drivers, tokens, reason, record);
  }
  // A server that starts anew leaves its damaged data alone until the next start: somebody may want to look at it.
  const leftovers = fresh ? [] : leftoversBeside(drivers, generation);
  return { type: "ok", storage: { epochs, log: opened.log, ...tree, generation, fresh, leftovers }, notes };
}

type OpenTree = Pick<Storage, "store" | "kv" | "treeless">;

/** The tree as its store has it, or as it can be had without; a string says why not now (a condemned store: at the next start). */
function openTree(
  options: ReplicaOptions,
  drivers: Drivers,
  tokens: TokenSource,
  log: Log,
  generation: number,
  notes: string[],
): OpenTree | string {
  const directory = `store-${generation}`;
  let lost: string;
  try {
    const kv = drivers.openStore(directory, false);
    const opening = openStore({ kv, tokens, limits: options.limits });
    if (opening.type === "damaged") {
      kv.condemn(opening.reason);
      return opening.reason;
    }
    const { store } = opening;
    if (store.appliedZxid >= log.base) return { store, kv, treeless: false };
    lost = `the tree is at ${store.appliedZxid}, but the log begins after ${log.base}`;
    kv.close();
  } catch (error) {
    if (!(error instanceof DamagedStoreError)) throw error;
    lost = error.message;
  }
  const whole = log.base === zeroZxid;
  if (!whole && isAlone(options)) return `${lost}; the log begins after ${log.base}, and no other server has the tree`;
  notes.push(whole ? `${lost}; the tree is built again from the log` : `${lost}; the tree must come from a leader`);
  const kv = whole ? drivers.openStore(directory, true) : new AbsentKeyValue();
  const opening = openStore({ kv, tokens, limits: options.limits });
  assert(opening.type === "ok", "a store without anything must open");
  return { store: opening.store, kv, treeless: !whole };
}

const nobodyToFetchFrom = "--rejoin fetches everything from the other voters, and there is none";

/** No other server has what this one lost. */
function isAlone(options: ReplicaOptions): boolean {
  return !options.ensemble.some((server) => server.id !== options.id && !server.observer);
}

function openEmpty(options: ReplicaOptions, drivers: Drivers, tokens: TokenSource): StorageOpening {
  const [other] = leftoversBeside(drivers, 1);
  if (other !== undefined)
    return damaged(options, drivers, tokens, `the epoch record is missing, but ${other} is there`, undefined);
  if (options.rejoin && isAlone(options))
    return { type: "refused", exitCode: 78, reason: `the data directory is empty; ${nobodyToFetchFrom}` };
  const epochs = EpochRecordFile.create(drivers.disk, tokens, emptyRecord(options, 1));
  const opening = openDirectories(options, drivers, tokens, epochs, true);
  if (opening.type !== "ok" || isEmpty(opening.storage)) return opening;
  return damaged(options, drivers, tokens, "the epoch record is missing, but the log has entries", undefined);
}

function isEmpty({ log, store }: Storage): boolean {
  return log.lastZxid === zeroZxid && store.appliedZxid === zeroZxid;
}

function emptyRecord(options: ReplicaOptions, generation: number): EpochRecord {
  return {
    nodeId: options.id,
    clusterId: "",
    foundation: "empty",
    member: true,
    voters: options.ensemble.filter((server) => !server.observer).map((server) => server.id),
    observers: options.ensemble.filter((server) => server.observer).map((server) => server.id),
    acceptedEpoch: zeroEpoch,
    currentEpoch: zeroEpoch,
    generation,
    floorZxid: zeroZxid,
  };
}

/**
 * Damage is not absence: without `--rejoin` the server stops; with it, it starts anew, keeps what it
 * promised, and counts nowhere until it is synchronised.
 */
function damaged(
  options: ReplicaOptions,
  drivers: Drivers,
  tokens: TokenSource,
  reason: string,
  record: EpochRecord | undefined,
): StorageOpening {
  if (!options.rejoin) {
    return {
      type: "refused",
      exitCode: 70,
      reason: `the data is damaged: ${reason}; start the server with --rejoin to fetch everything from its peers`,
    };
  }
  if (isAlone(options)) return { type: "refused", exitCode: 70, reason: `the data is damaged: ${reason}; ${nobodyToFetchFrom}` };
  const generation = nextGeneration(drivers);
  const kept = record ?? emptyRecord(options, generation);
  const next = { ...kept, generation, member: record === undefined };
  const epochs = EpochRecordFile.create(drivers.disk, tokens, next);
  // The old record names damaged directories and calls us a member: nothing may be said before this one has replaced it.
  if (record !== undefined) epochs.save(next);
  return openDirectories(options, drivers, tokens, epochs, true);
}

export function nextGeneration(drivers: Drivers): number {
  let highest = 0;
  for (const name of drivers.disk.list("")) highest = Math.max(highest, generationOf(name) ?? 0);
  return highest + 1;
}

function recordProblem(options: ReplicaOptions, record: EpochRecord): string | undefined {
  if (record.nodeId !== options.id) return `the data directory belongs to server ${record.nodeId}, not to server ${options.id}`;
  const voters = options.ensemble.filter((server) => !server.observer).map((server) => server.id);
  const same = [...voters].sort((a, b) => a - b).join() === [...record.voters].sort((a, b) => a - b).join();
  return same
    ? undefined
    : `the ensemble's voters were ${record.voters.join(",")} and are now ${voters.join(",")}: membership cannot be changed by configuration`;
}

function generationOf(name: string): number | undefined {
  const dash = name.indexOf("-");
  const kind = name.slice(0, dash);
  if (dash < 0 || (kind !== "log" && kind !== "store")) return undefined;
  const generation = Number(name.slice(dash + 1));
  return Number.isSafeInteger(generation) ? generation : undefined;
}

function leftoversBeside(drivers: Drivers, keep: number): readonly string[] {
  return drivers.disk.list("").filter((name) => (generationOf(name) ?? keep) !== keep);
}

/** The whole store as SNAP sends it: a point-in-time image, so commits never wait for it. */
export function snapshotReader(kv: KeyValue, chunkBytes: number): SnapshotReader {
  const source = new SnapshotSource(kv, chunkBytes);
  return { zxid: source.zxid, next: () => source.next().pairs, release: () => source.release() };
}
