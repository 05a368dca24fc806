/**
 * I-19 for nodes that end by time: containers and TTL nodes: a TTL node outlives its TTL since it was last written, by cluster time and by true time (a clock may
 * run fast by ρ, whoever leads meanwhile), and nothing below it is lost.
 */
import { formatZxid, type Zxid } from "../../../src/model/zxid.ts";
import type { Txn } from "../../../src/tree/txn.ts";
import type { History } from "../history.ts";
import type { GhostLog } from "./ghost-log.ts";
import type { Model, ModelNode } from "./model.ts";
import { Check, Invariant } from "./violation.ts";

export class TtlNodes extends Invariant {
  readonly early = new Check("a TTL node outlives its TTL");
  readonly #ghost: GhostLog;
  readonly #model: Model;
  readonly #txns: ReadonlyMap<Zxid, Txn>;
  readonly #history: History;
  readonly #drift: number;
  /** An ensemble of one broadcasts nothing: when it proposed what is known only roughly. */
  readonly #timed: boolean;

  constructor(ghost: GhostLog, model: Model, txns: ReadonlyMap<Zxid, Txn>, history: History, drift: number, timed: boolean) {
    super();
    this.#history = history;
    this.#timed = timed;
    this.#ghost = ghost;
    this.#model = model;
    this.#txns = txns;
    this.#drift = drift;
  }

  /** Before the model applies it. `at`: the true time of its first broadcast. */
  onCommitted(txn: Txn, at: number): void {
    if (txn.body.type !== "reap") return;
    for (const { path } of txn.body.removed) {
      const node = this.#model.now(path);
      if (node?.kind === "ttl") this.#notEarly(txn, path, node, at);
    }
  }

  #notEarly(txn: Txn, path: string, node: ModelNode, at: number): void {
    const written = this.#txns.get(node.mzxid);
    const broadcastAt = this.#ghost.entries.get(node.mzxid)?.at;
    if (written === undefined || broadcastAt === undefined) return;
    const stamped = txn.stampMs - written.stampMs;
    // A leader that nobody follows just then proposes long before it broadcasts: what is certain is when it was asked.
    const lived = at - Math.min(broadcastAt, this.#history.invokedAt(written.source) ?? broadcastAt);
    this.early.hold(
      stamped >= node.ttlMs,
      () => `${formatZxid(txn.zxid)} reaps ${path} after ${stamped} ms of cluster time, its TTL is ${node.ttlMs} ms`,
    );
    if (!this.#timed) return;
    this.early.hold(
      lived >= node.ttlMs / (1 + this.#drift) - 1,
      () => `${formatZxid(txn.zxid)} reaps ${path} ${lived.toFixed(1)} ms after it was written, its TTL is ${node.ttlMs} ms`,
    );
  }

  /** The paths that a calm of `ms` should have ended and has not. */
  overdue(ms: number): string[] {
    const found: string[] = [];
    for (const [path, node] of this.#model.nodes()) {
      if (node.creates !== node.deletes) continue;
      const due = node.kind === "container" ? node.creates > 0 : node.kind === "ttl" && node.ttlMs * (1 + 2 * this.#drift) < ms;
      if (due) found.push(path);
    }
    return found;
  }
}
