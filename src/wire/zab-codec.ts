/** ZAB's messages outside broadcast: founding, election, discovery, synchronisation, digests. */
import { assertNever } from "../model/assert.ts";
import { type Epoch, epochMax, type ServerId, type Zxid, zeroEpoch } from "../model/zxid.ts";
import type {
  AckEpochMessage,
  DiffMessage,
  DigestReplyMessage,
  FenceMessage,
  FollowerInfoMessage,
  Foundation,
  FoundMessage,
  HelloMessage,
  NewLeaderMessage,
  RoleName,
  SnapChunkAckMessage,
  SnapChunkMessage,
  SnapMessage,
  TruncMessage,
  UpToDateMessage,
  VoteMessage,
  ZabMessage,
} from "../zab/message.ts";
import { noBytes, noZxid, pick, readZxid } from "./common-codec.ts";
import { ProtocolError, type Reader, type Writer } from "./cursor.ts";

/** Everything but proposal, ack, commit and heartbeats. */
export type SlowZabMessage = Exclude<ZabMessage, { readonly type: "proposal" | "ack" | "commit" | "heartbeat" | "heartbeatAck" }>;

export function encodeZab(w: Writer, message: SlowZabMessage): void {
  switch (message.type) {
    case "vote":
      return encodeVote(w, message);
    case "upToDate":
      return encodeEpochAndZxid(w, 82, message.epoch, message.committed);
    case "newLeader":
      return encodeNewLeader(w, message);
    case "hello":
      return encodeHello(w, message);
    case "found":
      return encodeFound(w, message);
    case "foundAck":
      return encodeClusterId(w, 154, message.clusterId);
    case "founded":
      return encodeClusterId(w, 162, message.clusterId);
    case "followerInfo":
      return encodeFollowerInfo(w, message);
    case "leaderInfo":
      return encodeEpochAndZxid(w, 178, message.epoch, noZxid);
    case "ackEpoch":
      return encodeAckEpoch(w, message);
    case "diff":
      return encodeEpochAndZxid(w, 194, message.epoch, message.zxid);
    case "trunc":
      return encodeEpochAndZxid(w, 202, message.epoch, message.zxid);
    case "snap":
      return encodeEpochAndZxid(w, 210, message.epoch, message.zxid);
    case "snapChunk":
      return encodeSnapChunk(w, message);
    case "snapChunkAck":
      return encodeSnapChunkAck(w, message);
    case "digestQuery":
      return encodeDigestQuery(w, message.zxid);
    case "digestReply":
      return encodeDigestReply(w, message);
    case "fence":
      return encodeFence(w, message);
    default:
      return assertNever(message);
  }
}

/** Undefined, and nothing read, when the tag is none of these messages'. */
export function decodeZab(r: Reader, tag: number): SlowZabMessage | undefined {
  switch (tag) {
    case 74:
      return decodeVote(r);
    case 82:
      return decodeUpToDate(r);
    case 90:
      return decodeNewLeader(r);
    case 138:
      return decodeHello(r);
    case 146:
      return decodeFound(r);
    case 154:
      return { type: "foundAck", clusterId: decodeClusterId(r) };
    case 162:
      return { type: "founded", clusterId: decodeClusterId(r) };
    case 170:
      return decodeFollowerInfo(r);
    case 178:
      return { type: "leaderInfo", epoch: decodeEpochAndZxid(r).epoch };
    case 186:
      return decodeAckEpoch(r);
    case 194:
      return decodeSyncStart(r, "diff");
    case 202:
      return decodeSyncStart(r, "trunc");
    case 210:
      return decodeSyncStart(r, "snap");
    case 218:
      return decodeSnapChunk(r);
    case 226:
      return decodeSnapChunkAck(r);
    case 234:
      return { type: "digestQuery", zxid: decodeDigestQuery(r) };
    case 242:
      return decodeDigestReply(r);
    case 250:
      return decodeFence(r);
    default:
      return undefined;
  }
}

export function readEpoch(r: Reader): Epoch {
  const epoch = r.uint();
  if (epoch > epochMax) throw new ProtocolError("an epoch out of range");
  return epoch as Epoch;
}

// ---- messages of an epoch and a zxid

function encodeEpochAndZxid(w: Writer, tag: number, epoch: Epoch, zxid: Zxid): void {
  const mark = w.open(tag);
  w.uint(8, epoch);
  w.uint(16, zxid);
  w.close(mark);
}

function decodeEpochAndZxid(r: Reader): { epoch: Epoch; zxid: Zxid } {
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
  return { epoch, zxid };
}

function decodeUpToDate(r: Reader): UpToDateMessage {
  const { epoch, zxid } = decodeEpochAndZxid(r);
  return { type: "upToDate", epoch, committed: zxid };
}

function decodeSyncStart(r: Reader, type: "diff" | "trunc" | "snap"): DiffMessage | TruncMessage | SnapMessage {
  const { epoch, zxid } = decodeEpochAndZxid(r);
  return { type, epoch, zxid };
}

// ---- founding

const foundations: readonly Foundation[] = ["empty", "founding", "founded"];

function encodeHello(w: Writer, message: HelloMessage): void {
  const mark = w.open(138);
  w.string(10, message.clusterId);
  w.uint(16, foundations.indexOf(message.foundation));
  w.packed(26, message.voters);
  w.packed(34, message.observers);
  w.uint(40, message.boot);
  w.uint(48, message.lastZxid);
  w.close(mark);
}

function decodeHello(r: Reader): HelloMessage {
  const mark = r.enter();
  let clusterId = "";
  let foundation: Foundation = "empty";
  const voters: ServerId[] = [];
  const observers: ServerId[] = [];
  let boot = 0;
  let lastZxid = noZxid;
  while (r.more()) {
    const tag = r.tag();
    switch (tag) {
      case 10:
        clusterId = r.string();
        break;
      case 16:
        foundation = pick(foundations, r);
        break;
      case 24:
        voters.push(r.uint());
        break;
      case 26:
        r.packed(voters);
        break;
      case 32:
        observers.push(r.uint());
        break;
      case 34:
        r.packed(observers);
        break;
      case 40:
        boot = r.uint();
        break;
      case 48:
        lastZxid = readZxid(r);
        break;
      default:
        r.skip(tag);
    }
  }
  r.leave(mark);
  return { type: "hello", clusterId, foundation, voters, observers, boot, lastZxid };
}

function encodeFound(w: Writer, message: FoundMessage): void {
  const mark = w.open(146);
  w.string(10, message.clusterId);
  w.packed(18, message.voters);
  w.uint(24, message.floorZxid);
  w.close(mark);
}

function decodeFound(r: Reader): FoundMessage {
  const mark = r.enter();
  let clusterId = "";
  const voters: ServerId[] = [];
  let floorZxid = noZxid;
  while (r.more()) {
    const tag = r.tag();
    switch (tag) {
      case 10:
        clusterId = r.string();
        break;
      case 16:
        voters.push(r.uint());
        break;
      case 18:
        r.packed(voters);
        break;
      case 24:
        floorZxid = readZxid(r);
        break;
      default:
        r.skip(tag);
    }
  }
  r.leave(mark);
  return { type: "found", clusterId, voters, floorZxid };
}

function encodeClusterId(w: Writer, tag: number, clusterId: string): void {
  const mark = w.open(tag);
  w.string(10, clusterId);
  w.close(mark);
}

function decodeClusterId(r: Reader): string {
  const mark = r.enter();
  let clusterId = "";
  while (r.more()) {
    const tag = r.tag();
    if (tag === 10) clusterId = r.string();
    else r.skip(tag);
  }
  r.leave(mark);
  return clusterId;
}

// ---- election and discovery

const roles: readonly RoleName[] = ["looking", "following", "leading", "observing"];

function encodeVote(w: Writer, message: VoteMessage): void {
  const mark = w.open(74);
  w.uint(8, roles.indexOf(message.state));
  w.uint(16, message.round);
  w.uint(24, message.leader);
  w.uint(32, message.epoch);
  w.uint(40, message.zxid);
  w.bool(48, message.counts);
  w.close(mark);
}

function decodeVote(r: Reader): VoteMessage {
  const mark = r.enter();
  let state: RoleName = "looking";
  let round = 0;
  let leader = 0;
  let epoch = zeroEpoch;
  let zxid = noZxid;
  let counts = false;
  while (r.more()) {
    const tag = r.tag();
    switch (tag) {
      case 8:
        state = pick(roles, r);
        break;
      case 16:
        round = r.uint();
        break;
      case 24:
        leader = r.uint();
        break;
      case 32:
        epoch = readEpoch(r);
        break;
      case 40:
        zxid = readZxid(r);
        break;
      case 48:
        counts = r.bool();
        break;
      default:
        r.skip(tag);
    }
  }
  r.leave(mark);
  return { type: "vote", state, round, leader, epoch, zxid, counts };
}

function encodeFollowerInfo(w: Writer, message: FollowerInfoMessage): void {
  const mark = w.open(170);
  w.uint(8, message.acceptedEpoch);
  w.bool(16, message.observer);
  w.bool(24, message.rejoining);
  w.close(mark);
}

function decodeFollowerInfo(r: Reader): FollowerInfoMessage {
  const mark = r.enter();
  let acceptedEpoch = zeroEpoch;
  let observer = false;
  let rejoining = false;
  while (r.more()) {
    const tag = r.tag();
    switch (tag) {
      case 8:
        acceptedEpoch = readEpoch(r);
        break;
      case 16:
        observer = r.bool();
        break;
      case 24:
        rejoining = r.bool();
        break;
      default:
        r.skip(tag);
    }
  }
  r.leave(mark);
  return { type: "followerInfo", acceptedEpoch, observer, rejoining };
}

function encodeAckEpoch(w: Writer, message: AckEpochMessage): void {
  const mark = w.open(186);
  w.uint(8, message.epoch);
  w.uint(16, message.currentEpoch);
  w.uint(24, message.lastZxid);
  w.packed(34, message.tails);
  w.bool(40, message.counts);
  w.uint(48, message.appliedZxid);
  w.close(mark);
}

function decodeAckEpoch(r: Reader): AckEpochMessage {
  const mark = r.enter();
  let epoch = zeroEpoch;
  let currentEpoch = zeroEpoch;
  let lastZxid = noZxid;
  const tails: Zxid[] = [];
  let counts = false;
  let appliedZxid = noZxid;
  while (r.more()) {
    const tag = r.tag();
    switch (tag) {
      case 8:
        epoch = readEpoch(r);
        break;
      case 16:
        currentEpoch = readEpoch(r);
        break;
      case 24:
        lastZxid = readZxid(r);
        break;
      case 32:
        tails.push(readZxid(r));
        break;
      case 34:
        r.packed(tails as number[]);
        break;
      case 40:
        counts = r.bool();
        break;
      case 48:
        appliedZxid = readZxid(r);
        break;
      default:
        r.skip(tag);
    }
  }
  r.leave(mark);
  return { type: "ackEpoch", epoch, currentEpoch, lastZxid, tails, counts, appliedZxid };
}

// ---- synchronisation

function encodeNewLeader(w: Writer, message: NewLeaderMessage): void {
  const mark = w.open(90);
  w.uint(8, message.epoch);
  w.uint(16, message.zxid);
  w.bool(24, message.member);
  w.close(mark);
}

function decodeNewLeader(r: Reader): NewLeaderMessage {
  const mark = r.enter();
  let epoch = zeroEpoch;
  let zxid = noZxid;
  let member = false;
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
        member = r.bool();
        break;
      default:
        r.skip(tag);
    }
  }
  r.leave(mark);
  return { type: "newLeader", epoch, zxid, member };
}

type Pair = SnapChunkMessage["pairs"][number];

function encodeSnapChunk(w: Writer, message: SnapChunkMessage): void {
  const mark = w.open(218, 32_768);
  w.uint(8, message.epoch);
  w.uint(16, message.index);
  for (const [key, value] of message.pairs) {
    const pair = w.open(26, key.length + value.length + 5);
    w.bytes(10, key);
    w.bytes(18, value);
    w.close(pair);
  }
  w.sint64(32, message.crc);
  w.bool(40, message.done);
  w.close(mark);
}

function decodeSnapChunk(r: Reader): SnapChunkMessage {
  const mark = r.enter();
  let epoch = zeroEpoch;
  let index = 0;
  const pairs: Pair[] = [];
  let crc = 0;
  let done = false;
  while (r.more()) {
    const tag = r.tag();
    switch (tag) {
      case 8:
        epoch = readEpoch(r);
        break;
      case 16:
        index = r.uint();
        break;
      case 26:
        pairs.push(decodePair(r));
        break;
      case 32:
        crc = r.sint64();
        break;
      case 40:
        done = r.bool();
        break;
      default:
        r.skip(tag);
    }
  }
  r.leave(mark);
  return { type: "snapChunk", epoch, index, pairs, crc, done };
}

function decodePair(r: Reader): Pair {
  const mark = r.enter();
  let key = noBytes;
  let value = noBytes;
  while (r.more()) {
    const tag = r.tag();
    if (tag === 10) key = r.bytes();
    else if (tag === 18) value = r.bytes();
    else r.skip(tag);
  }
  r.leave(mark);
  return [key, value];
}

function encodeSnapChunkAck(w: Writer, message: SnapChunkAckMessage): void {
  const mark = w.open(226);
  w.uint(8, message.epoch);
  w.uint(16, message.index);
  w.close(mark);
}

function decodeSnapChunkAck(r: Reader): SnapChunkAckMessage {
  const mark = r.enter();
  let epoch = zeroEpoch;
  let index = 0;
  while (r.more()) {
    const tag = r.tag();
    if (tag === 8) epoch = readEpoch(r);
    else if (tag === 16) index = r.uint();
    else r.skip(tag);
  }
  r.leave(mark);
  return { type: "snapChunkAck", epoch, index };
}

// ---- digests

function encodeDigestQuery(w: Writer, zxid: Zxid): void {
  const mark = w.open(234);
  w.uint(8, zxid);
  w.close(mark);
}

function decodeDigestQuery(r: Reader): Zxid {
  const mark = r.enter();
  let zxid = noZxid;
  while (r.more()) {
    const tag = r.tag();
    if (tag === 8) zxid = readZxid(r);
    else r.skip(tag);
  }
  r.leave(mark);
  return zxid;
}

function encodeDigestReply(w: Writer, message: DigestReplyMessage): void {
  const mark = w.open(242);
  w.uint(8, message.zxid);
  w.bool(16, message.known);
  w.sint64(24, message.digestHigh);
  w.sint64(32, message.digestLow);
  w.close(mark);
}

function decodeDigestReply(r: Reader): DigestReplyMessage {
  const mark = r.enter();
  let zxid = noZxid;
  let known = false;
  let digestHigh = 0;
  let digestLow = 0;
  while (r.more()) {
    const tag = r.tag();
    switch (tag) {
      case 8:
        zxid = readZxid(r);
        break;
      case 16:
        known = r.bool();
        break;
      case 24:
        digestHigh = r.sint64();
        break;
      case 32:
        digestLow = r.sint64();
        break;
      default:
        r.skip(tag);
    }
  }
  r.leave(mark);
  return { type: "digestReply", zxid, known, digestHigh, digestLow };
}

function encodeFence(w: Writer, message: FenceMessage): void {
  const mark = w.open(250);
  w.uint(8, message.zxid);
  w.bool(16, message.resync);
  w.close(mark);
}

function decodeFence(r: Reader): FenceMessage {
  const mark = r.enter();
  let zxid = noZxid;
  let resync = false;
  while (r.more()) {
    const tag = r.tag();
    if (tag === 8) zxid = readZxid(r);
    else if (tag === 16) resync = r.bool();
    else r.skip(tag);
  }
  r.leave(mark);
  return { type: "fence", zxid, resync };
}
