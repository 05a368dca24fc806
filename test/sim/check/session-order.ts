/**
 * I-16, session order: a session's writes are applied in the order of their numbers, its replies come in the order asked, and
 * no reply is older than what the session has seen, over reconnects too.
 */
import { formatZxid, type SessionId, type Zxid } from "../../../src/model/zxid.ts";
import type { Txn } from "../../../src/tree/txn.ts";
import type { Operation } from "../history.ts";
import { describe } from "./describe.ts";
import { Check, Invariant } from "./violation.ts";

interface Seen {
  seq: number;
  readZxid: Zxid;
  writeZxid: Zxid;
}

export class SessionOrder extends Invariant {
  readonly writes = new Check("session writes in order");
  readonly monotonic = new Check("session order");
  readonly replies = new Check("replies in order");
  readonly #seen = new Map<SessionId, Seen>();

  onCommitted(txn: Txn): void {
    if (txn.source.type !== "session") return;
    const seen = this.#of(txn.source.session);
    const { seq } = txn.source;
    this.writes.hold(seq === seen.seq + 1, () => `seq ${seq} is applied at ${formatZxid(txn.zxid)} after ${seen.seq}`);
    seen.seq = seq;
  }

  /** Of the calls that are open none was sent before it, on the same connection, and is a write. */
  onReply(operation: Operation, openBefore: readonly Operation[]): void {
    for (const other of openBefore) {
      if (!other.isWrite || other.state !== "open" || other.refusals > 0 || other.id > operation.id || operation.refusals > 0)
        continue;
      if (other.connection !== operation.connection || other.sends !== 1 || operation.sends !== 1) continue;
      this.replies.fail(`${describe(operation)} is answered before ${describe(other)} of the same session`);
    }
    this.replies.evaluations += 1;
  }

  /** A refused write is sent again, maybe behind later ones; its answer is still its first outcome. */
  onWrite(operation: Operation): void {
    if (operation.refusals > 0) return;
    const seen = this.#of(operation.session);
    this.monotonic.hold(
      operation.zxid > seen.writeZxid,
      () => `${describe(operation)} at ${formatZxid(operation.zxid)} after ${formatZxid(seen.writeZxid)}`,
    );
    seen.writeZxid = operation.zxid;
  }

  onRead(operation: Operation): void {
    const { zxid, level } = operation;
    if (level.type === "atLeast")
      this.monotonic.hold(zxid >= level.zxid, () => `${describe(operation)} is older than ${formatZxid(level.zxid)}`);
    const seen = this.#of(operation.session);
    this.monotonic.hold(
      zxid >= operation.sessionFloor,
      () => `${describe(operation)} is read at ${formatZxid(zxid)}, the session had seen ${formatZxid(operation.sessionFloor)}`,
    );
    this.monotonic.hold(
      zxid >= seen.readZxid || operation.request.type === "list",
      () => `${describe(operation)} is read at ${formatZxid(zxid)} after ${formatZxid(seen.readZxid)}`,
    );
    if (zxid > seen.readZxid) seen.readZxid = zxid;
  }

  #of(id: SessionId): Seen {
    let seen = this.#seen.get(id);
    if (seen === undefined) this.#seen.set(id, (seen = { seq: 0, readZxid: 0 as Zxid, writeZxid: 0 as Zxid }));
    return seen;
  }
}
