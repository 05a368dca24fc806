/** Helpers of the log's tests: a seeded virtual disk, entries whose payload tells their zxid, and a process that drives a log. */
import { createLog, type Log, type LogOpening, openLog } from "../../src/log/log.ts";
import { type Limits, tinyLimits } from "../../src/model/limits.ts";
import { TokenSource } from "../../src/model/tokens.ts";
import { counterOf, epochOf, makeEpoch, makeZxid, type Zxid } from "../../src/model/zxid.ts";
import { SimDisk, type SimDiskOptions } from "../sim/disk.ts";
import { Random } from "../sim/random.ts";

export const directory = "log-1";

export function zxid(epoch: number, counter: number): Zxid {
  return makeZxid(makeEpoch(epoch), counter);
}

/** `length` bytes that depend on zxid and `branch`, so that no entry passes for another, also after a cut. */
export function payloadOf(id: Zxid, length: number, branch = 0): Uint8Array {
  const bytes = new Uint8Array(length);
  for (let index = 0; index < length; index += 1)
    bytes[index] = (counterOf(id) * 7 + epochOf(id) * 31 + index * 13 + branch * 101) & 0xff;
  return bytes;
}

/** One server process with its log on a disk that outlives it. Time is virtual. */
export class Process {
  readonly disk: SimDisk;
  readonly log: Log;
  readonly limits: Limits;
  readonly opening: LogOpening;
  nowMs: number;
  /** The highest `durableZxid` reported. */
  reported: Zxid;

  constructor(disk: SimDisk, nowMs: number, limits: Limits, base?: Zxid, existing = false) {
    this.disk = disk;
    this.nowMs = nowMs;
    this.limits = limits;
    const options = { disk, tokens: new TokenSource(), directory, limits, existing };
    this.opening = base === undefined ? openLog(options) : { type: "ok", log: createLog(options, base), tornTailCut: false };
    if (this.opening.type === "damaged") throw new Error(this.opening.reason);
    this.log = this.opening.log;
    this.reported = this.log.durableZxid;
  }

  /** One turn of the server at `nowMs`. */
  turn(nowMs = this.nowMs): void {
    this.nowMs = Math.max(this.nowMs, nowMs);
    for (const token of this.disk.advance(this.nowMs)) {
      if (!this.log.onDiskDone(token, this.nowMs)) throw new Error("a token that nobody knows");
    }
    this.log.endTurn(this.nowMs);
    this.reported = this.log.durableZxid;
  }

  /** Turns until nothing is pending; with `markers`, long enough for the idle marker too. */
  settle(markers = false): void {
    this.turn();
    for (let next = this.disk.nextCompletionMs(); next !== undefined; next = this.disk.nextCompletionMs()) this.turn(next);
    if (!markers) return;
    this.turn(this.nowMs + this.limits.log_marker_idle_ms);
    this.settle();
  }

  append(id: Zxid, length = 20, branch = 0): void {
    this.log.append(id, payloadOf(id, length, branch));
  }

  /** Appends the counters `from` … `to` and waits for them. */
  write(epoch: number, from: number, to: number, length = 20): void {
    for (let counter = from; counter <= to; counter += 1) this.append(zxid(epoch, counter), length);
    this.settle();
  }
}

export function makeDisk(seed: number, options: SimDiskOptions = {}): SimDisk {
  return new SimDisk(new Random(seed), options);
}

export function start(disk: SimDisk, limits: Limits = tinyLimits, nowMs = 0, existing = false): Process {
  return new Process(disk, nowMs, limits, undefined, existing);
}

export function tryOpen(disk: SimDisk, limits: Limits = tinyLimits): LogOpening {
  return openLog({ disk, tokens: new TokenSource(), directory, limits });
}

/** Every entry of the log, by way of the public reader; small reads, so that each step of it is taken. */
export function entriesOf(log: Log, bytesMax = 100): { zxid: Zxid; payload: Uint8Array }[] {
  const all: { zxid: Zxid; payload: Uint8Array }[] = [];
  let after = log.base;
  for (;;) {
    const some = log.readAfter(after, bytesMax);
    if (some === undefined) throw new Error("compacted");
    const last = some.at(-1);
    if (last === undefined) return all;
    all.push(...some);
    after = last.zxid;
  }
}

export function zxidsOf(log: Log): Zxid[] {
  return entriesOf(log).map((entry) => entry.zxid);
}
