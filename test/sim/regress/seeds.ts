/**
 * Worlds that once failed, kept for ever: the seed of each, and what was wrong. A seed is a world only for
 * the simulator that drew it; when that changes, a kept seed is one more world, and what it showed is held
 * by the scenario named here, which was made from its story.
 */
import type { PaceName } from "../pace.ts";

export interface Regression {
  readonly seed: number;
  readonly what: string;
  readonly pace?: PaceName;
  /** The scenario that shows it whatever the seeds become; undefined where the fault was the simulator's own. */
  readonly scenario: string | undefined;
}

export const regressions: readonly Regression[] = [
  {
    seed: 108,
    what: "with lease reads off no session ever expired: an expiry asked for a lease",
    scenario: "expiry where leases are off",
  },
  {
    seed: 38,
    what: "a server that started anew beside damaged data took the name of a leftover directory on its way out",
    scenario: "ZOOKEEPER-4394 joining under load",
  },
  {
    seed: 100,
    what: "the log was not pinned while a snapshot was sent: under writes its receiver never caught up",
    scenario: "ZOOKEEPER-2418 behind the history",
  },
  {
    seed: 200,
    what: "NEWLEADER was acked before the files of an installed log without entries were durable",
    scenario: "damage is repaired from the others",
  },
  {
    seed: 208,
    what: "a dispute over tree digests was never decided by a server that came back later",
    scenario: "18 a digest tie",
  },
  {
    seed: 5786,
    what: "a snapshot was thrown away while the epoch record that names it was on its way to the disk",
    scenario: "a snapshot that is named but not yet in use",
  },
  {
    seed: 5921,
    what: "a candidate and its learner answered each other's votes without end; and a check took a candidate that votes for a lease holder",
    scenario: "a quiet candidate",
  },
  {
    seed: 100_502,
    pace: "long",
    what: "a disk hung for longer than thirty epochs: epoch records that waited to be saved were bounded by an assertion, which ended the server",
    scenario: "a hung disk outlives many epochs",
  },
  { seed: 166, what: "a check took an idle marker for an entry", scenario: undefined },
  { seed: 375, what: "a check took NO_QUORUM for an answer of the register", scenario: undefined },
  {
    seed: 2_135,
    what: "a check took a server that had saved its membership, and not acked it yet, for no member",
    scenario: undefined,
  },
  {
    seed: 700_102,
    what: "a healed world started a server without --rejoin whose flipped bit was found late",
    scenario: undefined,
  },
  { seed: 700_455, what: "a check counted a TTL from its broadcast, which came long after its proposal", scenario: undefined },
  { seed: 700_667, what: "a check asked for a second copy of what only a wiped server had had", scenario: undefined },
  {
    seed: 100_344,
    what: "a check cut a register's history and took what was open at the cut for answered",
    scenario: undefined,
  },
  {
    seed: 300_720,
    what: "a check judged an expiry by when its proposal left, though the machine slept between the turn and its effects",
    scenario: undefined,
  },
  {
    seed: 503_352,
    what: "a founder that had been started again sent FOUND before its hello, so nobody took it, and the founding waited for ever",
    scenario: "a founder that starts again",
  },
  {
    seed: 503_414,
    what: "a bit was flipped in the marker that proves a log, which nothing proves; and a check took a server that had saved its membership for no member",
    scenario: undefined,
  },
  {
    seed: 7_005_501,
    pace: "long",
    what: "an idle leader whose last entry had the last epoch's full counter began one epoch after the other, as fast as its disk could save them",
    scenario: "idle after a hand-over",
  },
  {
    seed: 7_012_981,
    pace: "long",
    what: "a rare choice kept itself going: each stamp made turns, and each turn could make a stamp",
    scenario: undefined,
  },
  {
    seed: 8_000_434,
    what: "a disk failed a moment before all was healed, and a check took the end of its server for calm disturbed",
    scenario: undefined,
  },
];
