/**
 * What clients asked and what they were told, with true times: the record that checkers judge.
 * One Operation a call; a call that is resent is still one Operation.
 */
import type { Guard, Outcome, ReadLevel, Request, TxnSource } from "../../src/model/request.ts";
import type { SessionId, Zxid } from "../../src/model/zxid.ts";

export interface Operation {
  readonly id: number;
  readonly client: number;
  session: SessionId;
  readonly request: Request;
  readonly isWrite: boolean;
  readonly level: ReadLevel;
  /** Number of a write in its session; 0 for reads. */
  seq: number;
  readonly guards: readonly Guard[];
  readonly invokedAt: number;
  /** The highest zxid that any completed operation of any client had shown when this one was invoked. */
  readonly floor: Zxid;
  /** The highest zxid that this session had seen then. */
  readonly sessionFloor: Zxid;
  returnedAt: number;
  /** The final answer; undefined while open and when the call ended as unknown. */
  outcome: Outcome | undefined;
  zxid: Zxid;
  /** `failed`: the client library said that it was not and will not be applied. */
  state: "open" | "done" | "unknown" | "skipped" | "failed";
  sends: number;
  /** Answers that were not final (OVERLOADED, OUT_OF_ORDER, …). */
  refusals: number;
  /** The client's connection it was last sent on. */
  connection: number;
}

export class History {
  readonly operations: Operation[] = [];
  /** The highest zxid that a completed operation has shown to any client. */
  shown = 0 as Zxid;

  begin(
    parts: Omit<Operation, "id" | "returnedAt" | "outcome" | "zxid" | "state" | "sends" | "floor" | "refusals" | "connection">,
  ): Operation {
    // Field by field: a spread here was a twentieth of a run.
    const operation: Operation = {
      client: parts.client,
      session: parts.session,
      request: parts.request,
      isWrite: parts.isWrite,
      level: parts.level,
      seq: parts.seq,
      guards: parts.guards,
      invokedAt: parts.invokedAt,
      sessionFloor: parts.sessionFloor,
      id: this.operations.length,
      floor: this.shown,
      returnedAt: Infinity,
      outcome: undefined,
      zxid: 0 as Zxid,
      state: "open",
      sends: 0,
      refusals: 0,
      connection: 0,
    };
    this.operations.push(operation);
    return operation;
  }

  /** When a client asked for what became this txn; undefined of others. A search: for rare questions. */
  invokedAt(source: TxnSource): number | undefined {
    if (source.type !== "session") return undefined;
    const { session, seq } = source;
    return this.operations.find((one) => one.isWrite && one.seq === seq && one.session === session)?.invokedAt;
  }

  end(operation: Operation, at: number, zxid: Zxid, outcome: Outcome): void {
    operation.returnedAt = at;
    operation.outcome = outcome;
    operation.zxid = zxid;
    operation.state = "done";
    if (zxid > this.shown) this.shown = zxid;
  }
}
