/**
 * I-9: damage is not absence. A server whose log was damaged where it had been proved durable finds it at
 * its next start and stops; it takes no part before it has been started with `--rejoin`. I-25: messages of
 * links that are gone are counted here; what they would do is judged by all other checks.
 */
import { Check } from "./violation.ts";

export class DamageChecks {
  readonly found = new Check("damage is found before it is used");
  readonly stale = new Check("messages of old links do nothing");
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
