/** All that can happen to a server. The driver gathers events in an inbox and hands them over a turn at a time. */
import type { AuthId } from "../model/acl.ts";
import type { ClientMessage } from "../model/client-message.ts";
import type { ConnectionId, ServerId } from "../model/zxid.ts";
import type { PeerMessage } from "../zab/message.ts";

/** Sampled after the inbox of the turn was closed, so no event of the turn is younger. */
export interface Now {
  readonly monotonicMs: number;
  /** For ctime and mtime alone. */
  readonly wallMs: number;
  /** Like monotonic, but runs on while the machine is suspended. */
  readonly bootMs: number;
}

export type Protocol = "native" | "zookeeper";

export type Event =
  /** `link` rises with each connection to this peer; messages of older links must not be delivered after it. */
  | { readonly type: "peerConnected"; readonly peer: ServerId; readonly link: number }
  | { readonly type: "peerMessage"; readonly peer: ServerId; readonly link: number; readonly message: PeerMessage }
  | { readonly type: "peerLost"; readonly peer: ServerId; readonly link: number }
  | { readonly type: "diskDone"; readonly token: number }
  | { readonly type: "diskFailed"; readonly reason: string }
  | { readonly type: "storeCommitted"; readonly token: number }
  | { readonly type: "storeSynced"; readonly token: number }
  | { readonly type: "storeFailed"; readonly reason: string }
  /** `identities`: those every connection has (world, ip). */
  | {
      readonly type: "clientConnected";
      readonly connection: ConnectionId;
      readonly protocol: Protocol;
      readonly identities: readonly AuthId[];
    }
  | { readonly type: "clientMessage"; readonly connection: ConnectionId; readonly message: ClientMessage }
  | { readonly type: "clientClosed"; readonly connection: ConnectionId }
  /** The connection's output buffer has room again (true) or has not (false): streams pause. */
  | { readonly type: "clientWritable"; readonly connection: ConnectionId; readonly writable: boolean };
