/**
 * I-17, exactly once: each number of a session is applied at most once, its reply names the txn that it made, and what was
 * acknowledged is in the log; writes without a number carry their server's own count, each at most once, in order.
 */
import { formatZxid, type SessionId, type Zxid } from "../../../src/model/zxid.ts";
import type { Txn } from "../../../src/tree/txn.ts";
import type { Operation } from "../history.ts";
import { describe } from "./describe.ts";
import { Check, Invariant } from "./violation.ts";

export class ExactlyOnce extends Invariant {
  readonly once = new Check("exactly once");
  readonly origins = new Check("origins' writes are applied once, in order");
  /** Where each number of each session was applied. */
  readonly #applied = new Map<SessionId, Map<number, Zxid>>();
  readonly #origins = new Map<string, number>();

  appliedAt(session: SessionId, seq: number): Zxid | undefined {
    return this.#applied.get(session)?.get(seq);
  }

  onCommitted(txn: Txn): void {
    const { source, zxid } = txn;
    if (source.type === "origin") this.#origin(zxid, source);
    if (source.type !== "session") return;
    let applied = this.#applied.get(source.session);
    if (applied === undefined) this.#applied.set(source.session, (applied = new Map()));
    const before = applied.get(source.seq);
    this.once.hold(
      before === undefined,
      () =>
        `seq ${source.seq} of session ${formatZxid(source.session as number as Zxid)} was applied at ${formatZxid(before ?? (0 as Zxid))} and at ${formatZxid(zxid)}`,
    );
    applied.set(source.seq, zxid);
  }

  #origin(zxid: Zxid, source: Extract<Txn["source"], { type: "origin" }>): void {
    const key = `${source.server} ${source.boot}`;
    const before = this.#origins.get(key) ?? 0;
    this.origins.hold(
      source.counter > before,
      () =>
        `${formatZxid(zxid)} is write ${source.counter} of server ${source.server}, whose write ${before} was committed before`,
    );
    this.#origins.set(key, source.counter);
  }

  /** A write is answered with this txn. */
  onReply(operation: Operation, txn: Txn | undefined): void {
    if (txn === undefined) {
      this.once.hold(operation.outcome?.code !== "OK", () => `${describe(operation)} succeeded without a txn`);
      return;
    }
    const mine = txn.source.type === "session" && txn.source.session === operation.session && txn.source.seq === operation.seq;
    this.once.hold(mine, () => `${describe(operation)} is answered with ${formatZxid(txn.zxid)}, which is another's`);
  }

  /** When all is quiet. */
  finish(operation: Operation): void {
    if (!operation.isWrite || operation.state !== "done" || operation.outcome?.code !== "OK") return;
    const applied = this.appliedAt(operation.session, operation.seq);
    this.once.hold(applied === operation.zxid, () => `${describe(operation)} was acked and is not in the log`);
  }
}
