/**
 * One server as a synchronous state machine. A driver hands over a turn's events and the clock that it
 * sampled after closing its inbox, and gets the turn's effects.
 */

import { assert } from "../model/assert.ts";
import { checkLimits } from "../model/limits.ts";
import { TokenSource } from "../model/tokens.ts";
import type { ServerId, Zxid } from "../model/zxid.ts";
import { DamagedStoreError } from "../tree/store-error.ts";
import { ClockDoubt, type Doubt } from "./clock-doubt.ts";
import { DigestRing } from "./digest-ring.ts";
import type { Effects } from "./effects.ts";
import { EffectsBuilder } from "./effects-builder.ts";
import type { Event, Now } from "./event.ts";
import { type Inspection, nothingToInspect } from "./inspection.ts";
import type { Drivers, ReplicaOptions } from "./options.ts";
import { Running } from "./running.ts";
import type { Status } from "./status.ts";
import { openStorage } from "./storage.ts";

export class Replica {
  readonly #options: ReplicaOptions;
  readonly #tokens = new TokenSource();
  readonly #effects = new EffectsBuilder();
  readonly #digests: DigestRing;
  readonly #clockDoubt: ClockDoubt;
  #running: Running | undefined;
  #now: Now = { monotonicMs: 0, wallMs: 0, bootMs: 0 };

  /** Opens the data directory through recovery, synchronously. What is wrong with it comes as `halt` of the first turn. */
  constructor(options: ReplicaOptions, drivers: Drivers) {
    checkLimits(options.limits);
    this.#options = options;
    this.#digests = new DigestRing(options.limits.digest_ring_size);
    this.#clockDoubt = new ClockDoubt(options.limits.lease_guard_ms);
    const opening = openStorage(options, drivers, this.#tokens);
    if (opening.type === "refused") {
      this.#effects.stop(opening.exitCode, opening.reason);
      return;
    }
    for (const note of opening.notes) this.#effects.log("warn", note);
    try {
      this.#running = new Running(options, drivers, this.#tokens, this.#effects, this.#digests, opening.storage);
    } catch (error) {
      if (!(error instanceof DamagedStoreError)) throw error;
      opening.storage.kv.condemn(error.message);
      this.#effects.stop(70, error.message);
    }
  }

  turn(now: Now, events: readonly Event[]): Effects {
    assert(now.monotonicMs >= this.#now.monotonicMs, "the monotonic clock must not go back");
    this.#now = now;
    const doubt = this.#clockDoubt.check(now);
    if (this.#running !== undefined && !this.#effects.halted) this.#turnOf(this.#running, now, events, doubt);
    return this.#effects.take();
  }

  /** Damage that is met in the tree is told to the next start, which does without the store. */
  #turnOf(running: Running, now: Now, events: readonly Event[], doubt: Doubt | undefined): void {
    try {
      running.turn(now, events, doubt);
    } catch (error) {
      if (error instanceof DamagedStoreError) running.condemnStore(error.message);
      throw error;
    }
  }

  status(): Status {
    return this.#running?.status() ?? stoppedStatus(this.#options.id);
  }

  inspect(): Inspection {
    return this.#running?.inspect() ?? nothingToInspect;
  }

  /** Flushes what is applied, for a clean shutdown: the next start has less to replay. */
  prepareShutdown(): void {
    this.#running?.flushNow(this.#now.monotonicMs);
  }
}

function stoppedStatus(id: ServerId): Status {
  const zero = 0 as Zxid;
  return {
    id,
    role: "looking",
    serving: false,
    epoch: 0 as Status["epoch"],
    leader: undefined,
    clusterId: "",
    lastLoggedZxid: zero,
    lastCommittedZxid: zero,
    lastAppliedZxid: zero,
    flushedZxid: zero,
    sessions: 0,
    connections: 0,
    watches: 0,
    streams: 0,
    znodes: 0,
    ephemerals: 0,
    dataBytes: 0,
    outstanding: 0,
    peers: [],
    readOnly: false,
    waitingFor: "the data directory cannot be used",
  };
}
