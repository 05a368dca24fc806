/**
 * Two-phase and three-phase commit, as textbooks have them (Gray 1978; Skeen 1981), just large enough to
 * play one fault on: a coordinator, participants, messages that are lost where the network is cut. They
 * are what ZAB is compared with in docs/consistency.md; nothing of Zabra's uses them.
 */
import { must } from "../../../src/model/assert.ts";

export type Phase = "working" | "ready" | "precommitted" | "committed" | "aborted";
type Step = "canCommit" | "preCommit" | "doCommit" | "abort";

class Participant {
  readonly name: string;
  phase: Phase = "working";

  constructor(name: string) {
    this.name = name;
  }

  get decided(): boolean {
    return this.phase === "committed" || this.phase === "aborted";
  }

  /** The answer to `canCommit` is always yes here. */
  on(step: Step): void {
    if (this.decided) return;
    if (step === "canCommit") this.phase = "ready";
    else if (step === "preCommit") this.phase = "precommitted";
    else this.phase = step === "doCommit" ? "committed" : "aborted";
  }
}

/** What a participant that no longer hears the coordinator may do, given those that it reaches, itself included. */
type Termination = (reached: readonly Participant[]) => "commit" | "abort" | "wait";

/** One commit over the participants. `cut` splits the network: the coordinator stays with those named. */
export class AtomicCommit {
  readonly participants: readonly Participant[];
  readonly #steps: readonly Step[];
  readonly #terminate: Termination;
  #withCoordinator: ReadonlySet<string> | undefined;
  #next = 0;

  private constructor(names: readonly string[], steps: readonly Step[], terminate: Termination) {
    this.participants = names.map((name) => new Participant(name));
    this.#steps = steps;
    this.#terminate = terminate;
  }

  /** Who is ready has given its word and does not know whether all others have: it may not decide alone. */
  static twoPhase(names: readonly string[]): AtomicCommit {
    return new AtomicCommit(names, ["canCommit", "doCommit"], (reached) => {
      if (reached.some(({ phase }) => phase === "committed")) return "commit";
      return reached.some(({ phase }) => phase === "aborted" || phase === "working") ? "abort" : "wait";
    });
  }

  /** Nobody waits: one who is only ready knows that nobody can have committed, as long as the network is whole. */
  static threePhase(names: readonly string[]): AtomicCommit {
    return new AtomicCommit(names, ["canCommit", "preCommit", "doCommit"], (reached) =>
      reached.some(({ phase }) => phase === "precommitted" || phase === "committed") ? "commit" : "abort",
    );
  }

  /** The coordinator's next step, sent to these only (it is cut off in the middle) or to all that it reaches. */
  step(only?: readonly string[]): void {
    this.#next += 1;
    this.#send(only);
  }

  /** The network is whole again: the coordinator repeats its last step to all. */
  heal(): void {
    this.#withCoordinator = undefined;
    this.#send();
  }

  #send(only?: readonly string[]): void {
    const step = must(this.#steps[this.#next - 1], "there is a step left");
    for (const participant of this.participants)
      if (this.#reaches(participant) && (only?.includes(participant.name) ?? true)) participant.on(step);
  }

  cut(withCoordinator: readonly string[]): void {
    this.#withCoordinator = new Set(withCoordinator);
  }

  #reaches(participant: Participant): boolean {
    return this.#withCoordinator?.has(participant.name) ?? true;
  }

  /** All time-outs pass: those without the coordinator ask each other and act on what they find. */
  timeOut(): void {
    const alone = this.participants.filter((participant) => !this.#reaches(participant));
    const what = this.#terminate(alone);
    if (what === "wait") return;
    for (const participant of alone) participant.on(what === "commit" ? "doCommit" : "abort");
  }

  get phases(): Readonly<Record<string, Phase>> {
    return Object.fromEntries(this.participants.map(({ name, phase }) => [name, phase]));
  }
}
