/**
 * Waiting for a state of the tree: look, act or wait for a change, look again. Used by recipes whose state is in a few nodes.
 *
 * Why no change is missed: the stream that is waited on begins at a zxid that this client had seen before the look, so whatever the
 * look did not see is delivered. A change that the look did see only makes it look once more. So also a history that is gone.
 */
import { mutant } from "../../src/model/mutant.ts";
import type { Zxid } from "../../src/model/zxid.ts";
import type { Client } from "../client.ts";
import { unless, ZabraError } from "../error.ts";
import { goesOn } from "./wait.ts";

const retryMs = 20;

/** Resolves to what `look` finds, as soon as it finds something. A look may act (create, delete): it is then called again when that shows. Rejects with ABORTED, and as `look`. */
export async function lookUntil<T>(
  client: Client,
  path: string,
  look: () => Promise<T | undefined>,
  signal: AbortSignal,
): Promise<T> {
  for (;;) {
    try {
      const from = client.lastZxid;
      const found = await look();
      if (found !== undefined) return found;
      await nextChange(client, path, from, signal);
      if (mutant("who is woken does not look again")) await client.sleep(60_000, { signal });
    } catch (thrown) {
      const error = ZabraError.from(thrown, path);
      if (signal.aborted || !(goesOn(client, error) || error.code === "COMPACTED")) throw error;
      await client.sleep(retryMs, { signal });
    }
  }
}

/** Resolves when anything at or below `path` has changed after `fromZxid`, or that can no longer be told. */
async function nextChange(client: Client, path: string, fromZxid: Zxid, signal: AbortSignal): Promise<void> {
  const stream = client.changes(path, { fromZxid, recursive: true, withData: false, signal });
  try {
    await unless("COMPACTED", stream.next());
  } finally {
    await stream.return();
  }
}
