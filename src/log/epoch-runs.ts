/**
 * Which zxids the log holds, as one run an epoch: zxids are dense within an epoch, so first and last tell
 * all. Answers `contains`, `tails` and counts without touching the disk.
 * Invariant: runs are in zxid order, none is empty, and each later one is of a later epoch.
 */
import { assert, must } from "../model/assert.ts";
import { epochOf, type Zxid } from "../model/zxid.ts";

interface EpochRun {
  first: Zxid;
  last: Zxid;
}

export class EpochRuns {
  readonly #runs: EpochRun[] = [];

  push(zxid: Zxid): void {
    const run = this.#runs.at(-1);
    if (run !== undefined && epochOf(run.last) === epochOf(zxid)) {
      assert(zxid === run.last + 1, "zxids are dense within an epoch");
      run.last = zxid;
    } else {
      this.#runs.push({ first: zxid, last: zxid });
    }
  }

  contains(zxid: Zxid): boolean {
    return this.#runs.some((run) => run.first <= zxid && zxid <= run.last);
  }

  /** Entries after `after`, up to `to`. */
  count(after: Zxid, to: Zxid): number {
    let total = 0;
    for (const run of this.#runs) total += Math.max(0, Math.min(run.last, to) - Math.max(run.first - 1, after));
    return total;
  }

  /** Last zxid of each epoch, newest first. */
  lasts(): Zxid[] {
    return this.#runs.map((run) => run.last).reverse();
  }

  /** Forgets what is after `to`. */
  truncate(to: Zxid): void {
    while (this.#runs.length > 0 && must(this.#runs.at(-1), "a run").first > to) this.#runs.pop();
    const run = this.#runs.at(-1);
    if (run !== undefined && run.last > to) run.last = to;
  }

  /** Forgets what is not after `base`. */
  trim(base: Zxid): void {
    while (this.#runs.length > 0 && must(this.#runs[0], "a run").last <= base) this.#runs.shift();
    const run = this.#runs[0];
    if (run !== undefined && run.first <= base) run.first = (base + 1) as Zxid;
  }
}
