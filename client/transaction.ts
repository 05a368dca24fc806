/**
 * Builds a multi step by step: conditions, then operations, all or nothing under one zxid.
 *
 *     await client.transaction().ifVersion("/a", 3).set("/a", "new").create("/b").commit();
 */
import type { Condition, MultiOperation } from "../src/model/request.ts";
import type { Zxid } from "../src/model/zxid.ts";
import { type DataInput, toBytes } from "./data.ts";
import { type CreateOptions, createRequest, type MultiInput, type MultiResult, type WriteOptions } from "./operations.ts";

type NodeOptions = Pick<CreateOptions, "kind" | "sequential" | "ttlMs" | "acl">;

/** The operations of one branch. */
/** Operations that take effect together, or not at all. */
export class Branch {
  readonly #operations: MultiOperation[] = [];

  get operations(): readonly MultiOperation[] {
    return this.#operations;
  }

  /** Creates a node, as `Client.create` does. */
  create(path: string, data?: DataInput, options: NodeOptions = {}): this {
    return this.#add(createRequest(path, data, options));
  }

  /** Deletes a node without children; `version` −1 is any. */
  delete(path: string, version = -1): this {
    return this.#add({ type: "delete", path, version });
  }

  /** Replaces a node's data; `version` −1 is any. */
  set(path: string, data: DataInput, version = -1): this {
    return this.#add({ type: "setData", path, data: toBytes(data), version });
  }

  /** Fails the whole unless the node has this version, seen with the operations before it. */
  check(path: string, version: number): this {
    return this.#add({ type: "check", path, version });
  }

  #add(operation: MultiOperation): this {
    this.#operations.push(operation);
    return this;
  }
}

/** Operations under one zxid, on conditions; made by `client.transaction()`, sent by `commit`. */
export class Transaction extends Branch {
  readonly #run: (input: MultiInput, options: WriteOptions) => Promise<MultiResult>;
  readonly #conditions: Condition[] = [];
  #otherwise: Branch | undefined;

  constructor(run: (input: MultiInput, options: WriteOptions) => Promise<MultiResult>) {
    super();
    this.#run = run;
  }

  /** Only if the node has this version. */
  ifVersion(path: string, version: number): this {
    return this.#when({ type: "version", path, version });
  }

  /** Only if there is no such node. */
  ifAbsent(path: string): this {
    return this.#when({ type: "absent", path });
  }

  /** Only if there is such a node. */
  ifPresent(path: string): this {
    return this.#when({ type: "present", path });
  }

  /** The node is the very one that was created by this txn, not one of the same name. */
  ifCzxid(path: string, czxid: Zxid): this {
    return this.#when({ type: "czxid", path, czxid });
  }

  /** Only if the node has this data. */
  ifValue(path: string, data: DataInput): this {
    return this.#when({ type: "value", path, data: toBytes(data) ?? new Uint8Array(0) });
  }

  /** What to do when a condition does not hold. */
  otherwise(build: (branch: Branch) => unknown): this {
    this.#otherwise ??= new Branch();
    build(this.#otherwise);
    return this;
  }

  /** Resolves to the branch taken and its outcomes. Rejects with CONDITION_FAILED, or the failing operation's code and `codes` of all. */
  commit(options: WriteOptions = {}): Promise<MultiResult> {
    return this.#run({ conditions: this.#conditions, then: this.operations, otherwise: this.#otherwise?.operations }, options);
  }

  #when(condition: Condition): this {
    this.#conditions.push(condition);
    return this;
  }
}
