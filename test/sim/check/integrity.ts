/**
 * I-1, integrity: what is delivered was broadcast, by a primary. A zxid has one payload and one predecessor, ever,
 * and a committed entry was broadcast first by the primary of its epoch.
 */
import { type Epoch, epochOf, formatZxid, type Zxid } from "../../../src/model/zxid.ts";
import type { LogEntry } from "../../../src/zab/message.ts";
import type { GhostEntry } from "./ghost-log.ts";
import { sameBytes } from "./same-bytes.ts";
import { Check, Invariant } from "./violation.ts";

export class Integrity extends Invariant {
  readonly entries = new Check("one payload and one predecessor a zxid");
  readonly primary = new Check("committed entries come from the primary of their epoch");

  /** An entry is broadcast that is known already. */
  onAgain(known: GhostEntry, entry: LogEntry, prev: Zxid): void {
    this.entries.hold(
      known.prev === prev,
      () => `${formatZxid(entry.zxid)} follows ${formatZxid(known.prev)} and ${formatZxid(prev)}`,
    );
    this.entries.hold(
      known.payload === entry.payload || sameBytes(known.payload, entry.payload),
      () => `${formatZxid(entry.zxid)} has two payloads`,
    );
  }

  onCommitted(entry: GhostEntry, leaderOf: (epoch: Epoch) => number | undefined): void {
    const leader = leaderOf(epochOf(entry.zxid));
    if (leader === undefined) return;
    this.primary.hold(
      entry.by === leader,
      () => `${formatZxid(entry.zxid)} was broadcast by server ${entry.by}, not by ${leader}`,
    );
  }
}
