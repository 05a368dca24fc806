/**
 * I-10, what is committed is never lost: a leader's history holds everything committed before it; a server votes with all that
 * it has acked, and with nothing that is still on its way to the disk.
 */
import { type Epoch, epochOf, formatZxid, type Zxid } from "../../../src/model/zxid.ts";
import type { PeerMessage, VoteMessage } from "../../../src/zab/message.ts";
import type { GhostLog } from "./ghost-log.ts";
import type { Platters } from "./platters.ts";
import { Check, Invariant } from "./violation.ts";

export class CommittedNeverLost extends Invariant {
  readonly neverLost = new Check("committed is never lost");
  readonly votes = new Check("a server votes with all that it has acked");
  readonly quiet = new Check("nothing of a voter's log is on its way to the disk");
  readonly #ghost: GhostLog;
  readonly #platters: Platters;
  readonly #established = new Set<Epoch>();
  /** What each server has acked for good. */
  readonly #acked = new Map<number, Zxid>();
  /** Being synchronised: between FOLLOWERINFO and the ACK of NEWLEADER. */
  readonly #syncing = new Set<number>();
  /** The round of each server's last own candidature. */
  readonly #round = new Map<number, number>();

  constructor(ghost: GhostLog, platters: Platters) {
    super();
    this.#ghost = ghost;
    this.#platters = platters;
  }

  onStart(id: number): void {
    this.#round.delete(id);
  }

  onWipe(id: number): void {
    this.#acked.delete(id);
  }

  /** `history`: where that of an UPTODATE's epoch ends. */
  onSend(from: number, message: PeerMessage, history: Zxid | undefined): void {
    switch (message.type) {
      case "upToDate":
        return this.#establish(from, message.epoch, history);
      case "vote":
        return this.#onVote(from, message);
      case "followerInfo":
        this.#syncing.add(from);
        return this.#isQuiet(from, "sends FOLLOWERINFO");
      case "ack":
        // Before NEWLEADER an ACK shows progress and counts for nothing: a snapshot may still be thrown away.
        if (message.newLeader) this.#syncing.delete(from);
        if (!this.#syncing.has(from)) this.#acked.set(from, message.zxid);
        return;
    }
  }

  #establish(leader: number, epoch: Epoch, end: Zxid | undefined): void {
    if (this.#established.has(epoch)) return;
    this.#established.add(epoch);
    // After a hand-over in place the first UPTODATE of an epoch may come long after its first commit.
    if (end === undefined || epochOf(this.#ghost.tip) >= epoch) return;
    const contains = this.#ghost.contains(end);
    if (contains === undefined) return;
    this.neverLost.hold(
      contains,
      () =>
        `server ${leader} leads epoch ${epoch} with a history up to ${formatZxid(end)} that lacks the committed ${formatZxid(this.#ghost.tip)}`,
    );
  }

  /** Its own candidature names its durable log: all that it has acked, as far as that was committed. */
  #onVote(id: number, message: VoteMessage): void {
    if (message.state !== "looking" || !message.counts || message.leader !== id) return;
    // Said again later, to a peer that connects: it was judged when it was cast.
    if (this.#round.get(id) === message.round) return;
    this.#round.set(id, message.round);
    this.#isQuiet(id, "votes for itself");
    const acked = this.#acked.get(id);
    const committed = acked !== undefined && (this.#ghost.entries.get(acked)?.index ?? -1) >= 0;
    if (acked === undefined || !committed) return;
    this.votes.hold(
      message.zxid >= acked,
      () => `server ${id} votes with ${formatZxid(message.zxid)}, but it has acked the committed ${formatZxid(acked)}`,
    );
  }

  /** A marker may be under way, an entry not. */
  #isQuiet(id: number, what: string): void {
    const server = this.#platters.server(id);
    if (server === undefined) return;
    const writing = server.disk.writing(server.logDirectory, server.submittedBefore);
    const logged = server.status()?.lastLoggedZxid ?? (0 as Zxid);
    const last = writing ? (this.#platters.read(id)?.last ?? logged) : logged;
    this.quiet.hold(
      last >= logged,
      () => `server ${id} ${what} while its log, ${formatZxid(logged)} in memory, is ${formatZxid(last)} on the platter`,
    );
  }
}
