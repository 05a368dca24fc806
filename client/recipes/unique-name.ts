/** Names for nodes that nobody else makes, known before the node is made (so that a txn can make its children too). Deterministic: no randomness. */
import type { Client } from "../client.ts";

/** How many a client has made. */
const counts = new WeakMap<Client, number>();

/** Sessions are unique, our numbers are within one client, and a session that another process goes on with has seen more. */
export function uniqueName(client: Client): string {
  const number = (counts.get(client) ?? 0) + 1;
  counts.set(client, number);
  return `s${client.session?.id ?? 0}-${client.lastZxid}-${number}`;
}
