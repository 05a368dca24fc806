/**
 * ZooKeeper's read-only mode, off unless configured: a server that has known no leader for a while opens
 * sessions of its own to clients of the ZooKeeper port that said they take them. They read what is committed
 * here, maybe long ago, and end when there is a leader again. `clients.ts` holds their connections.
 */
import { failure, okOutcome, type RequestType, type Write } from "../model/request.ts";
import { type ConnectionId, epochMax, makeEpoch, makeZxid, type SessionId, type Zxid } from "../model/zxid.ts";
import type { WriteSlot } from "./connection.ts";

const nothingToWrite: Write = { source: { type: "internal", session: 0 }, request: { type: "skip" }, guards: [], identities: [] };

export class ReadOnlyMode {
  readonly #enabled: () => boolean;
  readonly #afterMs: number;
  #leaderlessMs: number | undefined;
  #sessions = 0;

  constructor(enabled: () => boolean, afterMs: number) {
    this.#enabled = enabled;
    this.#afterMs = afterMs;
  }

  /** Called often. */
  note(hasLeader: boolean, nowMs: number): void {
    if (hasLeader) this.#leaderlessMs = undefined;
    else this.#leaderlessMs ??= nowMs;
  }

  active(nowMs: number): boolean {
    return this.#enabled() && this.#leaderlessMs !== undefined && nowMs - this.#leaderlessMs >= this.#afterMs;
  }

  /** An id that no session of the ensemble has: no epoch comes this far. */
  nextSession(): SessionId {
    this.#sessions += 1;
    return makeZxid(makeEpoch(epochMax), this.#sessions) as number as SessionId;
  }
}

/** A write or sync as it is answered in read-only mode: refused, but for the end of a session that is ours alone. */
export function answeredReadOnly(connection: ConnectionId, xid: number, request: RequestType, zxid: Zxid): WriteSlot {
  const closes = request === "closeSession";
  return {
    type: "write",
    xid,
    requestType: closes ? "closeSession" : "skip",
    number: 0,
    forward: { connection, generation: 0, write: nothingToWrite },
    outcome: closes ? okOutcome : failure("READ_ONLY", "read-only mode"),
    zxid,
  };
}
