/**
 * The tree of a server, committed and outstanding: puts its parts together and answers for them.
 * Sessions are not known here; the state machine composes both. Called by src/replica/state-machine.ts.
 */
import type { AuthId } from "../model/acl.ts";
import { assert, must } from "../model/assert.ts";
import { ByteReader, ByteWriter } from "../model/bytes.ts";
import { LaneHash, LaneSum } from "../model/lane-hash.ts";
import type { Limits } from "../model/limits.ts";
import { mutant } from "../model/mutant.ts";
import { rootPath } from "../model/path.ts";
import { type Outcome, okOutcome, type ReadRequest, success, type Write } from "../model/request.ts";
import { type SessionId, zeroZxid } from "../model/zxid.ts";
import { isPermitted } from "./access.ts";
import { AclTable, openAclId, readOnlyAclId } from "./acl-table.ts";
import { CommittedTree } from "./apply.ts";
import { recomputeTreeDigest } from "./digest.ts";
import { Ephemerals } from "./ephemerals.ts";
import { ImagePins } from "./images.ts";
import { errorOutcome } from "./outcome.ts";
import { Outstanding } from "./outstanding.ts";
import { checkPath } from "./path-check.ts";
import { adoptBody, guardError, prepareTreeWrite, type TreeRequest } from "./prepare.ts";
import { prepareCloseSession, prepareReap } from "./prepare-remove.ts";
import type { PrepareScope, Refused } from "./prepare-scope.ts";
import { Quotas } from "./quotas.ts";
import { type ReadContext, TreeReader } from "./read.ts";
import { Reaper } from "./reaper.ts";
import type { Store, Znode } from "./store.ts";
import type { NodeEffect, RemovedNode, Txn, TxnBody } from "./txn.ts";
import { blankZnode, draftOf, type Moment } from "./znode.ts";

const metaKey = "tree";
const stampSeed = 0x7374616d;

export class Tree {
  readonly #store: Store;
  readonly #limits: Limits;
  readonly #aclDigest = new LaneSum();
  readonly #acls: AclTable;
  readonly #ephemerals: Ephemerals;
  readonly #reaper: Reaper;
  readonly #quotas: Quotas;
  readonly #images: ImagePins;
  readonly #overlay: Outstanding;
  readonly #committed: CommittedTree;
  readonly #reader: TreeReader;
  readonly #hash = new LaneHash();
  #lastStampMs = 0;
  #saslAcls = false;

  constructor(store: Store, limits: Limits) {
    this.#store = store;
    this.#limits = limits;
    this.#acls = new AclTable(store, this.#aclDigest);
    this.#ephemerals = new Ephemerals(store);
    this.#reaper = new Reaper(store, limits.reap_interval_ms);
    this.#images = new ImagePins(store, limits);
    this.#overlay = new Outstanding(store, this.#acls, this.#ephemerals);
    this.#quotas = new Quotas(store);
    this.#committed = new CommittedTree(store, this.#acls, this.#ephemerals, this.#reaper, this.#quotas);
    this.#reader = new TreeReader(store, limits, this.#acls, this.#ephemerals, this.#images);
    if (store.get(rootPath) === undefined) this.#found();
    else this.#load();
  }

  get lastStampMs(): number {
    return this.#lastStampMs;
  }

  get znodes(): number {
    return this.#root().descendants + 1;
  }

  get dataBytes(): number {
    const root = this.#root();
    return root.bytesBelow + (root.data?.length ?? 0);
  }

  ephemeralsOf(session: SessionId): string[] {
    return [...this.#ephemerals.of(session)].sort();
  }

  get ephemerals(): number {
    return this.#ephemerals.size;
  }

  /** TTL nodes and containers that exist. */
  get reapable(): number {
    return this.#reaper.size;
  }

  get outstanding(): number {
    return this.#overlay.size;
  }

  get pinnedImages(): number {
    return this.#images.size;
  }

  // ---- leader

  scope(moment: Moment, session: SessionId | 0, identities: readonly AuthId[]): PrepareScope {
    return {
      overlay: this.#overlay,
      acls: this.#acls,
      quotas: this.#quotas,
      saslAcls: this.#saslAcls,
      limits: this.#limits,
      moment,
      session,
      identities,
    };
  }

  prepare(scope: PrepareScope, write: Write, request: TreeRequest): TxnBody {
    return prepareTreeWrite(scope, write, request);
  }

  guardError(scope: PrepareScope, write: Write): Refused | undefined {
    return guardError(scope, write.guards);
  }

  prepareCloseSession(scope: PrepareScope, session: SessionId): RemovedNode[] {
    this.#overlay.begin();
    const removed = prepareCloseSession(scope, session);
    this.#overlay.commit();
    return removed;
  }

  prepareReap(scope: PrepareScope, paths: readonly string[]): RemovedNode[] {
    this.#overlay.begin();
    const removed = prepareReap(scope, paths);
    this.#overlay.commit();
    return removed;
  }

  adopt(scope: PrepareScope, body: TxnBody): void {
    adoptBody(scope, body);
  }

  /** Soft limits that were passed since the last call, in words. */
  takeQuotaWarnings(): readonly string[] {
    return this.#quotas.takeWarnings();
  }

  resetOutstanding(): void {
    this.#overlay.reset();
  }

  // ---- every server

  /** Applies the txn's part in the tree; the state machine has applied its part in the sessions. */
  apply(txn: Txn): Outcome {
    assert(txn.stampMs >= this.#lastStampMs, "cluster time fell");
    this.#lastStampMs = txn.stampMs;
    const outcome = this.#applyBody(txn);
    this.#store.setApplied(txn.zxid);
    this.#overlay.applied(txn.zxid);
    return outcome;
  }

  #applyBody(txn: Txn): Outcome {
    const { body } = txn;
    switch (body.type) {
      case "create":
      case "delete":
      case "setData":
      case "setAcl":
        return this.#committed.apply(body, txn);
      case "multi":
        return success({ type: "multi", branch: body.branch, outcomes: this.#applyEffects(body.effects, txn) });
      case "closeSession":
        assert(body.removed.length === this.#ephemerals.of(body.session).size, "a closing session leaves ephemerals behind");
        return this.#applyRemoved(body.removed, txn);
      case "deleteRecursive":
      case "reap":
        return this.#applyRemoved(body.removed, txn);
      case "createSession":
        return success({ type: "session", session: sessionOf(txn) });
      case "error":
        return errorOutcome(body);
      default:
        return okOutcome;
    }
  }

  #applyEffects(effects: readonly NodeEffect[], moment: Moment): Outcome[] {
    const outcomes: Outcome[] = [];
    const ordered = mutant("a multi applies in another order") ? [...effects].reverse() : effects;
    for (const effect of ordered) outcomes.push(this.#committed.apply(effect, moment));
    return outcomes;
  }

  #applyRemoved(removed: readonly RemovedNode[], moment: Moment): Outcome {
    for (const node of removed) this.#committed.remove(node, moment);
    return okOutcome;
  }

  read(request: ReadRequest, context: ReadContext): Outcome {
    return this.#reader.read(request, context);
  }

  permitSaslAcls(): void {
    this.#saslAcls = true;
  }

  showConfig(text: string): void {
    this.#reader.showConfig(text);
  }

  /** Undefined too for a path that is not valid: watches may be asked for on any. */
  node(path: string): Znode | undefined {
    return checkPath(path, this.#limits) === undefined ? this.#store.get(path) : undefined;
  }

  permits(aclId: number, perms: number, identities: readonly AuthId[]): boolean {
    return isPermitted(this.#acls.get(aclId), perms, identities);
  }

  due(stampMs: number, limit: number): string[] {
    return this.#reaper.due(stampMs, limit);
  }

  expireImages(nowMs: number): void {
    this.#images.expire(nowMs);
  }

  releaseImages(): void {
    this.#images.releaseAll();
  }

  // ---- digest and persistence

  addDigest(sum: LaneSum): void {
    sum.add(this.#committed.digest.high, this.#committed.digest.low);
    sum.add(this.#aclDigest.high, this.#aclDigest.low);
    this.#addStamp(sum);
  }

  /** The same sum from scratch. Reads the whole tree. */
  recomputeDigest(sum: LaneSum, onWrong: (path: string) => void): void {
    const nodes = recomputeTreeDigest(this.#store, onWrong);
    sum.add(nodes.high, nodes.low);
    this.#acls.recompute(sum);
    this.#addStamp(sum);
  }

  #addStamp(sum: LaneSum): void {
    const hash = this.#hash;
    hash.start(stampSeed);
    hash.number(this.#lastStampMs);
    hash.finish();
    sum.add(hash.high, hash.low);
  }

  writeRecords(): void {
    const writer = new ByteWriter();
    writer.varint(this.#store.appliedZxid);
    writer.f64(this.#lastStampMs);
    writer.u32(this.#committed.digest.high);
    writer.u32(this.#committed.digest.low);
    this.#store.putRecord(metaKey, writer.take());
  }

  #load(): void {
    const record = must(this.#store.record(metaKey), "the store was flushed without its records");
    const reader = new ByteReader(record);
    assert(reader.varint() === this.#store.appliedZxid, "the store's records are of another zxid");
    this.#lastStampMs = reader.f64();
    const high = reader.u32();
    this.#committed.digest.set(high, reader.u32());
  }

  /** The nodes that ZooKeeper has from the start, with its all-zero stats. */
  #found(): void {
    assert(this.#store.appliedZxid === zeroZxid, "a store that has applied txns has no root");
    this.#insertPredefined(rootPath, openAclId, 1);
    this.#insertPredefined("/zookeeper", openAclId, 2);
    this.#insertPredefined("/zookeeper/config", readOnlyAclId, 0);
    this.#insertPredefined("/zookeeper/quota", openAclId, 0);
    this.#store.setApplied(zeroZxid);
    this.writeRecords();
  }

  #insertPredefined(path: string, acl: number, numChildren: number): void {
    const node = draftOf(blankZnode);
    node.acl = acl;
    node.numChildren = numChildren;
    node.descendants = path === rootPath ? 3 : numChildren;
    this.#committed.insert(path, node);
  }

  #root(): Znode {
    return must(this.#store.get(rootPath), "the tree has no root");
  }
}

/** A session's id is the zxid of the txn that created it. */
function sessionOf(txn: Txn): SessionId {
  return txn.zxid as number as SessionId;
}
