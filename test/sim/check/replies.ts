/**
 * What clients were told, against the committed log: hands each reply to the invariants that judge it. Every reply names its
 * zxid, so this is a witness check: linear, and sound.
 */
import type { Zxid } from "../../../src/model/zxid.ts";
import type { Txn } from "../../../src/tree/txn.ts";
import type { Operation } from "../history.ts";
import type { DurableQuorum } from "./durable-quorum.ts";
import { ExactlyOnce } from "./exactly-once.ts";
import { LinearizableReads } from "./linearizable-reads.ts";
import type { Model } from "./model.ts";
import { NoOrphan } from "./no-orphan.ts";
import { SessionOrder } from "./session-order.ts";
import { TreeOfTheLog } from "./tree-of-the-log.ts";

export class Replies {
  readonly durable: DurableQuorum;
  readonly linearizable = new LinearizableReads();
  readonly sessionOrder = new SessionOrder();
  readonly once = new ExactlyOnce();
  readonly tree: TreeOfTheLog;
  readonly orphans = new NoOrphan();
  readonly #txns: ReadonlyMap<Zxid, Txn>;

  constructor(durable: DurableQuorum, model: Model, txns: ReadonlyMap<Zxid, Txn>) {
    this.durable = durable;
    this.tree = new TreeOfTheLog(model);
    this.#txns = txns;
  }

  /** A txn has been committed (in order). */
  onCommitted(txn: Txn): void {
    this.once.onCommitted(txn);
    this.sessionOrder.onCommitted(txn);
  }

  onReply(operation: Operation, openBefore: readonly Operation[]): void {
    if (operation.outcome === undefined) return;
    this.sessionOrder.onReply(operation, openBefore);
    this.durable.onReply(operation);
    if (operation.isWrite) this.#write(operation);
    else this.#read(operation);
  }

  #write(operation: Operation): void {
    const txn = this.#txns.get(operation.zxid);
    this.once.onReply(operation, txn);
    if (txn === undefined || operation.outcome === undefined) return;
    this.linearizable.onWrite(operation);
    this.sessionOrder.onWrite(operation);
    this.tree.onWrite(operation, txn, operation.outcome);
  }

  #read(operation: Operation): void {
    const { zxid, request, outcome } = operation;
    // NO_QUORUM says that nothing was read.
    if (outcome === undefined || outcome.code === "NO_QUORUM" || (zxid === 0 && outcome.code !== "OK")) return;
    this.linearizable.onRead(operation);
    this.sessionOrder.onRead(operation);
    this.tree.onRead(operation, request, outcome, zxid);
  }

  /** Every acked write was applied once, and none that was called failed; checked when all is quiet. */
  finish(operations: readonly Operation[]): void {
    for (const operation of operations) {
      this.orphans.finish(operation, this.once, this.#txns);
      this.once.finish(operation);
    }
  }
}
