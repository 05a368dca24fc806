/**
 * How a transaction over outside participants lies in the tree, and the one rule that makes it safe: its decision is one node, made once.
 *
 *   PATH/TXN            who takes part, and the payload
 *     vote-NAME         "yes" or "no", made once, and only while there is no decision
 *     decision          "commit", made only if every vote is "yes"; or "abort"; whichever comes first
 *     waiting           ephemeral: its coordinator still wants to know
 *     done-NAME         the participant has done what was decided
 *
 * Making the decision is one multi with those conditions. So nobody decides alone (a commit needs all votes), nobody decides twice, and
 * nobody blocks: anybody may decide, as soon as nobody else does. Used by `two-phase-commit.ts`.
 */
import { mutant } from "../../src/model/mutant.ts";
import { joinPath, nameOf } from "../../src/model/path.ts";
import type { Client } from "../client.ts";
import { unless } from "../error.ts";
import type { CallOptions } from "../operations.ts";

export type Decision = "commit" | "abort";
export type Vote = "yes" | "no";

/** The data of a transaction's node. */
export interface CommitRecord {
  readonly participants: readonly string[];
  readonly payload: unknown;
}

export function votePath(txn: string, participant: string): string {
  return joinPath(txn, `vote-${participant}`);
}
export function donePath(txn: string, participant: string): string {
  return joinPath(txn, `done-${participant}`);
}
export function decisionPath(txn: string): string {
  return joinPath(txn, "decision");
}
export function waitingPath(txn: string): string {
  return joinPath(txn, "waiting");
}

/** undefined: not made by this recipe. */
export function parseRecord(text: string): CommitRecord | undefined {
  try {
    const { participants, payload } = JSON.parse(text) as Partial<CommitRecord>;
    return Array.isArray(participants) ? { participants, payload } : undefined;
  } catch {
    return undefined;
  }
}

export function parseDecision(text: string | undefined): Decision | undefined {
  return text === "commit" || text === "abort" ? text : undefined;
}

/** A transaction as one look shows it. */
export interface CommitView {
  readonly record: CommitRecord;
  readonly decision: Decision | undefined;
  readonly votes: ReadonlyMap<string, string>;
  readonly done: ReadonlySet<string>;
  readonly awaited: boolean;
}

/** `children`: name and text of each. */
export function viewOf(record: CommitRecord, children: Iterable<{ readonly path: string; readonly text: string }>): CommitView {
  const votes = new Map<string, string>();
  const done = new Set<string>();
  let decision: Decision | undefined;
  let awaited = false;
  for (const { path, text } of children) {
    const name = nameOf(path);
    if (name.startsWith("vote-")) votes.set(name.slice("vote-".length), text);
    else if (name.startsWith("done-")) done.add(name.slice("done-".length));
    else if (name === "decision") decision = parseDecision(text);
    else if (name === "waiting") awaited = true;
  }
  return { record, decision, votes, done, awaited };
}

/** What the votes alone decide; undefined: some are missing. */
export function outcomeOf({ record, votes }: CommitView): Decision | undefined {
  if (record.participants.some((one) => votes.get(one) === "no")) return "abort";
  return record.participants.every((one) => votes.get(one) === "yes") ? "commit" : undefined;
}

/** Makes the decision if there is none, and a commit only if all votes are "yes". Resolves to whether we made it. */
export async function decide(
  client: Client,
  txn: string,
  record: CommitRecord,
  decision: Decision,
  call: CallOptions,
): Promise<boolean> {
  const transaction = client.transaction().ifPresent(txn).ifAbsent(decisionPath(txn));
  if (decision === "commit" && !mutant("a commit needs no votes"))
    for (const one of record.participants) transaction.ifValue(votePath(txn, one), "yes");
  const made = transaction.create(decisionPath(txn), decision).commit(call);
  return (await unless("CONDITION_FAILED", made)) !== undefined;
}

/** Votes, unless it is decided already. Resolves to whether the vote stands; false also when there was one before. */
export async function vote(client: Client, txn: string, participant: string, value: Vote, call: CallOptions): Promise<boolean> {
  const at = votePath(txn, participant);
  const transaction = client.transaction().ifPresent(txn).ifAbsent(decisionPath(txn)).ifAbsent(at);
  return (await unless("CONDITION_FAILED", transaction.create(at, value).commit(call))) !== undefined;
}
