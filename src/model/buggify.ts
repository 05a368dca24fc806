/**
 * Choices that are rare and always legal, and that the simulator makes often: a batch that leaves early, a cache that forgets, a refusal although
 * there is room (FoundationDB's BUGGIFY, SIGMOD 2021, §4). Each keeps every promise, so what breaks with one taken is a bug
 * somewhere else. Inert in servers: nothing outside `test/` arms it.
 *
 * A site may change when and in which parts something is done, never what replicas come to: no site is in prepare's or apply's rules.
 */
export const buggifySites = [
  "a batch of one entry",
  "a segment ends early",
  "a spare segment comes late",
  "memory keeps only what is not durable",
  "a read of the log ends early",
  "a marker without delay",
  "the log is trimmed late",
  "a flush begins early",
  "a flush begins late",
  "the cache forgets",
  "no image is to be had",
  "a list's image is given up",
  "a page of one entry",
  "one txn is applied in a turn",
  "a leader waits before it takes requests",
  "a lease read goes the long way",
  "a proposal for each entry",
  "a heartbeat ahead of time",
  "a COMMIT leaves late",
  "a snapshot where a diff would do",
  "a sync stream in small parts",
  "one snapshot chunk in flight",
  "a chunk is acked late",
  "an ACK leaves late",
  "votes are told again",
  "each forward leaves by itself",
  "refused although there is room",
  "an expiry waits",
  "a reaping waits",
  "a stamp ahead of time",
  "a stream falls behind",
  "a bookmark ahead of time",
] as const;

export type BuggifySite = (typeof buggifySites)[number];

let choose: ((site: BuggifySite) => boolean) | undefined;

/** `chooser` undefined: nothing is taken any more. */
export function armBuggify(chooser: ((site: BuggifySite) => boolean) | undefined): void {
  choose = chooser;
}

/** True when the simulator takes this choice here and now. */
export function buggify(site: BuggifySite): boolean {
  return choose?.(site) === true;
}
