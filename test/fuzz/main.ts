/**
 * The fuzzers' command: `npm run fuzz -- [--inputs N] [--seed S]`. Damaged and random input for everything
 * that reads what others wrote: client, server, peer and ZooKeeper frames, txns, configuration, log files
 * and epoch records. Each ends in a value or in its one kind of refusal, soon; and a log with a bit turned
 * over is never read as another log. Counts by target; anything else is printed with its bytes, and red.
 */
import { parseArgs } from "node:util";
import { ConfigError, readConfig } from "../../server/config.ts";
import type { Disk } from "../../src/log/disk.ts";
import { EpochRecordFile, encodeEpochRecord } from "../../src/log/epoch-record.ts";
import { readHistory } from "../../src/log/history.ts";
import { recover } from "../../src/log/recovery.ts";
import { tinyLimits } from "../../src/model/limits.ts";
import { TokenSource } from "../../src/model/tokens.ts";
import { makeEpoch, zeroZxid } from "../../src/model/zxid.ts";
import { directory, makeDisk, payloadOf, start } from "../log/support.ts";
import { damage, decodes, randomSource, targets } from "../wire/fuzz-targets.ts";

type Draw = (bound: number) => number;

interface Fuzzer {
  readonly name: string;
  /** One input. True when it was taken, false when it was refused as it should be; throws otherwise. */
  readonly play: (random: Draw) => boolean;
}

const wireFuzzers: Fuzzer[] = targets.map((target) => ({
  name: target.name,
  play: (random) => decodes(target, damage(target.corpus[random(target.corpus.length)] ?? new Uint8Array(0), random)),
}));

const settings = ["id", "data-dir", "ensemble", "rejoin", "http", "zk", "peer", "log-level", "allow-origin", "lease-reads"];
const values = ["1", "1=127.0.0.1:2888", "1=a:1,2=b:2,3=c:3:observer", "on", "off", "[::1]:80", "info", "https://x", "", "255"];

const configuration: Fuzzer = {
  name: "configuration",
  play: (random) => {
    const flags: Record<string, string> = {};
    for (let i = random(6); i >= 0; i -= 1) {
      const value = Buffer.from(damage(Buffer.from(values[random(values.length)] ?? ""), random)).toString("latin1");
      flags[settings[random(settings.length)] ?? "id"] = random(3) === 0 ? (values[random(values.length)] ?? "") : value;
    }
    try {
      readConfig(flags, {});
      return true;
    } catch (error) {
      if (error instanceof ConfigError) return false;
      throw new Error(`${String(error)} from ${JSON.stringify(flags)}`);
    }
  },
};

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
    const opening = EpochRecordFile.open(
      new Files(
        new Map([
          ["epoch-record-1", damaged],
          ["epoch-record-2", random(2) === 0 ? damaged : damage(record, random)],
        ]),
      ),
      new TokenSource(),
    );
    if (opening.type !== "ok") return false;
    if (opening.record.acceptedEpoch !== 7 || opening.record.generation !== 2)
      throw new Error("a damaged epoch record was believed");
    return true;
  },
};

const fuzzers = [...wireFuzzers, configuration, logFuzzer, epochFuzzer];

function main(): void {
  const { values: options } = parseArgs({
    options: { inputs: { type: "string", default: "200000" }, seed: { type: "string", default: "1" } },
  });
  const inputs = Math.ceil(Number(options.inputs) / fuzzers.length);
  let total = 0;
  let slowestMs = 0;
  for (const [i, fuzzer] of fuzzers.entries()) {
    const random = randomSource(Number(options.seed) * 1_000 + i);
    let taken = 0;
    for (let n = 0; n < inputs; n += 1) {
      const begun = performance.now();
      if (fuzzer.play(random)) taken += 1;
      slowestMs = Math.max(slowestMs, performance.now() - begun);
    }
    total += inputs;
    console.log(`${fuzzer.name.padEnd(20)} ${inputs} inputs, ${taken} taken, ${inputs - taken} refused`);
  }
  console.log(`${total} bad inputs, seed ${options.seed}: no crash, the slowest took ${slowestMs.toFixed(1)} ms`);
}

main();
