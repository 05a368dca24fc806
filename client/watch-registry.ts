/**
 * The one-shot watches that are armed for this client, so that they can be armed again on another
 * connection (setWatches), which tells of what changed in between.
 *
 * The zxid to compare with comes from *replies* alone: the server sends watch events before any reply
 * that shows the change, but promises nothing of heartbeats, streams or two events of one txn. And it
 * stays where it was until setWatches was answered, however many connections that takes.
 * Owned by `connection.ts`.
 */
import type { ErrorCode } from "../src/model/error.ts";
import type { SetWatchesRequest } from "../src/model/request.ts";
import type { WatchEvent, WatchEventType } from "../src/model/watch.ts";
import { type Zxid, zeroZxid } from "../src/model/zxid.ts";
import type { ClientRequest, WatchKind } from "./connection-event.ts";

/** Paths of one setWatches: in characters, to stay far below a frame. */
const requestCharsMax = 100_000;

const kinds: readonly WatchKind[] = ["data", "exist", "child"];
const kindsOf: { readonly [Type in WatchEventType]: readonly WatchKind[] } = {
  nodeCreated: ["data", "exist"],
  nodeDataChanged: ["data", "exist"],
  nodeDeleted: ["data", "exist", "child"],
  nodeChildrenChanged: ["child"],
};

export class WatchRegistry {
  readonly #paths: { readonly [Kind in WatchKind]: Set<string> } = { data: new Set(), exist: new Set(), child: new Set() };
  /** The highest zxid of a reply. */
  #replyZxid = zeroZxid;
  /** setWatches to send, or sent and not answered, with this zxid. */
  #rearmZxid: Zxid | undefined;
  #unanswered = 0;

  get size(): number {
    return this.#paths.data.size + this.#paths.exist.size + this.#paths.child.size;
  }

  add(kind: WatchKind, path: string): void {
    this.#paths[kind].add(path);
  }

  forget(kind: WatchKind, path: string): void {
    this.#paths[kind].delete(path);
  }

  clear(): void {
    for (const kind of kinds) this.#paths[kind].clear();
  }

  onReply(zxid: Zxid): void {
    if (zxid > this.#replyZxid) this.#replyZxid = zxid;
  }

  /** Takes the watches that this event uses up. */
  onEvent(event: WatchEvent): readonly WatchKind[] {
    return kindsOf[event.type].filter((kind) => this.#paths[kind].delete(event.path));
  }

  onDisconnected(): void {
    this.#rearmZxid ??= this.#replyZxid;
    this.#unanswered = 0;
  }

  /** What to send on a new connection, in parts that fit a frame. */
  rearm(): readonly SetWatchesRequest[] {
    const zxid = this.#rearmZxid;
    if (zxid === undefined || this.size === 0) {
      this.#rearmZxid = undefined;
      return [];
    }
    const parts = this.#parts(zxid);
    this.#unanswered = parts.length;
    return parts;
  }

  onRearmed(): void {
    this.#unanswered -= 1;
    if (this.#unanswered === 0) this.#rearmZxid = undefined;
  }

  #parts(relativeZxid: Zxid): readonly SetWatchesRequest[] {
    const parts: SetWatchesRequest[] = [];
    let part = emptyPart();
    let chars = 0;
    for (const kind of kinds) {
      for (const path of this.#paths[kind]) {
        if (chars >= requestCharsMax) {
          parts.push(toRequest(relativeZxid, part));
          part = emptyPart();
          chars = 0;
        }
        part[kind].push(path);
        chars += path.length + 4;
      }
    }
    parts.push(toRequest(relativeZxid, part));
    return parts;
  }
}

type Part = { readonly [Kind in WatchKind]: string[] };

function emptyPart(): Part {
  return { data: [], exist: [], child: [] };
}

function toRequest(relativeZxid: Zxid, part: Part): SetWatchesRequest {
  return {
    type: "setWatches",
    relativeZxid,
    data: part.data,
    exist: part.exist,
    child: part.child,
    persistent: [],
    persistentRecursive: [],
  };
}

/** Which watch the answer to a read leaves armed; undefined: none. As in ZooKeeper, `exists` of a missing node waits for its creation. */
export function watchKindOf(
  request: ClientRequest,
  code: ErrorCode,
): { readonly kind: WatchKind; readonly path: string } | undefined {
  if (request.type !== "exists" && request.type !== "getData" && request.type !== "getChildren") return undefined;
  if (!request.watch) return undefined;
  if (request.type === "exists" && code === "NO_NODE") return { kind: "exist", path: request.path };
  if (code !== "OK") return undefined;
  return { kind: request.type === "getChildren" ? "child" : "data", path: request.path };
}
