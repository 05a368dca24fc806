/** What a checker throws: a promise was broken. The runner prints it with the seed that replays it. */
export class Violation extends Error {
  override readonly name = "Violation";
  readonly check: string;

  constructor(check: string, text: string) {
    super(`${check}: ${text}`);
    this.check = check;
  }
}

/** A promise with its checks: whoever asks for all checks finds them in its fields. */
export abstract class Invariant {}

/**
 * One thing that must hold: its name and how often it was really put to the test. A check that was never
 * evaluated proves nothing, so sets of runs ask for `evaluations` above zero.
 */
export class Check {
  readonly name: string;
  evaluations = 0;

  constructor(name: string) {
    this.name = name;
  }

  /** Counts one non-vacuous evaluation; throws unless `condition` holds. */
  hold(condition: boolean, text: () => string): void {
    this.evaluations += 1;
    if (!condition) throw new Violation(this.name, text());
  }

  fail(text: string): never {
    throw new Violation(this.name, text);
  }
}
