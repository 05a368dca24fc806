/**
 * A replica whose storage is open. This file only routes: ZAB, the log, the tree, sessions, watches and
 * requests own their state.
 *
 * A turn: completions and messages first, in the order given; then ZAB moves on (proposals, acks,
 * commits leave, the log batch is written); then what is committed and locally synced is applied,
 * watch events before answers; then clients are answered; then the store may begin a flush.
 */

import { permission } from "../model/acl.ts";
import { assert, assertNever, InvariantError } from "../model/assert.ts";
import { buggify } from "../model/buggify.ts";
import { mutant } from "../model/mutant.ts";
import type { Outcome } from "../model/request.ts";
import type { TokenSource } from "../model/tokens.ts";
import type { Change, StreamDelivery, WatchEvent } from "../model/watch.ts";
import { type ConnectionId, epochOf, formatZxid, type ServerId, type SessionId, type Zxid } from "../model/zxid.ts";
import { changesOf } from "../tree/changes.ts";
import type { Txn } from "../tree/txn.ts";
import type { WriteBehindStore } from "../tree/write-behind-store.ts";
import { StreamTable } from "../watch/stream-table.ts";
import { WatchTable } from "../watch/watch-table.ts";
import { decodeTxn, encodeTxn } from "../wire/txn-codec.ts";
import { type Digest, type SnapshotInstall, type SnapshotReader, ZabContext, type ZabHost } from "../zab/context.ts";
import { Founding } from "../zab/founding.ts";
import type { LogEntry, PeerMessage, RequestMessage } from "../zab/message.ts";
import { Zab } from "../zab/zab.ts";
import { Clients } from "./clients.ts";
import type { Doubt } from "./clock-doubt.ts";
import type { DigestRing } from "./digest-ring.ts";
import type { EffectsBuilder } from "./effects-builder.ts";
import type { Event, Now } from "./event.ts";
import { Generations } from "./generations.ts";
import { LogHistory } from "./history.ts";
import type { Inspection } from "./inspection.ts";
import { LeaderAccess } from "./leader-access.ts";
import { LocalRequests } from "./local-requests.ts";
import type { Drivers, ReplicaOptions } from "./options.ts";
import { RequestsAtLeader } from "./requests-at-leader.ts";
import { StateMachine } from "./state-machine.ts";
import type { Status } from "./status.ts";
import { type Storage, snapshotReader } from "./storage.ts";

const appliedPerTurn = 4_000;
const applyBatchBytes = 1 << 20;

export class Running implements ZabHost {
  readonly #options: ReplicaOptions;
  readonly #drivers: Drivers;
  readonly #effects: EffectsBuilder;
  readonly #digests: DigestRing;
  readonly #generations: Generations;
  readonly #context: ZabContext;
  readonly #zab: Zab;
  readonly #clients: Clients;
  readonly #access: LeaderAccess;
  readonly #watches: WatchTable;
  readonly #sendWatch = (connection: ConnectionId, event: WatchEvent): void =>
    this.#effects.reply(connection, { type: "watchEvent", event });
  readonly #sendStream = (connection: ConnectionId, delivery: StreamDelivery): void =>
    this.#effects.reply(connection, { type: "stream", delivery });
  readonly #history = new LogHistory(
    () => this.#context.log,
    () => this.#machine.appliedZxid,
  );
  #storage: Storage;
  #store: WriteBehindStore;
  #machine: StateMachine;
  #streams: StreamTable;
  #leader: RequestsAtLeader | undefined;
  /** Requests that reached us as the leader before our tree was up to our log: prepare would not see what is still to be applied. */
  #early: { from: ServerId; message: RequestMessage }[] = [];
  /** The role generation whose leader side `#leader` is; −1: we do not lead. */
  #leaderOf = -1;
  /** The role generation in which `#access` knows its leader; −1: it has none. */
  #accessKey = -1;
  /** Links closed by us in this turn: ZAB hears of it at its end. */
  #closed: ServerId[] = [];
  #local: { from: ServerId; message: RequestMessage }[] = [];
  #now: Now = { monotonicMs: 0, wallMs: 0, bootMs: 0 };
  #started = false;
  /** Only with a planted bug. */
  readonly #lateChanges: Change[] = [];

  constructor(
    options: ReplicaOptions,
    drivers: Drivers,
    tokens: TokenSource,
    effects: EffectsBuilder,
    digests: DigestRing,
    storage: Storage,
  ) {
    this.#options = options;
    this.#drivers = drivers;
    this.#effects = effects;
    this.#digests = digests;
    this.#storage = storage;
    this.#generations = new Generations(options, drivers, tokens, storage);
    this.#store = storage.store;
    this.#machine = StateMachine.over(storage.store, options);
    this.#context = this.#newContext(storage);
    const founding = new Founding({
      context: this.#context,
      rejoin: options.rejoin,
      boot: options.boot,
      freshClusterId: options.freshClusterId,
      aboveEpoch: options.foundAboveEpoch,
    });
    this.#zab = new Zab(this.#context, founding, options.leaseReads);
    this.#access = new LeaderAccess((leader, message) => this.#toServer(leader, message));
    this.#watches = new WatchTable(options.limits, {
      permits: (connection, acl) => this.#permitsRead(connection, acl),
      aclIdOf: (path) => this.#machine.aclIdOf(path),
    });
    this.#recordDigest();
    this.#streams = this.#newStreams();
    this.#clients = this.#newClients();
  }

  // ---- construction

  #newContext(storage: Storage): ZabContext {
    const { ensemble, id, limits } = this.#options;
    const voters = ensemble.filter((server) => !server.observer).map((server) => server.id);
    const observers = ensemble.filter((server) => server.observer).map((server) => server.id);
    return new ZabContext({
      id,
      limits,
      host: this,
      config: { voterSets: [voters], observers },
      epochs: storage.epochs,
      log: storage.log,
      treeless: storage.treeless,
    });
  }

  #newStreams(): StreamTable {
    return new StreamTable(this.#options.limits, this.#history, () => this.#store.image(), {
      permits: (connection, acl) => this.#permitsRead(connection, acl),
      statOf: (node) => this.#machine.statOf(node),
    });
  }

  #newClients(): Clients {
    const locals = new LocalRequests({
      machine: () => this.#machine,
      watches: this.#watches,
      streams: () => this.#streams,
      limits: this.#options.limits,
      history: this.#history,
      sendWatchEvent: this.#sendWatch,
    });
    return new Clients({
      id: this.#options.id,
      boot: this.#options.boot,
      limits: this.#options.limits,
      effects: this.#effects,
      access: this.#access,
      locals,
      machine: () => this.#machine,
      leaseZxid: () => this.#leaseZxid(),
      readOnlyMode: () => this.#options.readOnlyMode === true && !this.#context.treeless,
      mark: (name) => this.#context.mark(name),
    });
  }

  #permitsRead(connection: ConnectionId, acl: number): boolean {
    return this.#machine.permits(acl, permission.read, this.#clients.identitiesOf(connection));
  }

  /** What a linearizable read at this server must see, if its own lease answers that: all that this leader has committed. */
  #leaseZxid(): Zxid | undefined {
    const leading = this.#zab.leading;
    if (leading === undefined || !this.#zab.serving || !leading.leaseValid()) return undefined;
    if (buggify("a lease read goes the long way")) return undefined;
    return mutant("a leader reads behind its own commit") ? this.#machine.appliedZxid : leading.committed;
  }

  // ---- the turn

  turn(now: Now, events: readonly Event[], doubt: Doubt | undefined): void {
    this.#now = now;
    if (!this.#started) this.#start(now);
    this.#context.nowMs = now.monotonicMs;
    this.#clients.beginTurn(now.monotonicMs);
    this.#leader?.beginTurn(now);
    if (doubt !== undefined) this.#onClockDoubt(doubt);
    for (const event of events) this.#onEvent(event);
    this.#moveOn();
    this.#apply();
    this.#streams.deliverLive(now.monotonicMs, this.#sendStream);
    if (this.#leader === undefined && this.#mayLead()) this.#effects.again = true;
    this.#finish();
  }

  /** A promise given before a crash is not on disk: keep still for P (unless nobody could have been promised). */
  #start(now: Now): void {
    this.#started = true;
    const alone = this.#context.config.voterSets.every((voters) => voters.length === 1);
    if (mutant("a promise ends with its process")) return;
    if (!this.#storage.fresh && !alone) this.#context.promiseUntilMs = now.monotonicMs + this.#options.limits.promise_ms;
  }

  #onClockDoubt(doubt: Doubt): void {
    this.#zab.onClockDoubt();
    this.#leader?.onClockDoubt(doubt);
  }

  /** ZAB and the leader's requests, until this turn has nothing left for either. */
  #moveOn(): void {
    this.#leader?.advance();
    this.#access.flush();
    this.#deliverLocal();
    this.#zab.advance();
    this.#generations.endTurn(this.#now.monotonicMs);
    this.#settleClosed();
    this.#followLeader();
    this.#deliverLocal();
  }

  #finish(): void {
    this.#clients.endTurn();
    if (this.#lateChanges.length > 0) this.#watches.trigger(this.#lateChanges.splice(0), this.#sendWatch);
    if (this.#streams.count > 0 && this.#streams.pump(this.#now.monotonicMs, this.#sendStream)) {
      this.#effects.again = true;
    }
    this.#machine.expireImages(this.#now.monotonicMs);
    this.#maybeFlush();
  }

  #onEvent(event: Event): void {
    switch (event.type) {
      case "peerMessage":
        return this.#onPeerMessage(event.peer, event.link, event.message);
      case "clientMessage":
        return this.#clients.onMessage(event.connection, event.message);
      case "diskDone":
        return this.#onDiskDone(event.token);
      case "storeCommitted":
        return this.#onStoreCommitted(event.token);
      case "storeSynced":
        return this.#onStoreSynced(event.token);
      case "peerConnected":
        return this.#zab.onConnected(event.peer, event.link);
      case "peerLost":
        return this.#onPeerLost(event.peer, event.link);
      case "clientConnected":
        return this.#clients.onConnected(event.connection, event.protocol, event.identities);
      case "clientClosed":
        return this.#clients.onClosed(event.connection);
      case "clientWritable":
        return this.#streams.setWritable(event.connection, event.writable);
      case "diskFailed":
      case "storeFailed":
        return this.#effects.stop(70, event.reason);
      default:
        return assertNever(event);
    }
  }

  // ---- peers

  #onPeerMessage(peer: ServerId, link: number, message: PeerMessage): void {
    if (this.#context.links.get(peer) !== link && !mutant("messages of an old link are taken")) return;
    switch (message.type) {
      case "forward":
      case "confirm":
      case "resume":
      case "register":
        return this.#atLeader(peer, message);
      case "refusal":
      case "confirmed":
      case "resumed":
      case "moved":
        if (peer === this.#access.leader) this.#clients.onLeaderMessage(message);
        return;
      default:
        return this.#zab.onMessage(peer, message);
    }
  }

  #onPeerLost(peer: ServerId, link: number): void {
    if (this.#context.links.get(peer) === link) this.#zab.onLost(peer);
  }

  #toServer(server: ServerId, message: RequestMessage): void {
    if (server === this.#options.id) this.#local.push({ from: server, message });
    else this.#context.send(server, message);
  }

  /** Our clients' messages to our own leader side, and its answers. */
  #deliverLocal(): void {
    while (this.#local.length > 0) {
      const messages = this.#local;
      this.#local = [];
      for (const { from, message } of messages) this.#deliver(from, message);
    }
  }

  #deliver(from: ServerId, message: RequestMessage): void {
    if (message.type === "forward" || message.type === "confirm" || message.type === "resume" || message.type === "register") {
      this.#atLeader(from, message);
    } else if (this.#access.leader === this.#options.id) {
      this.#clients.onLeaderMessage(message);
    }
  }

  #atLeader(from: ServerId, message: RequestMessage): void {
    if (this.#leader !== undefined) this.#leader.onMessage(from, message);
    else if (this.#zab.leading !== undefined && this.#early.length < this.#options.limits.outstanding_txns_max)
      this.#early.push({ from, message });
  }

  #settleClosed(): void {
    const closed = this.#closed;
    this.#closed = [];
    for (const peer of closed) if (!this.#context.links.has(peer)) this.#zab.onLost(peer);
  }

  /** Leadership or the leader changed: the leader's requests begin anew, and clients turn to whoever leads. */
  #followLeader(): void {
    const leading = this.#zab.serving ? this.#zab.leading : undefined;
    const generation = leading !== undefined && (this.#leader !== undefined || this.#mayLead()) ? this.#zab.generation : -1;
    if (generation !== this.#leaderOf) this.#changeLeadership(generation);
    if (leading === undefined) this.#early = [];
    const leader = this.#zab.serving ? this.#zab.leaderId : undefined;
    const key = leader === undefined ? -1 : this.#zab.generation;
    if (key === this.#accessKey) return;
    this.#accessKey = key;
    const left = this.#access.setLeader(leader);
    if (leader === undefined) return;
    this.#clients.onNewLeader(left);
    this.#access.flush();
  }

  /** Established, and nothing in our log is still to be applied: the tree is what prepare must see. */
  #mayLead(): boolean {
    if (buggify("a leader waits before it takes requests")) return false;
    return this.#zab.serving && this.#zab.leading !== undefined && this.#machine.appliedZxid === this.#context.log.lastZxid;
  }

  #changeLeadership(generation: number): void {
    this.#leaderOf = generation;
    const leader = generation < 0 ? undefined : this.#zab.leading;
    this.#machine.resetOutstanding();
    this.#leader =
      leader === undefined
        ? undefined
        : new RequestsAtLeader(
            {
              id: this.#options.id,
              limits: this.#options.limits,
              leader,
              machine: this.#machine,
              encode: encodeTxn,
              answer: (server, message) => this.#toServer(server, message),
              mark: (name) => this.#context.mark(name),
              warn: (text) => this.log("warn", text),
              freeBytes: () => this.#drivers.disk.freeBytes(),
            },
            this.#now,
          );
    const early = this.#early;
    this.#early = [];
    for (const { from, message } of early) this.#atLeader(from, message);
  }

  // ---- completions

  #onDiskDone(token: number): void {
    const nowMs = this.#now.monotonicMs;
    if (this.#context.log.onDiskDone(token, nowMs) || this.#context.epochs.onDiskDone(token)) return;
    this.#generations.onDiskDone(token, nowMs);
  }

  #onStoreCommitted(token: number): void {
    if (!this.#store.onStoreCommitted(token)) this.#generations.onStoreCommitted(token);
  }

  #onStoreSynced(token: number): void {
    if (this.#store.onStoreSynced(token)) this.#trim();
    else this.#generations.onStoreSynced(token);
  }

  /** The log is kept from the flushed zxid (not the applied one: a flush that is only visible may be lost), and for learners. */
  #trim(): void {
    if (mutant("the log is never trimmed")) return;
    const pinned = this.#zab.pinnedZxid;
    const flushed = mutant("the log is cut below what the store has synced")
      ? this.#machine.appliedZxid
      : this.#store.flushedZxid;
    this.#context.log.trim(pinned !== undefined && pinned < flushed ? pinned : flushed);
  }

  // ---- apply

  #apply(): void {
    let budget = buggify("one txn is applied in a turn") ? 1 : appliedPerTurn;
    while (this.#machine.appliedZxid < this.#zab.applicable) {
      const entries = this.#context.log.readAfter(this.#machine.appliedZxid, applyBatchBytes);
      assert(entries !== undefined && entries.length > 0, "a committed entry must be in the log");
      const applied = this.#applyEntries(entries, budget);
      assert(applied > 0, "what is committed must be a log entry");
      budget -= applied;
      if (budget > 0) continue;
      this.#effects.again = this.#machine.appliedZxid < this.#zab.applicable;
      return;
    }
  }

  #applyEntries(entries: readonly LogEntry[], budget: number): number {
    const limit = this.#zab.applicable;
    let applied = 0;
    for (const entry of entries) {
      if (entry.zxid > limit || applied >= budget) break;
      const txn = this.#leader?.takeProposed(entry.zxid, entry.payload.length) ?? decodeTxn(entry.payload);
      assert(txn.zxid === entry.zxid, "a txn must carry the zxid of its log entry");
      this.#applyTxn(txn);
      applied += 1;
    }
    return applied;
  }

  #applyTxn(txn: Txn): void {
    const watched = !this.#watches.empty || this.#streams.count > 0;
    const outcome = this.#outcomeOf(mutant("an expiry of a past epoch is rejected") ? this.#withoutPastExpiry(txn) : txn);
    this.#recordDigest();
    if (watched) this.#notify(txn);
    else this.#streams.onApplied(txn.zxid, []);
    const { body, source } = txn;
    if (body.type === "createSession" && source.type === "origin")
      this.#leader?.onSessionCreated(txn.zxid as number as SessionId, body.timeoutMs, source.server);
    this.#clients.onApplied(source, txn.zxid, outcome);
    if (body.type !== "closeSession") return;
    this.#leader?.onSessionClosed(body.session);
    this.#clients.onSessionClosed(body.session);
  }

  /** What does not fit stops us; whoever looks for the cause begins with the txn. */
  #outcomeOf(txn: Txn): Outcome {
    try {
      return this.#machine.apply(txn);
    } catch (error) {
      if (error instanceof InvariantError) error.message += ` (txn ${formatZxid(txn.zxid)}, ${txn.body.type})`;
      throw error;
    }
  }

  /** Also of a tree that was just opened: while nothing is applied it is the only one that can be compared. */
  #recordDigest(): void {
    this.#digests.record(this.#machine.appliedZxid, this.#machine.digestHigh, this.#machine.digestLow);
  }

  /** Planted bug: whether a txn applies depends on when. */
  #withoutPastExpiry(txn: Txn): Txn {
    const past = txn.body.type === "closeSession" && txn.source.type === "internal" && epochOf(txn.zxid) < this.#zab.epoch;
    return past ? { ...txn, body: { type: "stamp" } } : txn;
  }

  #notify(txn: Txn): void {
    const changes = changesOf(txn);
    if (mutant("a watch event comes after the reply")) {
      this.#lateChanges.push(...changes);
      return this.#streams.onApplied(txn.zxid, changes);
    }
    this.#watches.trigger(changes, this.#sendWatch);
    this.#streams.onApplied(txn.zxid, changes);
  }

  // ---- store

  #maybeFlush(): void {
    if (this.#context.treeless) return;
    if (this.#store.shouldFlush(this.#now.monotonicMs)) this.#flush();
  }

  flushNow(nowMs: number): void {
    if (this.#context.treeless) return;
    if (!this.#store.flushing) this.#writeRecords();
    if (!this.#store.flushing) this.#store.flush(nowMs);
  }

  #flush(): void {
    if (!this.#store.flushing) this.#writeRecords();
    this.#store.flush(this.#now.monotonicMs);
    if (this.#store.shouldFlush(this.#now.monotonicMs)) this.#effects.again = true;
  }

  #writeRecords(): void {
    this.#machine.writeRecords();
    this.#store.setApplied(this.#store.appliedZxid);
  }

  condemnStore(reason: string): void {
    this.#storage.kv.condemn(reason);
  }

  // ---- what ZAB asks of us

  get appliedZxid(): Zxid {
    return this.#machine.appliedZxid;
  }

  send(peer: ServerId, message: PeerMessage): void {
    const link = this.#context.links.get(peer);
    if (link !== undefined) this.#effects.send(peer, link, message);
  }

  closeLink(peer: ServerId, reason: string): void {
    const link = this.#context.links.get(peer);
    if (link === undefined) return;
    this.#context.links.delete(peer);
    this.#closed.push(peer);
    this.#effects.closePeer(peer, link, reason);
  }

  log(
    level: "debug" | "info" | "warn" | "error",
    message: string,
    fields: Readonly<Record<string, string | number | boolean>> = {},
  ): void {
    this.#effects.log(level, message, fields);
  }

  halt(exitCode: 70 | 78, reason: string): void {
    this.#effects.stop(exitCode, reason);
  }

  digestAt(zxid: Zxid): Digest | undefined {
    return this.#digests.at(zxid);
  }

  openSnapshot(): SnapshotReader | undefined {
    return snapshotReader(this.#storage.kv, this.#options.limits.snapshot_chunk_bytes);
  }

  beginInstall(zxid: Zxid): SnapshotInstall {
    return this.#generations.begin(zxid);
  }

  completeInstall(done: SnapshotInstall): void {
    if (!mutant("streams live through SNAP")) this.#clients.closeAll("the server has fetched a new snapshot");
    this.#storage = this.#generations.complete(done);
    this.#context.log = this.#storage.log;
    this.#store = this.#storage.store;
    this.#machine = StateMachine.over(this.#store, this.#options);
    this.#digests.clear();
    this.#recordDigest();
    this.#streams = this.#newStreams();
  }

  // ---- view

  inspect(): Inspection {
    const sessions = [...this.#machine.sessions()].map(({ id, timeoutMs }) => ({
      id,
      timeoutMs,
      ephemerals: this.#machine.ephemeralsOf(id),
    }));
    const watches = [...this.#watches.byConnection()].map(([connection, paths]) => ({
      connection,
      session: this.#clients.sessionOf(connection),
      paths: [...paths],
    }));
    return { sessions, watches };
  }

  status(): Status {
    const counts = this.#machine.counts();
    return {
      id: this.#options.id,
      role: this.#zab.role,
      serving: this.#zab.serving,
      epoch: this.#zab.epoch,
      leader: this.#zab.leaderId,
      clusterId: this.#context.record.clusterId,
      lastLoggedZxid: this.#context.log.lastZxid,
      lastCommittedZxid: this.#zab.committed,
      lastAppliedZxid: this.#machine.appliedZxid,
      flushedZxid: this.#store.flushedZxid,
      sessions: counts.sessions,
      connections: this.#clients.count,
      watches: this.#watches.count,
      streams: this.#streams.count,
      znodes: counts.znodes,
      ephemerals: counts.ephemerals,
      dataBytes: counts.dataBytes,
      outstanding: this.#leader?.outstanding ?? 0,
      peers: [...this.#context.links.keys()],
      readOnly: this.#clients.readOnly,
      waitingFor: this.#zab.waitingFor,
    };
  }
}
