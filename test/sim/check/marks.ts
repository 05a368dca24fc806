/**
 * Coverage marks: rare and telling things that runs must have seen, each by name. `sometimes` counts; a
 * long set of runs in which one was never seen is red, because then nothing is known about it. Fed by
 * what the checks see anyway; the core names a few things itself (`mark` in its log lines).
 */
import type { StreamDelivery, WatchEvent } from "../../../src/model/watch.ts";
import { epochOf, type Zxid } from "../../../src/model/zxid.ts";
import type { Effects } from "../../../src/replica/effects.ts";
import type { Status } from "../../../src/replica/status.ts";
import type { Txn } from "../../../src/tree/txn.ts";
import type { PeerMessage, VoteMessage } from "../../../src/zab/message.ts";
import type { Operation } from "../history.ts";

/** Marks of the core. */
const named = [
  "established",
  "diff",
  "trunc",
  "snap",
  "handover",
  "vote conflict",
  "lease fallback",
  "dedupe hit",
  "session expired",
  "session moved",
  "digest mismatch",
  "fenced",
];

/** Beginnings of log lines, and of the reasons in them. */
const lines: readonly (readonly [start: string, mark: string])[] = [
  ["leading ends: no quorum answers", "a leader without a quorum steps down"],
  ["leading ends: our own disk does not sync", "a leader with a slow disk steps down"],
  ["leading ends: the hand-over", "a hand-over without a quorum ends a leader"],
  ["leading ends: a server has", "a candidate meets a better history or a later epoch"],
  ["following ends: the connection was lost", "a learner loses its link"],
  ["following ends: the leader is silent", "a learner hears nothing"],
  ["following ends: the leader's epoch", "a learner refuses an old epoch"],
  ["following ends: the candidate did not answer", "a candidate does not answer"],
  ["following ends: fenced", "a fenced learner starts anew"],
  ["a torn batch", "a torn tail is cut"],
  ["the ensemble is founded", "founded"],
  ["rejoining with an empty", "a wiped server rejoins"],
];

/** Counted, and too rare to be asked of a thousand runs: elections choose well. */
const hardlyEver = new Set(["a candidate meets a better history or a later epoch", "a learner refuses an old epoch"]);

const txnTypes = [
  "create",
  "delete",
  "setData",
  "setAcl",
  "multi",
  "deleteRecursive",
  "reap",
  "createSession",
  "renewSession",
  "closeSession",
  "error",
  "skip",
  "stamp",
] as const;
const nodeKinds = ["persistent", "ephemeral", "container", "ttl"] as const;
const codes = [
  "NODE_EXISTS",
  "NO_NODE",
  "BAD_VERSION",
  "NOT_EMPTY",
  "CONDITION_FAILED",
  "NO_CHILDREN_FOR_EPHEMERALS",
  "NO_QUORUM",
];

export const allMarks: readonly string[] = [
  ...named,
  ...lines.map(([, mark]) => mark).filter((mark) => !hardlyEver.has(mark)),
  ...txnTypes.map((type) => `txn ${type}`),
  ...nodeKinds.map((kind) => `create ${kind}`),
  ...codes.map((code) => `answer ${code}`),
  "three candidates in one round",
  "a vote that only asks",
  "whoever looks is told who leads",
  "an observer follows",
  "an ACKEPOCH that does not count",
  "a rejoining server asks to be synchronised",
  "a SNAP of several chunks",
  "a sync stream with entries",
  "a synchronisation is interrupted before NEWLEADER",
  "a synchronisation is interrupted after NEWLEADER",
  "a proposal between NEWLEADER and UPTODATE",
  "a proposal of several entries",
  "a commit of an older epoch's entry",
  "an entry is broadcast again by a later leader",
  "an entry is broadcast and never committed",
  "NEWLEADER in place",
  "a sequential create",
  "a multi takes the other branch",
  "a multi fails",
  "an expiry removes ephemerals",
  "a client closes its session",
  "a txn removes many nodes",
  "a write was sent twice",
  "a call was refused and asked again",
  "a call's outcome is unknown",
  "a read behind the tip",
  "a linearizable read at a follower",
  "a read that asks for a zxid",
  "a list of several pages",
  "a data watch fires",
  "a child watch fires",
  "a deletion fires a watch",
  "a stream's snapshot",
  "a bookmark",
  "a stream tells several changes of one txn",
  "a stream is compacted",
  "a stream resumes from history",
  "a session resumes",
  "a session resumes at another server",
  "a server stops for its disk",
  "damage is refused",
  "a leader waits for its own disk to apply",
  "two epochs in one second",
];

export class Marks {
  readonly counts = new Map<string, number>();
  readonly #votes = new Map<number, Set<number>>();
  readonly #syncs = new Map<number, "before" | "after">();
  readonly #resumedAt = new Map<number, number>();
  #lastEstablished = Number.NEGATIVE_INFINITY;

  sometimes(name: string, condition: boolean): void {
    if (condition) this.counts.set(name, (this.counts.get(name) ?? 0) + 1);
  }

  get(name: string): number | undefined {
    return this.counts.get(name);
  }

  has(name: string): boolean {
    return this.counts.has(name);
  }

  // ---- between servers

  onSend(from: number, to: number, message: PeerMessage): void {
    switch (message.type) {
      case "vote":
        return this.#onVote(message);
      case "ackEpoch":
        return this.sometimes("an ACKEPOCH that does not count", !message.counts);
      case "followerInfo":
        this.sometimes("a rejoining server asks to be synchronised", message.rejoining);
        return this.sometimes("an observer follows", message.observer);
      case "diff":
      case "trunc":
      case "snap":
        this.#syncs.set(to, "before");
        return;
      case "snapChunk":
        return this.sometimes("a SNAP of several chunks", message.index > 1);
      case "newLeader":
        this.sometimes("NEWLEADER in place", !this.#syncs.has(to) && message.epoch > 1);
        this.#syncs.set(to, "after");
        return;
      case "upToDate":
        this.#syncs.delete(to);
        return;
      case "proposal":
        this.sometimes("a proposal of several entries", message.entries.length > 1);
        this.sometimes("a proposal between NEWLEADER and UPTODATE", this.#syncs.get(to) === "after");
        this.sometimes("a sync stream with entries", this.#syncs.get(to) === "before");
        return this.sometimes(
          "an entry is broadcast again by a later leader",
          message.entries.some((entry) => epochOf(entry.zxid) < message.epoch),
        );
    }
    void from;
  }

  #onVote(message: VoteMessage): void {
    this.sometimes("whoever looks is told who leads", message.state === "leading" || message.state === "following");
    if (message.state !== "looking") return;
    this.sometimes("a vote that only asks", !message.counts);
    if (!message.counts) return;
    const voted = this.#votes.get(message.round) ?? new Set<number>();
    this.#votes.set(message.round, voted.add(message.leader));
    this.sometimes("three candidates in one round", voted.size === 3);
  }

  /** The server's process is gone, or its link to its leader. */
  onSyncLost(server: number): void {
    const phase = this.#syncs.get(server);
    this.#syncs.delete(server);
    if (phase !== undefined) this.sometimes(`a synchronisation is interrupted ${phase} NEWLEADER`, true);
  }

  // ---- servers

  onTurn(server: number, status: Status, effects: Effects, now: number): void {
    for (const line of effects.logLines) {
      if (line.fields["mark"] === true) this.#onNamed(line.message, now);
      else this.#onLine(server, line.fields["reason"] === undefined ? line.message : `${line.message}: ${line.fields["reason"]}`);
    }
    this.sometimes(
      "a leader waits for its own disk to apply",
      status.role === "leading" && status.lastAppliedZxid < status.lastCommittedZxid,
    );
  }

  #onNamed(name: string, now: number): void {
    this.sometimes(name, true);
    if (name !== "established") return;
    this.sometimes("two epochs in one second", now - this.#lastEstablished < 1_000);
    this.#lastEstablished = now;
  }

  #onLine(server: number, text: string): void {
    if (text.startsWith("following ends")) this.onSyncLost(server);
    for (const [start, mark] of lines) this.sometimes(mark, text.startsWith(start));
  }

  onHalt(reason: string): void {
    this.sometimes("damage is refused", reason.includes("damaged"));
    this.sometimes("a server stops for its disk", /^(EIO|ENOSPC|MDB_PANIC)/.test(reason));
  }

  // ---- txns

  onCommitted(txn: Txn, epoch: number): void {
    const { body } = txn;
    this.sometimes(`txn ${body.type}`, true);
    this.sometimes("a commit of an older epoch's entry", epochOf(txn.zxid) < epoch);
    if (body.type === "create") {
      this.sometimes(`create ${body.kind}`, true);
      this.sometimes("a sequential create", /-\d{10}$/.test(body.path));
    }
    this.sometimes("a multi takes the other branch", body.type === "multi" && body.branch === "otherwise");
    this.sometimes("a multi fails", body.type === "error" && (body.codes?.length ?? 0) > 0);
    if (body.type === "closeSession") {
      this.sometimes("a client closes its session", txn.source.type !== "internal");
      this.sometimes("an expiry removes ephemerals", txn.source.type === "internal" && body.removed.length > 0);
    }
    this.sometimes("a txn removes many nodes", "removed" in body && body.removed.length > 3);
  }

  // ---- clients

  onReply(operation: Operation, tip: Zxid, atLeader: boolean): void {
    const { outcome, request, level } = operation;
    const code = outcome?.code ?? "";
    this.sometimes(`answer ${code}`, codes.includes(code));
    this.sometimes("a write was sent twice", operation.isWrite && operation.sends > 2);
    this.sometimes("a call was refused and asked again", operation.refusals > 0);
    if (operation.isWrite) return;
    this.sometimes("a read behind the tip", operation.zxid < tip);
    this.sometimes("a linearizable read at a follower", level.type === "linearizable" && !atLeader);
    this.sometimes("a read that asks for a zxid", level.type === "atLeast");
    this.sometimes(
      "a list of several pages",
      request.type === "list" && outcome?.result.type === "list" && outcome.result.cursor !== undefined,
    );
  }

  onWatch(event: WatchEvent): void {
    this.sometimes("a data watch fires", event.type === "nodeDataChanged");
    this.sometimes("a child watch fires", event.type === "nodeChildrenChanged");
    this.sometimes("a deletion fires a watch", event.type === "nodeDeleted");
  }

  onStream(delivery: StreamDelivery, resumed: boolean): void {
    this.sometimes("a stream's snapshot", delivery.type === "snapshot" && delivery.done);
    if (delivery.type !== "changes") return;
    this.sometimes("a bookmark", delivery.changes.length === 0);
    this.sometimes("a stream tells several changes of one txn", severalOfOne(delivery.changes));
    this.sometimes("a stream resumes from history", resumed && delivery.changes.length > 0);
  }

  onResumed(client: number, server: number): void {
    this.sometimes("a session resumes", true);
    const before = this.#resumedAt.get(client);
    this.sometimes("a session resumes at another server", before !== undefined && before !== server);
    this.#resumedAt.set(client, server);
  }

  /** When all is quiet. */
  finish(operations: readonly Operation[], uncommitted: boolean): void {
    this.sometimes(
      "a call's outcome is unknown",
      operations.some((operation) => operation.state === "unknown"),
    );
    this.sometimes("an entry is broadcast and never committed", uncommitted);
  }
}

function severalOfOne(changes: readonly { readonly zxid: Zxid }[]): boolean {
  return changes.some((change, i) => i > 0 && changes[i - 1]?.zxid === change.zxid);
}
