/** I-12, the log's shape: zxids are dense within an epoch, in every proposal and sync stream, and so in every log. */
import { follows, formatZxid, type Zxid } from "../../../src/model/zxid.ts";
import { Check, Invariant } from "./violation.ts";

export class LogShape extends Invariant {
  readonly density = new Check("log density");

  onBroadcast(prev: Zxid, zxid: Zxid): void {
    this.density.hold(follows(prev, zxid), () => `${formatZxid(zxid)} after ${formatZxid(prev)}`);
  }
}
