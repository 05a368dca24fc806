/**
 * One client connection: its session, its identities, and its requests in order. A request holds a
 * *slot* from arrival to answer, and answers leave in slot order, which gives per-session FIFO for
 * pipelined requests on both protocols: a read waits for the session's own earlier writes, and only
 * for them. The queue's length is bounded by the driver, which stops reading the socket.
 */
import type { AuthId } from "../model/acl.ts";
import type { ClientMessage, ServerMessage } from "../model/client-message.ts";
import type { Limits } from "../model/limits.ts";
import type { LocalRequest, Outcome, ReadLevel, ReadRequest, WriteRequest } from "../model/request.ts";
import type { ConnectionId, SessionId, Zxid } from "../model/zxid.ts";
import type { ForwardedWrite } from "../zab/message.ts";
import type { Protocol } from "./event.ts";

type ConnectMessage = Extract<ClientMessage, { readonly type: "connect" }>;

export interface WriteSlot {
  readonly type: "write";
  readonly xid: number;
  readonly requestType: WriteRequest["type"];
  /** clientSeq, or the origin counter on the ZooKeeper port. */
  readonly number: number;
  readonly forward: ForwardedWrite;
  outcome: Outcome | undefined;
  zxid: Zxid;
}

export interface ReadSlot {
  readonly type: "read";
  readonly xid: number;
  readonly request: ReadRequest | LocalRequest;
  readonly level: ReadLevel["type"];
  readonly deadlineMs: number;
  /** Answer once this is applied; undefined while a linearizable read waits for its read index. */
  readZxid: Zxid | undefined;
  /** The confirm batch that will give the read index. */
  batch: number;
}

export type Slot = WriteSlot | ReadSlot;

export interface PendingConnect {
  readonly session: SessionId | 0;
  readonly passwordHash: Uint8Array;
  readonly timeoutMs: number;
  readonly lastZxid: Zxid;
  readonly deadlineMs: number;
  /** Open once this is applied; undefined until the leader has answered. */
  readyZxid: Zxid | undefined;
  /** Number of the createSession write; 0 for a resume. */
  counter: number;
  readonly readOnly: boolean;
}

export function pendingConnect(message: ConnectMessage, counter: number, nowMs: number, limits: Limits): PendingConnect {
  const { session, passwordHash, lastZxid } = message;
  const wantedMs = Math.max(Math.floor(message.timeoutMs), limits.session_timeout_ms_min);
  return {
    session,
    passwordHash,
    timeoutMs: Math.min(wantedMs, limits.session_timeout_ms_max),
    lastZxid,
    deadlineMs: nowMs + limits.request_wait_ms,
    readyZxid: undefined,
    counter,
    readOnly: message.readOnly ?? false,
  };
}

/** The answer to a handshake. */
export function connectedMessage(
  connection: Connection,
  resumed: boolean,
  validForMs: number,
  position: { readonly lastSeq: number; readonly ackedSeq: number },
  zxid: Zxid,
): ServerMessage {
  const { session, timeoutMs, readOnly } = connection;
  const connected = {
    type: "connected",
    session: session as SessionId,
    resumed,
    timeoutMs,
    validForMs,
    ...position,
    zxid,
  } as const;
  return readOnly ? { ...connected, readOnly } : connected;
}

export class Connection {
  readonly id: ConnectionId;
  readonly protocol: Protocol;
  identities: readonly AuthId[];
  session: SessionId | 0 = 0;
  generation = 0;
  timeoutMs = 0;
  /** The handshake under way; undefined before and after. */
  connecting: PendingConnect | undefined;
  /** Send time (ours) of the last touch that the leader confirmed. */
  confirmedMs = 0;
  closing = false;
  /** A session of this server alone, in read-only mode. */
  readOnly = false;
  readonly slots: Slot[] = [];
  #head = 0;
  #remindedMs = 0;

  constructor(id: ConnectionId, protocol: Protocol, identities: readonly AuthId[]) {
    this.id = id;
    this.protocol = protocol;
    this.identities = identities;
  }

  get open(): boolean {
    return this.session !== 0 && !this.closing;
  }

  /** The leader has not confirmed the session for half its timeout. */
  isDoubtful(nowMs: number): boolean {
    return this.open && !this.readOnly && nowMs - this.confirmedMs > this.timeoutMs / 2;
  }

  /** Whether to remind the client of its heartbeat now; at most each eighth of the timeout. */
  takeReminder(nowMs: number): boolean {
    if (nowMs - this.#remindedMs < this.timeoutMs / 8) return false;
    this.#remindedMs = nowMs;
    return true;
  }

  get head(): Slot | undefined {
    return this.slots[this.#head];
  }

  get pending(): number {
    return this.slots.length - this.#head;
  }

  push(slot: Slot): void {
    this.slots.push(slot);
  }

  shift(): void {
    this.#head += 1;
    if (this.#head < 64 && this.#head < this.slots.length) return;
    this.slots.splice(0, this.#head);
    this.#head = 0;
  }

  /** The unanswered write with this number. Numbers rise along the queue. */
  write(number: number): WriteSlot | undefined {
    for (let i = this.#head; i < this.slots.length; i += 1) {
      const slot = this.slots[i];
      if (slot?.type === "write" && slot.number === number && slot.outcome === undefined) return slot;
    }
    return undefined;
  }

  /** Writes that wait for the leader, in order. */
  *undecided(): Iterable<WriteSlot> {
    for (let i = this.#head; i < this.slots.length; i += 1) {
      const slot = this.slots[i];
      if (slot?.type === "write" && slot.outcome === undefined) yield slot;
    }
  }

  *waitingReads(): Iterable<ReadSlot> {
    for (let i = this.#head; i < this.slots.length; i += 1) {
      const slot = this.slots[i];
      if (slot?.type === "read" && slot.readZxid === undefined) yield slot;
    }
  }
}
