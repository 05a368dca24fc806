/**
 * Damaged files: log segments and manifests, epoch records, and the pairs of a snapshot. What is read of them is what was
 * written, or they are refused.
 */
import type { Disk } from "../../src/log/disk.ts";
import { EpochRecordFile, encodeEpochRecord } from "../../src/log/epoch-record.ts";
import { readHistory } from "../../src/log/history.ts";
import { recover } from "../../src/log/recovery.ts";
import { tinyLimits } from "../../src/model/limits.ts";
import { TokenSource } from "../../src/model/tokens.ts";
import { makeEpoch, type Zxid, zeroZxid } from "../../src/model/zxid.ts";
import { SnapshotSink } from "../../src/tree/snapshot-image.ts";
import { openStore } from "../../src/tree/write-behind-store.ts";
import { directory, makeDisk, payloadOf, start } from "../log/support.ts";
import { SimKeyValue } from "../sim/key-value.ts";
import { plainNode } from "../tree/store-model.ts";
import { damage, randomSource } from "../wire/fuzz-targets.ts";
import type { Fuzzer } from "./fuzzer.ts";

/** Files in memory, to be read alone. */
class Files implements Disk {
  readonly files: Map<string, Uint8Array>;
  constructor(files: ReadonlyMap<string, Uint8Array>) {
    this.files = new Map(files);
  }
  list(name: string): string[] {
    return [...this.files.keys()].filter((file) => file.startsWith(`${name}/`)).map((file) => file.slice(name.length + 1));
  }
  size(file: string): number | undefined {
    return this.files.get(file)?.length;
  }
  read(file: string, offset: number, length: number): Uint8Array {
    return (this.files.get(file) ?? new Uint8Array(0)).subarray(offset, offset + length);
  }
  submit(): void {
    return;
  }
  freeBytes(): number {
    return 0;
  }
}

function sampleLog(): ReadonlyMap<string, Uint8Array> {
  const disk = makeDisk(1);
  const process = start(disk, { ...tinyLimits, log_segment_bytes: 2_048 });
  for (let i = 0; i < 5; i += 1) process.write(1, 1 + 3 * i, 3 + 3 * i, 60);
  process.settle(true);
  return disk.snapshotFiles();
}

const log = sampleLog();
const logFiles = [...log.keys()];

/** What recovery takes for entries is what was written: bytes of others never pass. */
const logFuzzer: Fuzzer = {
  name: "log files",
  play: (random) => {
    const file = logFiles[random(logFiles.length)] ?? "";
    const disk = new Files(log);
    disk.files.set(file, damage(log.get(file) ?? new Uint8Array(0), random));
    const found = recover(disk, directory);
    if (found.type !== "ok") return false;
    const entries = readHistory(disk, found.segments, { after: found.base, until: found.last, bytesMax: 1e9 });
    for (const { zxid, payload } of entries)
      if (!Buffer.from(payload).equals(payloadOf(zxid, payload.length))) throw new Error(`wrong bytes for ${zxid} in ${file}`);
    return true;
  },
};

const record = encodeEpochRecord(
  {
    nodeId: 1,
    clusterId: "c1",
    foundation: "founded",
    member: true,
    voters: [1, 2, 3],
    observers: [],
    acceptedEpoch: makeEpoch(7),
    currentEpoch: makeEpoch(6),
    generation: 2,
    floorZxid: zeroZxid,
  },
  9,
);

const epochFuzzer: Fuzzer = {
  name: "epoch records",
  play: (random) => {
    const damaged = damage(record, random);
    // One copy is sound, or the same is wrong with both, or something else.
    const other = [record, damaged, damage(record, random)][random(3)] ?? record;
    const opening = EpochRecordFile.open(
      new Files(
        new Map([
          ["epoch-record-1", damaged],
          ["epoch-record-2", other],
        ]),
      ),
      new TokenSource(),
    );
    if (other === record && opening.type !== "ok") throw new Error("a sound copy was not enough");
    if (opening.type !== "ok") return false;
    if (opening.record.acceptedEpoch !== 7 || opening.record.generation !== 2)
      throw new Error("a damaged epoch record was believed");
    return true;
  },
};

type Pair = readonly [key: Uint8Array, value: Uint8Array];

function emptyStore(): SimKeyValue {
  const random = randomSource(3);
  return new SimKeyValue({ below: random }, { commitMsMax: 0, syncMsMax: 0 });
}

/** What a server of some nodes sends of its tree. */
function samplePairs(): readonly Pair[] {
  const kv = emptyStore();
  const opening = openStore({ kv, tokens: new TokenSource(), limits: tinyLimits });
  if (opening.type !== "ok") throw new Error(opening.reason);
  const { store } = opening;
  for (let i = 0; i < 12; i += 1) store.put(`/n${i}`, plainNode(i, Buffer.from(`value ${i}`)));
  store.putRecord("session/1", Uint8Array.of(1, 2, 3));
  store.setApplied(41 as Zxid);
  store.flush(0);
  kv.advance(0);
  return kv.range(Uint8Array.of(0), Uint8Array.of(255, 255), 1_000);
}

const pairs = samplePairs();
const textOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString("latin1");
const written = new Map(pairs.map(([key, value]) => [textOf(key), textOf(value)]));

/** A pair is taken only as it was written: checksums cover key and value. What is missing, the tree's digest tells. */
const snapshotFuzzer: Fuzzer = {
  name: "snapshots",
  play: (random) => {
    const sent = pairs.map(([key, value]): Pair => [key, value]);
    for (let i = random(2); i >= 0; i -= 1) {
      const at = random(sent.length);
      const [key, value] = sent[at] ?? [new Uint8Array(0), new Uint8Array(0)];
      const kind = random(5);
      if (kind === 0) sent[at] = [damage(key, random), value];
      else if (kind === 1) sent.splice(at, 1);
      else if (kind === 2) sent.splice(at, 0, [key, value]);
      else sent[at] = [key, damage(value, random)];
    }
    const sink = new SnapshotSink(emptyStore(), new TokenSource());
    const middle = random(sent.length + 1);
    const refused = sink.write(sent.slice(0, middle)) ?? sink.write(sent.slice(middle));
    if (refused !== undefined) return false;
    for (const [key, value] of sent)
      if (written.get(textOf(key)) !== textOf(value)) throw new Error(`a damaged pair was taken: ${textOf(key)}`);
    return true;
  },
};

export const fileFuzzers: readonly Fuzzer[] = [logFuzzer, epochFuzzer, snapshotFuzzer];
