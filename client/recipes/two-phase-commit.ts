/**
 * Two-phase commit over participants outside of Zabra, such as two databases: all do it or none, though any process may die at any moment.
 *
 *     // in each participant's process
 *     await participate(client, "/transfers", "bank-a", { prepare, commit, abort }, { signal });
 *     // in whichever process wants something done
 *     const decision = await transact(client, "/transfers", { participants: ["bank-a", "bank-b"], payload: { amount: 5 } });
 *
 *   coordinator: begun ──all yes──▶ commit      participant: asked ──prepare──▶ voted yes ──decision──▶ applied ──▶ done
 *                  └─ a no, or too late ──▶ abort                       └─▶ voted no ─────▶ aborted ──▶ done
 *
 * The classical faults and their cure: a dead coordinator blocks nobody, because any participant whose patience ends makes the decision, which
 * is one node in the tree (`commit-record.ts`); no timeout decides by itself, because deciding is a conditional write that only one wins. So
 * patience is a matter of speed, never of safety. `prepare`, `commit` and `abort` may be called again after a crash, and must bear it.
 */
import { joinPath, parentOf } from "../../src/model/path.ts";
import type { Client } from "../client.ts";
import { toText } from "../data.ts";
import { unless, ZabraError } from "../error.ts";
import type { CallOptions } from "../operations.ts";
import { requireInteger, requireName, requireOpen } from "./check.ts";
import {
  type CommitRecord,
  type CommitView,
  type Decision,
  decide,
  outcomeOf,
  parseRecord,
  viewOf,
  waitingPath,
} from "./commit-record.ts";
import { lookUntil } from "./look.ts";
import { uniqueName } from "./unique-name.ts";
import { type WaitOptions, withLimit } from "./wait.ts";
import { untilSessionEnds } from "./when-gone.ts";

export interface TransactOptions extends WaitOptions {
  /** Whose votes are needed: 1 to 50 different names. */
  readonly participants: readonly string[];
  /** What they are to do. JSON. */
  readonly payload?: unknown;
  /** How long to wait for votes before aborting, ms, 1 to 86,400,000. Default 10,000. */
  readonly patienceMs?: number | undefined;
}

const participantsMax = 50;
const patienceMsDefault = 10_000;

/**
 * Asks all participants, and resolves to what was decided; they may still be doing it. Rejects with BAD_ARGUMENTS, NO_AUTH, LIMIT, CLOSED. Rejects with
 * TIMEOUT, ABORTED or SESSION_EXPIRED of outcome `unknown` when it was not learnt what was decided: the participants will still come to one decision.
 */
export async function transact(client: Client, path: string, options: TransactOptions): Promise<Decision> {
  requireOpen(client, path);
  checkParticipants(path, options.participants);
  requireInteger("patienceMs", options.patienceMs ?? patienceMsDefault, 1, 86_400_000);
  const record: CommitRecord = { participants: options.participants, payload: options.payload };
  let txn = path;
  try {
    return await withLimit(client, path, options, async (signal) => {
      txn = joinPath(path, `t-${await uniqueName(client, signal)}`);
      return coordinate(client, txn, record, options, signal);
    });
  } catch (thrown) {
    const { code, detail, cause } = ZabraError.from(thrown, txn);
    const refused = code === "BAD_ARGUMENTS" || code === "LIMIT" || code === "NO_AUTH";
    throw new ZabraError(code, { path: txn, detail, cause, outcome: refused ? "failed" : "unknown" });
  }
}

function checkParticipants(path: string, participants: readonly string[]): void {
  requireInteger("the number of participants", participants.length, 1, participantsMax);
  for (const one of participants) requireName("participant", one);
  if (new Set(participants).size < participants.length)
    throw new ZabraError("BAD_ARGUMENTS", { path, detail: "participants must differ" });
}

async function coordinate(
  client: Client,
  txn: string,
  record: CommitRecord,
  options: TransactOptions,
  signal: AbortSignal,
): Promise<Decision> {
  await client.ensurePath(parentOf(txn) ?? "/", { ...untilSessionEnds, signal });
  const begin = client
    .transaction()
    .create(txn, JSON.stringify(record))
    .create(waitingPath(txn), undefined, { kind: "ephemeral" });
  let impatient = false;
  const cancel = client.after(options.patienceMs ?? patienceMsDefault, () => {
    impatient = true;
    // That changes the node, and so wakes the look below; should it fail, the next look does it.
    decide(client, txn, record, "abort", { ...untilSessionEnds, signal }).catch(() => {});
  });
  try {
    await begin.commit({ ...untilSessionEnds, signal });
    return await lookUntil(client, txn, () => learn(client, txn, impatient, signal), signal);
  } finally {
    cancel();
    // Also when the call was given up: it may have been begun, and then nobody waits for its outcome.
    void client.delete(waitingPath(txn), untilSessionEnds).catch(() => {});
  }
}

/** Decides when the votes are there, or patience has ended. */
async function learn(client: Client, txn: string, impatient: boolean, signal: AbortSignal): Promise<Decision | undefined> {
  const view = await readCommit(client, txn, { ...untilSessionEnds, signal });
  if (view === undefined)
    throw new ZabraError("NO_NODE", { path: txn, detail: "it was finished and removed before its outcome was learnt" });
  if (view.decision !== undefined) return view.decision;
  const outcome = outcomeOf(view) ?? (impatient ? "abort" : undefined);
  return outcome !== undefined && (await decide(client, txn, view.record, outcome, { ...untilSessionEnds, signal }))
    ? outcome
    : undefined;
}

/** A transaction at one zxid; undefined: there is none. */
export async function readCommit(client: Client, txn: string, call: CallOptions): Promise<CommitView | undefined> {
  const node = await unless("NO_NODE", client.get(txn, call));
  const record = node === undefined ? undefined : parseRecord(node.text);
  if (record === undefined) return undefined;
  const page = await unless("NO_NODE", client.listPage(txn, { ...call, withData: true, pageSize: 10_000 }));
  const children = page?.entries.map(({ path, data }) => ({ path, text: toText(data) }));
  return children === undefined ? undefined : viewOf(record, children);
}
