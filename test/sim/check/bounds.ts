/** I-26: what is bounded in the limits stays within them, at every turn in which there is any of it. */
import type { Limits } from "../../../src/model/limits.ts";
import type { Status } from "../../../src/replica/status.ts";
import { Check, Invariant } from "./violation.ts";

export class Bounds extends Invariant {
  readonly outstanding = new Check("outstanding txns stay within their bound");
  readonly watches = new Check("watches stay within their bound");
  readonly streams = new Check("streams stay within their bound");
  readonly #limits: Limits;

  constructor(limits: Limits) {
    super();
    this.#limits = limits;
  }

  onTurn(status: Status): void {
    const limits = this.#limits;
    if (status.outstanding > 0)
      this.outstanding.hold(
        status.outstanding <= limits.outstanding_txns_max,
        () => `server ${status.id} has ${status.outstanding} outstanding txns, the bound is ${limits.outstanding_txns_max}`,
      );
    if (status.watches > 0)
      this.watches.hold(
        status.watches <= limits.watches_per_connection_max * status.connections,
        () => `server ${status.id} has ${status.watches} watches of ${status.connections} connections`,
      );
    if (status.streams > 0)
      this.streams.hold(
        status.streams <= limits.streams_per_connection_max * status.connections,
        () => `server ${status.id} has ${status.streams} streams of ${status.connections} connections`,
      );
  }
}
