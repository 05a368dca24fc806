/**
 * Quorum arithmetic over one configuration or, while membership changes, over an old and a new one
 * jointly: then a quorum is a majority of each. Pure; knows no messages.
 */
import { assert } from "../model/assert.ts";
import { mutant } from "../model/mutant.ts";
import type { ServerId } from "../model/zxid.ts";

export interface QuorumConfig {
  /** One set of voters, or two (joint). */
  readonly voterSets: readonly (readonly ServerId[])[];
  readonly observers: readonly ServerId[];
}

export function majorityOf(voters: number): number {
  if (mutant("less than a majority is a quorum")) return Math.max(1, Math.floor(voters / 2));
  return Math.floor(voters / 2) + 1;
}

export function isVoter(config: QuorumConfig, id: ServerId): boolean {
  return config.voterSets.some((voters) => voters.includes(id));
}

export function allVoters(config: QuorumConfig): ServerId[] {
  return [...new Set(config.voterSets.flat())].sort((a, b) => a - b);
}

/** True when the servers for which `has` holds include a majority of every voter set. */
export function hasQuorum(config: QuorumConfig, has: (id: ServerId) => boolean): boolean {
  for (const voters of config.voterSets) {
    let count = 0;
    for (const id of voters) if (has(id)) count += 1;
    if (count < majorityOf(voters.length)) return false;
  }
  return true;
}

/** The greatest value that a quorum has reached: each server has reached every value up to `reached(id)`. */
export function quorumReached(config: QuorumConfig, reached: (id: ServerId) => number): number {
  let lowest = Number.POSITIVE_INFINITY;
  for (const voters of config.voterSets) {
    assert(voters.length > 0, "a voter set must not be empty");
    lowest = Math.min(lowest, reachedByMost(voters, reached));
  }
  return lowest;
}

/** The greatest of the voters' values that a majority of them has reached. Without a list: it is asked for in every turn. */
function reachedByMost(voters: readonly ServerId[], reached: (id: ServerId) => number): number {
  const needed = majorityOf(voters.length);
  let greatest = Number.NEGATIVE_INFINITY;
  for (const voter of voters) {
    const value = reached(voter);
    if (value <= greatest) continue;
    let count = 0;
    for (const other of voters) if (reached(other) >= value) count += 1;
    if (count >= needed) greatest = value;
  }
  return greatest;
}
