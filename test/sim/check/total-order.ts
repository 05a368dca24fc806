/**
 * I-3, total order: all deliver in one order. A server applies nothing that is not committed, and while its process
 * lives its tree never goes back, but where a snapshot replaces it before it serves.
 */
import type { Zxid } from "../../../src/model/zxid.ts";
import type { Effects } from "../../../src/replica/effects.ts";
import type { Status } from "../../../src/replica/status.ts";
import { Check, Invariant } from "./violation.ts";

export class TotalOrder extends Invariant {
  readonly applied = new Check("applied ≤ committed, and both only rise in a process");
  readonly #lastApplied = new Map<number, Zxid>();
  readonly #snapped = new Set<number>();

  /** A process begins, or has ended. */
  forget(server: number): void {
    this.#lastApplied.delete(server);
  }

  onTurn(server: number, status: Status, effects: Effects, tip: Zxid): void {
    for (const line of effects.logLines) if (line.message === "snap" && line.fields["mark"] === true) this.#snapped.add(server);
    const applied = status.lastAppliedZxid;
    const before = this.#lastApplied.get(server);
    // A snapshot replaces the tree, and may be older; the log behind it is applied before anything is served.
    const replaced = before !== undefined && applied < before && !status.serving && this.#snapped.delete(server);
    if (before !== undefined && applied !== before && !replaced)
      this.applied.hold(applied >= before, () => `the tree of server ${server} went back from ${before} to ${applied}`);
    this.#lastApplied.set(server, applied);
    if (applied > tip) this.applied.fail(`server ${server} has applied ${applied}, committed is ${tip}`);
  }
}
