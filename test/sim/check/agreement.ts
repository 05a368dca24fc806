/** I-2, agreement: any two delivered prefixes are comparable. All that is called committed anywhere lies on one chain. */
import { formatZxid, type Zxid } from "../../../src/model/zxid.ts";
import type { GhostEntry } from "./ghost-log.ts";
import { Check, Invariant } from "./violation.ts";

export class Agreement extends Invariant {
  readonly chain = new Check("committed logs are one chain");

  /** A server calls committed what lies below the tip. */
  onBelow(entry: GhostEntry | undefined, zxid: Zxid, tip: Zxid, by: number): void {
    this.chain.hold(
      entry !== undefined && entry.index >= 0,
      () => `server ${by} calls ${formatZxid(zxid)} committed, the committed log up to ${formatZxid(tip)} has no such entry`,
    );
  }

  onUnknown(missing: Zxid, zxid: Zxid, by: number): never {
    return this.chain.fail(`server ${by} calls ${formatZxid(zxid)} committed, but ${formatZxid(missing)} was never broadcast`);
  }

  /** The history of what is called committed meets the committed log at `met`. */
  onAbove(met: Zxid, zxid: Zxid, tip: Zxid, by: number): void {
    this.chain.hold(
      met === tip,
      () =>
        `server ${by} calls ${formatZxid(zxid)} committed: its log passes ${formatZxid(met)}, the committed log ${formatZxid(tip)}`,
    );
  }
}
