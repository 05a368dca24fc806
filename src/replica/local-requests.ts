/**
 * Requests that the serving server performs on its own committed state: reads, one-shot and persistent
 * watches, streams, identities. A read and the watch it sets happen in one call, so no change can fall
 * between them.
 */

import { type AuthId, permission } from "../model/acl.ts";
import { assertNever } from "../model/assert.ts";
import type { Limits } from "../model/limits.ts";
import { mutant } from "../model/mutant.ts";
import { operations } from "../model/operation.ts";
import { pathError } from "../model/path.ts";
import {
  type AddWatchRequest,
  failure,
  type LocalRequest,
  type Outcome,
  okOutcome,
  type ReadRequest,
  type SetWatchesRequest,
  type SubscribeRequest,
} from "../model/request.ts";
import type { WatchEvent } from "../model/watch.ts";
import type { ConnectionId, Zxid } from "../model/zxid.ts";
import { type CatchUpTree, catchUp } from "../watch/catch-up.ts";
import { HistoryWindow } from "../watch/history-window.ts";
import { replay } from "../watch/replay.ts";
import type { History, HistoryTxn } from "../watch/stream.ts";
import type { StreamTable } from "../watch/stream-table.ts";
import type { WatchTable } from "../watch/watch-table.ts";
import type { Connection } from "./connection.ts";
import type { StateMachine } from "./state-machine.ts";

const identitiesMax = 64;
const replayedPerTurn = 20_000;

export interface LocalParts {
  readonly machine: () => StateMachine;
  readonly watches: WatchTable;
  readonly streams: () => StreamTable;
  readonly limits: Limits;
  readonly history: History;
  readonly sendWatchEvent: (connection: ConnectionId, event: WatchEvent) => void;
}

export class LocalRequests {
  readonly #parts: LocalParts;
  readonly #window: HistoryWindow;
  /** Txns replayed in this turn. */
  #replayed = 0;
  /** Only with a planted bug. */
  readonly #late: { connection: ConnectionId; kind: "child" | "data"; path: string }[] = [];

  constructor(parts: LocalParts) {
    this.#parts = parts;
    this.#window = new HistoryWindow(parts.history);
  }

  dropConnection(connection: ConnectionId): void {
    this.#parts.watches.dropConnection(connection);
    this.#parts.streams().dropConnection(connection);
  }

  perform(connection: Connection, request: ReadRequest | LocalRequest, nowMs: number): Outcome {
    for (const { connection: id, kind, path } of this.#late.splice(0)) this.#parts.watches.add(id, kind, path);
    if (operations[request.type].class === "read") return this.#read(connection, request as ReadRequest, nowMs);
    return this.#local(connection, request as LocalRequest, nowMs);
  }

  #read(connection: Connection, request: ReadRequest, nowMs: number): Outcome {
    const outcome = this.#parts
      .machine()
      .read(request, { session: connection.session, identities: connection.identities, nowMs });
    if (!("watch" in request) || !request.watch || !armsWatch(request.type, outcome)) return outcome;
    const kind = request.type === "getChildren" ? "child" : "data";
    if (mutant("a watch is set a request late")) {
      this.#late.push({ connection: connection.id, kind, path: request.path });
      return outcome;
    }
    return this.#parts.watches.add(connection.id, kind, request.path) ? outcome : failure("LIMIT", "watches_per_connection_max");
  }

  #local(connection: Connection, request: LocalRequest, nowMs: number): Outcome {
    switch (request.type) {
      case "addAuth":
        return this.#addAuth(connection, request.identities);
      case "addWatch":
        return this.#addWatch(connection, request);
      case "removeWatches":
        return this.#parts.watches.remove(connection.id, request.path, request.kind) ? okOutcome : failure("NO_WATCHER");
      case "checkWatches":
        return this.#parts.watches.has(connection.id, request.path, request.kind) ? okOutcome : failure("NO_WATCHER");
      case "setWatches":
        return this.#setWatches(connection, request);
      case "subscribe":
        return this.#subscribe(connection, request, nowMs);
      case "unsubscribe":
        return this.#parts.streams().unsubscribe(connection.id, request.stream) ? okOutcome : failure("NO_WATCHER");
      default:
        return assertNever(request);
    }
  }

  #addAuth(connection: Connection, identities: readonly AuthId[]): Outcome {
    if (identities.length === 0) return failure("AUTH_FAILED");
    const known = connection.identities;
    const isKnown = (one: AuthId): boolean => known.some((other) => other.scheme === one.scheme && other.id === one.id);
    const all = [...known, ...identities.filter((one) => !isKnown(one))];
    // They travel with every write of the connection.
    if (all.length > identitiesMax) return failure("LIMIT", `a connection has at most ${identitiesMax} identities`);
    connection.identities = all;
    return okOutcome;
  }

  #addWatch(connection: Connection, request: AddWatchRequest): Outcome {
    // ZooKeeper takes any path, and its clients count on nothing else.
    const error = connection.protocol === "native" ? pathError(request.path, this.#parts.limits) : undefined;
    if (error !== undefined) return failure("BAD_ARGUMENTS", error);
    return this.#parts.watches.addPersistent(connection.id, request.path, request.recursive)
      ? okOutcome
      : failure("LIMIT", "watches_per_connection_max");
  }

  #setWatches(connection: Connection, request: SetWatchesRequest): Outcome {
    const machine = this.#parts.machine();
    const { watches } = this.#parts;
    const tree = {
      zxid: machine.appliedZxid,
      get: (path: string) => machine.node(path),
      permits: (acl: number) => machine.permits(acl, permission.read, connection.identities),
    };
    const { events, arm } = catchUp(request, tree);
    const armed = watches.arm(connection.id, arm);
    for (const event of this.#missed(request, tree)) this.#parts.sendWatchEvent(connection.id, event);
    for (const event of events) this.#parts.sendWatchEvent(connection.id, event);
    return armed ? okOutcome : failure("LIMIT", "watches_per_connection_max");
  }

  /** What persistent watches missed since relativeZxid. */
  #missed(request: SetWatchesRequest, tree: CatchUpTree): readonly WatchEvent[] {
    const watched = request.persistent.length + request.persistentRecursive.length > 0;
    if (!watched || request.relativeZxid >= tree.zxid) return [];
    const txns = this.#txnsAfter(request.relativeZxid, tree.zxid);
    this.#replayed += txns?.length ?? 0;
    return replay(request, txns, tree);
  }

  /** All up to `end`; undefined when they are too many, or no longer kept. The window may hold a part, so two reads. */
  #txnsAfter(zxid: Zxid, end: Zxid): readonly HistoryTxn[] | undefined {
    const bytesMax = this.#parts.limits.watch_replay_bytes_max;
    const first = this.#window.txnsAfter(zxid, bytesMax);
    const reached = first?.at(-1)?.zxid;
    if (first === undefined || reached === undefined || reached === end) return first;
    const rest = this.#window.txnsAfter(reached, bytesMax);
    return rest?.at(-1)?.zxid === end ? [...first, ...rest] : undefined;
  }

  // ---- bounds of a turn

  /** Many clients come back at once when a server dies: what they missed is told over several turns. */
  mustWait(request: ReadRequest | LocalRequest): boolean {
    return request.type === "setWatches" && this.#replayed >= replayedPerTurn;
  }

  endTurn(): void {
    this.#replayed = 0;
  }

  /** Lets the history go that replays have read; called now and then. */
  forgetHistory(): void {
    this.#window.clear();
  }

  #subscribe(connection: Connection, request: SubscribeRequest, nowMs: number): Outcome {
    const error = pathError(request.path, this.#parts.limits);
    if (error !== undefined) return failure("BAD_ARGUMENTS", error);
    return this.#parts.streams().subscribe(connection.id, request, nowMs);
  }
}

/** `exists` watches a missing node too; the others only a node that is there. */
function armsWatch(type: ReadRequest["type"], outcome: Outcome): boolean {
  return outcome.code === "OK" || (type === "exists" && outcome.code === "NO_NODE");
}
