/**
 * I-1, I-4, I-5: what is committed was broadcast by the primary of its epoch, in the order in which it
 * broadcast, and epochs only rise along the committed log. (That all servers have one log is the ghost
 * log's business.)
 */
import { type Epoch, epochOf, formatZxid, type Zxid, zeroZxid } from "../../../src/model/zxid.ts";
import type { GhostEntry } from "./ghost-log.ts";
import { Check } from "./violation.ts";

export class PrimaryOrderChecks {
  readonly primary = new Check("committed entries come from the primary of their epoch");
  readonly order = new Check("epochs and counters rise along the committed log");
  readonly counters = new Check("the counter stays below its bound");
  readonly #leaderOf: (epoch: Epoch) => number | undefined;
  readonly #counterMax: number;
  #last: Zxid = zeroZxid;

  constructor(leaderOf: (epoch: Epoch) => number | undefined, counterMax: number) {
    this.#leaderOf = leaderOf;
    this.#counterMax = counterMax;
  }

  onCommitted(entry: GhostEntry): void {
    const leader = this.#leaderOf(epochOf(entry.zxid));
    if (leader !== undefined)
      this.primary.hold(
        entry.by === leader,
        () => `${formatZxid(entry.zxid)} was broadcast by server ${entry.by}, not by ${leader}`,
      );
    this.order.hold(entry.zxid > this.#last, () => `${formatZxid(entry.zxid)} is committed after ${formatZxid(this.#last)}`);
    this.counters.hold(
      entry.zxid % 0x1_0000_0000 <= this.#counterMax,
      () => `${formatZxid(entry.zxid)} is above counter_max ${this.#counterMax}`,
    );
    this.#last = entry.zxid;
  }
}
