/**
 * Rolling into the next epoch without an election (ZOOKEEPER-1277: a full counter forced one). The
 * discovery of E′ overlaps E; then NEWLEADER(E′) is the last message of E: every server, the leader
 * too, syncs its log through E's last proposal, saves currentEpoch = E′, and ACKs. E′:1 follows the
 * quorum's ACKs. A server that saved E′ before its log was whole would beat one with a committed tail.
 */
import { mutant } from "../model/mutant.ts";
import type { Epoch, ServerId } from "../model/zxid.ts";
import type { ZabContext } from "./context.ts";
import type { LearnerHandler } from "./learner-handler.ts";

type Phase = "discovery" | "draining";

export class Handover {
  readonly epoch: Epoch;
  readonly #context: ZabContext;
  readonly #handlers: ReadonlyMap<ServerId, LearnerHandler>;
  readonly #quorum: (has: (handler: LearnerHandler) => boolean) => boolean;
  readonly #startedMs: number;
  #phase: Phase = "discovery";
  #drainedMs = 0;
  readonly #offered = new Set<LearnerHandler>();
  #saved = false;

  constructor(
    context: ZabContext,
    epoch: Epoch,
    handlers: ReadonlyMap<ServerId, LearnerHandler>,
    quorum: (has: (handler: LearnerHandler) => boolean) => boolean,
  ) {
    this.#context = context;
    this.epoch = epoch;
    this.#handlers = handlers;
    this.#quorum = quorum;
    this.#startedMs = context.nowMs;
    context.saveEpochs({ acceptedEpoch: epoch });
  }

  get draining(): boolean {
    return this.#phase === "draining";
  }

  /** `drain`: send NEWLEADER(E′) now. `done`: E′ has begun. */
  advance(): "wait" | "drain" | "done" | "failed" {
    return this.#phase === "discovery" ? this.#discover() : this.#drain();
  }

  #discover(): "wait" | "drain" | "failed" {
    if (this.#context.durableEpochs().accepted < this.epoch) return "wait";
    this.#offer();
    if (!this.#quorum((handler) => handler.handoverAcked === this.epoch)) {
      return this.#context.nowMs - this.#startedMs >= this.#context.limits.establish_ms ? "failed" : "wait";
    }
    this.#phase = "draining";
    this.#drainedMs = this.#context.nowMs;
    return "drain";
  }

  /** To every learner in broadcast, also to one that comes into it meanwhile. */
  #offer(): void {
    for (const handler of this.#handlers.values()) {
      if (!handler.upToDateSent || this.#offered.has(handler)) continue;
      this.#offered.add(handler);
      this.#context.send(handler.id, { type: "leaderInfo", epoch: this.epoch });
    }
  }

  #drain(): "wait" | "done" | "failed" {
    const { log } = this.#context;
    const synced = log.durableZxid === log.lastZxid || mutant("the leader saves the next epoch before its log");
    if (!this.#saved && synced) {
      this.#saved = true;
      this.#context.saveEpochs({ currentEpoch: this.epoch });
    }
    const ours = this.#saved && this.#context.durableEpochs().current >= this.epoch;
    if (ours && this.#quorum((handler) => handler.newLeaderAcked === this.epoch)) return "done";
    return this.#context.nowMs - this.#drainedMs >= this.#context.limits.silence_ms ? "failed" : "wait";
  }
}
