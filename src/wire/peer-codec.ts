/**
 * Messages between servers (proto/peer.proto): a PeerMessage is one field, whose number names the
 * message; the frequent ones have numbers below 16. `encodePeer` gives the body of a frame, without
 * its length. Broadcast here; election, discovery and synchronisation in zab-codec.ts; messages about
 * clients in forward-codec.ts.
 *
 * Bytes in decoded messages are views of the frame: log entries' payloads keep it alive.
 */
import type { Zxid } from "../model/zxid.ts";
import { zeroEpoch } from "../model/zxid.ts";
import type {
  AckMessage,
  CommitMessage,
  HeartbeatAckMessage,
  HeartbeatMessage,
  LogEntry,
  PeerMessage,
  ProposalMessage,
} from "../zab/message.ts";
import { noBytes, noZxid, readZxid } from "./common-codec.ts";
import { ProtocolError, Reader, Writer } from "./cursor.ts";
import { decodeRequestMessage, encodeRequestMessage } from "./forward-codec.ts";
import { decodeZab, encodeZab, readEpoch } from "./zab-codec.ts";

const shared = new Writer(65_536);

/** The bytes are never written again; they may be sent to several peers. */
export function encodePeer(message: PeerMessage): Uint8Array {
  if (message.type === "proposal") return encodeProposalFrame(message);
  shared.reset();
  encodeMessage(shared, message);
  return shared.finish();
}

function encodeMessage(w: Writer, message: Exclude<PeerMessage, ProposalMessage>): void {
  switch (message.type) {
    case "ack":
      return encodeAck(w, message);
    case "commit":
      return encodeCommit(w, message);
    case "heartbeat":
      return encodeHeartbeat(w, message);
    case "heartbeatAck":
      return encodeHeartbeatAck(w, message);
    case "forward":
    case "confirm":
    case "confirmed":
    case "refusal":
    case "resume":
    case "resumed":
    case "register":
    case "moved":
      return encodeRequestMessage(w, message);
    default:
      return encodeZab(w, message);
  }
}

export function decodePeer(bytes: Uint8Array): PeerMessage {
  const r = new Reader(bytes);
  let message: PeerMessage | undefined;
  while (r.more()) {
    const tag = r.tag();
    const decoded = decodeMessage(r, tag);
    if (decoded === undefined) r.skip(tag);
    else message = decoded;
  }
  if (message === undefined) throw new ProtocolError("unknown peer message");
  return message;
}

function decodeMessage(r: Reader, tag: number): PeerMessage | undefined {
  switch (tag) {
    case 10:
      return decodeProposal(r);
    case 18:
      return decodeAck(r);
    case 26:
      return decodeCommit(r);
    case 42:
      return decodeHeartbeat(r);
    case 50:
      return decodeHeartbeatAck(r);
    default:
      return decodeRequestMessage(r, tag) ?? decodeZab(r, tag);
  }
}

// ---- proposal

/** A proposal of megabytes is written once, into memory of its own that it just fits. */
function encodeProposalFrame(message: ProposalMessage): Uint8Array {
  let size = 32;
  for (const entry of message.entries) size += entry.payload.length + 24;
  const w = size < 8_192 ? shared : new Writer(size);
  w.reset();
  const mark = w.open(10, size - 32);
  w.uint(8, message.epoch);
  w.uint(16, message.prev);
  for (const entry of message.entries) encodeEntry(w, entry);
  w.close(mark);
  return w.finish();
}

function encodeEntry(w: Writer, entry: LogEntry): void {
  const mark = w.open(26, entry.payload.length + 9);
  w.uint(8, entry.zxid);
  w.bytes(18, entry.payload);
  w.close(mark);
}

function decodeProposal(r: Reader): ProposalMessage {
  const mark = r.enter();
  let epoch = zeroEpoch;
  let prev = noZxid;
  const entries: LogEntry[] = [];
  while (r.more()) {
    const tag = r.tag();
    switch (tag) {
      case 8:
        epoch = readEpoch(r);
        break;
      case 16:
        prev = readZxid(r);
        break;
      case 26:
        entries.push(decodeEntry(r));
        break;
      default:
        r.skip(tag);
    }
  }
  r.leave(mark);
  return { type: "proposal", epoch, prev, entries };
}

function decodeEntry(r: Reader): LogEntry {
  const mark = r.enter();
  let zxid: Zxid = noZxid;
  let payload = noBytes;
  while (r.more()) {
    const tag = r.tag();
    if (tag === 8) zxid = readZxid(r);
    else if (tag === 18) payload = r.bytes();
    else r.skip(tag);
  }
  r.leave(mark);
  return { zxid, payload };
}

// ---- ack, commit, heartbeats

function encodeAck(w: Writer, message: AckMessage): void {
  const mark = w.open(18);
  w.uint(8, message.epoch);
  w.uint(16, message.zxid);
  w.bool(24, message.newLeader);
  w.close(mark);
}

function decodeAck(r: Reader): AckMessage {
  const mark = r.enter();
  let epoch = zeroEpoch;
  let zxid = noZxid;
  let newLeader = false;
  while (r.more()) {
    const tag = r.tag();
    switch (tag) {
      case 8:
        epoch = readEpoch(r);
        break;
      case 16:
        zxid = readZxid(r);
        break;
      case 24:
        newLeader = r.bool();
        break;
      default:
        r.skip(tag);
    }
  }
  r.leave(mark);
  return { type: "ack", epoch, zxid, newLeader };
}

function encodeCommit(w: Writer, message: CommitMessage): void {
  const mark = w.open(26);
  w.uint(8, message.epoch);
  w.uint(16, message.zxid);
  w.close(mark);
}

function decodeCommit(r: Reader): CommitMessage {
  const mark = r.enter();
  let epoch = zeroEpoch;
  let zxid = noZxid;
  while (r.more()) {
    const tag = r.tag();
    if (tag === 8) epoch = readEpoch(r);
    else if (tag === 16) zxid = readZxid(r);
    else r.skip(tag);
  }
  r.leave(mark);
  return { type: "commit", epoch, zxid };
}

function encodeHeartbeat(w: Writer, message: HeartbeatMessage): void {
  const mark = w.open(42);
  w.uint(8, message.epoch);
  w.uint(16, message.id);
  w.close(mark);
}

function decodeHeartbeat(r: Reader): HeartbeatMessage {
  const mark = r.enter();
  let epoch = zeroEpoch;
  let id = 0;
  while (r.more()) {
    const tag = r.tag();
    if (tag === 8) epoch = readEpoch(r);
    else if (tag === 16) id = r.uint();
    else r.skip(tag);
  }
  r.leave(mark);
  return { type: "heartbeat", epoch, id };
}

function encodeHeartbeatAck(w: Writer, message: HeartbeatAckMessage): void {
  const mark = w.open(50);
  w.uint(8, message.epoch);
  w.uint(16, message.id);
  w.uint(24, message.applied);
  w.sint64(32, message.digestHigh);
  w.sint64(40, message.digestLow);
  w.close(mark);
}

function decodeHeartbeatAck(r: Reader): HeartbeatAckMessage {
  const mark = r.enter();
  let epoch = zeroEpoch;
  let id = 0;
  let applied = noZxid;
  let digestHigh = 0;
  let digestLow = 0;
  while (r.more()) {
    const tag = r.tag();
    switch (tag) {
      case 8:
        epoch = readEpoch(r);
        break;
      case 16:
        id = r.uint();
        break;
      case 24:
        applied = readZxid(r);
        break;
      case 32:
        digestHigh = r.sint64();
        break;
      case 40:
        digestLow = r.sint64();
        break;
      default:
        r.skip(tag);
    }
  }
  r.leave(mark);
  return { type: "heartbeatAck", epoch, id, applied, digestHigh, digestLow };
}
