/**
 * Planted bugs (src/model/mutant.ts), each the weakening of one rule, with what is known to show it. A
 * check that never fails proves nothing: every mutant must be killed, and one that survives is a hole in
 * the checks. `from`: M1 … M40 are bugs that other systems have had; S1 … S26 weaken the rules that the
 * schedules of scenario/schedules.ts led to.
 */
import { setMutant } from "../../src/model/mutant.ts";
import type { PaceName } from "./pace.ts";
import { schedules } from "./scenario/all.ts";
import { run } from "./swarm.ts";

export interface Mutant {
  readonly name: string;
  readonly from: string;
  /** The scenario that is about it, by the start of its name. */
  readonly scenario?: string;
  /** Tried first: a seed of the scenario, or of the swarm, that has killed it before. */
  readonly seed?: number;
  /** What only time shows. */
  readonly pace?: PaceName;
}

export const mutants: readonly Mutant[] = [
  { name: "an empty server leads a recovered ensemble", from: "recovery", scenario: "recovered from server 1" },
  { name: "an epoch record is told before it is durable", from: "storage", scenario: "a founding in the page cache alone" },
  { name: "wiped servers that rejoin found an empty ensemble", from: "recovery", scenario: "all voters lost their directories" },
  { name: "damaged data is removed before it is made up for", from: "recovery", scenario: "all voters lost their logs" },
  { name: "a vote for a dead server stands", from: "liveness", scenario: "a vote for a server that is dead" },
  { name: "a server leads without its tree", from: "storage", scenario: "two trees are lost" },
  { name: "ack before fsync", from: "M1" },
  { name: "leader counts itself before its fsync", from: "M2" },
  { name: "NEWLEADER acked before the history is durable", from: "M3" },
  { name: "currentEpoch before history", from: "M4" },
  { name: "an ACK of a proposal counts as one of NEWLEADER", from: "M5" },
  { name: "serves before a quorum acked NEWLEADER", from: "M6" },
  { name: "an accepted epoch is accepted again", from: "M7" },
  { name: "ACKEPOCH before acceptedEpoch is durable", from: "M8" },
  { name: "vote ignores zxid", from: "M9", seed: 18 },
  { name: "vote compares counters without epochs", from: "M10", scenario: "M10 " },
  { name: "acks of a past epoch count", from: "M11", scenario: "M11 " },
  { name: "DIFF to a diverged log", from: "M12", seed: 6 },
  { name: "TRUNC is acked before it is durable", from: "M13", scenario: "ZOOKEEPER-2845" },
  { name: "the tree has uncommitted txns", from: "M14" },
  { name: "the sync stream has a hole", from: "M15" },
  { name: "COMMITs before UPTODATE are lost", from: "M16", scenario: "ZOOKEEPER-4785" },
  { name: "messages of an old link are taken", from: "M17", scenario: "M17 " },
  { name: "lease not shortened", from: "M18", seed: 57 },
  { name: "lease from the receipt of the ack", from: "M18", seed: 57 },
  { name: "a promise ends with its process", from: "M19" },
  { name: "a lease outlives a suspend", from: "M20, S20", scenario: "20 " },
  { name: "a read round is not fresh", from: "M21" },
  { name: "a leader reads behind its own commit", from: "M22, S5", scenario: "5 " },
  { name: "an expiry is proposed without a lease", from: "M23" },
  { name: "a new leader does not restart the timers", from: "M24" },
  { name: "a stall restarts the timers", from: "nemesis", scenario: "a leader that stalls" },
  { name: "a watch is set a request late", from: "M25" },
  { name: "a paused stream forgets its buffer", from: "M26", scenario: "a slow consumer" },
  { name: "a stream resumes one too late", from: "M27", seed: 10 },
  { name: "a watch event comes after the reply", from: "M28" },
  { name: "the reply table is not stored", from: "M29" },
  { name: "apply asks the replica's own state", from: "M30" },
  { name: "a closing session still writes", from: "M31" },
  { name: "damage is taken for the end of the log", from: "M32", seed: 10 },
  { name: "a failed sync is tried again", from: "M33", seed: 33 },
  { name: "a last batch is trusted where it stands", from: "fsyncgate", seed: 9 },
  { name: "a failed store commit is ignored", from: "M34", seed: 39 },
  { name: "a multi applies in another order", from: "M35", seed: 5 },
  { name: "less than a majority is a quorum", from: "M36" },
  { name: "no pre-vote", from: "M37", scenario: "ZOOKEEPER-1514" },
  { name: "a leader without a quorum stays", from: "M38" },
  { name: "sequence numbers count children", from: "M39" },
  { name: "the counter runs over", from: "M40" },
  { name: "the leader saves the next epoch before its log", from: "S1", seed: 23 },
  { name: "FOUND leaves before the hello", from: "seed 503352", scenario: "a founder that starts again" },
  { name: "an idle leader hands over again", from: "seed 7005501", scenario: "idle after a hand-over" },
  { name: "votes are answered without end", from: "seed 5921", scenario: "a quiet candidate" },
  { name: "a named snapshot is thrown away", from: "seed 5786", scenario: "a snapshot that is named" },
  { name: "SNAP switches before its log", from: "S2", scenario: "2 " },
  { name: "a wiped server is a member at once", from: "S3", scenario: "3 " },
  { name: "--rejoin throws sound data away", from: "S4", scenario: "4 " },
  { name: "the log is cut below what the store has synced", from: "S6", scenario: "6 " },
  { name: "a founding record is not empty", from: "S7", scenario: "7 " },
  { name: "a gap in a session's writes is accepted", from: "S8", scenario: "8 " },
  { name: "an acknowledged seq is new again", from: "S9", scenario: "9 " },
  { name: "a skip is not logged", from: "S10", scenario: "10 " },
  { name: "an origin's write is applied again", from: "S11", scenario: "11a" },
  { name: "a session that moved still writes from its old server", from: "S11", scenario: "11b" },
  { name: "a promise is not kept", from: "S12", scenario: "12 " },
  { name: "a promise ends with its link", from: "S12", seed: 1 },
  { name: "a sync stream commits", from: "S13", scenario: "13 " },
  { name: "votes while its log is being written", from: "S14", seed: 33 },
  { name: "a list from an old image", from: "S15", seed: 1 },
  { name: "a follower confirms heartbeats", from: "S16", scenario: "16 " },
  { name: "a renewal is not logged", from: "S16", seed: 54 },
  { name: "bytes behind a cut count again", from: "S17", scenario: "17 " },
  { name: "a digest tie stops both at once", from: "S18", scenario: "18 " },
  { name: "idle time is not logged", from: "S19", scenario: "19 " },
  { name: "a suspend goes unseen", from: "S20", scenario: "20 " },
  { name: "clock before inbox", from: "S21", scenario: "21 " },
  { name: "a deposed leader confirms", from: "S22" },
  { name: "an expiry of a past epoch is rejected", from: "S23", scenario: "23 " },
  { name: "a refusal is not logged", from: "S24", scenario: "24 " },
  { name: "old results are evicted", from: "S25", scenario: "25 " },
  { name: "streams live through SNAP", from: "S26", scenario: "26 " },
  { name: "replies overtake each other", from: "session FIFO" },
  { name: "a write does not put off a TTL", from: "long haul", pace: "long" },
  { name: "the log is never trimmed", from: "long haul", pace: "long" },
  { name: "a client's deadline is not shortened", from: "I-18", scenario: "clocks as far" },
];

export interface Kill {
  /** In words: the scenario or the swarm, and the seed. */
  readonly by: string;
  /** Seeds tried, that one included. */
  readonly tried: number;
  readonly violation: string;
}

const scenarioSeeds = 20;

/** The first seed that shows it; undefined when none of so many does. */
export function kill(mutant: Mutant, seedsMax: number, knownFirst = true): Kill | undefined {
  let tried = 0;
  const attempt = (by: string, play: () => string | undefined): Kill | undefined => {
    tried += 1;
    const violation = withMutant(mutant.name, play);
    return violation === undefined ? undefined : { by, tried, violation };
  };
  const scenario = schedules.find((one) => mutant.scenario !== undefined && one.name.startsWith(mutant.scenario));
  const known = knownFirst && mutant.seed !== undefined ? mutant.seed : undefined;
  if (known !== undefined) {
    const play = scenario === undefined ? () => swarm(known, mutant.pace) : () => played(scenario.play, known);
    const found = attempt(`${scenario === undefined ? "swarm" : `scenario ${scenario.name}`}, seed ${known}`, play);
    if (found !== undefined) return found;
  }
  if (scenario !== undefined) {
    for (let seed = 1; seed <= Math.min(scenarioSeeds, seedsMax); seed += 1) {
      const found = attempt(`scenario ${scenario.name}, seed ${seed}`, () => played(scenario.play, seed));
      if (found !== undefined) return found;
    }
  }
  for (let seed = 1; tried < seedsMax; seed += 1) {
    const found = attempt(`swarm, seed ${seed}`, () => swarm(seed, mutant.pace));
    if (found !== undefined) return found;
  }
  return undefined;
}

function withMutant(name: string, play: () => string | undefined): string | undefined {
  setMutant(name);
  try {
    return play();
  } finally {
    setMutant("");
  }
}

function swarm(seed: number, pace: PaceName = "usual"): string | undefined {
  return run({ seed, mode: "swarm", quick: true, pace, buggify: false }).violation?.message;
}

function played(play: (seed: number) => unknown, seed: number): string | undefined {
  try {
    play(seed);
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}
