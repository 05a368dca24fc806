/**
 * A job that runs at times, once each, whichever of any number of processes is alive: one leads and runs, the others wait.
 *
 *     const job = new CronJob(client, "/cron/report", { next: everyMs(60_000), run: sendReport });
 *     await job.serve({ signal });
 *
 *   following ──elected──▶ leading: due ──▶ running ──▶ done | failed ──▶ due …          term lost ──▶ following
 *                                              └─ its process died: interrupted, says the next leader
 *
 * A tick's start is one txn: it moves the job's state on (`last`, `runs`), makes the tick's entry in `PATH/runs`, removes the oldest; on
 * condition that the state is as it was read, and guarded by the leader's term. So a tick starts at most once, whatever clocks say, and
 * is entered before it runs: what was entered and not ended when its leader was gone is `interrupted`, and not run again. Clocks only
 * say when a tick is due. Work outside of Zabra is safe from a leader that stood still only if it checks the `token` (or writes
 * with `guard`); `signal` tells a leader that runs that it leads no more.
 */
import { mutant } from "../../src/model/mutant.ts";
import { joinPath, nameOf } from "../../src/model/path.ts";
import type { Guard } from "../../src/model/request.ts";
import type { Zxid } from "../../src/model/zxid.ts";
import { onceAborted } from "../abort.ts";
import type { Client } from "../client.ts";
import { formatTime, parseTime, wallClockMs } from "../clock.ts";
import { type DataInput, toText } from "../data.ts";
import { unless, ZabraError } from "../error.ts";
import type { CallOptions } from "../operations.ts";
import { requireInteger, requireOpen } from "./check.ts";
import { Election, type Term } from "./leader.ts";
import { goesOn, untilAborted } from "./wait.ts";
import { untilSessionEnds } from "./when-gone.ts";

/** What becomes of ticks that were due while nobody led: `all` run, one after another; only the `latest`; or none (`skip`), the next is one to come. */
export type MissedTicks = "all" | "latest" | "skip";

export interface CronJobOptions {
  /** The first tick after a moment, both in ms of the wall clock; undefined: there is none. Later than the moment, and the same in every process. */
  readonly next: (afterMs: number) => number | undefined;
  /** Runs a tick. What it resolves to is kept as text; what it throws is kept, and the tick counts as failed, or as interrupted when the lead was lost. It must stop when `tick.signal` fires. */
  readonly run: (tick: Tick) => Promise<DataInput>;
  /** Default `latest`. */
  readonly missed?: MissedTicks | undefined;
  /** Later than this a tick counts as missed, ms: 1 to a day. Default 1,000. */
  readonly lateMs?: number | undefined;
  /** Runs that are kept, 1 to 10,000. Default 100. */
  readonly keep?: number | undefined;
  /** This process, as the history names it. */
  readonly name?: string | undefined;
  /** Told of what happens: terms, ticks, failures. */
  readonly onEvent?: ((event: CronEvent) => void) | undefined;
  /** Default: this machine's. For tests. */
  readonly wallMs?: (() => number) | undefined;
}

export interface Tick {
  /** When it was due, ms of the wall clock. */
  readonly atMs: number;
  /** Counts the job's runs, from 1. */
  readonly run: number;
  /** Of the leader: rises from leader to leader. */
  readonly token: Zxid;
  readonly guard: Guard;
  readonly signal: AbortSignal;
}

export type CronEvent =
  | { readonly type: "leads"; readonly token: Zxid }
  | { readonly type: "follows"; readonly error: ZabraError | undefined }
  | { readonly type: "skipped"; readonly fromMs: number; readonly toMs: number }
  | { readonly type: "started" | "ended" | "interrupted"; readonly run: CronRun };

export interface CronRun {
  /** When it was due, ms of the wall clock. */
  readonly atMs: number;
  readonly run: number;
  /** `interrupted`: its process died, or stood still too long, before the end was entered. */
  readonly status: "running" | "done" | "failed" | "interrupted";
  /** Who ran it. */
  readonly by: string;
  readonly token: Zxid;
  /** What it resolved to or threw. */
  readonly result: string;
}

/** The data of the job's node. */
interface JobState {
  /** The last tick that was started or skipped, ms. */
  readonly lastMs: number;
  readonly runs: number;
}

interface Position {
  readonly state: JobState;
  readonly version: number;
}

interface Lead {
  readonly term: Term;
  /** The caller's: we are to serve no more. */
  readonly asked: AbortSignal | undefined;
  /** Fires with it, and when the term ends. */
  readonly stop: AbortSignal;
}

/** A clock may be set while we wait: look again at least so often. */
const napMs = 500;
const retryMs = 100;
const resultMax = 1_000;
const prunedMax = 4;

/** Runs ticks at times, each at most once, in one of all the processes that `serve` it; every run is entered in the tree before it begins. */
export class CronJob {
  readonly path: string;
  readonly #client: Client;
  readonly #options: CronJobOptions;
  readonly #election: Election;

  /** Throws BAD_ARGUMENTS and CLOSED. */
  constructor(client: Client, path: string, options: CronJobOptions) {
    requireOpen(client, path);
    requireInteger("keep", options.keep ?? 100, 1, 10_000);
    requireInteger("lateMs", options.lateMs ?? 1_000, 1, 86_400_000);
    this.#client = client;
    this.path = path;
    this.#options = options;
    this.#election = new Election(client, joinPath(path, "leader"), { data: options.name });
  }

  /** Takes part until `signal` fires, and ends the run that is under way by its `signal`. Resolves then. Rejects with CLOSED, NO_AUTH, LIMIT, and SESSION_EXPIRED without `reopen`. */
  async serve(options: { readonly signal?: AbortSignal | undefined } = {}): Promise<void> {
    const { signal } = options;
    while (!isAborted(signal)) {
      try {
        await this.#position(signal);
        const term = await this.#election.campaign({ signal });
        await this.#leadUntilLost(term, signal);
      } catch (thrown) {
        const error = ZabraError.from(thrown, this.path);
        if (isAborted(signal)) return;
        this.#options.onEvent?.({ type: "follows", error });
        if (signal !== undefined && mutant("who loses the lead serves no more")) return untilAborted(signal);
        const passes =
          goesOn(this.#client, error) || error.code === "FENCED" || error.code === "ABORTED" || error.outcome === "unknown";
        const open = this.#client.state.type !== "closed" && this.#client.state.type !== "lost";
        if (!open || !(passes || error.code === "SESSION_EXPIRED" || error.code === "CONDITION_FAILED")) throw error;
        await unless("ABORTED", this.#client.sleep(retryMs, { signal }));
      }
    }
  }

  /** Resolves to the runs that are kept, the oldest first. */
  async history(options: CallOptions = {}): Promise<readonly CronRun[]> {
    const runs: CronRun[] = [];
    const list = async (): Promise<void> => {
      for await (const { path, data } of this.#client.list(joinPath(this.path, "runs"), { ...options, withData: true }))
        runs.push(decodeRun(path, toText(data)));
    };
    await unless("NO_NODE", list());
    return runs.sort((a, b) => a.run - b.run);
  }

  // ---- leading

  async #leadUntilLost(term: Term, asked: AbortSignal | undefined): Promise<void> {
    const stop = new AbortController();
    const end = (): void => stop.abort();
    const listening = [term.signal, asked].map((one) => onceAborted(one, end));
    if (isAborted(asked) || term.signal.aborted) end();
    this.#options.onEvent?.({ type: "leads", token: term.token });
    try {
      await this.#lead({ term, asked, stop: stop.signal });
    } finally {
      for (const stopListening of listening) stopListening();
      if (!term.released) await term.resign();
    }
  }

  async #lead(lead: Lead): Promise<void> {
    const { term, stop } = lead;
    const kept = [...(await this.history({ ...untilSessionEnds, signal: stop }))];
    await this.#reportInterrupted(kept, term);
    let position = await this.#position(stop);
    if (mutant("a new leader forgets what was missed"))
      position = { ...position, state: { ...position.state, lastMs: this.#wallMs() } };
    while (!stop.aborted) {
      const dueMs = this.#options.next(position.state.lastMs);
      if (dueMs === undefined) return untilAborted(stop);
      if (dueMs <= position.state.lastMs)
        throw new ZabraError("BAD_ARGUMENTS", { path: this.path, detail: "next must give a later time than it was given" });
      const waitMs = dueMs - this.#wallMs();
      if (waitMs > 0) await this.#client.sleep(Math.min(waitMs, napMs), { signal: stop });
      else position = await this.#runDue(dueMs, position, kept, lead);
    }
  }

  #wallMs(): number {
    return this.#options.wallMs?.() ?? wallClockMs();
  }

  /** `kept`: the runs that are in the history, the oldest first; nobody else adds to it while we lead. */
  async #runDue(dueMs: number, { state, version }: Position, kept: CronRun[], lead: Lead): Promise<Position> {
    const atMs = this.#afterMissed(dueMs);
    if (atMs > dueMs) this.#options.onEvent?.({ type: "skipped", fromMs: dueMs, toMs: atMs });
    if (atMs > this.#wallMs()) return { state: { ...state, lastMs: atMs - 1 }, version };
    const started: JobState = { lastMs: atMs, runs: state.runs + 1 };
    const { term } = lead;
    const by = this.#options.name ?? "";
    const run: CronRun = { atMs, run: started.runs, status: "running", by, token: term.token, result: "" };
    const early = mutant("a run begins before it is recorded");
    if (!early) await this.#start(run, started, version, kept, term);
    this.#options.onEvent?.({ type: "started", run });
    await this.#run(run, lead);
    if (early) await this.#start(run, started, version, kept, term);
    return { state: started, version: version + 1 };
  }

  /** The tick to run in place of the one that is due; it is one to come when all that were missed are skipped. */
  #afterMissed(dueMs: number): number {
    const { missed = "latest", lateMs = 1_000, next } = this.#options;
    const nowMs = this.#wallMs();
    if (missed === "all" || nowMs - dueMs <= lateMs) return dueMs;
    let atMs = dueMs;
    for (let later = next(atMs); later !== undefined && later > atMs && later <= nowMs; later = next(atMs)) atMs = later;
    if (missed === "latest" || nowMs - atMs <= lateMs) return atMs;
    return next(atMs) ?? atMs;
  }

  async #start(run: CronRun, state: JobState, version: number, kept: CronRun[], term: Term): Promise<void> {
    const excess = Math.max(0, kept.length + 1 - (this.#options.keep ?? 100));
    const old = kept.slice(0, Math.min(excess, prunedMax));
    const transaction = this.#client.transaction().set(this.path, JSON.stringify(state), version);
    transaction.create(this.#entry(run), encodeRun(run));
    for (const one of old) transaction.delete(this.#entry(one));
    await transaction.commit({ ...untilSessionEnds, guard: term.guard });
    kept.splice(0, old.length);
    kept.push(run);
  }

  async #run(run: CronRun, { term, stop, asked }: Lead): Promise<void> {
    // A process that stood still since it asked may lead no more: then the entry is left for the next leader to call interrupted.
    term.check();
    const { token, guard } = term;
    let ended: CronRun;
    try {
      const result = await this.#options.run({ atMs: run.atMs, run: run.run, token, guard, signal: stop });
      ended = { ...run, status: "done", result: toShortText(result) };
    } catch (error) {
      const end = stop.aborted || !term.held ? "interrupted" : "failed";
      const status = mutant("a run that was ended is told as done") ? "done" : end;
      ended = { ...run, status, result: toShortText(error instanceof Error ? error.message : String(error)) };
    }
    await this.#enterEnd(ended, asked);
    this.#options.onEvent?.({ type: "ended", run: ended });
  }

  /**
   * Not guarded: it did end. A next leader that was faster has called it interrupted, and that stays. It waits for a server as long as we are to
   * serve, and then no longer than any call.
   */
  async #enterEnd(ended: CronRun, asked: AbortSignal | undefined): Promise<void> {
    const [path, data] = [this.#entry(ended), encodeRun(ended)];
    for (;;) {
      const isLast = isAborted(asked);
      const call = isLast ? {} : { ...untilSessionEnds, signal: asked };
      try {
        await unless("NO_NODE", unless("BAD_VERSION", this.#client.set(path, data, { ...call, version: 0 })));
        return;
      } catch (error) {
        if (isLast || ZabraError.from(error).code !== "ABORTED") throw error;
      }
    }
  }

  /** What a leader before us began and did not end. */
  async #reportInterrupted(kept: readonly CronRun[], term: Term): Promise<void> {
    for (const run of kept) {
      if (run.status !== "running" || mutant("a run that was cut off stays running")) continue;
      const interrupted: CronRun = { ...run, status: "interrupted" };
      const write = this.#client.set(this.#entry(run), encodeRun(interrupted), {
        ...untilSessionEnds,
        version: 0,
        guard: term.guard,
      });
      if ((await unless("BAD_VERSION", write)) !== undefined) this.#options.onEvent?.({ type: "interrupted", run: interrupted });
    }
  }

  // ---- the tree

  #entry(run: CronRun): string {
    return joinPath(joinPath(this.path, "runs"), formatTime(run.atMs));
  }

  /** The state to go on from. The very first process starts the job now. */
  async #position(signal: AbortSignal | undefined): Promise<Position> {
    const call = { ...untilSessionEnds, signal };
    const found = await unless("NO_NODE", this.#client.get(this.path, call));
    if (found !== undefined && found.text !== "")
      return { state: decodeState(this.path, found.text), version: found.stat.version };
    await this.#client.ensurePath(joinPath(this.path, "runs"), call);
    const state: JobState = { lastMs: this.#wallMs(), runs: 0 };
    await unless("BAD_VERSION", this.#client.set(this.path, JSON.stringify(state), { ...call, version: 0 }));
    return this.#position(signal);
  }
}

function isAborted(signal: AbortSignal | undefined): boolean {
  return signal?.aborted === true;
}

function toShortText(result: DataInput): string {
  return (typeof result === "string" ? result : toText(result)).slice(0, resultMax);
}

function encodeRun({ run, status, by, token, result }: CronRun): string {
  return JSON.stringify({ run, status, by, token, result });
}

function decodeRun(path: string, text: string): CronRun {
  return { ...parse<Omit<CronRun, "atMs">>(path, text), atMs: parseTime(nameOf(path)) };
}

function decodeState(path: string, text: string): JobState {
  return parse<JobState>(path, text);
}

function parse<T>(path: string, text: string): T {
  try {
    return JSON.parse(text) as T;
  } catch (cause) {
    throw new ZabraError("BAD_ARGUMENTS", { path, detail: "this was not written by the recipe of cron jobs", cause });
  }
}

/** A `next` for times that are whole multiples of `ms`, 1 to 366 days, since 1970 (UTC). Throws BAD_ARGUMENTS. */
export function everyMs(ms: number): (afterMs: number) => number {
  requireInteger("ms", ms, 1, 366 * 86_400_000);
  return (afterMs) => (Math.floor(afterMs / ms) + 1) * ms;
}
