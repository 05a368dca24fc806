/**
 * What passes between a connection and the replica, after decoding and before encoding; the same for
 * both protocols. Passwords never enter the core: drivers hash them (SHA-256) and keep the clear text.
 */
import type { ErrorCode } from "./error.ts";
import type { Guard, Outcome, ReadLevel, Request, RequestType } from "./request.ts";
import type { StreamDelivery, WatchEvent } from "./watch.ts";
import type { SessionId, Zxid } from "./zxid.ts";

export type ClientMessage =
  | {
      readonly type: "connect";
      /** 0: a new session. */
      readonly session: SessionId | 0;
      /** Of the offered password (resume), or of the one made for a new session. */
      readonly passwordHash: Uint8Array;
      readonly timeoutMs: number;
      /** The highest zxid that the client has seen. */
      readonly lastZxid: Zxid;
      /** ZooKeeper port: the client takes a server in read-only mode. */
      readonly readOnly?: boolean;
    }
  | {
      readonly type: "request";
      /** Client's number for the reply; unique among its outstanding requests. */
      readonly xid: number;
      readonly request: Request;
      /** Reads only. */
      readonly level: ReadLevel;
      /** Native writes: 1, 2, 3 … in a session; 0 on the ZooKeeper port and for reads. */
      readonly seq: number;
      /** Every reply up to this seq has reached the client. */
      readonly ackedSeq: number;
      readonly guards: readonly Guard[];
      /** ms from receipt until the client has given up; 0: request_wait_ms. */
      readonly deadlineMs: number;
    }
  /** Keeps the session alive; answered by `heartbeat` with the same id once the leader has confirmed. */
  | { readonly type: "heartbeat"; readonly id: number };

export type ServerMessage =
  | {
      readonly type: "connected";
      readonly session: SessionId;
      readonly resumed: boolean;
      readonly timeoutMs: number;
      /** How long the client may rely on the session, from its own send time of `connect`. */
      readonly validForMs: number;
      /** The session's reply table: writes up to lastSeq were decided, results are kept after ackedSeq. */
      readonly lastSeq: number;
      readonly ackedSeq: number;
      readonly zxid: Zxid;
      /** A session of a server in read-only mode. */
      readonly readOnly?: boolean;
    }
  /** SESSION_EXPIRED, AUTH_FAILED (wrong password), NO_QUORUM, OVERLOADED … The driver closes after it. */
  | { readonly type: "refused"; readonly code: ErrorCode; readonly detail: string }
  | {
      readonly type: "reply";
      readonly xid: number;
      readonly requestType: RequestType;
      /** Writes: of the txn (its error txn for a refusal). Reads: of the state that was read. */
      readonly zxid: Zxid;
      readonly outcome: Outcome;
      /** The level that the read was served at. */
      readonly level: ReadLevel["type"];
    }
  | { readonly type: "watchEvent"; readonly event: WatchEvent }
  | { readonly type: "stream"; readonly delivery: StreamDelivery }
  /**
   * validForMs counts from the client's send time of the heartbeat. The server sends id 0 by itself to a client
   * that is late, as one whose timers are throttled is: it answers nothing, and the client's next heartbeat is due.
   */
  | { readonly type: "heartbeat"; readonly id: number; readonly validForMs: number; readonly zxid: Zxid }
  /** The server closes soon; connect elsewhere. */
  | { readonly type: "goaway"; readonly reason: string };
