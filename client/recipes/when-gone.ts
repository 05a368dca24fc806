/** Waiting for the end of one node, told from a later one of the same name by its czxid. Used by recipes that hold nodes. */
import type { Guard } from "../../src/model/request.ts";
import type { Client } from "../client.ts";
import { orAborted, WaitLimit } from "./wait.ts";

/** A deadline for calls that go on until they are answered or the session ends: exactly-once retries carry them over reconnects. */
export const untilSessionEnds = { timeoutMs: 2 ** 31 } as const;

/**
 * Resolves when that very node is gone, now or later. Rejects with ABORTED, or SESSION_EXPIRED when the session ends first.
 * The watch is armed first and the look taken after it, in the session's order: what goes in between is seen by one of them.
 */
export async function whenGone(client: Client, { path, czxid }: Guard, signal: AbortSignal): Promise<void> {
  const own = new WaitLimit(client, { signal });
  try {
    const options = { ...untilSessionEnds, level: "session", signal: own.signal } as const;
    const gone = client.whenDeleted(path, options);
    gone.catch(() => {});
    const found = await client.exists(path, options);
    if (found?.czxid === czxid) await orAborted(gone, signal);
  } finally {
    own.dispose();
  }
}
