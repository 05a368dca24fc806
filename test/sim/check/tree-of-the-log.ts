/**
 * I-23, snapshot and log make the state: what a read shows is the tree that the committed log makes up to the zxid which the
 * reply names, however the server came by it (log, snapshot, store); and what a write was answered is right at its
 * place in the log.
 */
import { joinPath, parentOf } from "../../../src/model/path.ts";
import type { CreateRequest, MultiOperation, Outcome, Request, Result } from "../../../src/model/request.ts";
import type { Stat } from "../../../src/model/stat.ts";
import { formatZxid, type Zxid } from "../../../src/model/zxid.ts";
import type { Txn } from "../../../src/tree/txn.ts";
import type { Operation } from "../history.ts";
import { describe } from "./describe.ts";
import type { Model, ModelNode } from "./model.ts";
import { Check, Invariant } from "./violation.ts";

export class TreeOfTheLog extends Invariant {
  readonly outcome = new Check("outcomes are the log's");
  readonly reads = new Check("reads are the tree at their zxid");
  readonly #model: Model;

  constructor(model: Model) {
    super();
    this.#model = model;
  }

  // ---- writes

  onWrite(operation: Operation, txn: Txn, outcome: Outcome): void {
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
    if (request.type === "create" && outcome.code === "OK") this.#created(operation, request, outcome.result, before);
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

  #created(operation: Operation, request: CreateRequest, result: Result, before: Zxid): void {
    if (result.type !== "created") return this.outcome.fail(`${describe(operation)} succeeded with a result ${result.type}`);
    this.outcome.hold(
      this.#model.at(result.path, operation.zxid)?.czxid === operation.zxid,
      () => `${describe(operation)}: ${result.path} was not created at ${formatZxid(operation.zxid)}`,
    );
    this.#statIs(operation, result.path, operation.zxid, result.stat);
    if (request.sequential) this.#model.stats.onSequential(operation, this.#model, result.path, before);
  }

  // ---- reads

  /** A read's result, or that of a part of it. */
  onRead(operation: Operation, request: Request, outcome: Outcome, zxid: Zxid): void {
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
          if (part !== undefined) this.onRead(operation, read, part, result.zxid);
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
      // A page that is not the last may be shorter than was asked for.
      .slice(0, result.cursor === undefined ? limit : Math.min(limit, Math.max(1, result.entries.length)));
    const wanted = names.map((name) => joinPath(path, name)).join();
    this.#no(
      operation,
      result.entries.map((entry) => entry.path).join() === wanted
        ? undefined
        : `lists ${result.entries.map((e) => e.path).join()}, should be ${wanted}`,
    );
  }

  #statIs(operation: Operation, path: string, zxid: Zxid, stat: Stat): void {
    const node = this.#model.at(path, zxid);
    if (node !== undefined && !this.#model.isPredefined(path)) this.#no(operation, this.#model.statProblem(node, stat));
  }

  #no(operation: Operation, problem: string | undefined): void {
    this.reads.hold(problem === undefined, () => `${describe(operation)} at ${formatZxid(operation.zxid)}: ${problem}`);
  }
}
