/**
 * A participant of `two-phase-commit.ts`: votes on every transaction that names it, does what is decided, and finishes those whose
 * coordinator does not. What is in the tree is all it needs, so a new process goes on where a dead one stopped.
 */
import { mutant } from "../../src/model/mutant.ts";
import { parentOf } from "../../src/model/path.ts";
import type { Client } from "../client.ts";
import { unless, ZabraError } from "../error.ts";
import type { CallOptions } from "../operations.ts";
import { type Cache, cacheTree } from "./cache.ts";
import { requireInteger, requireName, requireOpen } from "./check.ts";
import {
  type CommitRecord,
  type CommitView,
  decide,
  donePath,
  outcomeOf,
  parseRecord,
  viewOf,
  vote,
  waitingPath,
} from "./commit-record.ts";
import { readCommit } from "./two-phase-commit.ts";
import { goesOn, until } from "./wait.ts";
import { untilSessionEnds } from "./when-gone.ts";

/** Each may be called again for the same transaction, after a crash or a lost session, and must bear it. `txn` names it. */
export interface ParticipantWork {
  /** Makes sure that it can be committed, whatever comes. Resolves to whether it can; throwing is no. Asked again, it must answer as before: a yes is a promise. */
  readonly prepare: (payload: unknown, txn: string) => Promise<boolean>;
  /** Does it. Called again until it does not throw, here or by the next process that takes part as `name`. */
  readonly commit: (payload: unknown, txn: string) => Promise<void>;
  /** Undoes the preparing, if there was any. Called again as `commit` is. */
  readonly abort: (payload: unknown, txn: string) => Promise<void>;
}

export interface ParticipateOptions {
  /** Ends the taking part; what is under way is finished first, unless no server can be reached within the client's `callTimeoutMs`. */
  readonly signal?: AbortSignal | undefined;
  /** How long others may leave a transaction undecided before we decide it, ms, 1 to 86,400,000. Default 15,000. */
  readonly patienceMs?: number | undefined;
  /** Told what `commit` and `abort` threw, before they are called again. */
  readonly onError?: ((error: unknown, txn: string) => void) | undefined;
}

const patienceMsDefault = 15_000;
const retryMs = 100;

/** Takes part as `name`. Resolves when `signal` has fired. Rejects with BAD_ARGUMENTS, NO_AUTH, LIMIT, SESSION_EXPIRED (only without `reopen`), CLOSED. */
export async function participate(
  client: Client,
  path: string,
  name: string,
  work: ParticipantWork,
  options: ParticipateOptions = {},
): Promise<void> {
  requireOpen(client, path);
  requireName("name", name);
  requireInteger("patienceMs", options.patienceMs ?? patienceMsDefault, 1, 86_400_000);
  const signal = options.signal ?? new AbortController().signal;
  const cache = await unless("ABORTED", cacheTree(client, path, { signal }));
  if (cache === undefined) return;
  const participant = new Participant(client, cache, name, work, options, signal);
  await participant.run();
}

class Participant {
  readonly #client: Client;
  readonly #cache: Cache;
  readonly #name: string;
  readonly #work: ParticipantWork;
  readonly #options: ParticipateOptions;
  readonly #signal: AbortSignal;
  /** Transactions that are being taken care of. */
  readonly #running = new Map<string, Promise<void>>();

  constructor(
    client: Client,
    cache: Cache,
    name: string,
    work: ParticipantWork,
    options: ParticipateOptions,
    signal: AbortSignal,
  ) {
    this.#client = client;
    this.#cache = cache;
    this.#name = name;
    this.#work = work;
    this.#options = options;
    this.#signal = signal;
  }

  async run(): Promise<void> {
    const stop = this.#cache.onChange(() => this.#startAll());
    this.#startAll();
    try {
      await unless(
        "ABORTED",
        until(this.#cache, () => false, this.#signal),
      );
      await Promise.all(this.#running.values());
    } finally {
      stop();
      this.#cache.close();
    }
  }

  #startAll(): void {
    if (this.#signal.aborted || this.#ended) return;
    for (const node of this.#cache.descendants()) {
      if (parentOf(node.path) !== this.#cache.path || this.#running.has(node.path)) continue;
      const record = parseRecord(node.text);
      if (record?.participants.includes(this.#name) !== true) continue;
      if (this.#cache.get(donePath(node.path, this.#name)) === undefined) this.#start(node.path, this.#finish(node.path));
      else if (this.#isOver(node.path, record)) this.#start(node.path, this.#remove(node.path));
    }
  }

  /** All have done it, and its coordinator has learnt the outcome or died. */
  #isOver(txn: string, { participants }: CommitRecord): boolean {
    const has = (path: string): boolean => this.#cache.get(path) !== undefined;
    return !has(waitingPath(txn)) && participants.every((one) => has(donePath(txn, one)));
  }

  /** Never rejects: who sees it later removes it. */
  async #remove(txn: string): Promise<void> {
    await this.#client.deleteRecursive(txn, this.#signal.aborted ? {} : { signal: this.#signal }).catch(() => {});
    await this.#nextLook(txn).catch(() => {});
  }

  #start(txn: string, work: Promise<void>): void {
    const running = work.finally(() => {
      this.#running.delete(txn);
      this.#startAll();
    });
    this.#running.set(txn, running);
  }

  /** Never rejects: it tries again until it is done, or nobody can be reached any more. */
  async #finish(txn: string): Promise<void> {
    let impatient = false;
    let voted = false;
    const cancel = this.#client.after(this.#options.patienceMs ?? patienceMsDefault, () => {
      impatient = !mutant("a dead coordinator is waited for");
    });
    while (!this.#ended) {
      try {
        const step = await this.#advance(txn, voted, impatient);
        if (step === "done") break;
        voted ||= step === "voted";
        await this.#nextLook(txn);
      } catch (thrown) {
        const error = ZabraError.from(thrown, txn);
        if (error.code === "CLOSED" || (error.code === "SESSION_EXPIRED" && !goesOn(this.#client, error))) break;
        if (error.code === "TIMEOUT" && this.#signal.aborted) break;
        await this.#client.sleep(retryMs).catch(() => {});
      }
    }
    cancel();
  }

  /** Those that are voted on and undecided are left to the next process that takes part. */
  get #ended(): boolean {
    return this.#cache.signal.aborted || this.#client.state.type === "closed";
  }

  /** What is asked for waits for a server as long as we take part, and then no longer than any call. All of it may be done twice. */
  get #call(): CallOptions {
    return this.#signal.aborted ? {} : { ...untilSessionEnds, signal: this.#signal };
  }

  /** A change of the transaction, or a little time: patience may have ended. */
  async #nextLook(txn: string): Promise<void> {
    const before = this.#cache.zxid;
    const changed = (): boolean => this.#cache.zxid > before || this.#cache.get(txn) === undefined;
    await unless("TIMEOUT", this.#cache.when(changed, { timeoutMs: retryMs }));
  }

  async #advance(txn: string, voted: boolean, impatient: boolean): Promise<"done" | "voted" | "waits"> {
    const view = await this.#look(txn);
    if (view === undefined || view.done.has(this.#name)) return "done";
    if (view.decision !== undefined) return (await this.#apply(txn, view)) ? "done" : "waits";
    if (!voted && !view.votes.has(this.#name)) return (await this.#vote(txn, view)) ? "voted" : "waits";
    if (this.#signal.aborted) return "done";
    if (impatient && mutant("a timeout decides alone"))
      return (await this.#apply(txn, { ...view, decision: "abort" })) ? "done" : "waits";
    if (impatient && mutant("a commit needs no votes")) await decide(this.#client, txn, view.record, "commit", this.#call);
    else if (impatient) await decide(this.#client, txn, view.record, outcomeOf(view) ?? "abort", this.#call);
    return "waits";
  }

  /** From the cache while it shows nothing to do, else from a quorum. */
  async #look(txn: string): Promise<CommitView | undefined> {
    const node = this.#cache.get(txn);
    const record = node === undefined ? undefined : parseRecord(node.text);
    if (record === undefined) return readCommit(this.#client, txn, this.#call);
    const children = [...this.#cache.descendants()].filter((one) => parentOf(one.path) === txn);
    return viewOf(record, children);
  }

  /** Resolves to whether the vote stands. */
  async #vote(txn: string, { record }: CommitView): Promise<boolean> {
    let able = false;
    try {
      able = await this.#work.prepare(record.payload, txn);
    } catch (error) {
      this.#options.onError?.(error, txn);
    }
    return vote(this.#client, txn, this.#name, able ? "yes" : "no", this.#call);
  }

  /** Resolves to whether there is no more to do here: it is done, or left to the next process that takes part. */
  async #apply(txn: string, { record, decision }: CommitView): Promise<boolean> {
    try {
      await (decision === "commit" ? this.#work.commit(record.payload, txn) : this.#work.abort(record.payload, txn));
    } catch (error) {
      this.#options.onError?.(error, txn);
      if (this.#signal.aborted) return true;
      await this.#client.sleep(retryMs);
      return false;
    }
    await unless("NO_NODE", unless("NODE_EXISTS", this.#client.create(donePath(txn, this.#name), undefined, this.#call)));
    return true;
  }
}
