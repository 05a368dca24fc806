/**
 * I-20, watches and streams. Streams and one-shot watches against the committed log. A stream's deliveries, put together over
 * reconnects, are the exact filter of the log: nothing skipped, nothing twice, in order, a txn never
 * split. A snapshot is the model at its zxid. A one-shot watch fires for the first change after the
 * read that set it, and before any reply that shows the change.
 */
import { isWithin, parentOf } from "../../../src/model/path.ts";
import type { Change, StreamDelivery, WatchEvent } from "../../../src/model/watch.ts";
import { formatZxid, type Zxid } from "../../../src/model/zxid.ts";
import type { AnyClient, ClientStream } from "../client.ts";
import type { Operation } from "../history.ts";
import type { GhostLog } from "./ghost-log.ts";
import type { Model, ModelChange } from "./model.ts";
import { Check, Invariant } from "./violation.ts";

interface SnapshotParts {
  zxid: Zxid;
  readonly entries: Map<string, { czxid: Zxid; mzxid: Zxid }>;
}

/** What is armed on one connection: path by kind, with the zxid of the read that armed it. */
interface Armed {
  readonly data: Map<string, Zxid>;
  readonly child: Map<string, Zxid>;
}

export class ExactWatches extends Invariant {
  readonly streams = new Check("streams are the log's exact filter");
  readonly snapshots = new Check("stream snapshots are the tree at their zxid");
  readonly oneShot = new Check("watches fire for the first change");
  readonly beforeReply = new Check("watch events come before replies that show the change");
  readonly #ghost: GhostLog;
  readonly #model: Model;
  readonly #parts = new Map<ClientStream, SnapshotParts>();
  readonly #armed = new Map<AnyClient, Armed>();
  readonly #changesOf = new Map<string, ModelChange[]>();
  #indexed = 0;

  constructor(ghost: GhostLog, model: Model) {
    super();
    this.#ghost = ghost;
    this.#model = model;
  }

  connectionEnded(client: AnyClient): void {
    this.#armed.delete(client);
  }

  // ---- streams

  reset(stream: ClientStream): void {
    this.#parts.delete(stream);
  }

  onDelivery(stream: ClientStream, delivery: StreamDelivery): void {
    if (delivery.type === "snapshot") this.#snapshot(stream, delivery);
    else if (delivery.type === "changes") this.#changes(stream, delivery);
    else this.#parts.delete(stream);
  }

  #snapshot(stream: ClientStream, delivery: StreamDelivery & { type: "snapshot" }): void {
    let parts = this.#parts.get(stream);
    if (parts === undefined || parts.zxid !== delivery.zxid)
      this.#parts.set(stream, (parts = { zxid: delivery.zxid, entries: new Map() }));
    for (const entry of delivery.entries) {
      this.snapshots.hold(
        !parts.entries.has(entry.path),
        () => `${entry.path} comes twice in the snapshot at ${formatZxid(delivery.zxid)}`,
      );
      parts.entries.set(entry.path, entry.stat);
    }
    if (!delivery.done) return;
    this.#parts.delete(stream);
    this.#snapshotIs(stream, parts);
  }

  #snapshotIs(stream: ClientStream, parts: SnapshotParts): void {
    for (const [path, stat] of parts.entries) {
      const node = this.#model.at(path, parts.zxid);
      this.snapshots.hold(
        node !== undefined && (this.#model.isPredefined(path) || (node.czxid === stat.czxid && node.mzxid === stat.mzxid)),
        () => `the snapshot at ${formatZxid(parts.zxid)} has another ${path} than the tree`,
      );
    }
    for (const path of this.#pathsAt(stream, parts.zxid)) {
      this.snapshots.hold(
        parts.entries.has(path),
        () => `the snapshot of ${stream.spec.path} at ${formatZxid(parts.zxid)} lacks ${path}`,
      );
    }
  }

  #pathsAt(stream: ClientStream, zxid: Zxid): string[] {
    const found: string[] = [];
    const visit = (path: string): void => {
      if (!covers(stream, path) || this.#model.at(path, zxid) === undefined) return;
      found.push(path);
      for (const name of this.#model.childrenAt(path, zxid)) visit(path === "/" ? `/${name}` : `${path}/${name}`);
    };
    visit(stream.spec.path);
    return found;
  }

  #changes(stream: ClientStream, delivery: StreamDelivery & { type: "changes" }): void {
    const from = stream.position ?? (0 as Zxid);
    this.streams.hold(
      delivery.zxid >= from,
      () => `the stream of ${stream.spec.path} goes back from ${formatZxid(from)} to ${formatZxid(delivery.zxid)}`,
    );
    this.streams.hold(
      delivery.zxid <= this.#ghost.tip,
      () => `the stream of ${stream.spec.path} is at ${formatZxid(delivery.zxid)}, committed is ${formatZxid(this.#ghost.tip)}`,
    );
    const wanted = this.#filter(stream, from, delivery.zxid);
    this.streams.hold(
      wanted.length === delivery.changes.length,
      () =>
        `the stream of ${stream.spec.path} gives ${delivery.changes.length} changes in (${formatZxid(from)}, ${formatZxid(delivery.zxid)}], the log has ${wanted.length}: ${wanted.map(text).join(" ")} against ${delivery.changes.map(text).join(" ")}`,
    );
    for (const [i, change] of delivery.changes.entries()) this.#changeIs(stream, change, wanted[i] as ModelChange);
  }

  #changeIs(stream: ClientStream, change: Change, wanted: ModelChange): void {
    const same = change.type === wanted.type && change.path === wanted.path && change.zxid === wanted.zxid;
    this.streams.hold(same, () => `the stream of ${stream.spec.path} gives ${text(change)}, the log has ${text(wanted)}`);
    const { node } = wanted;
    if (node === undefined || change.stat === undefined) return;
    const problem = this.#model.statProblem(node, change.stat);
    this.streams.hold(problem === undefined, () => `the stream's ${text(change)}: ${problem}`);
    if (stream.spec.withData && change.type !== "aclChanged") {
      const data = this.#model.dataProblem(node, change.data);
      this.streams.hold(data === undefined, () => `the stream's ${text(change)}: ${data}`);
    }
  }

  #filter(stream: ClientStream, from: Zxid, to: Zxid): ModelChange[] {
    const { changes } = this.#model;
    const out: ModelChange[] = [];
    for (let i = firstAfter(changes, from); i < changes.length; i += 1) {
      const change = changes[i] as ModelChange;
      if (change.zxid > to) break;
      if (covers(stream, change.path)) out.push(change);
    }
    return out;
  }

  /** There are changes that it has not been told. */
  lags(stream: ClientStream): boolean {
    if (stream.position === undefined) return true;
    return this.#filter(stream, stream.position, this.#ghost.tip).length > 0;
  }

  // ---- one-shot watches

  /** A reply came: arms the watch of a read, and judges those armed before. */
  onReply(client: AnyClient, operation: Operation): void {
    const armed = this.#armed.get(client);
    if (armed !== undefined && operation.connection > 0) this.#noneMissed(armed, operation.zxid);
    const { request, outcome } = operation;
    if (outcome === undefined || !("watch" in request) || !request.watch || operation.sends > 1) return;
    const mine = armed ?? { data: new Map(), child: new Map() };
    this.#armed.set(client, mine);
    if (request.type === "getChildren") {
      if (outcome.code === "OK" && !mine.child.has(request.path)) mine.child.set(request.path, operation.zxid);
    } else if ((outcome.code === "OK" || request.type === "exists") && !mine.data.has(request.path)) {
      mine.data.set(request.path, operation.zxid);
    }
  }

  #noneMissed(armed: Armed, zxid: Zxid): void {
    for (const [path, since] of armed.data) {
      const change = this.#firstData(path, since);
      this.beforeReply.hold(
        change === undefined || change.zxid > zxid,
        () => `a reply at ${formatZxid(zxid)} came before the watch event of ${change === undefined ? "" : text(change)}`,
      );
    }
    for (const [path, since] of armed.child) {
      const change = this.#firstChild(path, since);
      this.beforeReply.hold(
        change === undefined || change.zxid > zxid,
        () =>
          `a reply at ${formatZxid(zxid)} came before the child watch event of ${path} for ${change === undefined ? "" : text(change)}`,
      );
    }
  }

  onEvent(client: AnyClient, event: WatchEvent): void {
    const armed = this.#armed.get(client);
    if (armed === undefined) return;
    if (event.type === "nodeChildrenChanged")
      return this.#fired(armed.child, event, (path, since) => this.#firstChild(path, since));
    const childToo = event.type === "nodeDeleted" && armed.child.has(event.path);
    if (armed.data.has(event.path)) this.#fired(armed.data, event, (path, since) => this.#firstData(path, since));
    if (childToo) this.#fired(armed.child, event, (path, since) => this.#firstChild(path, since));
  }

  #fired(map: Map<string, Zxid>, event: WatchEvent, first: (path: string, since: Zxid) => ModelChange | undefined): void {
    const since = map.get(event.path);
    if (since === undefined) return;
    map.delete(event.path);
    const change = first(event.path, since);
    this.oneShot.hold(
      change?.zxid === event.zxid,
      () =>
        `a watch on ${event.path} set at ${formatZxid(since)} fired ${event.type} at ${formatZxid(event.zxid)}, the first change is ${change === undefined ? "none" : text(change)}`,
    );
  }

  #index(): void {
    const { changes } = this.#model;
    for (; this.#indexed < changes.length; this.#indexed += 1) {
      const change = changes[this.#indexed] as ModelChange;
      if (change.type !== "aclChanged") this.#add(`d${change.path}`, change);
      if (change.type === "created" || change.type === "deleted") this.#add(`c${parentOf(change.path) ?? ""}`, change);
      if (change.type === "deleted") this.#add(`c${change.path}`, change);
    }
  }

  #add(key: string, change: ModelChange): void {
    const list = this.#changesOf.get(key);
    if (list === undefined) this.#changesOf.set(key, [change]);
    else list.push(change);
  }

  #firstData(path: string, since: Zxid): ModelChange | undefined {
    this.#index();
    const list = this.#changesOf.get(`d${path}`) ?? [];
    return list[firstAfter(list, since)];
  }

  #firstChild(path: string, since: Zxid): ModelChange | undefined {
    this.#index();
    const list = this.#changesOf.get(`c${path}`) ?? [];
    return list[firstAfter(list, since)];
  }
}

/** Not recursive: the node and its direct children. */
function covers(stream: ClientStream, path: string): boolean {
  const { spec } = stream;
  return spec.recursive ? isWithin(path, spec.path) : path === spec.path || parentOf(path) === spec.path;
}

function firstAfter(changes: readonly { readonly zxid: Zxid }[], zxid: Zxid): number {
  let low = 0;
  let high = changes.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((changes[middle] as { zxid: Zxid }).zxid <= zxid) low = middle + 1;
    else high = middle;
  }
  return low;
}

function text(change: { readonly type: string; readonly path: string; readonly zxid: Zxid }): string {
  return `${change.type} ${change.path} at ${formatZxid(change.zxid)}`;
}
