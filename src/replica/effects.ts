/** All that a server asks of its driver in a turn, performed in the order of the fields and, within one, in the order given. Disk and store operations were submitted already. */
import type { ServerMessage } from "../model/client-message.ts";
import type { ConnectionId, ServerId } from "../model/zxid.ts";
import type { PeerMessage } from "../zab/message.ts";

export interface PeerSend {
  readonly peer: ServerId;
  readonly link: number;
  /** The same object may be sent to several peers: encode it once. */
  readonly message: PeerMessage;
}
export interface ClientSend {
  readonly connection: ConnectionId;
  readonly message: ServerMessage;
}
export interface LogLine {
  readonly level: "debug" | "info" | "warn" | "error";
  readonly message: string;
  readonly fields: Readonly<Record<string, string | number | boolean>>;
}
/** Ends the process: 70 storage or invariant failure, 78 bad configuration. */
export interface Halt {
  readonly exitCode: 70 | 78;
  readonly reason: string;
}

export interface Effects {
  readonly peerSends: readonly PeerSend[];
  /** Drop the link and dial again. */
  readonly peerCloses: readonly { readonly peer: ServerId; readonly link: number; readonly reason: string }[];
  readonly clientSends: readonly ClientSend[];
  /** After its sends have been flushed. */
  readonly clientCloses: readonly { readonly connection: ConnectionId; readonly reason: string }[];
  readonly logLines: readonly LogLine[];
  readonly halt: Halt | undefined;
  /** Another turn is wanted at once, though nothing happens (more to apply, more to stream). */
  readonly again: boolean;
}
