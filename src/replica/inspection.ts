/** What an operator may ask a server for, gathered when asked and not before: it costs as much as there is. */
import type { ConnectionId, SessionId } from "../model/zxid.ts";

export interface Inspection {
  /** All of the ensemble's. */
  readonly sessions: readonly { readonly id: SessionId; readonly timeoutMs: number; readonly ephemerals: readonly string[] }[];
  /** Of this server's connections. */
  readonly watches: readonly {
    readonly connection: ConnectionId;
    readonly session: SessionId | 0;
    readonly paths: readonly string[];
  }[];
}

export const nothingToInspect: Inspection = { sessions: [], watches: [] };
