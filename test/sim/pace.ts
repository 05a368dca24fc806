/**
 * The long haul: one seed in twenty lives for ten minutes to an hour under a light load, with faults far apart and some of
 * them long, and naps in which nobody asks anything. It shows what only time shows: drift that adds up, TTLs
 * and sessions that end after long idleness, logs that are trimmed, epochs that turn over, servers away
 * for longer than the history. Most are slower in all: the times of the protocol, of the ticks and of whoever waits
 * are several times the usual ones, as over long lines, so that an idle second costs little.
 */
import type { Limits } from "../../src/model/limits.ts";
import { Random } from "./random.ts";

export interface Pace {
  /** How many times the usual the protocol's times are. */
  readonly slow: number;
  readonly minutes: number;
  readonly sessionTimeoutMs: number;
}

export type PaceName = "drawn" | "usual" | "long";

const longEvery = 20;

/** Undefined: the usual pace. It has a stream of its own, so that no other draw depends on it. */
export function drawPace(seed: number, name: PaceName): Pace | undefined {
  if (name === "usual" || (name === "drawn" && seed % longEvery !== 1)) return undefined;
  const random = new Random(seed).fork("pace");
  const slow = random.pick([1, 5, 5, 10, 10, 10, 10, 20, 20, 20]);
  return {
    slow,
    minutes: slow === 1 ? 10 : random.logBetween(10, 60),
    sessionTimeoutMs: Math.floor(random.logBetween(Math.max(5_000, 3_000 * slow), 300_000)),
  };
}

/** The same limits with times as on a slow line; what housekeeping does, it does at the pace of production. */
export function slowLimits(limits: Limits, slow: number): Limits {
  return {
    ...limits,
    session_timeout_ms_min: 1_000,
    heartbeat_ms: limits.heartbeat_ms * slow,
    promise_ms: limits.promise_ms * slow,
    lease_guard_ms: limits.lease_guard_ms * slow,
    silence_ms: limits.silence_ms * slow,
    sync_stall_ms: limits.sync_stall_ms * slow,
    establish_ms: limits.establish_ms * slow,
    vote_resend_ms: limits.vote_resend_ms * slow,
    finalize_vote_ms: limits.finalize_vote_ms * slow,
    log_marker_idle_ms: limits.log_marker_idle_ms * slow,
    request_wait_ms: 30_000,
    read_only_after_ms: limits.read_only_after_ms * slow,
    flush_interval_ms: 3_000,
    image_pin_ms: 30_000,
    cluster_time_stamp_ms: 10_000,
    reap_interval_ms: 1_000,
  };
}
