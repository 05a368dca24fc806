/**
 * What a recipe's workload is given: clients that meet all faults, a witness that meets none, an end that
 * comes, and `check`, which counts its evaluations and ends the run with a violation when it fails.
 *
 * A workload loops with `repeat` while `going`; what faults may do to a call ends that round, not the run.
 */
import { type Client, type ErrorCode, ZabraError } from "../../../client/index.ts";
import type * as recipes from "../../../client/recipes/index.ts";
import { Violation } from "../check/violation.ts";
import type { Random } from "../random.ts";
import type { VirtualEnsemble } from "../virtual/ensemble.ts";

/** How faults may end a call, or a grant. Anything else is a bug of recipe or workload. */
const expected: ReadonlySet<ErrorCode> = new Set(["SESSION_EXPIRED", "TIMEOUT", "ABORTED", "FENCED", "NO_QUORUM"]);

export interface PlantedBug {
  /** Of `mutant(name)`, asked for in the recipe, or in the workload itself. */
  readonly name: string;
  /** The invariant that it breaks, as `check` names it, or one of `runInvariants`. Every invariant of a workload has such a bug. */
  readonly breaks: string;
  /** One that catches it, tried first: `npm run sim:recipes -- --recipe R --bug NAME --seeds 100` finds one. */
  readonly seed: number;
}

export interface RecipeWorkload {
  /** As `--recipe` names it. */
  readonly name: string;
  /** What of `client/recipes/index.ts` it plays, be it what those hand out or rest on. */
  readonly plays: readonly (keyof typeof recipes)[];
  /** Processes that play it and meet the faults, 1 to 8. Default 3. */
  readonly clients?: number;
  /** Default 500. */
  readonly sessionTimeoutMs?: number;
  /** What a set of 20 runs must have seen, beside the faults. */
  readonly marks?: readonly string[];
  /** Each must be caught. */
  readonly bugs: readonly PlantedBug[];
  /** Starts all work; resolves when it has ended and the end state was checked. Called once a run. */
  play(stage: RecipeStage): Promise<void>;
}

/** What holds of every workload. */
export const runInvariants = {
  ends: "when all is calm the work ends",
  explained: "only what faults explain ends a call",
} as const;

const notesMax = 40;
const lookMs = 5;
const lookEventuallyMs = 20;

export class RecipeStage {
  readonly ensemble: VirtualEnsemble;
  readonly random: Random;
  readonly evaluations = new Map<string, number>();
  readonly marks = new Map<string, number>();
  readonly notes: string[] = [];
  readonly clients: Client[] = [];
  /** Resolves when `going` ends. */
  readonly calm: Promise<void>;
  /** Rejects with the first violation: there is nothing to go on for. */
  readonly failed: Promise<never>;
  #witness: Client | undefined;
  #going = true;
  #onCalm: () => void = () => {};
  #onFailed: (violation: Violation) => void = () => {};
  #violation: Violation | undefined;
  readonly #names = new Map<Client, string>();
  /** Faults prefer this client, such as the one that holds a lock. */
  spotlight: Client | undefined;

  constructor(ensemble: VirtualEnsemble, random: Random) {
    this.ensemble = ensemble;
    this.random = random;
    this.calm = new Promise((resolve) => {
      this.#onCalm = resolve;
    });
    this.failed = new Promise((_, reject) => {
      this.#onFailed = reject;
    });
    this.failed.catch(() => {});
  }

  /** Until all faults have been played and healed. Workers end their round then. */
  get going(): boolean {
    return this.#going;
  }

  /** A client that no fault touches, for what is looked at from outside. */
  get witness(): Client {
    if (this.#witness === undefined) throw new Error("the stage is not set");
    return this.#witness;
  }

  get violation(): Violation | undefined {
    return this.#violation;
  }

  /** `c1`, `c2` … as in notes and traces. */
  nameOf(client: Client): string {
    return this.#names.get(client) ?? "?";
  }

  async set(clients: number, sessionTimeoutMs: number): Promise<void> {
    this.#witness = await this.ensemble.client({ name: "witness" });
    for (let i = 1; i <= clients; i += 1) {
      const client = await this.ensemble.client({ name: `c${i}`, sessionTimeoutMs, callTimeoutMs: 4_000 });
      this.clients.push(client);
      this.#names.set(client, `c${i}`);
      client.onState((state) => this.mark(`client ${state.type}`));
    }
  }

  stop(): void {
    this.note("no more faults");
    this.#going = false;
    this.#onCalm();
  }

  // ---- judging

  /** An invariant: counted, and a violation when it does not hold. `story` says what was seen instead. */
  check(invariant: string, holds: boolean, story: string | (() => string) = ""): void {
    this.evaluations.set(invariant, (this.evaluations.get(invariant) ?? 0) + 1);
    if (holds) return;
    const text = typeof story === "string" ? story : story();
    this.note(`VIOLATION ${invariant}: ${text}`);
    throw this.#fail(new Violation(invariant, text));
  }

  /** An invariant that comes to hold within `ms` of now, looked at every few ms of true time. */
  async eventually(
    invariant: string,
    ms: number,
    holds: () => boolean | Promise<boolean>,
    story: string | (() => string) = "",
  ): Promise<void> {
    let late = false;
    const end = this.ensemble.sleep(ms).then(() => {
      late = true;
    });
    for (;;) {
      const held = await Promise.race([holds(), end]);
      if (held === true || late) return this.check(invariant, held === true, story);
      await this.ensemble.sleep(lookEventuallyMs);
    }
  }

  /** Judges where a throw would end in somebody else's hands, such as in a listener: a violation then ends the run when its work has ended. */
  quietly(judge: () => void): void {
    try {
      judge();
    } catch (error) {
      if (!(error instanceof Violation)) throw error;
    }
  }

  /** Something happened that a set of runs should have seen. */
  mark(name: string): void {
    this.marks.set(name, (this.marks.get(name) ?? 0) + 1);
  }

  /** A line of the story; the last ones are printed with a failure. */
  note(line: string): void {
    this.notes.push(`${this.ensemble.nowMs.toFixed(1).padStart(9)}  ${line}`);
    if (this.notes.length > notesMax) this.notes.shift();
  }

  // ---- work

  /**
   * Every client repeats `round`, `each` at a time, until the faults are over. Resolves when all rounds have ended.
   * A ZabraError that faults explain ends a round; anything else is a violation.
   */
  async repeat(round: (client: Client, worker: number) => Promise<void>, each = 1): Promise<void> {
    const workers: Promise<void>[] = [];
    for (const client of this.clients) {
      for (let i = 0; i < each; i += 1) workers.push(this.#work(client, workers.length, round));
    }
    await Promise.all(workers);
  }

  async #work(client: Client, worker: number, round: (client: Client, worker: number) => Promise<void>): Promise<void> {
    while (this.going) {
      if (await this.attempt(() => round(client, worker))) this.mark("rounds");
      await client.sleep(this.random.between(2, 40));
    }
  }

  /** Runs `work`; false when a fault ended it. */
  async attempt(work: () => Promise<unknown>): Promise<boolean> {
    try {
      await work();
      return true;
    } catch (error) {
      if (!(error instanceof ZabraError) || !expected.has(error.code)) throw this.#asViolation(error);
      this.mark(`ended by ${error.code}`);
      return false;
    }
  }

  #asViolation(error: unknown): unknown {
    if (error instanceof Violation) return error;
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
    return this.#fail(new Violation(runInvariants.explained, text));
  }

  #fail(violation: Violation): Violation {
    this.#violation ??= violation;
    this.#onFailed(this.#violation);
    return this.#violation;
  }

  /** Calls `look` every `ms` of true time until `work` has ended, for invariants that hold at any moment. */
  async during(work: Promise<void>, look: () => void, ms = lookMs): Promise<void> {
    const state = { ended: false };
    const ended = work.finally(() => {
      state.ended = true;
    });
    const looking = (async (): Promise<void> => {
      while (!state.ended) {
        look();
        await this.ensemble.sleep(ms);
      }
    })();
    await Promise.all([ended, looking]);
  }
}
