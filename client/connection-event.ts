/**
 * What goes into the client's state machine (`connection.ts`) and what comes out of it. Plain data, so
 * the same machine runs under real sockets (`driver.ts`) and in the simulator.
 */
import type { ErrorCode } from "../src/model/error.ts";
import type { Guard, Outcome, ReadLevel } from "../src/model/request.ts";
import type { StreamDelivery, WatchEvent } from "../src/model/watch.ts";
import type { SessionId, Zxid } from "../src/model/zxid.ts";
import type { ClientWireMessage, ServerWireMessage, WireRequest } from "../src/wire/client-codec.ts";

/** A request as it travels: credentials in the clear (`addAuth`), everything else as in the model. */
export type ClientRequest = WireRequest;

/** Which one-shot watch: of a node's data, of its coming into being, or of its children. */
export type WatchKind = "data" | "exist" | "child";

export interface CallSpec {
  /** Unique in the life of the client, above 0. */
  readonly call: number;
  readonly request: ClientRequest;
  readonly level: ReadLevel;
  readonly guards: readonly Guard[];
  /** ms from now until the call ends in TIMEOUT. */
  readonly timeoutMs: number;
}

export interface StreamSpec {
  readonly path: string;
  readonly recursive: boolean;
  readonly withData: boolean;
  /** Changes after this; undefined: a snapshot first. */
  readonly fromZxid: Zxid | undefined;
  /** When history no longer reaches back: end with COMPACTED, or begin again with a snapshot. */
  readonly onCompacted: "error" | "snapshot";
}

/** Events of a transport carry its number; those of an older transport are ignored. */
export type ConnectionEvent =
  | { readonly type: "start" }
  /** The time of `wakeAtMs` has come. */
  | { readonly type: "tick" }
  | { readonly type: "transportOpened"; readonly transport: number }
  | { readonly type: "transportMessages"; readonly transport: number; readonly messages: readonly ServerWireMessage[] }
  | { readonly type: "transportClosed"; readonly transport: number; readonly reason: string }
  | { readonly type: "call"; readonly call: CallSpec }
  | { readonly type: "abort"; readonly call: number }
  | { readonly type: "subscribe"; readonly subscription: number; readonly spec: StreamSpec }
  | { readonly type: "unsubscribe"; readonly subscription: number }
  /** The consumer is behind: stop the deliveries, to go on later where they stopped. */
  | { readonly type: "pauseStream"; readonly subscription: number }
  | { readonly type: "resumeStream"; readonly subscription: number }
  /** Nobody waits for this watch any more; it is not armed again after a reconnect. */
  | { readonly type: "forgetWatch"; readonly kind: WatchKind; readonly path: string }
  /** keepSession: its ephemerals stay, until another process resumes it or it expires. */
  | { readonly type: "close"; readonly keepSession: boolean };

/**
 * What a user of the session may believe. `suspended`: no connection, yet the session (its ephemerals,
 * its locks) is safe until `validUntilMs` on the client's monotonic clock. `lost`: it ended, or that
 * deadline passed: assume that its ephemerals are gone.
 */
export type ClientState =
  | { readonly type: "connecting" }
  | { readonly type: "connected"; readonly session: SessionId }
  | { readonly type: "suspended"; readonly session: SessionId; readonly validUntilMs: number }
  | { readonly type: "lost"; readonly session: SessionId }
  | { readonly type: "closed" };

/** What the user is told, in this order: a watch event stands before the reply that shows the change. */
export type Notice =
  | { readonly type: "state"; readonly state: ClientState }
  /** The server's answer, success or refusal. */
  | {
      readonly type: "replied";
      readonly call: number;
      readonly zxid: Zxid;
      readonly level: ReadLevel["type"];
      readonly outcome: Outcome;
    }
  /** Ended here. `unknown`: a write that may or may not have been, or may yet be, applied. */
  | {
      readonly type: "failed";
      readonly call: number;
      readonly code: ErrorCode;
      readonly outcome: "failed" | "unknown";
      readonly detail: string;
    }
  | { readonly type: "watchEvent"; readonly event: WatchEvent; readonly kinds: readonly WatchKind[] }
  /** One-shot watches that ended without an event, with their session. */
  | { readonly type: "watchesLost"; readonly code: ErrorCode; readonly detail: string }
  | { readonly type: "streamDelivery"; readonly subscription: number; readonly delivery: StreamDelivery }
  /** The snapshot under way starts again: forget its parts. */
  | { readonly type: "streamReset"; readonly subscription: number }
  | { readonly type: "streamEnded"; readonly subscription: number; readonly code: ErrorCode; readonly detail: string };

export type Command =
  | { readonly type: "connect"; readonly transport: number; readonly host: number }
  | { readonly type: "send"; readonly transport: number; readonly messages: readonly ClientWireMessage[] }
  | { readonly type: "closeTransport"; readonly transport: number };

export interface ClientEffects {
  /** For the network, in order. */
  readonly commands: readonly Command[];
  /** For the user, in order. */
  readonly notices: readonly Notice[];
  /** When a tick is due, on the clock of the events; undefined: never. */
  readonly wakeAtMs: number | undefined;
}

export interface ConnectionOptions {
  /** How many servers there are; they are named 0 … hosts − 1. */
  readonly hosts: number;
  /** Session timeout asked for, ms; the server may answer with another. */
  readonly timeoutMs: number;
  /** Name and version for the server's log. */
  readonly clientVersion: string;
  /** A session of an earlier process, to go on with. */
  readonly session: { readonly id: SessionId; readonly password: Uint8Array } | undefined;
  /** After a session is lost, open another for later calls. */
  readonly reopen: boolean;
  /** Requests in flight. Must not exceed the server's reply table. */
  readonly outstandingMax: number;
  /** Calls waiting here beyond those in flight; more end in OVERLOADED. */
  readonly queuedMax: number;
  /** ms for one server to accept us. */
  readonly connectTimeoutMs: number;
  readonly backoffMinMs: number;
  readonly backoffMaxMs: number;
  /** How long `close` waits for the server to end the session. */
  readonly closeWaitMs: number;
  /** In [0, 1). The simulator passes its own. */
  readonly random: () => number;
}

export const defaultConnectionOptions: Omit<ConnectionOptions, "hosts" | "random"> = {
  timeoutMs: 10_000,
  clientVersion: "zabra-js/0.1",
  session: undefined,
  reopen: true,
  outstandingMax: 500,
  queuedMax: 10_000,
  connectTimeoutMs: 5_000,
  backoffMinMs: 50,
  backoffMaxMs: 5_000,
  closeWaitMs: 2_000,
};
