/**
 * All streams of a server. `replica` calls, in each turn: `subscribe`/`unsubscribe`/`setWritable`/
 * `dropConnection` as events come, `onApplied` for *every* applied txn (also one without changes)
 * while any stream is live, `deliverLive` before it emits a reply that shows those txns, and `pump`
 * at the end of the turn, which does the rest: parts of snapshots, history, bookmarks.
 *
 * Invariants: a stream's deliveries are the exact filter of the log after its start, in order, once;
 * a txn's changes are in one delivery; a bookmark is sent only when all up to it was. A jump of the
 * applied zxid (SNAP) past a live stream would be a silent gap: it is asserted against, and `replica`
 * drops all connections before such a jump.
 *
 * Bounds: work of one `pump` by bytes looked at; a live stream's buffer by one turn and
 * `output_bytes_per_connection_max`; streams by connection; images by number and time.
 */
import { assert, must } from "../model/assert.ts";
import { buggify } from "../model/buggify.ts";
import type { Limits } from "../model/limits.ts";
import { mutant } from "../model/mutant.ts";
import { failure, type Outcome, okOutcome, type SubscribeRequest } from "../model/request.ts";
import type { Stat } from "../model/stat.ts";
import type { Change, StreamDelivery } from "../model/watch.ts";
import { type ConnectionId, follows, formatZxid, type Zxid } from "../model/zxid.ts";
import type { StoreImage } from "../tree/store.ts";
import { HistoryWindow } from "./history-window.ts";
import { ImagePins } from "./image-pins.ts";
import { SnapshotWalk } from "./snapshot-walk.ts";
import { costOf, type History, type HistoryTxn, Stream, type StreamAccess, withoutData } from "./stream.ts";
import { StreamIndex } from "./stream-index.ts";

export type StreamSink = (connection: ConnectionId, delivery: StreamDelivery) => void;

interface ConnectionStreams {
  writable: boolean;
  readonly streams: Map<number, Stream>;
}

interface SnapshotEntry {
  readonly path: string;
  readonly stat: Stat;
  readonly data: Uint8Array | undefined;
}

const bookmarkIdleMs = 1_000;
const bookmarksPerPump = 256;
/** Of work: parts of snapshot_chunk_bytes each. */
const partsPerPump = 2;
/** What a change costs that is looked at and does not match. */
const scanBytes = 32;

export class StreamTable {
  readonly #limits: Limits;
  readonly #history: History;
  readonly #access: StreamAccess;
  readonly #pins: ImagePins;
  readonly #window: HistoryWindow;
  readonly #index = new StreamIndex();
  /** Invariant: an entry has a stream or is not writable. */
  readonly #connections = new Map<ConnectionId, ConnectionStreams>();
  /** Streams in phase snapshot or history whose connection is writable, in turn. */
  readonly #behind = new Set<Stream>();
  /** All streams, in order of lastSentMs. */
  readonly #idle = new Set<Stream>();
  /** Streams that got changes since the last delivery. */
  #ready: Stream[] = [];
  readonly #found: Stream[] = [];
  #liveCount = 0;
  /** The last txn seen; exact while a stream is live. */
  #applied: Zxid;

  constructor(limits: Limits, history: History, images: () => StoreImage | undefined, access: StreamAccess) {
    this.#limits = limits;
    this.#history = history;
    this.#access = access;
    this.#pins = new ImagePins(limits, images);
    this.#window = new HistoryWindow(history);
    this.#applied = history.appliedZxid;
  }

  get count(): number {
    return this.#idle.size;
  }

  /**
   * Registers a stream; its deliveries come with `pump`. COMPACTED carries the oldest zxid to resume
   * at, as a decimal number. A fromZxid above what is applied here is fine: the stream waits for it.
   */
  subscribe(connection: ConnectionId, request: SubscribeRequest, nowMs: number): Outcome {
    const entry = this.#connections.get(connection);
    if (entry?.streams.has(request.stream)) return failure("BAD_ARGUMENTS", "the stream's number is in use");
    const streamsMax = this.#limits.streams_per_connection_max;
    if (entry !== undefined && entry.streams.size >= streamsMax)
      return failure("LIMIT", `streams_per_connection_max is ${streamsMax}`);
    if (request.fromZxid === undefined) return this.#subscribeSnapshot(connection, request, nowMs);
    if (request.fromZxid < this.#history.oldest) return failure("COMPACTED", String(this.#history.oldest));
    const skipped = mutant("a stream resumes one too late") ? 1 : 0;
    this.#open(new Stream(connection, request, (request.fromZxid + skipped) as Zxid, nowMs));
    return okOutcome;
  }

  #subscribeSnapshot(connection: ConnectionId, request: SubscribeRequest, nowMs: number): Outcome {
    const pin = this.#pins.acquire(this.#history.appliedZxid, nowMs);
    if (pin === undefined) return failure("LIMIT", `image_pins_max is ${this.#limits.image_pins_max}`);
    const stream = new Stream(connection, request, pin.image.zxid, nowMs);
    stream.phase = "snapshot";
    stream.walk = new SnapshotWalk(pin, request.path, request.recursive);
    this.#open(stream);
    return okOutcome;
  }

  #open(stream: Stream): void {
    const entry = this.#entry(stream.connection);
    entry.streams.set(stream.id, stream);
    this.#index.add(stream);
    this.#idle.add(stream);
    if (entry.writable) this.#behind.add(stream);
  }

  #entry(connection: ConnectionId): ConnectionStreams {
    const existing = this.#connections.get(connection);
    if (existing !== undefined) return existing;
    const entry: ConnectionStreams = { writable: true, streams: new Map() };
    this.#connections.set(connection, entry);
    return entry;
  }

  /** False: there is no such stream. */
  unsubscribe(connection: ConnectionId, id: number): boolean {
    const stream = this.#connections.get(connection)?.streams.get(id);
    if (stream === undefined) return false;
    this.#close(stream);
    return true;
  }

  dropConnection(connection: ConnectionId): void {
    const entry = this.#connections.get(connection);
    if (entry === undefined) return;
    for (const stream of entry.streams.values()) this.#close(stream);
    this.#connections.delete(connection);
  }

  #close(stream: Stream): void {
    if (stream.phase === "live") this.#leaveLive(stream);
    if (stream.walk !== undefined) this.#pins.release(stream.walk.pin);
    stream.walk = undefined;
    this.#index.remove(stream);
    this.#behind.delete(stream);
    this.#idle.delete(stream);
    const entry = must(this.#connections.get(stream.connection), "a stream's connection must be known");
    entry.streams.delete(stream.id);
    if (entry.streams.size === 0 && entry.writable) this.#connections.delete(stream.connection);
    if (this.#behind.size === 0) this.#window.clear();
  }

  /** A connection that cannot take more stops its streams where they are; they go on from there, out of history. */
  setWritable(connection: ConnectionId, writable: boolean): void {
    const entry = this.#entry(connection);
    entry.writable = writable;
    for (const stream of entry.streams.values()) {
      if (stream.phase === "live" && !writable) this.#leaveLive(stream);
      if (!writable) this.#behind.delete(stream);
      else if (stream.phase !== "live") this.#behind.add(stream);
    }
    if (writable && entry.streams.size === 0) this.#connections.delete(connection);
  }

  /** Hands a txn to the live streams. Every txn, in order, while any stream is live. */
  onApplied(zxid: Zxid, changes: readonly Change[]): void {
    const previous = this.#applied;
    assert(zxid > previous, "txns are applied in order");
    assert(this.#liveCount === 0 || follows(previous, zxid), "a live stream must see every txn");
    this.#applied = zxid;
    if (this.#liveCount === 0) return;
    for (const change of changes) {
      this.#found.length = 0;
      this.#index.collect(change.path, this.#found);
      for (const stream of this.#found) if (stream.phase === "live") this.#offer(stream, change, previous);
    }
  }

  #offer(stream: Stream, change: Change, previous: Zxid): void {
    if (change.zxid <= stream.position || !this.#access.permits(stream.connection, change.acl)) return;
    if (stream.pending.length === 0) {
      if (previous > stream.position) stream.advance(previous);
      this.#ready.push(stream);
    }
    const told = stream.withData ? change : withoutData(change);
    stream.pending.push(told);
    stream.pendingBytes += costOf(told.path, told.data);
    const bytesMax = buggify("a stream falls behind") ? 0 : this.#limits.output_bytes_per_connection_max;
    if (stream.pendingBytes <= bytesMax) return;
    this.#leaveLive(stream);
    this.#behind.add(stream);
  }

  /** What was applied since the last call, to every live stream that it concerns. */
  deliverLive(nowMs: number, send: StreamSink): void {
    const ready = this.#ready;
    if (ready.length === 0) return;
    this.#ready = [];
    for (const stream of ready) {
      if (stream.pending.length === 0) continue;
      const changes = stream.pending;
      stream.dropPending();
      this.#sendChanges(stream, this.#applied, changes, nowMs, send);
    }
  }

  /** The end of a turn: a bounded part of all that waits. True: call again, more waits. */
  pump(nowMs: number, send: StreamSink): boolean {
    assert(this.#liveCount === 0 || this.#history.appliedZxid === this.#applied, "a txn was applied past a live stream");
    this.deliverLive(nowMs, send);
    this.#pins.expire(nowMs);
    this.#catchUp(nowMs, send);
    const moreBookmarks = this.#sendBookmarks(nowMs, send);
    return moreBookmarks || this.#behind.size > 0;
  }

  /** Parts of snapshot and history, stream after stream, until the budget is used up. */
  #catchUp(nowMs: number, send: StreamSink): void {
    let budget = partsPerPump * this.#limits.snapshot_chunk_bytes;
    for (const stream of this.#behind) {
      if (budget <= 0) return;
      this.#behind.delete(stream);
      budget -=
        stream.phase === "snapshot" ? this.#sendSnapshotPart(stream, nowMs, send) : this.#sendHistoryPart(stream, nowMs, send);
      if (stream.phase !== "live" && this.#isOpen(stream)) this.#behind.add(stream);
    }
    this.#window.clear();
  }

  #isOpen(stream: Stream): boolean {
    return this.#idle.has(stream);
  }

  #sendSnapshotPart(stream: Stream, nowMs: number, send: StreamSink): number {
    const walk = must(stream.walk, "a stream in phase snapshot has a walk");
    if (!walk.pin.live) {
      this.#end(stream, "COMPACTED", String(this.#history.oldest), send);
      return scanBytes;
    }
    const entries: SnapshotEntry[] = [];
    let cost = 0;
    let walked = walk.next();
    for (; walked !== undefined; walked = walk.next()) {
      const data = stream.withData ? walked.node.data : undefined;
      cost += costOf(walked.path, data);
      if (this.#access.permits(stream.connection, walked.node.acl)) {
        entries.push({ path: walked.path, stat: this.#access.statOf(walked.node), data });
      }
      if (cost >= this.#limits.snapshot_chunk_bytes) break;
    }
    const done = walked === undefined;
    if (done || entries.length > 0) {
      send(stream.connection, { type: "snapshot", stream: stream.id, zxid: stream.position, done, entries });
      this.#touch(stream, nowMs);
    }
    if (done) this.#finishSnapshot(stream);
    return cost + scanBytes;
  }

  #finishSnapshot(stream: Stream): void {
    this.#pins.release(must(stream.walk, "a stream in phase snapshot has a walk").pin);
    stream.walk = undefined;
    stream.phase = "history";
    if (stream.position >= this.#history.appliedZxid) this.#goLive(stream);
  }

  #sendHistoryPart(stream: Stream, nowMs: number, send: StreamSink): number {
    if (stream.position >= this.#history.appliedZxid) {
      this.#goLive(stream);
      return scanBytes;
    }
    const txns = this.#window.txnsAfter(stream.position, this.#limits.snapshot_chunk_bytes);
    if (txns === undefined) {
      this.#end(stream, "SLOW_CONSUMER", `history after ${formatZxid(stream.position)} is no longer kept`, send);
      return scanBytes;
    }
    assert(txns.length > 0, "history must reach the applied zxid");
    const changes: Change[] = [];
    let cost = 0;
    let last = stream.position;
    for (const txn of txns) {
      assert(txn.zxid > last && txn.zxid <= this.#history.appliedZxid, "history must be in order, and applied");
      cost += this.#filter(stream, txn, changes);
      last = txn.zxid;
      if (cost >= this.#limits.snapshot_chunk_bytes) break;
    }
    if (changes.length > 0) this.#sendChanges(stream, last, changes, nowMs, send);
    else stream.advance(last);
    if (last >= this.#history.appliedZxid) this.#goLive(stream);
    return cost;
  }

  /** Adds the txn's changes that the stream may see; returns what looking cost. */
  #filter(stream: Stream, txn: HistoryTxn, changes: Change[]): number {
    let cost = scanBytes;
    for (const change of txn.changes) {
      cost += scanBytes;
      if (!stream.covers(change.path) || !this.#access.permits(stream.connection, change.acl)) continue;
      const told = stream.withData ? change : withoutData(change);
      cost += costOf(told.path, told.data);
      changes.push(told);
    }
    return cost;
  }

  #goLive(stream: Stream): void {
    assert(stream.phase === "history" && stream.pending.length === 0, "only history leads to live");
    if (this.#liveCount === 0) this.#applied = this.#history.appliedZxid;
    assert(this.#applied === this.#history.appliedZxid, "a stream goes live between txns");
    stream.phase = "live";
    this.#liveCount += 1;
  }

  /** Back to history, at a position before everything that was not delivered. */
  #leaveLive(stream: Stream): void {
    assert(stream.phase === "live" && this.#liveCount > 0, "only a live stream can fall back");
    const missedNothing = stream.pending.length === 0 || mutant("a paused stream forgets its buffer");
    if (missedNothing && this.#applied > stream.position) stream.advance(this.#applied);
    stream.dropPending();
    stream.phase = "history";
    this.#liveCount -= 1;
  }

  /** Tells streams that have been quiet how far they are, so that they resume from there. True: more are due. */
  #sendBookmarks(nowMs: number, send: StreamSink): boolean {
    let budget = bookmarksPerPump;
    for (const stream of this.#idle) {
      if (nowMs - stream.lastSentMs < bookmarkIdleMs && !buggify("a bookmark ahead of time")) return false;
      if (budget === 0) return true;
      budget -= 1;
      this.#touch(stream, nowMs);
      if (stream.phase === "snapshot" || this.#connections.get(stream.connection)?.writable !== true) continue;
      if (stream.phase === "live" && this.#applied > stream.position) stream.advance(this.#applied);
      if (stream.position > stream.bookmark) this.#sendChanges(stream, stream.position, [], nowMs, send);
    }
    return false;
  }

  #sendChanges(stream: Stream, zxid: Zxid, changes: readonly Change[], nowMs: number, send: StreamSink): void {
    stream.advance(zxid);
    stream.bookmark = zxid;
    send(stream.connection, { type: "changes", stream: stream.id, zxid, changes });
    this.#touch(stream, nowMs);
  }

  #touch(stream: Stream, nowMs: number): void {
    stream.lastSentMs = nowMs;
    this.#idle.delete(stream);
    this.#idle.add(stream);
  }

  #end(stream: Stream, code: "COMPACTED" | "SLOW_CONSUMER", detail: string, send: StreamSink): void {
    this.#close(stream);
    send(stream.connection, { type: "end", stream: stream.id, code, detail });
  }
}
