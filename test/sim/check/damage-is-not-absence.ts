/**
 * I-9, damage is not absence: a server whose log was damaged where it had been proved durable finds it at its next start and
 * stops; it takes no part before it has been started with `--rejoin`.
 */
import { Check, Invariant } from "./violation.ts";

export class Damage extends Invariant {
  readonly found = new Check("damage is found before it is used");
  readonly #damaged = new Set<number>();

  damaged(server: number): void {
    this.#damaged.add(server);
  }

  /** It stopped, or its data was thrown away. */
  noticed(server: number): void {
    if (this.#damaged.delete(server)) this.found.evaluations += 1;
  }

  takesPart(server: number): void {
    if (this.#damaged.has(server)) this.found.fail(`server ${server} takes part with a log that was damaged`);
  }
}
