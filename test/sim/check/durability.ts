/**
 * No reply before a durable quorum: when a client learns of zxid z, the *platters* of a quorum (what a
 * power cut would leave, read with the real recovery code) hold the log up to z. Wiped servers do not
 * count until they have been synchronised again. Scanning is dear, so one in `every` is taken of the replies that show more
 * than was judged before.
 */
import { EpochRecordFile } from "../../../src/log/epoch-record.ts";
import { recover } from "../../../src/log/recovery.ts";
import { TokenSource } from "../../../src/model/tokens.ts";
import { type Epoch, epochOf, formatZxid, type Zxid, zeroZxid } from "../../../src/model/zxid.ts";
import type { SimServer } from "../server.ts";
import type { GhostLog } from "./ghost-log.ts";
import { Check } from "./violation.ts";

export class DurabilityChecks {
  readonly quorum = new Check("no reply before a durable quorum");
  readonly #ghost: GhostLog;
  readonly #servers: readonly SimServer[];
  readonly #voters: number;
  every = 10;
  #judged = zeroZxid;
  #count = 0;
  enabled = true;

  constructor(ghost: GhostLog, servers: readonly SimServer[], voters: number) {
    this.#ghost = ghost;
    this.#servers = servers;
    this.#voters = voters;
  }

  onShown(zxid: Zxid): void {
    if (!this.enabled || zxid <= this.#judged) return;
    this.#count += 1;
    if (this.#count % this.every !== 0) return;
    this.#judged = zxid;
    let holders = 0;
    for (const server of this.#servers) {
      if (server.voter && this.#durable(server) >= zxid) holders += 1;
    }
    this.quorum.hold(
      holders > this.#voters / 2,
      () => `${formatZxid(zxid)} was shown to a client, ${holders} of ${this.#voters} servers have it on the platter`,
    );
  }

  /** The end of the log that a power cut would leave now, its common part with the committed log. */
  #durable(server: SimServer): Zxid {
    const platter = server.platter;
    const opening = EpochRecordFile.open(platter, new TokenSource());
    if (opening.type !== "ok") return zeroZxid;
    const recovery = recover(platter, `log-${opening.record.generation}`);
    if (recovery.type !== "ok") return zeroZxid;
    return this.#committedPart(this.#votedFor(recovery.last, opening.record.currentEpoch));
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
