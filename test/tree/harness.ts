/** A state machine with short ways to write, pipelined or at once, for the tests of tree, session and state machine. */
import { type Acl, type AuthId, openAcl } from "../../src/model/acl.ts";
import { type Limits, tinyLimits } from "../../src/model/limits.ts";
import type {
  CreateRequest,
  Guard,
  MultiOperation,
  MultiRequest,
  Outcome,
  Write,
  WriteRequest,
} from "../../src/model/request.ts";
import { counterOf, makeEpoch, makeZxid, type SessionId, type Zxid } from "../../src/model/zxid.ts";
import { type Prepared, StateMachine } from "../../src/replica/state-machine.ts";
import { MemoryStore } from "../../src/tree/memory-store.ts";
import type { Store } from "../../src/tree/store.ts";
import type { Txn } from "../../src/tree/txn.ts";

export const world: AuthId = { scheme: "world", id: "anyone" };
export const alice: AuthId = { scheme: "digest", id: "alice:hash" };
export const aliceAcl: Acl = [{ perms: 31, scheme: "digest", id: "alice:hash" }];

export const limits: Limits = {
  ...tinyLimits,
  delete_recursive_nodes_max: 8,
  ephemerals_per_session_max: 3,
  replies_per_session_max: 20,
  outstanding_per_connection_max: 16,
};

export interface WriteOptions {
  readonly guards?: readonly Guard[];
  readonly identities?: readonly AuthId[];
  readonly seq?: number;
  readonly ackedSeq?: number;
}

export class Harness {
  readonly store: Store;
  readonly machine: StateMachine;
  readonly log: Txn[] = [];
  readonly queue: Txn[] = [];
  epoch = 1;
  counter = 0;
  wallMs = 1_700_000_000_000;
  stampMs = 1_000;
  readonly #seqs = new Map<SessionId, number>();
  #originCounter = 0;

  constructor(options: { readonly limits?: Limits; readonly store?: Store } = {}) {
    this.store = options.store ?? new MemoryStore();
    this.machine = new StateMachine(this.store, options.limits ?? limits);
    this.counter = counterOf(this.machine.appliedZxid);
  }

  prepare(write: Write): Prepared {
    const zxid = makeZxid(makeEpoch(this.epoch), this.counter + 1);
    const prepared = this.machine.prepare(write, { zxid, wallMs: this.wallMs, stampMs: this.stampMs });
    if (prepared.type === "txn") this.enqueue(prepared.txn);
    return prepared;
  }

  enqueue(txn: Txn): void {
    this.counter += 1;
    this.wallMs += 1;
    this.queue.push(txn);
  }

  context(): { zxid: Zxid; wallMs: number; stampMs: number } {
    return { zxid: makeZxid(makeEpoch(this.epoch), this.counter + 1), wallMs: this.wallMs, stampMs: this.stampMs };
  }

  /** Applies up to `count` of what is prepared; the outcomes in order. */
  apply(count = Number.POSITIVE_INFINITY): Outcome[] {
    const outcomes: Outcome[] = [];
    while (this.queue.length > 0 && outcomes.length < count) {
      const txn = this.queue.shift();
      if (txn === undefined) break;
      this.log.push(txn);
      outcomes.push(this.machine.apply(txn));
    }
    return outcomes;
  }

  /** The next native write of a session; prepared, not applied. */
  pipeline(session: SessionId, request: WriteRequest, options: WriteOptions = {}): Prepared {
    const next = (this.#seqs.get(session) ?? 0) + 1;
    const seq = options.seq ?? next;
    const ackedSeq = options.ackedSeq ?? Math.max(0, seq - 1);
    const prepared = this.prepare({
      source: { type: "session", session, seq, ackedSeq },
      request,
      guards: options.guards ?? [],
      identities: options.identities ?? [world],
    });
    if (prepared.type === "txn") this.#seqs.set(session, seq);
    return prepared;
  }

  /** Prepares and applies. */
  write(session: SessionId, request: WriteRequest, options: WriteOptions = {}): Outcome {
    const prepared = this.pipeline(session, request, options);
    if (prepared.type !== "txn") throw new Error(`not a txn: ${JSON.stringify(prepared)}`);
    return must(this.apply().at(-1));
  }

  origin(
    session: SessionId | 0,
    request: WriteRequest,
    place: { server?: number; boot?: number; counter?: number } = {},
  ): Prepared {
    const counter = place.counter ?? (this.#originCounter += 1);
    this.#originCounter = Math.max(this.#originCounter, counter);
    return this.prepare({
      source: { type: "origin", session, server: place.server ?? 1, boot: place.boot ?? 77, counter },
      request,
      guards: [],
      identities: [world],
    });
  }

  internal(session: SessionId | 0, request: WriteRequest): Prepared {
    return this.prepare({ source: { type: "internal", session }, request, guards: [], identities: [world] });
  }

  session(timeoutMs = 2_000): SessionId {
    this.origin(0, { type: "createSession", timeoutMs, passwordHash: new Uint8Array(32).fill(5) });
    const outcome = must(this.apply().at(-1));
    if (outcome.result.type !== "session") throw new Error(JSON.stringify(outcome));
    return outcome.result.session;
  }

  digest(): string {
    return `${this.machine.digestHigh}:${this.machine.digestLow}`;
  }

  recomputed(): string {
    const wrong: string[] = [];
    const { high, low } = this.machine.recomputeDigest((path) => wrong.push(path));
    return wrong.length > 0 ? `wrong: ${wrong.join(" ")}` : `${high}:${low}`;
  }

  data(path: string): string | undefined {
    const bytes = this.machine.node(path)?.data;
    return bytes === undefined ? undefined : String.fromCharCode(...bytes);
  }

  children(path: string): string[] {
    return this.store.children(path, "", Number.MAX_SAFE_INTEGER);
  }
}

export function must<T>(value: T | undefined): T {
  if (value === undefined) throw new Error("a value is missing");
  return value;
}

export function bytes(text: string): Uint8Array {
  return Uint8Array.from(text, (character) => character.charCodeAt(0));
}

export function create(path: string, rest: Partial<CreateRequest> = {}): CreateRequest {
  return { type: "create", path, data: bytes("x"), kind: "persistent", sequential: false, ttlMs: 0, acl: openAcl, ...rest };
}

export function remove(path: string, version = -1): Extract<MultiOperation, { type: "delete" }> {
  return { type: "delete", path, version };
}

export function set(path: string, text: string, version = -1): Extract<MultiOperation, { type: "setData" }> {
  return { type: "setData", path, data: bytes(text), version };
}

export function multi(then: readonly MultiOperation[], rest: Partial<MultiRequest> = {}): MultiRequest {
  return { type: "multi", conditions: [], then, otherwise: undefined, ...rest };
}

/** Codes of a multi's outcomes. */
export function codes(outcome: Outcome): string[] {
  return outcome.result.type === "multi" ? outcome.result.outcomes.map((each) => each.code) : [];
}

export function txnOf(prepared: Prepared): Txn {
  if (prepared.type !== "txn") throw new Error(`not a txn: ${JSON.stringify(prepared)}`);
  return prepared.txn;
}

export function createdPath(outcome: Outcome): string {
  if (outcome.result.type !== "created") throw new Error(JSON.stringify(outcome));
  return outcome.result.path;
}
