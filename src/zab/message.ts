/**
 * Everything that servers say to each other. Names are ZAB's and ZooKeeper's. Links are FIFO; a
 * reconnect is a new link, and messages of an older link are dropped by the driver's link number.
 */
import type { ErrorCode } from "../model/error.ts";
import type { Write } from "../model/request.ts";
import type { ConnectionId, Epoch, ServerId, SessionId, Zxid } from "../model/zxid.ts";

/** One transaction in the log and on the links: the payload is an encoded Txn, the same bytes everywhere. */
export interface LogEntry {
  readonly zxid: Zxid;
  readonly payload: Uint8Array;
}

export type Foundation = "empty" | "founding" | "founded";
export type RoleName = "looking" | "following" | "leading" | "observing";

/** First on every link. */
export interface HelloMessage {
  readonly type: "hello";
  /** Empty before founding. */
  readonly clusterId: string;
  readonly foundation: Foundation;
  readonly voters: readonly ServerId[];
  readonly observers: readonly ServerId[];
  /** Random, one a process: tells a restarted peer. */
  readonly boot: number;
  /** Of its log, durable. Looked at before founding alone: only a recovered directory has one then. */
  readonly lastZxid: Zxid;
}
export interface FoundMessage {
  readonly type: "found";
  readonly clusterId: string;
  readonly voters: readonly ServerId[];
  /** Nobody whose log ends before this may ever lead. */
  readonly floorZxid: Zxid;
}
export interface FoundAckMessage {
  readonly type: "foundAck";
  readonly clusterId: string;
}
export interface FoundedMessage {
  readonly type: "founded";
  readonly clusterId: string;
}

export interface VoteMessage {
  readonly type: "vote";
  readonly state: RoleName;
  /** Election round; volatile. */
  readonly round: number;
  /** The vote: the proposed leader with its currentEpoch and last durable zxid. Of a server that is not looking: whom it follows, in which epoch. */
  readonly leader: ServerId;
  readonly epoch: Epoch;
  readonly zxid: Zxid;
  /** False while the sender's promise to a leader runs, or it has no vote: then it only asks. */
  readonly counts: boolean;
}
export interface FollowerInfoMessage {
  readonly type: "followerInfo";
  readonly acceptedEpoch: Epoch;
  readonly observer: boolean;
  /** True until an established leader has made this wiped server a member again: it counts nowhere. */
  readonly rejoining: boolean;
}
export interface LeaderInfoMessage {
  readonly type: "leaderInfo";
  readonly epoch: Epoch;
}
export interface AckEpochMessage {
  readonly type: "ackEpoch";
  readonly epoch: Epoch;
  readonly currentEpoch: Epoch;
  readonly lastZxid: Zxid;
  /** Last zxid of each epoch in the sender's retained log, newest first, then the zxid before its first entry: finds the common prefix. */
  readonly tails: readonly Zxid[];
  /** False while a promise to another leader runs. */
  readonly counts: boolean;
  /** The sender's tree is at this zxid: never truncated below. */
  readonly appliedZxid: Zxid;
}
/** How synchronisation starts; log entries follow as `proposal`, then `newLeader`. */
export interface DiffMessage {
  readonly type: "diff";
  readonly epoch: Epoch;
  readonly zxid: Zxid;
}
export interface TruncMessage {
  readonly type: "trunc";
  readonly epoch: Epoch;
  readonly zxid: Zxid;
}
export interface SnapMessage {
  readonly type: "snap";
  readonly epoch: Epoch;
  readonly zxid: Zxid;
}
/** A part of the store image: pairs in key order, with a checksum over all. */
export interface SnapChunkMessage {
  readonly type: "snapChunk";
  readonly epoch: Epoch;
  readonly index: number;
  readonly pairs: readonly (readonly [key: Uint8Array, value: Uint8Array])[];
  readonly crc: number;
  readonly done: boolean;
}
export interface SnapChunkAckMessage {
  readonly type: "snapChunkAck";
  readonly epoch: Epoch;
  readonly index: number;
}
/** Entries that directly follow `prev`. Also the carrier of a sync stream. */
export interface ProposalMessage {
  readonly type: "proposal";
  readonly epoch: Epoch;
  readonly prev: Zxid;
  readonly entries: readonly LogEntry[];
}
export interface NewLeaderMessage {
  readonly type: "newLeader";
  readonly epoch: Epoch;
  /** The last entry sent before it. */
  readonly zxid: Zxid;
  /** True when the leader has shown, since this learner's FOLLOWERINFO, that it leads: a rejoining learner becomes a member. */
  readonly member: boolean;
}
/** Cumulative: everything up to `zxid` is durable at the sender. */
export interface AckMessage {
  readonly type: "ack";
  readonly epoch: Epoch;
  readonly zxid: Zxid;
  readonly newLeader: boolean;
}
export interface UpToDateMessage {
  readonly type: "upToDate";
  readonly epoch: Epoch;
  readonly committed: Zxid;
}
export interface CommitMessage {
  readonly type: "commit";
  readonly epoch: Epoch;
  readonly zxid: Zxid;
}
export interface HeartbeatMessage {
  readonly type: "heartbeat";
  readonly epoch: Epoch;
  /** Rises by one a heartbeat; a read-index round is a heartbeat sent after the read came. */
  readonly id: number;
}
export interface HeartbeatAckMessage {
  readonly type: "heartbeatAck";
  readonly epoch: Epoch;
  readonly id: number;
  /** Tree digest at `applied`; zero when the sender remembers none (it has just started). */
  readonly applied: Zxid;
  readonly digestHigh: number;
  readonly digestLow: number;
}
/** Asks for the digest at a zxid, when two servers differ there. */
export interface DigestQueryMessage {
  readonly type: "digestQuery";
  readonly zxid: Zxid;
}
export interface DigestReplyMessage {
  readonly type: "digestReply";
  readonly zxid: Zxid;
  readonly known: boolean;
  readonly digestHigh: number;
  readonly digestLow: number;
}
/** The receiver's tree differs from a quorum's: stop serving; `resync`: throw it away and synchronise anew. */
export interface FenceMessage {
  readonly type: "fence";
  readonly zxid: Zxid;
  readonly resync: boolean;
}

/** A client's write on its way to the leader. */
export interface ForwardedWrite {
  readonly connection: ConnectionId;
  /** The connection generation of the session, 0 for createSession; an older one is dropped. */
  readonly generation: number;
  readonly write: Write;
}
export interface ForwardMessage {
  readonly type: "forward";
  readonly writes: readonly ForwardedWrite[];
}
/** A forwarded write that consumed no zxid: OUT_OF_ORDER, OVERLOADED … `number` is its seq or origin counter. */
export interface RefusalMessage {
  readonly type: "refusal";
  readonly connection: ConnectionId;
  readonly number: number;
  readonly code: ErrorCode;
  readonly detail: string;
}
/** Asks the leader for a read index (`read`) and reports sessions heard from. One a turn. */
export interface ConfirmMessage {
  readonly type: "confirm";
  readonly id: number;
  readonly read: boolean;
  readonly touched: readonly SessionId[];
}
/** Sent inside the lease, or after a quorum round begun after receipt. `zxid`: apply up to here before answering. `ended`: sessions of `touched` that are closed or closing. */
export interface ConfirmedMessage {
  readonly type: "confirmed";
  readonly id: number;
  readonly zxid: Zxid;
  readonly ended: readonly SessionId[];
}
export interface ResumeMessage {
  readonly type: "resume";
  readonly connection: ConnectionId;
  readonly session: SessionId;
  readonly passwordHash: Uint8Array;
  readonly timeoutMs: number;
  /** The new generation must outlive the leader: asked for where writes have no numbers of the client's, which alone would tell an old connection's late ones. */
  readonly logged: boolean;
  /** The highest zxid that the client has seen: beyond what the leader has committed, it belongs to no history of ours. */
  readonly lastZxid: Zxid;
}
export interface ResumedMessage {
  readonly type: "resumed";
  readonly connection: ConnectionId;
  readonly code: ErrorCode;
  readonly generation: number;
  /** Apply up to here before answering the client. */
  readonly zxid: Zxid;
  readonly timeoutMs: number;
}
/** The sessions whose connections this server holds, told again to each new leader. */
export interface RegisterMessage {
  readonly type: "register";
  readonly sessions: readonly { readonly session: SessionId; readonly connection: ConnectionId; readonly generation: number }[];
}
/** The session's connection is now elsewhere: close this one. */
export interface MovedMessage {
  readonly type: "moved";
  readonly session: SessionId;
  readonly connection: ConnectionId;
}

export type ZabMessage =
  | HelloMessage
  | FoundMessage
  | FoundAckMessage
  | FoundedMessage
  | VoteMessage
  | FollowerInfoMessage
  | LeaderInfoMessage
  | AckEpochMessage
  | DiffMessage
  | TruncMessage
  | SnapMessage
  | SnapChunkMessage
  | SnapChunkAckMessage
  | ProposalMessage
  | NewLeaderMessage
  | AckMessage
  | UpToDateMessage
  | CommitMessage
  | HeartbeatMessage
  | HeartbeatAckMessage
  | DigestQueryMessage
  | DigestReplyMessage
  | FenceMessage;

export type RequestMessage =
  | ForwardMessage
  | RefusalMessage
  | ConfirmMessage
  | ConfirmedMessage
  | ResumeMessage
  | ResumedMessage
  | RegisterMessage
  | MovedMessage;

export type PeerMessage = ZabMessage | RequestMessage;
