/**
 * I-11, no reply before a durable quorum: when a client learns of zxid z, z is committed, and the *platters* of a quorum (what
 * a power cut would leave, read with the real recovery code) hold the log up to z. A wiped server has no vote until it has been
 * synchronised, so the others need no second copy of what it had (seed 700667). Scanning is dear, so one in `every` is taken of the
 * replies that show more than was judged before.
 */
import { type Epoch, epochOf, formatZxid, type Zxid, zeroZxid } from "../../../src/model/zxid.ts";
import type { Operation } from "../history.ts";
import { describe } from "./describe.ts";
import type { GhostLog } from "./ghost-log.ts";
import type { OnPlatter, Platters } from "./platters.ts";
import { Check, Invariant } from "./violation.ts";

export class DurableQuorum extends Invariant {
  readonly committed = new Check("no reply before commit");
  readonly quorum = new Check("no reply before a durable quorum");
  readonly #ghost: GhostLog;
  readonly #platters: Platters;
  every = 20;
  #judged = zeroZxid;
  #count = 0;

  constructor(ghost: GhostLog, platters: Platters) {
    super();
    this.#ghost = ghost;
    this.#platters = platters;
  }

  onReply(operation: Operation): void {
    const { zxid } = operation;
    if (zxid === 0) return;
    this.committed.hold(
      zxid <= this.#ghost.tip && (this.#ghost.entries.get(zxid)?.index ?? -1) >= 0,
      () => `${describe(operation)} is answered with ${formatZxid(zxid)}, committed is ${formatZxid(this.#ghost.tip)}`,
    );
  }

  onShown(zxid: Zxid): void {
    if (zxid <= this.#judged) return;
    this.#count += 1;
    if (this.#count % this.every !== 0) return;
    this.#judged = zxid;
    const holds = (found: OnPlatter): boolean => this.#durable(found) >= zxid;
    this.quorum.hold(
      this.#platters.quorum(holds),
      () =>
        `${formatZxid(zxid)} was shown to a client, ${this.#platters.count(holds)} of ${this.#platters.voters} servers have it on the platter`,
    );
  }

  /** The end of the log that a power cut would leave now, its common part with the committed log. */
  #durable(found: OnPlatter): Zxid {
    return this.#committedPart(this.#votedFor(found.last, found.current));
  }

  /** Entries of epochs above currentEpoch count for nothing in an election: they may be lost, so nobody may rely on them. */
  #votedFor(last: Zxid, currentEpoch: Epoch): Zxid {
    let cursor = last;
    while (epochOf(cursor) > currentEpoch) {
      const entry = this.#ghost.entries.get(cursor);
      if (entry === undefined) return cursor;
      cursor = entry.prev;
    }
    return cursor;
  }

  /** A log's end may be an uncommitted suffix of an older epoch: back to where it meets the committed log. */
  #committedPart(last: Zxid): Zxid {
    let cursor = last;
    for (;;) {
      const entry = this.#ghost.entries.get(cursor);
      if (entry === undefined || entry.index >= 0) return cursor;
      cursor = entry.prev;
    }
  }
}
