/**
 * Power cuts, kills and failed syncs at every disk operation, over many seeds: a process appends, cuts, trims, idles and
 * dies at a random step, again and again on the same disk. After each start the log must be a prefix of
 * what was appended, hold everything that was ever reported durable, never a cut entry, and never be
 * called damaged.
 */
import t from "tap";
import { type Limits, tinyLimits } from "../../src/model/limits.ts";
import { epochOf, makeEpoch, makeZxid, nextZxid, type Zxid, zeroZxid } from "../../src/model/zxid.ts";
import { SimDisk } from "../sim/disk.ts";
import { Random } from "../sim/random.ts";
import { entriesOf, Process, payloadOf, tryOpen, zxid } from "./support.ts";

t.setTimeout(900_000);

const limits: Limits = {
  ...tinyLimits,
  log_segment_bytes: 3_072,
  proposal_bytes_max: 1_500,
  history_txns_min: 10,
  history_bytes_min: 2_000,
  history_bytes_max: 12_000,
  history_memory_bytes: 1_000,
};

interface ModelEntry {
  readonly zxid: Zxid;
  readonly length: number;
  readonly branch: number;
}

/** What the log may hold. */
class Model {
  entries: ModelEntry[] = [];
  /** Before the last truncate, while that is not known to be durable. */
  beforeCut: ModelEntry[] | undefined;
  /** Entries up to here must be there. */
  durable: Zxid = zeroZxid;
  /** Nothing after it may be missing at the front. */
  trimmedTo: Zxid = zeroZxid;
  branch = 0;
}

const counts = {
  crashes: 0,
  kills: 0,
  failedSyncs: 0,
  torn: 0,
  cuts: 0,
  cutsAtMarkers: 0,
  trims: 0,
  lostTails: 0,
  revivedCuts: 0,
  segments: 0,
};

class Run {
  readonly #random: Random;
  readonly #model = new Model();
  readonly disk: SimDisk;
  #process: Process;

  constructor(seed: number) {
    this.#random = new Random(seed).fork("log");
    this.disk = new SimDisk(new Random(seed).fork("disk"), { latencyMaxMs: 5 });
    this.#process = new Process(this.disk, 0, limits);
  }

  step(): void {
    const process = this.#process;
    const draw = this.#random.below(100);
    if (draw < 40) this.#append();
    else if (draw < 75) process.turn(this.disk.nextCompletionMs() ?? process.nowMs + 20);
    else if (draw < 80) process.turn(process.nowMs + 60);
    else if (draw < 85) this.#truncate();
    else if (draw < 90) this.#trim();
    else process.turn(process.nowMs + this.#random.below(5));
    this.#note();
  }

  #append(): void {
    const model = this.#model;
    for (let count = 1 + this.#random.below(4); count > 0; count -= 1) {
      const last = this.#process.log.lastZxid;
      const id = last === zeroZxid || this.#random.chance(0.05) ? makeZxid(makeEpoch(epochOf(last) + 1), 1) : nextZxid(last);
      const length = this.#random.chance(0.03) ? 4_000 : this.#random.below(300);
      this.#process.append(id, length, model.branch);
      model.entries.push({ zxid: id, length, branch: model.branch });
    }
  }

  #truncate(): void {
    const { log } = this.#process;
    const model = this.#model;
    if (!log.quiet || model.entries.length === 0) return;
    const back = this.#random.below(Math.min(12, model.entries.length + 1));
    const to = model.entries.at(-1 - back)?.zxid ?? log.base;
    if (back === 0 || !log.contains(to)) return;
    counts.cuts += 1;
    if (!log.idle) counts.cutsAtMarkers += 1;
    model.beforeCut = model.entries.slice();
    model.entries = model.entries.filter((entry) => entry.zxid <= to);
    // The same zxids come again with other bytes: nothing of the old ones may ever be read as the new ones.
    model.branch += 1;
    log.truncate(to, this.#process.nowMs);
    model.durable = to < model.durable ? to : model.durable;
  }

  #trim(): void {
    const keepAfter = this.#model.durable;
    this.#process.log.trim(keepAfter);
    if (this.#process.log.base > this.#model.trimmedTo) counts.trims += 1;
    this.#model.trimmedTo = this.#process.log.base > this.#model.trimmedTo ? this.#process.log.base : this.#model.trimmedTo;
  }

  /** What the server may rely on from here on. */
  #note(): void {
    const { log } = this.#process;
    const model = this.#model;
    if (model.beforeCut !== undefined && (log.idle || log.durableZxid > model.durable)) model.beforeCut = undefined;
    if (log.durableZxid > model.durable) model.durable = log.durableZxid;
  }

  die(): void {
    const at = this.disk.nextCompletionMs();
    if (at !== undefined && this.#random.chance(0.3) && this.disk.failSync(at)) {
      this.disk.kill();
      counts.failedSyncs += 1;
    } else if (this.#random.chance(0.3)) {
      this.disk.kill();
      counts.kills += 1;
    } else {
      this.disk.crash();
      counts.crashes += 1;
    }
    const opening = tryOpen(this.disk.clone(), limits);
    if (opening.type === "damaged") throw new Error(`called damaged: ${opening.reason}`);
    if (opening.tornTailCut) counts.torn += 1;
    this.#process = new Process(this.disk, this.#process.nowMs, limits);
    this.#check();
  }

  #check(): void {
    const { log } = this.#process;
    const model = this.#model;
    if (log.base > model.trimmedTo) throw new Error(`base ${log.base} is above ${model.trimmedTo}`);
    const found = entriesOf(log, 500);
    const revived = model.beforeCut !== undefined && !isPrefix(found, model.entries, log.base);
    const wanted = revived && model.beforeCut !== undefined ? model.beforeCut : model.entries;
    if (!isPrefix(found, wanted, log.base)) throw new Error("not what was appended");
    if (log.lastZxid < model.durable) throw new Error(`lost: ${log.lastZxid} is all there is, and ${model.durable} was durable`);
    if (log.durableZxid > log.lastZxid) throw new Error("durable beyond the end");
    if (revived) counts.revivedCuts += 1;
    if (found.length < model.entries.filter((entry) => entry.zxid > log.base).length) counts.lostTails += 1;
    model.entries = wanted.filter((entry) => entry.zxid <= log.lastZxid);
    // `beforeCut` stays until the log is idle: after a kill the cut may be in the page cache alone, and a power cut may undo it.
    model.branch += 1;
    counts.segments = Math.max(counts.segments, this.disk.list("log-1").length);
  }
}

/** Whether the log's entries are the first of the model's that are after the base. */
function isPrefix(found: readonly { zxid: Zxid; payload: Uint8Array }[], model: readonly ModelEntry[], base: Zxid): boolean {
  const wanted = model.filter((entry) => entry.zxid > base);
  if (found.length > wanted.length) return false;
  return found.every((entry, index) => {
    const { zxid: id, length, branch } = wanted[index] ?? { zxid: zeroZxid, length: 0, branch: 0 };
    return entry.zxid === id && Buffer.from(entry.payload).equals(payloadOf(id, length, branch));
  });
}

t.test("random lives and deaths", async (t) => {
  const seeds = Number(process.env["ZABRA_LOG_SEEDS"] ?? 200);
  for (let seed = 1; seed <= seeds; seed += 1) {
    try {
      const run = new Run(seed);
      const random = new Random(seed).fork("test");
      for (let life = 0; life < 6; life += 1) {
        const steps = random.chance(0.3) ? random.below(8) : random.below(120);
        for (let step = 0; step < steps; step += 1) run.step();
        run.die();
      }
    } catch (error) {
      return void t.fail(`seed ${seed}: ${String(error)} ${(error as Error).stack ?? ""}`);
    }
  }
  t.comment(JSON.stringify(counts));
  for (const [name, count] of Object.entries(counts)) t.ok(count > 0, `${name}: ${count}`);
});

t.test("what a failed sync left in the page cache is written again before it counts", async (t) => {
  for (const [what, failing] of [
    ["a batch", (life: Process) => life.append(zxid(1, 4))],
    ["a marker", (life: Process) => void (life.nowMs += limits.log_marker_idle_ms)],
  ] as const) {
    const disk = new SimDisk(new Random(1), { lostProbability: 1 });
    const life = new Process(disk, 0, limits);
    life.write(1, 1, 3);
    failing(life);
    life.turn();
    t.ok(disk.failSync(disk.nextCompletionMs() ?? 0), what);
    disk.kill();
    const again = new Process(disk, life.nowMs, limits);
    again.settle(true);
    const last = again.log.durableZxid;
    again.write(1, last === zxid(1, 4) ? 5 : 4, 6);
    disk.crash();
    t.equal(new Process(disk, again.nowMs, limits).log.lastZxid, zxid(1, 6), what);
  }
});

t.test("a crash at every operation of a fixed life", async (t) => {
  let boundaries = 0;
  for (let stop = 1; stop <= 200; stop += 1) {
    for (let seed = 1; seed <= 10; seed += 1) {
      const disk = new SimDisk(new Random(seed), { latencyMinMs: 1, latencyMaxMs: 1 });
      const life = new Process(disk, 0, limits);
      const done = liveUntil(life, stop);
      if (done) break;
      boundaries += 1;
      disk.crash();
      const again = new Process(disk, life.nowMs, limits);
      if (again.log.lastZxid < life.reported) return void t.fail(`operation ${stop} seed ${seed}: lost`);
      again.settle();
      again.write(9, 1, 3);
      if (again.log.durableZxid !== zxid(9, 3)) return void t.fail("stuck");
    }
  }
  t.ok(boundaries > 500, `${boundaries} crashes`);
});

/** Appends, rolls over, cuts, trims. False when it stopped at operation `stop`, submitted or just completed. */
function liveUntil(life: Process, stop: number): boolean {
  let events = 0;
  const until = (idle: () => boolean): boolean => {
    while (!idle()) {
      const before = life.disk.submitted;
      life.turn(life.disk.nextCompletionMs());
      events += 1 + life.disk.submitted - before;
      if (events >= stop) return false;
    }
    return true;
  };
  for (let counter = 1; counter <= 30; counter += 1) {
    life.append(zxid(1, counter), 200);
    if (!until(() => life.log.idle)) return false;
  }
  life.log.truncate(zxid(1, 25), life.nowMs);
  life.reported = zxid(1, 25);
  if (!until(() => life.log.idle)) return false;
  life.append(zxid(2, 1));
  if (!until(() => life.log.idle)) return false;
  life.log.trim(zxid(1, 20));
  return until(() => life.disk.pendingOperations === 0);
}
