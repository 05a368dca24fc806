/**
 * What the leader knows of one learner, for as long as one link lasts: everything here is forgotten
 * with the connection. Streams the sync (snapshot, then log) within a window, sends NEWLEADER when the
 * stream has caught up, and from then on the learner gets each turn's PROPOSAL directly.
 */
import { assert } from "../model/assert.ts";
import { buggify } from "../model/buggify.ts";
import { mutant } from "../model/mutant.ts";
import { type Epoch, type ServerId, type Zxid, zeroZxid } from "../model/zxid.ts";
import type { SnapshotReader, ZabContext } from "./context.ts";
import { chunkCrc } from "./learner.ts";
import type { AckEpochMessage, AckMessage, FollowerInfoMessage } from "./message.ts";
import { planSync } from "./sync-plan.ts";

const tailsCompared = 1_024;
const chunksInFlight = 8;

export class LearnerHandler {
  readonly #context: ZabContext;
  readonly id: ServerId;
  readonly info: FollowerInfoMessage;
  /** Heartbeat rounds begun after this one prove our leadership to a rejoining learner. */
  readonly infoRound: number;
  ackEpoch: AckEpochMessage | undefined;
  leaderInfoSent = false;
  /** Epoch of the last NEWLEADER sent; undefined before the first. */
  newLeaderSent: Epoch | undefined;
  newLeaderAcked: Epoch | undefined;
  handoverAcked: Epoch | undefined;
  upToDateSent = false;
  /** Durable at the learner and, once NEWLEADER is acked, counted. */
  ackedZxid: Zxid = zeroZxid;
  /** Last entry sent. */
  cursor: Zxid = zeroZxid;
  /** NEWLEADER has told a rejoining learner that it is a member. */
  memberSent = false;
  #snapshot: SnapshotReader | undefined;
  #snapshotWanted = false;
  #chunksSent = 0;
  #chunksAcked = 0;
  #progressMs: number;
  #bytesUnacked = 0;
  #sentBytes: { zxid: Zxid; bytes: number }[] = [];

  constructor(context: ZabContext, id: ServerId, info: FollowerInfoMessage, infoRound: number) {
    this.#context = context;
    this.id = id;
    this.info = info;
    this.infoRound = infoRound;
    this.#progressMs = context.nowMs;
  }

  /** Counts in quorums: a voter that is not being rejoined. */
  get votes(): boolean {
    if (mutant("an ACK of a proposal counts as one of NEWLEADER") && this.ackedZxid !== zeroZxid)
      this.newLeaderAcked ??= this.newLeaderSent;
    if (mutant("a wiped server is a member at once")) return !this.info.observer;
    return !this.info.observer && (!this.info.rejoining || (this.memberSent && this.newLeaderAcked !== undefined));
  }

  /** Gets proposals as they are made. */
  get live(): boolean {
    return this.newLeaderSent !== undefined;
  }

  get syncing(): boolean {
    return this.ackEpoch !== undefined && !this.live;
  }

  /** It builds a store from our snapshot: its disk may be busy for long between messages. */
  get installing(): boolean {
    return this.#chunksSent > 0;
  }

  /** The log must be kept after this zxid for the learner's sake, from the moment at which its snapshot was opened. */
  get pinnedZxid(): Zxid | undefined {
    const unread = this.#snapshotWanted && this.#snapshot === undefined;
    return this.syncing && !unread ? this.cursor : undefined;
  }

  get stalled(): boolean {
    return !this.upToDateSent && this.#context.nowMs - this.#progressMs >= this.#context.limits.establish_ms;
  }

  progress(): void {
    this.#progressMs = this.#context.nowMs;
  }

  startSync(epoch: Epoch): void {
    const ack = this.ackEpoch;
    assert(ack !== undefined, "synchronisation starts after ACKEPOCH");
    const log = this.#context.log;
    const planned = planSync({
      learnerTails: ack.tails,
      learnerLast: ack.lastZxid,
      leaderTails: log.tails(tailsCompared),
      leaderBase: log.base,
    });
    const whole = planned.type === "diff" && buggify("a snapshot where a diff would do");
    const plan = whole ? ({ type: "snap" } as const) : planned;
    this.progress();
    if (plan.type === "snap") {
      this.#snapshotWanted = true;
    } else if (plan.type === "diff") {
      this.cursor = plan.after;
      this.#context.send(this.id, { type: "diff", epoch, zxid: plan.after });
    } else {
      this.cursor = plan.to;
      this.#context.send(this.id, { type: "trunc", epoch, zxid: plan.to });
    }
    this.#context.host.log("info", "synchronising a learner", { learner: this.id, how: plan.type, from: ack.lastZxid });
  }

  /** Sends as much of the sync stream as the window allows. True when the stream has caught up with our log. */
  pump(epoch: Epoch): boolean {
    if (this.#snapshotWanted) this.#pumpSnapshot(epoch);
    if (this.#snapshotWanted) return false;
    return this.#pumpLog(epoch);
  }

  onAck(message: AckMessage): void {
    this.progress();
    if (message.zxid > this.ackedZxid) this.ackedZxid = message.zxid;
    while (this.#sentBytes.length > 0 && (this.#sentBytes[0]?.zxid ?? 0) <= message.zxid) {
      this.#bytesUnacked -= this.#sentBytes.shift()?.bytes ?? 0;
    }
    if (message.newLeader) {
      this.newLeaderAcked = message.epoch;
      this.#sentBytes = [];
      this.#bytesUnacked = 0;
    }
  }

  onChunkAck(index: number): void {
    this.progress();
    this.#chunksAcked = Math.max(this.#chunksAcked, index + 1);
  }

  close(): void {
    this.#snapshot?.release();
    this.#snapshot = undefined;
  }

  #pumpSnapshot(epoch: Epoch): void {
    this.#snapshot ??= this.#openSnapshot(epoch);
    const snapshot = this.#snapshot;
    if (snapshot === undefined) return;
    const inFlightMax = buggify("one snapshot chunk in flight") ? 1 : chunksInFlight;
    while (this.#chunksSent - this.#chunksAcked < inFlightMax) {
      const pairs = snapshot.next();
      const done = pairs.length === 0;
      this.#context.send(this.id, { type: "snapChunk", epoch, index: this.#chunksSent, pairs, crc: chunkCrc(pairs), done });
      this.#chunksSent += 1;
      if (done) return this.#finishSnapshot(snapshot);
    }
  }

  #openSnapshot(epoch: Epoch): SnapshotReader | undefined {
    const snapshot = this.#context.host.openSnapshot();
    if (snapshot !== undefined) {
      this.cursor = snapshot.zxid;
      this.#context.send(this.id, { type: "snap", epoch, zxid: snapshot.zxid });
    }
    return snapshot;
  }

  #finishSnapshot(snapshot: SnapshotReader): void {
    snapshot.release();
    this.#snapshot = undefined;
    this.#snapshotWanted = false;
  }

  #pumpLog(epoch: Epoch): boolean {
    const { log, limits } = this.#context;
    while (this.cursor < log.lastZxid) {
      if (this.#bytesUnacked >= limits.sync_window_bytes) return false;
      const bytesMax = Math.min(limits.proposal_bytes_max, limits.sync_window_bytes);
      const entries = log.readAfter(this.cursor, buggify("a sync stream in small parts") ? 0 : bytesMax);
      const last = entries?.at(-1);
      if (entries === undefined || last === undefined) {
        this.#context.host.closeLink(this.id, "the log it needs was trimmed");
        return false;
      }
      const holed = mutant("the sync stream has a hole") && entries.length > 2 ? [entries[0] ?? last, last] : entries;
      this.#context.send(this.id, { type: "proposal", epoch, prev: this.cursor, entries: holed });
      this.#count(last.zxid, entries);
      this.cursor = last.zxid;
    }
    return true;
  }

  #count(zxid: Zxid, entries: readonly { payload: Uint8Array }[]): void {
    let bytes = 0;
    for (const entry of entries) bytes += entry.payload.length;
    this.#bytesUnacked += bytes;
    this.#sentBytes.push({ zxid, bytes });
  }
}
