/** fast-check arbitraries for every member of every union that has a wire form. */
import fc from "fast-check";
import type { Acl, AclEntry, AuthId } from "../../src/model/acl.ts";
import { type ErrorCode, errorTable } from "../../src/model/error.ts";
import { operations } from "../../src/model/operation.ts";
import type {
  Condition,
  CreateRequest,
  DeleteRequest,
  Guard,
  ListCursor,
  ListEntry,
  MultiOperation,
  NodeDetails,
  NodeKind,
  Outcome,
  ReadLevel,
  RequestType,
  Result,
  SetDataRequest,
  TxnSource,
  WatcherType,
  Write,
  WriteRequest,
} from "../../src/model/request.ts";
import type { Stat } from "../../src/model/stat.ts";
import type { Change, StreamDelivery, WatchEvent } from "../../src/model/watch.ts";
import { type Epoch, epochMax, type SessionId, type Zxid } from "../../src/model/zxid.ts";
import type { NodeEffect, RemovedNode, Txn, TxnBody } from "../../src/tree/txn.ts";
import type { ClientWireMessage, ServerWireMessage, WireRequest } from "../../src/wire/client-codec.ts";
import type { PeerMessage } from "../../src/zab/message.ts";

/** Unsigned safe integers, with all edges of the varint's two parts. */
export const uint: fc.Arbitrary<number> = fc.oneof(
  fc.constantFrom(
    0,
    1,
    127,
    128,
    16_383,
    16_384,
    2 ** 28 - 1,
    2 ** 28,
    2 ** 31,
    2 ** 32 - 1,
    2 ** 32,
    2 ** 35,
    2 ** 49,
    Number.MAX_SAFE_INTEGER,
  ),
  fc.maxSafeNat(),
  fc.nat(1_000),
);
export const uint32 = fc.oneof(fc.constantFrom(0, 1, 2 ** 31, 2 ** 32 - 1), fc.nat());
export const int32 = fc.oneof(fc.constantFrom(-1, 0, 1, -(2 ** 31), 2 ** 31 - 1), fc.integer());
/** What a sint64 field can hold. */
export const half = fc.oneof(uint32, fc.integer(), fc.integer({ min: -(2 ** 52), max: 2 ** 52 - 1 }));
export const zxid = uint.map((value) => value as Zxid);
export const session = uint.map((value) => value as SessionId);
export const epoch = fc.integer({ min: 0, max: epochMax }).map((value) => value as Epoch);
export const text = fc.oneof(
  fc.string({ maxLength: 40 }),
  fc.string({ unit: "binary", maxLength: 60 }),
  fc.string({ minLength: 100, maxLength: 300 }),
);
export const path = fc.oneof(
  fc.constantFrom("/", "/a", "/locks/n0000000001"),
  text.map((tail) => `/${tail}`),
);
export const bytes = fc.oneof(fc.uint8Array({ maxLength: 20 }), fc.uint8Array({ minLength: 100, maxLength: 300 }));
export const data = fc.option(bytes, { nil: undefined });
export const bool = fc.boolean();
export const code = fc.constantFrom(...(Object.keys(errorTable) as ErrorCode[]));
const list = <T>(element: fc.Arbitrary<T>): fc.Arbitrary<T[]> => fc.array(element, { maxLength: 4 });
const type = <T extends string>(value: T): fc.Arbitrary<T> => fc.constant(value);

export const stat: fc.Arbitrary<Stat> = fc
  .tuple(
    fc.record({
      czxid: zxid,
      mzxid: zxid,
      pzxid: zxid,
      ctimeMs: uint,
      mtimeMs: uint,
      version: int32,
      cversion: int32,
      aversion: int32,
      ephemeralOwner: session,
      dataLength: uint32,
      numChildren: uint32,
    }),
    bool,
  )
  .map(([whole, unchanged]) =>
    unchanged ? { ...whole, mzxid: whole.czxid, pzxid: whole.czxid, mtimeMs: whole.ctimeMs } : whole,
  );

export const authId: fc.Arbitrary<AuthId> = fc.record({ scheme: text, id: text });
export const aclEntry: fc.Arbitrary<AclEntry> = fc.record({ perms: uint32, scheme: text, id: text });
export const acl: fc.Arbitrary<Acl> = list(aclEntry);
export const guard: fc.Arbitrary<Guard> = fc.record({ path, czxid: zxid });
export const kind = fc.constantFrom<NodeKind>("persistent", "ephemeral", "container", "ttl");
export const cursor: fc.Arbitrary<ListCursor> = fc.record({ image: uint, after: path });
const branch = fc.constantFrom("then" as const, "otherwise" as const);

// ---- requests

export const create: fc.Arbitrary<CreateRequest> = fc.record({
  type: type("create"),
  path,
  data,
  kind,
  sequential: bool,
  ttlMs: uint,
  acl,
});
export const remove: fc.Arbitrary<DeleteRequest> = fc.record({ type: type("delete"), path, version: int32 });
export const setData: fc.Arbitrary<SetDataRequest> = fc.record({ type: type("setData"), path, data, version: int32 });
export const multiOperation: fc.Arbitrary<MultiOperation> = fc.oneof(
  create,
  remove,
  setData,
  fc.record({ type: type("check"), path, version: int32 }),
);
export const condition: fc.Arbitrary<Condition> = fc.oneof(
  fc.record({ type: type("version"), path, version: int32 }),
  fc.record({ type: type("absent"), path }),
  fc.record({ type: type("present"), path }),
  fc.record({ type: type("czxid"), path, czxid: zxid }),
  fc.record({ type: type("value"), path, data: bytes }),
);

const clientWrites = [
  create,
  remove,
  setData,
  fc.record({ type: type("setAcl"), path, acl, version: int32 }),
  fc.record({
    type: type("multi"),
    conditions: list(condition),
    then: list(multiOperation),
    otherwise: fc.option(list(multiOperation), { nil: undefined }),
  }),
  fc.record({ type: type("deleteRecursive"), path }),
  fc.record({ type: type("closeSession") }),
  fc.record({ type: type("skip") }),
] as const;

export const writeRequest: fc.Arbitrary<WriteRequest> = fc.oneof(
  ...clientWrites,
  fc.record({ type: type("createSession"), timeoutMs: uint, passwordHash: bytes }),
  fc.record({ type: type("renewSession"), timeoutMs: uint, generation: uint }),
);

const watcherType = fc.constantFrom<WatcherType>("children", "data", "any", "persistent", "persistentRecursive");
const watching = fc.oneof(
  fc.record({ type: type("exists"), path, watch: bool }),
  fc.record({ type: type("getData"), path, watch: bool }),
  fc.record({ type: type("getChildren"), path, watch: bool }),
);

export const wireRequest: fc.Arbitrary<WireRequest> = fc.oneof<fc.Arbitrary<WireRequest>[]>(
  ...clientWrites,
  watching,
  fc.record({ type: type("getAcl"), path }),
  fc.record({
    type: type("list"),
    path,
    recursive: bool,
    prefix: text,
    withData: bool,
    withDetails: bool,
    limit: uint,
    cursor: fc.option(cursor, { nil: undefined }),
  }),
  fc.record({ type: type("multiRead"), reads: list(watching) }),
  fc.record({ type: type("getEphemerals"), prefix: text }),
  fc.record({ type: type("countSubtree"), path }),
  fc.record({ type: type("whoAmI") }),
  fc.record({ type: type("sync"), path }),
  fc.record({
    type: type("subscribe"),
    stream: uint,
    path,
    recursive: bool,
    fromZxid: fc.option(zxid, { nil: undefined }),
    withData: bool,
  }),
  fc.record({ type: type("unsubscribe"), stream: uint }),
  fc.record({ type: type("addAuth"), scheme: text, credentials: bytes }),
  fc.record({ type: type("addWatch"), path, recursive: bool }),
  fc.record({ type: type("removeWatches"), path, kind: watcherType }),
  fc.record({ type: type("checkWatches"), path, kind: watcherType }),
  fc.record({
    type: type("setWatches"),
    relativeZxid: zxid,
    data: list(path),
    exist: list(path),
    child: list(path),
    persistent: list(path),
    persistentRecursive: list(path),
  }),
);

// ---- results

const details: fc.Arbitrary<NodeDetails> = fc.record({ kind, ttlMs: uint, acl, childCreates: int32 });
export const listEntry: fc.Arbitrary<ListEntry> = fc.oneof(
  fc.record({ path, stat, data }),
  fc.record({ path, stat, data, details }),
);

const plainResult: fc.Arbitrary<Result> = fc.oneof<fc.Arbitrary<Result>[]>(
  fc.constant({ type: "none" }),
  fc.record({ type: type("created"), path, stat }),
  fc.record({ type: type("stat"), stat }),
  fc.record({ type: type("data"), data, stat }),
  fc.record({ type: type("children"), names: list(text), stat }),
  fc.record({ type: type("list"), entries: list(listEntry), zxid, cursor: fc.option(cursor, { nil: undefined }) }),
  fc.record({ type: type("acl"), acl, stat }),
  fc.record({ type: type("paths"), paths: list(path) }),
  fc.record({ type: type("count"), count: uint }),
  fc.record({ type: type("identities"), identities: list(authId) }),
  fc.record({ type: type("session"), session }),
);
const detail = fc.oneof(fc.constant(""), text);
const plainOutcome: fc.Arbitrary<Outcome> = fc.record({ code, detail, result: plainResult });
export const result: fc.Arbitrary<Result> = fc.oneof(
  { weight: 8, arbitrary: plainResult },
  { weight: 1, arbitrary: fc.record({ type: type("multi"), branch, outcomes: list(plainOutcome) }) },
  { weight: 1, arbitrary: fc.record({ type: type("multiRead"), outcomes: list(plainOutcome), zxid }) },
);
export const outcome: fc.Arbitrary<Outcome> = fc.oneof(
  fc.constant<Outcome>({ code: "OK", detail: "", result: { type: "none" } }),
  fc.record({ code, detail, result }),
);

// ---- native messages

const level: fc.Arbitrary<ReadLevel> = fc.oneof(
  fc.record({ type: type("linearizable") }),
  fc.record({ type: type("session") }),
  fc.record({ type: type("atLeast"), zxid }),
);

export const clientMessage: fc.Arbitrary<ClientWireMessage> = fc.oneof(
  {
    weight: 1,
    arbitrary: fc.record({
      type: type("connect"),
      session,
      password: bytes,
      timeoutMs: uint,
      lastZxid: zxid,
      clientVersion: text,
    }),
  },
  {
    weight: 20,
    arbitrary: fc.record({
      type: type("request"),
      xid: uint,
      request: wireRequest,
      level,
      seq: uint,
      ackedSeq: uint,
      guards: list(guard),
      deadlineMs: uint,
    }),
  },
  { weight: 1, arbitrary: fc.record({ type: type("heartbeat"), id: uint }) },
);

export const watchEvent: fc.Arbitrary<WatchEvent> = fc.record({
  type: fc.constantFrom(
    "nodeCreated" as const,
    "nodeDeleted" as const,
    "nodeDataChanged" as const,
    "nodeChildrenChanged" as const,
  ),
  path,
  zxid,
});

/** `acl` does not travel. */
const change: fc.Arbitrary<Change> = fc.record({
  type: fc.constantFrom("created" as const, "deleted" as const, "dataChanged" as const, "aclChanged" as const),
  path,
  zxid,
  acl: fc.constant(0),
  stat: fc.option(stat, { nil: undefined }),
  data,
});

export const delivery: fc.Arbitrary<StreamDelivery> = fc.oneof(
  fc.record({ type: type("snapshot"), stream: uint, zxid, done: bool, entries: list(listEntry) }),
  fc.record({ type: type("changes"), stream: uint, zxid, changes: list(change) }),
  fc.record({
    type: type("end"),
    stream: uint,
    code: fc.constantFrom("COMPACTED" as const, "SLOW_CONSUMER" as const, "NO_AUTH" as const, "LIMIT" as const),
    detail,
  }),
);

const requestTypes = Object.keys(operations).filter((name) => name !== "check") as RequestType[];

export const serverMessage: fc.Arbitrary<ServerWireMessage> = fc.oneof(
  {
    weight: 1,
    arbitrary: fc.record({
      type: type("connected"),
      session,
      resumed: bool,
      timeoutMs: uint,
      validForMs: uint,
      lastSeq: uint,
      ackedSeq: uint,
      zxid,
      password: bytes,
      serverId: uint,
    }),
  },
  { weight: 1, arbitrary: fc.record({ type: type("refused"), code, detail }) },
  {
    weight: 12,
    arbitrary: fc.record({
      type: type("reply"),
      xid: uint,
      requestType: fc.constantFrom(...requestTypes),
      zxid,
      outcome,
      level: fc.constantFrom("linearizable" as const, "session" as const, "atLeast" as const),
    }),
  },
  { weight: 2, arbitrary: fc.record({ type: type("watchEvent"), event: watchEvent }) },
  { weight: 4, arbitrary: fc.record({ type: type("stream"), delivery }) },
  { weight: 1, arbitrary: fc.record({ type: type("heartbeat"), id: uint, validForMs: uint, zxid }) },
  { weight: 1, arbitrary: fc.record({ type: type("goaway"), reason: text }) },
);

// ---- txns

export const source: fc.Arbitrary<TxnSource> = fc.oneof(
  fc.record({ type: type("session"), session, seq: uint, ackedSeq: uint }),
  fc.record({ type: type("origin"), session, server: uint, boot: uint, counter: uint }),
  fc.record({ type: type("internal"), session }),
);

const aclRef = fc.record({ id: uint, added: fc.option(acl, { nil: undefined }) });
const removed: fc.Arbitrary<RemovedNode> = fc.record({ path, acl: uint });
const effects = [
  fc.record({ type: type("create"), path, data, acl: aclRef, kind, owner: session, ttlMs: uint }),
  fc.record({ type: type("delete"), path, acl: uint }),
  fc.record({ type: type("setData"), path, data, stat, acl: uint }),
  fc.record({ type: type("setAcl"), path, acl: aclRef, stat }),
] as const;
const effect: fc.Arbitrary<NodeEffect> = fc.oneof(...effects, fc.record({ type: type("check") }));

export const body: fc.Arbitrary<TxnBody> = fc.oneof<fc.Arbitrary<TxnBody>[]>(
  ...effects,
  fc.record({ type: type("multi"), branch, effects: list(effect) }),
  fc.record({ type: type("deleteRecursive"), removed: list(removed) }),
  fc.record({ type: type("createSession"), timeoutMs: uint, passwordHash: bytes }),
  fc.record({ type: type("renewSession"), session, timeoutMs: uint, generation: uint }),
  fc.record({ type: type("closeSession"), session, removed: list(removed) }),
  fc.record({ type: type("reap"), removed: list(removed) }),
  fc.record({ type: type("error"), code, detail, branch, codes: list(code) }),
  fc.record({ type: type("skip") }),
  fc.record({ type: type("stamp") }),
);

export const txn: fc.Arbitrary<Txn> = fc.record({ zxid, wallMs: uint, stampMs: uint, source, body });

// ---- peers

const clusterId = text;
const servers = list(uint);
const write: fc.Arbitrary<Write> = fc.record({ source, request: writeRequest, guards: list(guard), identities: list(authId) });

export const peerMessage: fc.Arbitrary<PeerMessage> = fc.oneof<fc.Arbitrary<PeerMessage>[]>(
  fc.record({
    type: type("hello"),
    clusterId,
    foundation: fc.constantFrom("empty" as const, "founding" as const, "founded" as const),
    voters: servers,
    observers: servers,
    boot: uint,
    lastZxid: zxid,
  }),
  fc.record({ type: type("found"), clusterId, voters: servers, floorZxid: zxid }),
  fc.record({ type: type("foundAck"), clusterId }),
  fc.record({ type: type("founded"), clusterId }),
  fc.record({
    type: type("vote"),
    state: fc.constantFrom("looking" as const, "following" as const, "leading" as const, "observing" as const),
    round: uint,
    leader: uint,
    epoch,
    zxid,
    counts: bool,
  }),
  fc.record({ type: type("followerInfo"), acceptedEpoch: epoch, observer: bool, rejoining: bool }),
  fc.record({ type: type("leaderInfo"), epoch }),
  fc.record({
    type: type("ackEpoch"),
    epoch,
    currentEpoch: epoch,
    lastZxid: zxid,
    tails: list(zxid),
    counts: bool,
    appliedZxid: zxid,
  }),
  fc.record({ type: type("diff"), epoch, zxid }),
  fc.record({ type: type("trunc"), epoch, zxid }),
  fc.record({ type: type("snap"), epoch, zxid }),
  fc.record({ type: type("snapChunk"), epoch, index: uint, pairs: list(fc.tuple(bytes, bytes)), crc: half, done: bool }),
  fc.record({ type: type("snapChunkAck"), epoch, index: uint }),
  fc.record({
    type: type("proposal"),
    epoch,
    prev: zxid,
    entries: fc.array(fc.record({ zxid, payload: bytes }), { maxLength: 40 }),
  }),
  fc.record({ type: type("newLeader"), epoch, zxid, member: bool }),
  fc.record({ type: type("ack"), epoch, zxid, newLeader: bool }),
  fc.record({ type: type("upToDate"), epoch, committed: zxid }),
  fc.record({ type: type("commit"), epoch, zxid }),
  fc.record({ type: type("heartbeat"), epoch, id: uint }),
  fc.record({ type: type("heartbeatAck"), epoch, id: uint, applied: zxid, digestHigh: half, digestLow: half }),
  fc.record({ type: type("digestQuery"), zxid }),
  fc.record({ type: type("digestReply"), zxid, known: bool, digestHigh: half, digestLow: half }),
  fc.record({ type: type("fence"), zxid, resync: bool }),
  fc.record({ type: type("forward"), writes: list(fc.record({ connection: uint, generation: uint, write })) }),
  fc.record({ type: type("refusal"), connection: uint, number: uint, code, detail }),
  fc.record({ type: type("confirm"), id: uint, read: bool, touched: list(session) }),
  fc.record({ type: type("confirmed"), id: uint, zxid, ended: list(session) }),
  fc.record({
    type: type("resume"),
    connection: uint,
    session,
    passwordHash: bytes,
    timeoutMs: uint,
    logged: fc.boolean(),
    lastZxid: zxid,
  }),
  fc.record({ type: type("resumed"), connection: uint, code, generation: uint, zxid, timeoutMs: uint }),
  fc.record({ type: type("register"), sessions: list(fc.record({ session, connection: uint, generation: uint })) }),
  fc.record({ type: type("moved"), session, connection: uint }),
);
