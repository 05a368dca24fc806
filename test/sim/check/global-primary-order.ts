/** I-5, global primary order: what an earlier primary broadcast is delivered before what a later one did. */
import { type Epoch, epochOf, formatZxid, type Zxid, zeroEpoch } from "../../../src/model/zxid.ts";
import { Check, Invariant } from "./violation.ts";

export class GlobalPrimaryOrder extends Invariant {
  readonly order = new Check("epochs rise along the committed log");
  #epoch: Epoch = zeroEpoch;

  onCommitted(zxid: Zxid): void {
    const epoch = epochOf(zxid);
    if (epoch === this.#epoch) return;
    this.order.hold(epoch > this.#epoch, () => `${formatZxid(zxid)} is committed after an entry of epoch ${this.#epoch}`);
    this.#epoch = epoch;
  }
}
