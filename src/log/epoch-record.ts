/**
 * The epoch record: who this server is and what it has promised. Losing it, or an old one coming back, is
 * amnesia, so there are two copies, each replaced atomically, and a save counts when both are durable.
 *
 * Each is a frame (framed-file.ts), whose body begins with the sequence.
 *
 * Invariants:
 * - Saves are performed one after the other, in order; each has a higher sequence than all before it.
 * - On opening the good copy with the higher sequence wins, one bad copy is tolerated, and both copies are
 *   written anew before `saving` is false: what was read may be in the page cache alone, and the other copy
 *   may be older.
 * Used by zab (epochs, founding) and replica (directories); completions come through `onDiskDone`.
 */
import { assert, must } from "../model/assert.ts";
import type { TokenSource } from "../model/tokens.ts";
import { type Epoch, epochMax, makeEpoch, type ServerId, type Zxid } from "../model/zxid.ts";
import type { Disk } from "./disk.ts";
import { type FileFormat, frameFile, readFrame } from "./framed-file.ts";
import { ByteReader, ByteWriter } from "./record-bytes.ts";

export interface EpochRecord {
  readonly nodeId: ServerId;
  readonly clusterId: string;
  readonly foundation: Foundation;
  /** False while a wiped server rejoins: it counts nowhere. */
  readonly member: boolean;
  readonly voters: readonly ServerId[];
  readonly observers: readonly ServerId[];
  readonly acceptedEpoch: Epoch;
  readonly currentEpoch: Epoch;
  /** Names the directories `log-<n>` and `store-<n>`. */
  readonly generation: number;
  /** Who has less in its log never leads: the ensemble was founded anew from a log that reached so far. 0 otherwise. */
  readonly floorZxid: Zxid;
}

/** As in zab/message.ts; the log knows nothing of messages. */
type Foundation = "empty" | "founding" | "founded";
const foundations: readonly Foundation[] = ["empty", "founding", "founded"];

export type EpochRecordOpening =
  | { readonly type: "absent" }
  | { readonly type: "ok"; readonly record: EpochRecord; readonly file: EpochRecordFile }
  | { readonly type: "damaged"; readonly reason: string }
  /** Written by a newer program. */
  | { readonly type: "newer"; readonly reason: string };

type CopyReading =
  | { readonly type: "absent" }
  | { readonly type: "bad"; readonly reason: string }
  | { readonly type: "newer"; readonly version: number }
  | { readonly type: "ok"; readonly sequence: number; readonly record: EpochRecord };

interface Save {
  readonly record: EpochRecord;
  readonly sequence: number;
}

/** "ZABE". Version 1 had no floorZxid. */
const format: FileFormat = { magic: 0x4542_415a, version: 3, summedWholeSince: 3 };
export const epochRecordFiles: readonly string[] = ["epoch-record-1", "epoch-record-2"];

export class EpochRecordFile {
  readonly #disk: Disk;
  readonly #tokens: TokenSource;
  #sequence: number;
  #record: EpochRecord;
  #durable: EpochRecord;
  /** The first one is under way; one more may wait. */
  readonly #queue: Save[] = [];
  /** Of the copies being replaced. */
  #pending: number[] = [];

  private constructor(disk: Disk, tokens: TokenSource, record: EpochRecord, sequence: number) {
    this.#disk = disk;
    this.#tokens = tokens;
    this.#record = record;
    this.#durable = record;
    this.#sequence = sequence;
  }

  static open(disk: Disk, tokens: TokenSource): EpochRecordOpening {
    const copies = epochRecordFiles.map((file) => readCopy(disk, file));
    for (const copy of copies) {
      if (copy.type === "newer")
        return {
          type: "newer",
          reason: `the epoch record has format version ${copy.version}, and this program knows versions up to ${format.version}`,
        };
    }
    const best = newest(copies);
    if (best === undefined)
      return copies.every((copy) => copy.type === "absent") ? { type: "absent" } : { type: "damaged", reason: damageOf(copies) };
    const file = new EpochRecordFile(disk, tokens, best.record, best.sequence);
    file.#enqueue(best.record);
    return { type: "ok", record: best.record, file };
  }

  /**
   * The file of a server that starts anew with `record`, which is on disk only once it is saved. It takes
   * over from copies that are there already (a damaged server that rejoins).
   */
  static create(disk: Disk, tokens: TokenSource, record: EpochRecord): EpochRecordFile {
    const before = newest(epochRecordFiles.map((file) => readCopy(disk, file)));
    return new EpochRecordFile(disk, tokens, record, before?.sequence ?? 0);
  }

  /** As last given to `save`. */
  get record(): EpochRecord {
    return this.#record;
  }

  /** As last saved, both copies. Directly after opening, while `saving`, it is what was read. */
  get durable(): EpochRecord {
    return this.#durable;
  }

  get saving(): boolean {
    return this.#queue.length > 0;
  }

  save(record: EpochRecord): void {
    assert(record.currentEpoch <= record.acceptedEpoch, "currentEpoch is at most acceptedEpoch");
    assert(record.acceptedEpoch >= this.#record.acceptedEpoch, "acceptedEpoch never falls");
    assert(record.currentEpoch >= this.#record.currentEpoch, "currentEpoch never falls");
    this.#enqueue(record);
  }

  /** What waits is overtaken: epochs never fall, so whoever waits for it is served by what comes after it. A disk may hang for longer than many epochs last. */
  #enqueue(record: EpochRecord): void {
    this.#record = record;
    this.#sequence += 1;
    if (this.#queue.length > 1) this.#queue.pop();
    this.#queue.push({ record, sequence: this.#sequence });
    if (this.#queue.length === 1) this.#submit();
  }

  #submit(): void {
    const { record, sequence } = must(this.#queue[0], "a save");
    const content = encodeEpochRecord(record, sequence);
    for (const file of epochRecordFiles) {
      const token = this.#tokens.next();
      this.#pending.push(token);
      this.#disk.submit({ type: "replace", token, file, content });
    }
  }

  /** True when the token was ours; `durable` and `saving` may have changed. */
  onDiskDone(token: number): boolean {
    if (!this.#pending.includes(token)) return false;
    this.#pending = this.#pending.filter((pending) => pending !== token);
    if (this.#pending.length > 0) return true;
    this.#durable = must(this.#queue.shift(), "the save that is done").record;
    if (this.#queue.length > 0) this.#submit();
    return true;
  }
}

function newest(copies: readonly CopyReading[]): Save | undefined {
  let best: Save | undefined;
  for (const copy of copies) {
    if (copy.type === "ok" && (best === undefined || copy.sequence > best.sequence)) best = copy;
  }
  return best;
}

function damageOf(copies: readonly CopyReading[]): string {
  const found = copies.map((copy, index) => `${epochRecordFiles[index]} ${copy.type === "bad" ? copy.reason : "is missing"}`);
  return `the epoch record is damaged: ${found.join(", ")}; what this server has promised is not known`;
}

function readCopy(disk: Disk, file: string): CopyReading {
  const size = disk.size(file);
  return size === undefined ? { type: "absent" } : decodeCopy(disk.read(file, 0, size));
}

/** For tools that make a data directory; servers save through the file. */
export function encodeEpochRecord(record: EpochRecord, sequence: number): Uint8Array {
  const writer = new ByteWriter();
  writer.number(sequence);
  writer.number(record.nodeId);
  writer.text(record.clusterId);
  writer.number(foundations.indexOf(record.foundation));
  writer.number(record.member ? 1 : 0);
  writer.numbers(record.voters);
  writer.numbers(record.observers);
  writer.number(record.acceptedEpoch);
  writer.number(record.currentEpoch);
  writer.number(record.generation);
  writer.number(record.floorZxid);
  return frameFile(format, writer.bytes());
}

function decodeCopy(bytes: Uint8Array): CopyReading {
  const frame = readFrame(format, bytes);
  if (frame.type === "bad") return frame;
  const { version, body } = frame;
  return version > format.version ? { type: "newer", version } : decodeBody(new ByteReader(body), version);
}

function decodeBody(reader: ByteReader, version: number): CopyReading {
  const sequence = reader.number();
  const nodeId = reader.number();
  const clusterId = reader.text();
  const foundation = foundations[reader.number()];
  const member = reader.number() === 1;
  const voters = reader.numbers();
  const observers = reader.numbers();
  const acceptedEpoch = reader.number();
  const currentEpoch = reader.number();
  const generation = reader.number();
  const floorZxid = (version < 2 ? 0 : reader.number()) as Zxid;
  if (!reader.finished || foundation === undefined || acceptedEpoch > epochMax || currentEpoch > acceptedEpoch)
    return { type: "bad", reason: "has fields that make no sense" };
  const record = {
    nodeId,
    clusterId,
    foundation,
    member,
    voters,
    observers,
    acceptedEpoch: makeEpoch(acceptedEpoch),
    currentEpoch: makeEpoch(currentEpoch),
    generation,
    floorZxid,
  };
  return { type: "ok", sequence, record };
}
