/**
 * A program of its own that reads every value of the store in argv[2] through LMDB, so that pages which end the process that touches them
 * (SIGBUS, SIGSEGV, LMDB's own assertions) end this one. Exit 0: sound; `damagedExit`: damaged, the reason on standard output; anything else
 * says nothing. With `slow` in argv[3] a server uses the store meanwhile: it opens the store only when that server says so, and yields to everybody else.
 * Started by store-guard.ts.
 */
import { setPriority } from "node:os";
import { setTimeout as delay } from "node:timers/promises";
import { DamagedStoreError, damageText } from "../src/tree/store-error.ts";
import { endKey, firstKey, nextKey } from "../src/tree/store-keys.ts";
import { isSound } from "../src/tree/znode-codec.ts";
import { demandSound } from "./lmdb-damage.ts";
import { openForReading, readRange } from "./lmdb-read.ts";
import { damagedExit, type FromCheck } from "./store-guard.ts";

const [, , directory = "", pace = ""] = process.argv;
const slow = pace === "slow";
const stepValues = 256;
const lowestPriority = 19;

async function check(): Promise<void> {
  demandSound(directory);
  const environment = openForReading(directory, true);
  if (slow) {
    tell("opened");
    setPriority(lowestPriority);
  }
  for (let key: Uint8Array | undefined = firstKey; key !== undefined; ) {
    const begunMs = performance.now();
    key = checkFrom(key, readRange(environment, key, endKey, stepValues, undefined));
    // A read transaction that goes on would keep pages from being used again.
    environment.resetReadTxn();
    if (slow) await delay(performance.now() - begunMs);
  }
}

/** Where the next step begins; undefined after the last. */
function checkFrom(key: Uint8Array, pairs: readonly (readonly [Uint8Array, Uint8Array])[]): Uint8Array | undefined {
  let last = key;
  for (const [found, value] of pairs) {
    if (!isSound(found, value)) throw new DamagedStoreError(damageText(found));
    last = found;
  }
  return pairs.length < stepValues ? undefined : nextKey(last);
}

function tell(message: FromCheck): void {
  process.send?.(message);
}

/** Resolves when the server lets it open the store. */
function permission(): Promise<void> {
  // The server that waits for the verdict is gone. A kill, for nothing is left to tidy up, and an exit so early in a process's life was seen to wait for
  // Node's own threads without end.
  process.on("disconnect", () => process.kill(process.pid, "SIGKILL"));
  return new Promise((resolve) => {
    process.once("message", () => resolve());
    tell("ready");
  });
}

async function run(): Promise<void> {
  if (slow) await permission();
  await check();
}

run().then(
  () => process.exit(0),
  (error: unknown) => {
    if (!(error instanceof DamagedStoreError)) throw error;
    process.stdout.write(error.message, () => process.exit(damagedExit));
  },
);
