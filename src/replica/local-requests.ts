/**
 * Requests that the serving server performs on its own committed state: reads, one-shot and persistent
 * watches, streams, identities. A read and the watch it sets happen in one call, so no change can fall
 * between them.
 */

import { type AuthId, permission } from "../model/acl.ts";
import { assertNever } from "../model/assert.ts";
import { operations } from "../model/operation.ts";
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
import type { ConnectionId } from "../model/zxid.ts";
import { catchUp } from "../watch/catch-up.ts";
import type { StreamTable } from "../watch/stream-table.ts";
import type { WatchTable } from "../watch/watch-table.ts";
import type { Connection } from "./connection.ts";
import type { StateMachine } from "./state-machine.ts";

const identitiesMax = 64;

export interface LocalParts {
  readonly machine: () => StateMachine;
  readonly watches: WatchTable;
  readonly streams: () => StreamTable;
  readonly sendWatchEvent: (connection: ConnectionId, event: WatchEvent) => void;
}

export class LocalRequests {
  readonly #parts: LocalParts;

  constructor(parts: LocalParts) {
    this.#parts = parts;
  }

  dropConnection(connection: ConnectionId): void {
    this.#parts.watches.dropConnection(connection);
    this.#parts.streams().dropConnection(connection);
  }

  perform(connection: Connection, request: ReadRequest | LocalRequest, nowMs: number): Outcome {
    if (operations[request.type].class === "read") return this.#read(connection, request as ReadRequest, nowMs);
    return this.#local(connection, request as LocalRequest, nowMs);
  }

  #read(connection: Connection, request: ReadRequest, nowMs: number): Outcome {
    const outcome = this.#parts
      .machine()
      .read(request, { session: connection.session, identities: connection.identities, nowMs });
    if (!("watch" in request) || !request.watch || !armsWatch(request.type, outcome)) return outcome;
    const kind = request.type === "getChildren" ? "child" : "data";
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
    return this.#parts.watches.addPersistent(connection.id, request.path, request.recursive)
      ? okOutcome
      : failure("LIMIT", "watches_per_connection_max");
  }

  #setWatches(connection: Connection, request: SetWatchesRequest): Outcome {
    const machine = this.#parts.machine();
    const { watches } = this.#parts;
    const { events, arm } = catchUp(request, {
      zxid: machine.appliedZxid,
      get: (path) => machine.node(path),
      permits: (acl) => machine.permits(acl, permission.read, connection.identities),
    });
    const armed = watches.arm(connection.id, arm);
    for (const event of events) this.#parts.sendWatchEvent(connection.id, event);
    return armed ? okOutcome : failure("LIMIT", "watches_per_connection_max");
  }

  #subscribe(connection: Connection, request: SubscribeRequest, nowMs: number): Outcome {
    return this.#parts.streams().subscribe(connection.id, request, nowMs);
  }
}

/** `exists` watches a missing node too; the others only a node that is there. */
function armsWatch(type: ReadRequest["type"], outcome: Outcome): boolean {
  return outcome.code === "OK" || (type === "exists" && outcome.code === "NO_NODE");
}
