/** I-4, local primary order: what one primary broadcasts is delivered in that order, and its counter stays below its bound. */
import { counterOf, epochOf, formatZxid, type Zxid, zeroZxid } from "../../../src/model/zxid.ts";
import { Check, Invariant } from "./violation.ts";

export class PrimaryOrder extends Invariant {
  readonly order = new Check("counters rise along an epoch's committed entries");
  readonly counters = new Check("the counter stays below its bound");
  readonly #counterMax: number;
  #last: Zxid = zeroZxid;

  constructor(counterMax: number) {
    super();
    this.#counterMax = counterMax;
  }

  onCommitted(zxid: Zxid): void {
    if (epochOf(zxid) === epochOf(this.#last))
      this.order.hold(zxid > this.#last, () => `${formatZxid(zxid)} is committed after ${formatZxid(this.#last)}`);
    this.counters.hold(counterOf(zxid) <= this.#counterMax, () => `${formatZxid(zxid)} is above counter_max ${this.#counterMax}`);
    this.#last = zxid;
  }
}
