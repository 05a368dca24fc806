/**
 * The thread that writes a store: takes packed transactions one after the other, commits each with a
 * sync, and says so. The first error ends it: after a failed write or sync nothing may be trusted or tried
 * again. Started by `lmdb.ts`; never imported.
 *
 * Ending a process ends its threads wherever they are, and lmdb-js then waits for ever for a lock that the
 * ended thread holds, if that was in a transaction. So the writer says in shared memory when it is
 * busy, and begins nothing once it is told to stop.
 */
import { statfsSync } from "node:fs";
import { parentPort, workerData } from "node:worker_threads";
import { must } from "../src/model/assert.ts";
import { DamagedStoreError } from "../src/tree/store-error.ts";
import { armFailpoints, failpoint } from "./failpoint.ts";
import { type BatchPart, type FromWriter, type ToWriter, unpackPart, type WriterData, writerState } from "./lmdb-batch.ts";
import { asDamage } from "./lmdb-damage.ts";
import { openEnvironment, pageBytes } from "./lmdb-environment.ts";

/** A transaction may need more than this; a disk with less left is full in any case. */
const spaceMax = 64 << 20;
/** Not abortable by itself, committed with a sync before the call returns. */
const syncCommit = 2;

const port = must(parentPort ?? undefined, "the writer is a worker thread");
const { directory, state } = workerData as WriterData;
const environment = openEnvironment(directory);
setIdle();
// Each thread has its own; the main one has looked whether the orders make sense.
const { ZABRA_FAILPOINTS: orders } = process.env;
if (orders !== undefined) armFailpoints(orders);
let parts: BatchPart[] = [];
let failed = false;
/** LMDB's number of the last transaction here that changed something; one that does not takes no number. */
let committed: number | undefined;
let changed = false;

port.on("message", (message: ToWriter) => {
  if (message.type === "close") close();
  else if (!failed) take(message);
});
send({ type: "opened" });

function take(part: BatchPart): void {
  parts.push(part);
  if (part.token === undefined) return;
  const batch = parts;
  parts = [];
  if (!setBusy()) return;
  try {
    demandSpace(batch);
    failpoint("storeBeforeCommit");
    environment.transactionSync(() => write(batch), syncCommit);
    failpoint("storeAfterCommit");
    const buffers = batch.map(bufferOf);
    port.postMessage({ type: "committed", token: part.token, buffers } satisfies FromWriter, buffers);
  } catch (error) {
    failed = true;
    const known = asDamage(error);
    const reason = known instanceof Error ? known.message : String(known);
    send({ type: "failed", reason, damaged: known instanceof DamagedStoreError });
  }
  setIdle();
}

/** False when the process is about to end. */
function setBusy(): boolean {
  Atomics.store(state, writerState.busy, 1);
  if (Atomics.load(state, writerState.stop) === 0) return true;
  setIdle();
  return false;
}

function setIdle(): void {
  Atomics.store(state, writerState.busy, 0);
  Atomics.notify(state, writerState.busy);
}

function write(batch: readonly BatchPart[]): void {
  const number = environment.getWriteTxnId();
  if (committed !== undefined && number !== committed + 1)
    throw new Error(
      `the tree store would go on from transaction ${number - 1} and not ${committed}: another process has opened it`,
    );
  changed = false;
  for (const part of batch) unpackPart(part, put, remove);
  committed = changed ? number : number - 1;
}

function bufferOf(part: BatchPart): ArrayBuffer {
  return part.buffer;
}

function put(key: Uint8Array, value: Uint8Array): void {
  environment.putSync(key, value);
  changed = true;
}

function remove(key: Uint8Array): void {
  if (environment.removeSync(key)) changed = true;
}

/** A page that the disk has no room for is a SIGBUS in a writable map; a full disk had better be an error. */
function demandSpace(batch: readonly BatchPart[]): void {
  let need = 0;
  for (const part of batch) need += 2 * part.length + part.writes * pageBytes;
  const { bavail, bsize } = statfsSync(directory);
  if (bavail * bsize < Math.min(need, spaceMax)) throw new Error(`ENOSPC: no space left for the tree store in ${directory}`);
}

async function close(): Promise<void> {
  if (!setBusy()) return;
  await environment.close();
  setIdle();
  send({ type: "closed" });
  port.close();
}

function send(message: FromWriter): void {
  port.postMessage(message);
}
