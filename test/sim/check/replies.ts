/**
 * What clients were told, against the committed log: no reply shows what is not committed; a write's
 * reply names the txn that it made, which is its own and happened once; a read's result is the model's
 * at the zxid it names; linearizable in true time; monotonic and read-your-writes in a session; replies
 * in order. Every reply names its zxid, so this is a witness check: linear, and sound.
 */

import { joinPath, nameOf, parentOf } from "../../../src/model/path.ts";
import type { CreateRequest, MultiOperation, Outcome, Request, Result } from "../../../src/model/request.ts";
import { formatZxid, type SessionId, type Zxid } from "../../../src/model/zxid.ts";
import type { Txn } from "../../../src/tree/txn.ts";
import type { Operation } from "../history.ts";
import type { GhostLog } from "./ghost-log.ts";
import type { Model, ModelNode } from "./model.ts";
import { Check } from "./violation.ts";

interface SessionState {
  lastSeq: number;
  /** Operations of this session that were answered, by seq. */
  readonly applied: Map<number, Zxid>;
  lastReadZxid: Zxid;
  lastWriteZxid: Zxid;
}

export class ReplyChecks {
  readonly committed = new Check("no reply before commit");
  readonly once = new Check("exactly once");
  readonly denseSeq = new Check("session writes in order");
  readonly outcome = new Check("outcomes are the log's");
  readonly reads = new Check("reads are the tree at their zxid");
  readonly linearizable = new Check("linearizable");
  readonly linearizableRaced = new Check("linearizable after another client's write");
  readonly monotonic = new Check("session order");
  readonly order = new Check("replies in order");
  readonly orphan = new Check("what failed is in no log");
  readonly suffix = new Check("sequence suffixes unique");
  readonly #ghost: GhostLog;
  readonly #model: Model;
  readonly #txns: ReadonlyMap<Zxid, Txn>;
  readonly #sessions = new Map<SessionId, SessionState>();
  readonly #created = new Set<string>();

  readonly origins = new Check("origins' writes are applied once, in order");
  readonly #origins = new Map<string, number>();

  constructor(ghost: GhostLog, model: Model, txns: ReadonlyMap<Zxid, Txn>) {
    this.#ghost = ghost;
    this.#model = model;
    this.#txns = txns;
  }

  /** A txn has been committed (in order). */
  onCommitted(txn: Txn): void {
    if (txn.source.type === "origin") this.#origin(txn, txn.source);
    if (txn.source.type !== "session") return;
    const session = this.#session(txn.source.session);
    const { seq } = txn.source;
    this.once.hold(
      !session.applied.has(seq),
      () =>
        `seq ${seq} of session ${formatZxid(txn.source.type === "session" ? (txn.source.session as number as Zxid) : (0 as Zxid))} was applied at ${formatZxid(session.applied.get(seq) ?? (0 as Zxid))} and at ${formatZxid(txn.zxid)}`,
    );
    this.denseSeq.hold(
      seq === session.lastSeq + 1,
      () => `seq ${seq} is applied at ${formatZxid(txn.zxid)} after ${session.lastSeq}`,
    );
    session.lastSeq = seq;
    session.applied.set(seq, txn.zxid);
  }

  /** Writes without a seq carry their server's own count: each at most once, in order. */
  #origin(txn: Txn, source: Extract<Txn["source"], { type: "origin" }>): void {
    const key = `${source.server} ${source.boot}`;
    const before = this.#origins.get(key) ?? 0;
    this.origins.hold(
      source.counter > before,
      () =>
        `${formatZxid(txn.zxid)} is write ${source.counter} of server ${source.server}, whose write ${before} was committed before`,
    );
    this.#origins.set(key, source.counter);
  }

  onReply(operation: Operation, openBefore: readonly Operation[]): void {
    const { zxid, outcome } = operation;
    if (outcome === undefined) return;
    this.#inOrder(operation, openBefore);
    if (zxid !== 0)
      this.committed.hold(
        zxid <= this.#ghost.tip && (this.#ghost.entries.get(zxid)?.index ?? -1) >= 0,
        () => `${describe(operation)} is answered with ${formatZxid(zxid)}, committed is ${formatZxid(this.#ghost.tip)}`,
      );
    if (operation.isWrite) this.#write(operation, outcome);
    else this.#read(operation, outcome);
  }

  #session(id: SessionId): SessionState {
    let state = this.#sessions.get(id);
    if (state === undefined)
      this.#sessions.set(id, (state = { lastSeq: 0, applied: new Map(), lastReadZxid: 0 as Zxid, lastWriteZxid: 0 as Zxid }));
    return state;
  }

  #inOrder(operation: Operation, openBefore: readonly Operation[]): void {
    for (const other of openBefore) {
      if (!other.isWrite || other.state !== "open" || other.refusals > 0 || other.id > operation.id || operation.refusals > 0)
        continue;
      if (other.connection !== operation.connection || other.sends !== 1 || operation.sends !== 1) continue;
      this.order.fail(`${describe(operation)} is answered before ${describe(other)} of the same session`);
    }
    this.order.evaluations += 1;
  }

  // ---- writes

  #write(operation: Operation, outcome: Outcome): void {
    const txn = this.#txns.get(operation.zxid);
    if (txn === undefined) {
      this.once.hold(outcome.code !== "OK", () => `${describe(operation)} succeeded without a txn`);
      return;
    }
    const mine = txn.source.type === "session" && txn.source.session === operation.session && txn.source.seq === operation.seq;
    this.once.hold(mine, () => `${describe(operation)} is answered with ${formatZxid(txn.zxid)}, which is another's`);
    this.linearizable.hold(
      operation.zxid > operation.floor,
      () =>
        `${describe(operation)} took effect at ${formatZxid(operation.zxid)}, before ${formatZxid(operation.floor)}, which was known when it was called`,
    );
    const session = this.#session(operation.session);
    // A refused write is sent again, maybe behind later ones; its answer is still its first outcome.
    if (operation.refusals === 0)
      this.monotonic.hold(
        operation.zxid > session.lastWriteZxid,
        () => `${describe(operation)} at ${formatZxid(operation.zxid)} after ${formatZxid(session.lastWriteZxid)}`,
      );
    if (operation.refusals === 0) session.lastWriteZxid = operation.zxid;
    const refused = txn.body.type === "error";
    this.outcome.hold(
      refused === (outcome.code !== "OK"),
      () => `${describe(operation)} is answered ${outcome.code}, its txn is ${txn.body.type}`,
    );
    if (txn.body.type === "error") {
      const { code } = txn.body;
      this.outcome.hold(code === outcome.code, () => `${describe(operation)} is answered ${outcome.code}, its txn says ${code}`);
    }
    this.#judge(operation, txn, outcome);
  }

  /** Was it right to do, or to refuse, this at this place of the log? */
  #judge(operation: Operation, txn: Txn, outcome: Outcome): void {
    const before = (txn.zxid - 1) as Zxid;
    const { request } = operation;
    if (operation.guards.length > 0) {
      const held = operation.guards.every((guard) => this.#model.at(guard.path, before)?.czxid === guard.czxid);
      this.outcome.hold(
        held !== (outcome.code === "FENCED"),
        () => `${describe(operation)}: guard ${held ? "held" : "did not hold"}, answered ${outcome.code}`,
      );
      if (!held) return;
    }
    const problem =
      request.type === "create" || request.type === "delete" || request.type === "setData"
        ? this.#expected(request, before)
        : undefined;
    if (problem !== undefined)
      this.outcome.hold(
        problem === outcome.code || outcome.code === "LIMIT",
        () => `${describe(operation)} at ${formatZxid(txn.zxid)} is answered ${outcome.code}, should be ${problem}`,
      );
    if (request.type === "create" && outcome.code === "OK") this.#created1(operation, request, outcome.result, before);
    if (request.type === "setData" && outcome.result.type === "stat")
      this.#statIs(operation, request.path, txn.zxid, outcome.result.stat);
  }

  #expected(request: Request | MultiOperation, before: Zxid): string | undefined {
    switch (request.type) {
      case "create":
        return this.#expectedCreate(request, before);
      case "delete": {
        const node = this.#model.at(request.path, before);
        if (node === undefined) return "NO_NODE";
        if (request.version !== -1 && request.version !== node.version) return "BAD_VERSION";
        return this.#model.numChildren(node) > 0 ? "NOT_EMPTY" : "OK";
      }
      case "setData":
      case "check": {
        const node = this.#model.at(request.path, before);
        if (node === undefined) return "NO_NODE";
        return request.version !== -1 && request.version !== node.version ? "BAD_VERSION" : "OK";
      }
      default:
        return undefined;
    }
  }

  #expectedCreate(request: CreateRequest, before: Zxid): string | undefined {
    const parent = this.#model.at(parentOf(request.path) ?? "/", before);
    if (parent === undefined) return "NO_NODE";
    if (parent.owner !== 0) return "NO_CHILDREN_FOR_EPHEMERALS";
    if (request.sequential) return "OK";
    return this.#model.at(request.path, before) === undefined ? "OK" : "NODE_EXISTS";
  }

  #created1(operation: Operation, request: CreateRequest, result: Result, before: Zxid): void {
    if (result.type !== "created") return this.outcome.fail(`${describe(operation)} succeeded with a result ${result.type}`);
    this.outcome.hold(
      this.#model.at(result.path, operation.zxid)?.czxid === operation.zxid,
      () => `${describe(operation)}: ${result.path} was not created at ${formatZxid(operation.zxid)}`,
    );
    this.#statIs(operation, result.path, operation.zxid, result.stat);
    if (!request.sequential) return;
    const parent = this.#model.at(parentOf(result.path) ?? "/", before);
    const suffix = nameOf(result.path).slice(-10);
    // A parent that was deleted and made again counts anew.
    const key = `${parent?.czxid ?? 0} ${result.path}`;
    this.suffix.hold(!this.#created.has(key), () => `${result.path} was made twice`);
    this.#created.add(key);
    if (parent !== undefined && parentOf(result.path) !== "/")
      this.suffix.hold(
        Number(suffix) === parent.creates,
        () => `${describe(operation)} got the suffix ${suffix} after ${parent.creates} creates`,
      );
  }

  // ---- reads

  #read(operation: Operation, outcome: Outcome): void {
    const { zxid, request } = operation;
    // NO_QUORUM says that nothing was read.
    if (outcome.code === "NO_QUORUM" || (zxid === 0 && outcome.code !== "OK")) return;
    if (operation.level.type === "linearizable" || request.type === "sync") this.#linear(operation);
    if (operation.level.type === "atLeast") {
      const wanted = operation.level.zxid;
      this.monotonic.hold(zxid >= wanted, () => `${describe(operation)} is older than ${formatZxid(wanted)}`);
    }
    const session = this.#session(operation.session);
    this.monotonic.hold(
      zxid >= operation.sessionFloor,
      () => `${describe(operation)} is read at ${formatZxid(zxid)}, the session had seen ${formatZxid(operation.sessionFloor)}`,
    );
    this.monotonic.hold(
      zxid >= session.lastReadZxid || request.type === "list",
      () => `${describe(operation)} is read at ${formatZxid(zxid)} after ${formatZxid(session.lastReadZxid)}`,
    );
    if (zxid > session.lastReadZxid) session.lastReadZxid = zxid;
    this.#result(operation, request, outcome, zxid);
  }

  #linear(operation: Operation): void {
    const { zxid, floor } = operation;
    if (floor > operation.sessionFloor) this.linearizableRaced.evaluations += 1;
    this.linearizable.hold(
      zxid >= floor,
      () => `${describe(operation)} is read at ${formatZxid(zxid)}, but ${formatZxid(floor)} had been shown before it was called`,
    );
  }

  #result(operation: Operation, request: Request, outcome: Outcome, zxid: Zxid): void {
    switch (request.type) {
      case "exists":
      case "getData":
      case "getChildren": {
        const node = this.#model.at(request.path, zxid);
        this.reads.hold(
          (node === undefined) === (outcome.code === "NO_NODE"),
          () =>
            `${describe(operation)} at ${formatZxid(zxid)}: ${outcome.code}, the node ${node === undefined ? "does not exist" : "exists"}`,
        );
        if (node !== undefined) this.#nodeIs(operation, request.path, node, outcome.result);
        return;
      }
      case "multiRead": {
        const { result } = outcome;
        if (result.type !== "multiRead") return;
        this.reads.hold(
          result.zxid === zxid || result.zxid <= zxid,
          () => `${describe(operation)}: result at ${formatZxid(result.zxid)}, reply at ${formatZxid(zxid)}`,
        );
        for (const [i, read] of request.reads.entries()) {
          const part = result.outcomes[i];
          if (part !== undefined) this.#result(operation, read, part, result.zxid);
        }
        return;
      }
      case "list":
        return this.#list(operation, outcome.result);
      default:
        return;
    }
  }

  #nodeIs(operation: Operation, path: string, node: ModelNode, result: Result): void {
    if (result.type === "data") this.#no(operation, this.#model.dataProblem(node, result.data));
    if (result.type === "children") {
      const names = this.#model.childrenAt(path, operation.zxid);
      this.#no(
        operation,
        [...result.names].sort().join() === names.join()
          ? undefined
          : `children are [${result.names.join(" ")}], should be [${names.join(" ")}]`,
      );
    }
    if (result.type === "data" || result.type === "children" || result.type === "stat")
      this.#statIs(operation, path, operation.zxid, result.stat);
  }

  #list(operation: Operation, result: Result): void {
    if (result.type !== "list") return;
    for (const entry of result.entries) {
      const node = this.#model.at(entry.path, result.zxid);
      this.#no(operation, node === undefined ? `${entry.path} does not exist at ${formatZxid(result.zxid)}` : undefined);
      if (node !== undefined && !this.#model.isPredefined(entry.path))
        this.#no(operation, this.#model.statProblem(node, entry.stat));
    }
    if (operation.request.type !== "list" || operation.request.recursive || operation.request.cursor !== undefined) return;
    const { path, limit, prefix } = operation.request;
    const names = this.#model
      .childrenAt(path, result.zxid)
      .filter((name) => name.startsWith(prefix))
      .slice(0, limit);
    const wanted = names.map((name) => joinPath(path, name)).join();
    this.#no(
      operation,
      result.entries.map((entry) => entry.path).join() === wanted
        ? undefined
        : `lists ${result.entries.map((e) => e.path).join()}, should be ${wanted}`,
    );
  }

  #statIs(operation: Operation, path: string, zxid: Zxid, stat: import("../../../src/model/stat.ts").Stat): void {
    const node = this.#model.at(path, zxid);
    if (node !== undefined && !this.#model.isPredefined(path)) this.#no(operation, this.#model.statProblem(node, stat));
  }

  #no(operation: Operation, problem: string | undefined): void {
    this.reads.hold(problem === undefined, () => `${describe(operation)} at ${formatZxid(operation.zxid)}: ${problem}`);
  }

  // ---- the end

  #notApplied(operation: Operation): void {
    const zxid = this.#sessions.get(operation.session)?.applied.get(operation.seq);
    const txn = zxid === undefined ? undefined : this.#txns.get(zxid);
    const effect = txn !== undefined && txn.body.type !== "skip" && txn.body.type !== "error";
    this.orphan.hold(
      !effect,
      () => `${describe(operation)} was called failed and is applied at ${formatZxid(zxid ?? (0 as Zxid))}`,
    );
  }

  /** Every acked write was applied once, and none that was called failed; checked when all is quiet. */
  finish(operations: readonly Operation[]): void {
    for (const operation of operations) {
      if (operation.state === "failed" && operation.seq > 0) this.#notApplied(operation);
      if (!operation.isWrite || operation.state !== "done" || operation.outcome?.code !== "OK") continue;
      const applied = this.#sessions.get(operation.session)?.applied.get(operation.seq);
      this.once.hold(applied === operation.zxid, () => `${describe(operation)} was acked and is not in the log`);
    }
  }
}

export function describe(operation: Operation): string {
  const path = "path" in operation.request ? ` ${operation.request.path}` : "";
  const number = operation.isWrite ? ` #${operation.seq}` : ` (${operation.level.type})`;
  return `client ${operation.client} session ${formatZxid(operation.session as number as Zxid)} ${operation.request.type}${path}${number}`;
}
