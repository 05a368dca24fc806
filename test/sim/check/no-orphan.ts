/** I-27, no orphan effect: what a client was told has failed is in no log. */
import { formatZxid, type Zxid } from "../../../src/model/zxid.ts";
import type { Txn } from "../../../src/tree/txn.ts";
import type { Operation } from "../history.ts";
import { describe } from "./describe.ts";
import type { ExactlyOnce } from "./exactly-once.ts";
import { Check, Invariant } from "./violation.ts";

export class NoOrphan extends Invariant {
  readonly orphan = new Check("what failed is in no log");

  /** When all is quiet. */
  finish(operation: Operation, once: ExactlyOnce, txns: ReadonlyMap<Zxid, Txn>): void {
    if (operation.state !== "failed" || operation.seq <= 0) return;
    const zxid = once.appliedAt(operation.session, operation.seq);
    const txn = zxid === undefined ? undefined : txns.get(zxid);
    const effect = txn !== undefined && txn.body.type !== "skip" && txn.body.type !== "error";
    this.orphan.hold(
      !effect,
      () => `${describe(operation)} was called failed and is applied at ${formatZxid(zxid ?? (0 as Zxid))}`,
    );
  }
}
