/**
 * I-19, ephemerals: at every zxid their owners live; a session's end removes exactly what it owns, in the same txn; and no txn belongs
 * to a session that is not live.
 */
import { formatZxid, type SessionId, type Zxid } from "../../../src/model/zxid.ts";
import type { Txn } from "../../../src/tree/txn.ts";
import type { ModelSession } from "./model.ts";
import { Check, Invariant } from "./violation.ts";

export class Ephemerals extends Invariant {
  readonly owners = new Check("ephemerals have live owners");
  readonly live = new Check("txns belong to live sessions");

  onSession(txn: Txn, id: SessionId, session: ModelSession | undefined): void {
    this.live.hold(
      session !== undefined && session.closedAt === 0,
      () =>
        `${formatZxid(txn.zxid)} (${txn.body.type}) belongs to the session ${formatZxid(id as number as Zxid)}, which is not live`,
    );
  }

  onCreate(txn: Txn, path: string, parentOwner: number, owner: ModelSession | undefined, ephemeral: boolean): void {
    this.owners.hold(parentOwner === 0, () => `${path} is created below an ephemeral`);
    if (!ephemeral) return;
    this.owners.hold(
      owner !== undefined && owner.closedAt === 0,
      () => `${formatZxid(txn.zxid)} creates the ephemeral ${path} of a session that is not live`,
    );
  }

  /** Both lists sorted. */
  onClose(txn: Txn, owned: readonly string[], removed: readonly string[]): void {
    this.owners.hold(
      owned.join() === removed.join(),
      () => `${formatZxid(txn.zxid)} closes a session that owns [${owned.join(" ")}] and removes [${removed.join(" ")}]`,
    );
  }
}
