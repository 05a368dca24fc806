/**
 * I-6, primary integrity: before its first broadcast a leader has delivered all that came before it. It serves only when a
 * quorum's platters hold its history and its epoch.
 */
import { type Epoch, formatZxid, type Zxid } from "../../../src/model/zxid.ts";
import type { OnPlatter, Platters } from "./platters.ts";
import { Check, Invariant } from "./violation.ts";

export class PrimaryIntegrity extends Invariant {
  readonly established = new Check("a leader serves when a quorum holds its history");
  readonly #platters: Platters;
  readonly #judged = new Set<Epoch>();

  constructor(platters: Platters) {
    super();
    this.#platters = platters;
  }

  /** The first turn in which a server leads an epoch. */
  onLeads(id: number, epoch: Epoch, history: Zxid | undefined): void {
    if (this.#judged.has(epoch)) return;
    this.#judged.add(epoch);
    if (history === undefined || this.#platters.voters === 1) return;
    const holds = (found: OnPlatter): boolean => found.current >= epoch && found.last >= history;
    this.established.hold(
      this.#platters.quorum(holds),
      () =>
        `server ${id} serves in epoch ${epoch}, its history up to ${formatZxid(history)} is on ${this.#platters.count(holds)} of ${this.#platters.voters} platters`,
    );
  }
}
