/**
 * The replicated state machine: tree and sessions, composed. At the leader `prepare` turns a write
 * into a txn, deciding everything on the state after all that is outstanding; on every server
 * `apply` changes the committed state, and gives the answer, from the txn alone. Called by the
 * replica: prepare only while it leads, apply only with what is committed and locally durable.
 *
 * Exactly-once is decided here (design: reply table, origins). Only a "txn" consumes its zxid.
 */
import type { AuthId } from "../model/acl.ts";
import { assert, must } from "../model/assert.ts";
import type { ErrorCode } from "../model/error.ts";
import { LaneSum } from "../model/lane-hash.ts";
import type { Limits } from "../model/limits.ts";
import { mutant } from "../model/mutant.ts";
import type { Outcome, ReadRequest, RenewSessionRequest, TxnSource, Write } from "../model/request.ts";
import type { Stat } from "../model/stat.ts";
import { follows, type ServerId, type SessionId, type Zxid } from "../model/zxid.ts";
import { OriginTable } from "../session/origin-table.ts";
import type { SessionRecord } from "../session/session-record.ts";
import { ackedSeqOf, SessionTable } from "../session/session-table.ts";
import { replyBytesOf } from "../tree/outcome.ts";
import { errorBody } from "../tree/prepare.ts";
import { type PrepareScope, refused } from "../tree/prepare-scope.ts";
import type { ReadContext } from "../tree/read.ts";
import type { Store, Znode } from "../tree/store.ts";
import { Tree } from "../tree/tree.ts";
import type { Txn, TxnBody } from "../tree/txn.ts";
import type { WriteBehindStore } from "../tree/write-behind-store.ts";
import { type Moment, statOf } from "../tree/znode.ts";
import type { ReplicaOptions } from "./options.ts";

export type { ReadContext } from "../tree/read.ts";

/** What the leader gives a write: the next zxid, its wall clock, and cluster time. */
export interface PrepareContext {
  readonly zxid: Zxid;
  readonly wallMs: number;
  readonly stampMs: number;
}

export type Prepared =
  | { readonly type: "txn"; readonly txn: Txn }
  /** Was prepared before: whoever waits is answered when that txn is applied. */
  | { readonly type: "drop" }
  /** Not decided, nothing consumed: OUT_OF_ORDER, OVERLOADED, SESSION_EXPIRED. */
  | { readonly type: "refuse"; readonly code: ErrorCode; readonly detail: string };

const drop: Prepared = { type: "drop" };
const skipBody: TxnBody = { type: "skip" };
const stampBody: TxnBody = { type: "stamp" };
const internalSource: TxnSource = { type: "internal", session: 0 };
const passwordHashBytes = 32;
const noIdentities: readonly AuthId[] = [];

export class StateMachine {
  readonly #store: Store;
  /** Only with a planted bug. */
  #appliedHere = 0;
  readonly #limits: Limits;
  readonly #tree: Tree;
  readonly #sessions: SessionTable;
  readonly #origins: OriginTable;
  readonly #digest = new LaneSum();
  #digestZxid: Zxid | undefined;
  #lastPreparedStampMs: number;
  #lastPreparedZxid: Zxid | 0 = 0;

  /** Loads all from the store's records; a fresh store gets the predefined nodes. */
  constructor(store: Store, limits: Limits) {
    this.#store = store;
    this.#limits = limits;
    this.#tree = new Tree(store, limits);
    this.#sessions = new SessionTable(store);
    this.#origins = new OriginTable(store);
    this.#lastPreparedStampMs = this.#tree.lastStampMs;
  }

  /** A store's machine in a server: predefined nodes belong to no txn, so the store is told that it is whole again. */
  static over(store: WriteBehindStore, options: ReplicaOptions): StateMachine {
    const machine = new StateMachine(store, options.limits);
    machine.showConfig(options.configText ?? "");
    if (options.saslAcls === true) machine.permitSaslAcls();
    store.setApplied(store.appliedZxid);
    return machine;
  }

  get appliedZxid(): Zxid {
    return this.#store.appliedZxid;
  }

  get digestHigh(): number {
    return this.#currentDigest().high;
  }

  get digestLow(): number {
    return this.#currentDigest().low;
  }

  /** Cluster time of the last applied txn. */
  get lastStampMs(): number {
    return this.#tree.lastStampMs;
  }

  /** Cluster time of the last prepared txn: what the leader goes on from. */
  get lastPreparedStampMs(): number {
    return Math.max(this.#lastPreparedStampMs, this.#tree.lastStampMs);
  }

  // ---- leader

  /** Leadership was gained or lost: nothing is proposed any more. */
  resetOutstanding(): void {
    this.#tree.resetOutstanding();
    this.#sessions.resetOutstanding();
    this.#origins.resetOutstanding();
    this.#lastPreparedStampMs = this.#tree.lastStampMs;
    this.#lastPreparedZxid = 0;
  }

  /** Decides a write on the state after all that is outstanding. Never throws, whatever the write holds. */
  prepare(write: Write, context: PrepareContext): Prepared {
    const { source } = write;
    if (source.type === "session") return this.#prepareNative(write, source, context);
    if (source.type === "origin") return this.#prepareOrigin(write, source, context);
    if (source.session !== 0 && this.#sessions.live(source.session) === undefined) return drop;
    return this.#propose(write, source.session, context);
  }

  /** True for a write that `prepare` would drop: it is decided, or prepared already, whatever else holds it back now. */
  isRepeated(source: TxnSource): boolean {
    if (mutant("an origin's write is applied again") || mutant("an acknowledged seq is new again")) return false;
    if (source.type === "session") return source.seq <= (this.#sessions.live(source.session)?.proposedLastSeq ?? 0);
    return source.type === "origin" && isOrigin(source) && this.#origins.isRepeated(source.server, source.boot, source.counter);
  }

  #prepareNative(write: Write, source: Extract<TxnSource, { readonly type: "session" }>, context: PrepareContext): Prepared {
    const session = this.#sessions.live(source.session);
    if (session === undefined) return { type: "refuse", code: "SESSION_EXPIRED", detail: "" };
    const lost = mutant("an acknowledged seq is new again") && source.seq <= session.proposedAckedSeq;
    if (source.seq <= session.proposedLastSeq && !lost) return drop;
    if (source.seq !== session.proposedLastSeq + 1 && !mutant("a gap in a session's writes is accepted"))
      return { type: "refuse", code: "OUT_OF_ORDER", detail: String(session.proposedLastSeq + 1) };
    const full = this.#replyTableError(session, source.seq, source.ackedSeq, write);
    if (full !== undefined) return { type: "refuse", code: "OVERLOADED", detail: full };
    return this.#propose(write, session.id, context);
  }

  /** Which bound would be exceeded if this write's result were kept. One result fits always. */
  #replyTableError(session: SessionRecord, seq: number, ackedSeq: number, write: Write): string | undefined {
    const { replies_per_session_max, reply_bytes_per_session_max, reply_bytes_max, reply_bytes_per_operation } = this.#limits;
    const acked = ackedSeqOf(session.proposedAckedSeq, ackedSeq, seq);
    if (seq - acked > replies_per_session_max) return `replies_per_session_max is ${replies_per_session_max}`;
    const used = session.proposedTotalBytes - session.replies.totalUpTo(acked);
    const request = write.request;
    const operations = request.type === "multi" ? Math.max(1, request.then.length, request.otherwise?.length ?? 0) : 1;
    if (acked === seq - 1 || used + reply_bytes_max + reply_bytes_per_operation * operations <= reply_bytes_per_session_max)
      return undefined;
    return `reply_bytes_per_session_max is ${reply_bytes_per_session_max}`;
  }

  #prepareOrigin(write: Write, source: Extract<TxnSource, { readonly type: "origin" }>, context: PrepareContext): Prepared {
    if (!isOrigin(source))
      return { type: "refuse", code: "BAD_ARGUMENTS", detail: "an origin needs a server, a boot id and a counter" };
    const again = this.#origins.isRepeated(source.server, source.boot, source.counter);
    if (again && !mutant("an origin's write is applied again")) return drop;
    return this.#propose(write, source.session, context);
  }

  #propose(write: Write, session: SessionId | 0, context: PrepareContext): Prepared {
    const moment = this.#momentOf(context);
    const body = this.#decide(write, session, moment);
    if (body.type === "error" && write.source.type === "session" && mutant("a refusal is not logged"))
      return { type: "refuse", code: body.code, detail: body.detail };
    if (body.type === "skip" && mutant("a skip is not logged")) return drop;
    const txn = this.#makeTxn(moment, write.source, body);
    this.#noteProposed(txn);
    return { type: "txn", txn };
  }

  /** Nothing of the environment's clocks is taken as it is: txns carry whole milliseconds, and cluster time never falls. */
  #momentOf(context: PrepareContext): Moment {
    assert(
      context.zxid > this.#store.appliedZxid && context.zxid > this.#lastPreparedZxid,
      "a txn was prepared with an old zxid",
    );
    const stampMs = Math.max(Math.floor(context.stampMs), this.lastPreparedStampMs);
    return { zxid: context.zxid, wallMs: Math.floor(context.wallMs), stampMs };
  }

  #makeTxn(moment: Moment, source: TxnSource, body: TxnBody): Txn {
    return { zxid: moment.zxid, wallMs: moment.wallMs, stampMs: moment.stampMs, source, body };
  }

  #decide(write: Write, session: SessionId | 0, moment: Moment): TxnBody {
    const { request } = write;
    if (request.type === "createSession") return this.#decideCreateSession(write, request.timeoutMs, request.passwordHash);
    const record = session === 0 ? undefined : this.#sessions.live(session);
    if (record === undefined && write.source.type !== "internal") return errorBody(refused("SESSION_EXPIRED"));
    if (request.type === "skip") return skipBody;
    const scope = this.#tree.scope(moment, session, write.identities);
    if (request.type === "closeSession") return this.#decideClose(scope, write, record);
    if (request.type === "renewSession") return this.#decideRenew(scope, write, record, request);
    return this.#tree.prepare(scope, write, request);
  }

  /** A native session cannot create another: its sessions come from `connect`. */
  #decideCreateSession(write: Write, timeoutMs: number, passwordHash: Uint8Array): TxnBody {
    if (write.source.type === "session") return errorBody(refused("BAD_ARGUMENTS", "a session cannot create a session"));
    if (passwordHash.length !== passwordHashBytes) return errorBody(refused("BAD_ARGUMENTS", "a password hash has 32 bytes"));
    return { type: "createSession", timeoutMs: this.#clampTimeout(timeoutMs), passwordHash };
  }

  #decideClose(scope: PrepareScope, write: Write, record: SessionRecord | undefined): TxnBody {
    if (record === undefined) return errorBody(refused("BAD_ARGUMENTS", "no session to close"));
    const fence = this.#tree.guardError(scope, write);
    if (fence !== undefined) return errorBody(fence);
    return { type: "closeSession", session: record.id, removed: this.#tree.prepareCloseSession(scope, record.id) };
  }

  /** A generation never falls, whatever is asked: an old connection must not come back by it. */
  #decideRenew(scope: PrepareScope, write: Write, record: SessionRecord | undefined, request: RenewSessionRequest): TxnBody {
    if (record === undefined) return errorBody(refused("BAD_ARGUMENTS", "no session to renew"));
    const fence = this.#tree.guardError(scope, write);
    if (fence !== undefined) return errorBody(fence);
    const timeoutMs = this.#clampTimeout(request.timeoutMs);
    const known = record.proposedGeneration;
    const generation = request.generation > known && Number.isSafeInteger(request.generation) ? request.generation : known;
    return { type: "renewSession", session: record.id, timeoutMs, generation };
  }

  #clampTimeout(timeoutMs: number): number {
    const { session_timeout_ms_min, session_timeout_ms_max, session_timeout_ms_default } = this.#limits;
    if (Number.isNaN(timeoutMs)) return session_timeout_ms_default;
    return Math.floor(Math.min(Math.max(timeoutMs, session_timeout_ms_min), session_timeout_ms_max));
  }

  /** What the txn means for the writes prepared after it, the tree excepted. */
  #noteProposed(txn: Txn): void {
    const { source, body } = txn;
    this.#lastPreparedZxid = txn.zxid;
    this.#lastPreparedStampMs = txn.stampMs;
    if (source.type === "origin") this.#origins.propose(source.server, source.boot, source.counter);
    else if (source.type === "session") {
      const session = must(this.#sessions.live(source.session), "a proposed write has no session");
      this.#sessions.proposeWrite(session, source.seq, source.ackedSeq, replyBytesOf(body));
    }
    if (body.type === "createSession") this.#sessions.proposeCreate(sessionIdOf(txn.zxid), body.timeoutMs, body.passwordHash);
    else if (body.type === "renewSession")
      this.#sessions.proposeRenew(this.#mustBeLive(body.session), body.timeoutMs, body.generation);
    else if (body.type === "closeSession") this.#sessions.proposeClose(this.#mustBeLive(body.session));
  }

  #mustBeLive(session: SessionId): SessionRecord {
    return must(this.#sessions.live(session), "a proposed change of a session finds it closed");
  }

  /** Removes those of `paths` that may still go; undefined when none may. */
  prepareReap(paths: readonly string[], context: PrepareContext): Txn | undefined {
    const moment = this.#momentOf(context);
    const removed = this.#tree.prepareReap(this.#tree.scope(moment, 0, noIdentities), paths);
    return removed.length === 0 ? undefined : this.#proposeInternal(moment, { type: "reap", removed });
  }

  /** Carries cluster time into the log. */
  prepareStamp(context: PrepareContext): Txn {
    return this.#proposeInternal(this.#momentOf(context), stampBody);
  }

  #proposeInternal(moment: Moment, body: TxnBody): Txn {
    const txn = this.#makeTxn(moment, internalSource, body);
    this.#noteProposed(txn);
    return txn;
  }

  /** Puts a txn that is logged and not yet applied (a new leader's initial history) under what will be prepared. In zxid order, right after `resetOutstanding`. */
  adopt(txn: Txn): void {
    assert(txn.zxid > this.#store.appliedZxid && txn.zxid > this.#lastPreparedZxid, "an applied txn was adopted");
    this.#tree.adopt(this.#tree.scope(txn, 0, noIdentities), txn.body);
    this.#noteProposed(txn);
  }

  /** False from the moment a closeSession is prepared; true for a session whose create is outstanding. */
  sessionLive(session: SessionId): boolean {
    return this.#sessions.live(session) !== undefined;
  }

  sessionTimeoutMs(session: SessionId): number | undefined {
    return this.#sessions.live(session)?.proposedTimeoutMs;
  }

  /** A connection of a lower generation may not write in the session: it was resumed elsewhere since. */
  sessionGeneration(session: SessionId): number {
    return this.#sessions.live(session)?.proposedGeneration ?? 0;
  }

  /** Soft limits of quotas that were passed since the last call, in words. */
  takeQuotaWarnings(): readonly string[] {
    return this.#tree.takeQuotaWarnings();
  }

  /** In constant time for hashes of the right length. */
  passwordMatches(session: SessionId, hash: Uint8Array): boolean {
    const record = this.#sessions.live(session);
    return record !== undefined && sameHash(record.passwordHash, hash);
  }

  /** Containers and TTL nodes that may go at cluster time `stampMs`; the leader proposes them with `prepareReap`. */
  dueForReaping(stampMs: number, limit: number): string[] {
    return this.#tree.due(stampMs, limit);
  }

  /** True while cluster time matters to somebody. */
  get needsStamps(): boolean {
    return this.#tree.reapable > 0;
  }

  // ---- every server

  /** Applies the next committed txn. The outcome is what its client gets, the same on every server. */
  apply(txn: Txn): Outcome {
    assert(follows(this.#store.appliedZxid, txn.zxid), "a txn was applied out of order");
    this.#digestZxid = undefined;
    this.#assertOwnersLive(txn.body);
    // Planted bug: the tree depends on what this replica has seen by itself.
    const local = mutant("apply asks the replica's own state") ? this.#disturbed(txn) : txn;
    const outcome = this.#tree.apply(local);
    this.#applySession(txn);
    const { source } = txn;
    if (source.type === "origin") this.#origins.apply(source.server, source.boot, source.counter);
    else if (source.type === "session" && txn.body.type !== "closeSession") {
      this.#sessions.addReply(source.session, source.seq, source.ackedSeq, txn.zxid, outcome, replyBytesOf(txn.body));
    }
    // The tree has said so already; sessions may have put records since.
    this.#store.setApplied(txn.zxid);
    return outcome;
  }

  #disturbed(txn: Txn): Txn {
    this.#appliedHere += 1;
    return { ...txn, wallMs: txn.wallMs + (this.#appliedHere % 2) };
  }

  #applySession(txn: Txn): void {
    const { body } = txn;
    if (body.type === "createSession") this.#sessions.create(sessionIdOf(txn.zxid), body.timeoutMs, body.passwordHash);
    else if (body.type === "renewSession") this.#sessions.renew(body.session, body.timeoutMs, body.generation);
    else if (body.type === "closeSession") this.#sessions.close(body.session);
  }

  /** Ephemerals belong to live sessions, at every zxid. */
  #assertOwnersLive(body: TxnBody): void {
    if (body.type === "create") this.#assertOwnerLive(body.owner);
    else if (body.type === "multi") {
      for (const effect of body.effects) if (effect.type === "create") this.#assertOwnerLive(effect.owner);
    }
  }

  #assertOwnerLive(owner: SessionId | 0): void {
    assert(owner === 0 || this.#sessions.committed(owner) !== undefined, "an ephemeral's session does not exist");
  }

  /** From the committed state. Linearizability is the caller's: it waits until enough is applied. */
  read(request: ReadRequest, context: ReadContext): Outcome {
    return this.#tree.read(request, context);
  }

  sessionExists(session: SessionId): boolean {
    return this.#sessions.committed(session) !== undefined;
  }

  replyPosition(session: SessionId): { lastSeq: number; ackedSeq: number } {
    const replies = this.#sessions.committed(session)?.replies;
    return { lastSeq: replies?.lastSeq ?? 0, ackedSeq: replies?.ackedSeq ?? 0 };
  }

  /** The result of an applied write that its client may not have yet. */
  storedReply(session: SessionId, seq: number): { zxid: Zxid; outcome: Outcome } | undefined {
    if (mutant("old results are evicted") && seq + 1 < this.replyPosition(session).lastSeq) return undefined;
    return this.#sessions.committed(session)?.replies.get(seq);
  }

  /** The highest applied counter of a server's boot; a server forwards its pending writes above it again after an election. */
  originCounter(server: ServerId, boot: number): number {
    return this.#origins.highest(server, boot);
  }

  sessions(): Iterable<{ id: SessionId; timeoutMs: number }> {
    return this.#sessions.all();
  }

  permits(aclId: number, perms: number, identities: readonly AuthId[]): boolean {
    return this.#tree.permits(aclId, perms, identities);
  }

  aclIdOf(path: string): number | undefined {
    return this.#tree.node(path)?.acl;
  }

  node(path: string): Znode | undefined {
    return this.#tree.node(path);
  }

  statOf(node: Znode): Stat {
    return statOf(node);
  }

  /** Lets images of paged lists go that are too old; called now and then. */
  expireImages(nowMs: number): void {
    this.#tree.expireImages(nowMs);
  }

  /** Before the store is closed or replaced. */
  releaseImages(): void {
    this.#tree.releaseImages();
  }

  /** Puts what changed in memory into the store; called right before each flush, and only then is a store complete. */
  writeRecords(): void {
    this.#tree.writeRecords();
    this.#sessions.writeRecords();
    this.#origins.writeRecords();
  }

  counts(): { znodes: number; ephemerals: number; dataBytes: number; sessions: number } {
    const { znodes, ephemerals, dataBytes } = this.#tree;
    return { znodes, ephemerals, dataBytes, sessions: this.#sessions.size };
  }

  /** Membership is fixed at founding and comes from the configuration, so the node that shows it has no txns. */
  showConfig(text: string): void {
    this.#tree.showConfig(text);
  }

  /** The port authenticates by SASL, so ACLs may name its identities. The leader's setting alone matters. */
  permitSaslAcls(): void {
    this.#tree.permitSaslAcls();
  }

  ephemeralsOf(session: SessionId): string[] {
    return this.#tree.ephemeralsOf(session);
  }

  /** The digest from scratch, for tests and the scrub; reads the whole tree. `onWrong` is told of nodes whose stored hash is wrong. */
  recomputeDigest(onWrong: (path: string) => void): { high: number; low: number } {
    const sum = new LaneSum();
    this.#tree.recomputeDigest(sum, onWrong);
    this.#sessions.recomputeDigest(sum);
    this.#origins.recomputeDigest(sum);
    return { high: sum.high, low: sum.low };
  }

  #currentDigest(): LaneSum {
    const zxid = this.#store.appliedZxid;
    if (this.#digestZxid === zxid) return this.#digest;
    this.#digestZxid = zxid;
    this.#digest.set(0, 0);
    this.#tree.addDigest(this.#digest);
    this.#digest.add(this.#sessions.digest.high, this.#sessions.digest.low);
    this.#digest.add(this.#origins.digest.high, this.#origins.digest.low);
    return this.#digest;
  }
}

/** A session's id is the zxid of the txn that created it. */
function sessionIdOf(zxid: Zxid): SessionId {
  return zxid as number as SessionId;
}

function isOrigin(source: Extract<TxnSource, { readonly type: "origin" }>): boolean {
  return isCount(source.server) && Number.isSafeInteger(source.boot) && isCount(source.counter);
}

function isCount(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 1;
}

function sameHash(left: Uint8Array, right: Uint8Array): boolean {
  if (left.length !== right.length) return false;
  let difference = 0;
  for (let i = 0; i < left.length; i += 1) difference |= (left[i] ?? 0) ^ (right[i] ?? 0);
  return difference === 0;
}
