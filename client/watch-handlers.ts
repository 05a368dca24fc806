/**
 * Who waits for which one-shot watch. Several callers may wait for the same one; it is armed once at
 * the server, and all are told. A handler is called once. Owned by `driver.ts`.
 */
import type { ErrorCode } from "../src/model/error.ts";
import type { WatchEvent } from "../src/model/watch.ts";
import type { WatchKind } from "./connection-event.ts";

/** `watchLost`: the session ended before anything happened; look at the node again. */
export type WatchNotification = WatchEvent | { readonly type: "watchLost"; readonly path: string; readonly code: ErrorCode };
export type WatchHandler = (notification: WatchNotification) => void;

export class WatchHandlers {
  readonly #byKind: { readonly [Kind in WatchKind]: Map<string, Set<WatchHandler>> } = {
    data: new Map(),
    exist: new Map(),
    child: new Map(),
  };

  add(kind: WatchKind, path: string, handler: WatchHandler): void {
    const waiting = this.#byKind[kind].get(path);
    if (waiting === undefined) this.#byKind[kind].set(path, new Set([handler]));
    else waiting.add(handler);
  }

  /** True: nobody waits for this watch any more. */
  remove(kind: WatchKind, path: string, handler: WatchHandler): boolean {
    const waiting = this.#byKind[kind].get(path);
    if (waiting === undefined) return false;
    waiting.delete(handler);
    if (waiting.size > 0) return false;
    return this.#byKind[kind].delete(path);
  }

  /** Takes whoever waits for these; each once. */
  take(kinds: readonly WatchKind[], path: string): ReadonlySet<WatchHandler> {
    const taken = new Set<WatchHandler>();
    for (const kind of kinds) {
      for (const handler of this.#byKind[kind].get(path) ?? []) taken.add(handler);
      this.#byKind[kind].delete(path);
    }
    return taken;
  }

  /** Takes all, with a path of theirs. */
  takeAll(): readonly (readonly [WatchHandler, string])[] {
    const taken: (readonly [WatchHandler, string])[] = [];
    for (const byPath of Object.values(this.#byKind)) {
      for (const [path, handlers] of byPath) for (const handler of handlers) taken.push([handler, path]);
      byPath.clear();
    }
    return taken;
  }
}
