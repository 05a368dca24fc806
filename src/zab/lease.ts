/**
 * The leader's knowledge of who still follows it. A heartbeat acked by a quorum proves, at its *send*
 * time, that nobody else could have been elected (Raft thesis §6.4.1): it gives the lease
 * `L = P·(1−ρ)/(1+ρ) − guard` from then, and it is also the read-index round for every request that
 * came before it was sent. Ids are fresh and belong to one epoch, so no ack crosses epochs.
 */
import { type Limits, leaseMs } from "../model/limits.ts";
import { mutant } from "../model/mutant.ts";
import type { ServerId } from "../model/zxid.ts";
import { type QuorumConfig, quorumReached } from "./quorum.ts";

const sendTimesKept = 256;

export class Lease {
  readonly #limits: Limits;
  readonly #config: QuorumConfig;
  readonly #self: ServerId;
  /** False with `--lease-reads off`: then nothing rests on clocks, and every answer needs a round. */
  readonly enabled: boolean;
  readonly #acked = new Map<ServerId, number>();
  readonly #ackReceivedMs = new Map<ServerId, number>();
  readonly #sentAtMs = new Float64Array(sendTimesKept);
  #lastId = 0;
  /** Heartbeats up to this id give no lease: something made the clock or our leadership doubtful. */
  #droppedId = 0;

  constructor(parts: { limits: Limits; config: QuorumConfig; self: ServerId; enabled: boolean; nowMs: number }) {
    this.#limits = parts.limits;
    this.#config = parts.config;
    this.#self = parts.self;
    this.enabled = parts.enabled;
    for (const voters of parts.config.voterSets) for (const id of voters) this.#ackReceivedMs.set(id, parts.nowMs);
  }

  get lastId(): number {
    return this.#lastId;
  }

  nextHeartbeat(nowMs: number): number {
    this.#lastId += 1;
    this.#sentAtMs[this.#lastId % sendTimesKept] = nowMs;
    return this.#lastId;
  }

  onAck(from: ServerId, id: number, nowMs: number): void {
    if (id > this.#lastId) return;
    this.#ackReceivedMs.set(from, nowMs);
    if (mutant("lease from the receipt of the ack"))
      this.#sentAtMs[id % sendTimesKept] = nowMs + this.#limits.promise_ms - leaseMs(this.#limits);
    if (id > (this.#acked.get(from) ?? 0)) this.#acked.set(from, id);
  }

  /** Acks of a closed connection are forgotten. */
  forget(peer: ServerId): void {
    this.#acked.delete(peer);
  }

  /** Nothing acked so far counts for the lease any more. */
  drop(): void {
    this.#droppedId = this.#lastId;
  }

  /** A quorum has acked heartbeat `id` or a later one. `without` must not be needed for it. */
  confirmed(id: number, without?: ServerId): boolean {
    return this.#quorumId(without) >= id;
  }

  /** Until when the leader may answer alone, on its monotonic clock. */
  validUntilMs(nowMs: number): number {
    if (!this.enabled) return Number.NEGATIVE_INFINITY;
    const id = this.#quorumId(undefined);
    if (id === Number.POSITIVE_INFINITY) return nowMs + leaseMs(this.#limits);
    if (id <= this.#droppedId || id === 0 || this.#lastId - id >= sendTimesKept) return Number.NEGATIVE_INFINITY;
    const sentAtMs = this.#sentAtMs[id % sendTimesKept] ?? Number.NEGATIVE_INFINITY;
    if (mutant("lease not shortened")) return sentAtMs + this.#limits.promise_ms;
    return sentAtMs + leaseMs(this.#limits);
  }

  /** When a quorum was last heard from; a leader whose quorum is silent steps down. */
  quorumHeardMs(nowMs: number): number {
    return quorumReached(this.#config, (id) => (id === this.#self ? nowMs : (this.#ackReceivedMs.get(id) ?? 0)));
  }

  #quorumId(without: ServerId | undefined): number {
    return quorumReached(this.#config, (id) => {
      if (id === without) return 0;
      return id === this.#self ? Number.POSITIVE_INFINITY : (this.#acked.get(id) ?? 0);
    });
  }
}
