/** Names for nodes that nobody else makes, known before the node is made (so that a txn can make its children too). Deterministic: no randomness. */
import type { Client } from "../client.ts";
import { untilSessionEnds } from "./when-gone.ts";

/** How many a client has made. */
const counts = new WeakMap<Client, number>();

/**
 * Sessions are unique, our numbers are within one client, and a session that another process goes on with has seen more. Waits for a session, if
 * there is none. Rejects with ABORTED, SESSION_EXPIRED (only without `reopen`), CLOSED.
 */
export async function uniqueName(client: Client, signal: AbortSignal): Promise<string> {
  let session = client.session?.id;
  while (session === undefined) {
    await client.exists("/", { ...untilSessionEnds, level: "session", signal });
    session = client.session?.id;
  }
  const number = (counts.get(client) ?? 0) + 1;
  counts.set(client, number);
  return `s${session}-${client.lastZxid}-${number}`;
}
