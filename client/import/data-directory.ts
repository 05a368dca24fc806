/**
 * A ZooKeeper server's data directory, read as its server would at a restart: the newest snapshot that is whole, and
 * every txn after it. The result is the tree at the zxid where the log ends, or an error that says which
 * part is missing; never a tree that was no state of the ensemble.
 */
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { importFailure } from "./failure.ts";
import type { OfflineTree } from "./offline-tree.ts";
import { readSnapshot, type Snapshot } from "./snapshot.ts";
import { readLog } from "./txn-log.ts";

export interface RestoredTree {
  readonly tree: OfflineTree;
  readonly zxid: number;
  /** The snapshot's file, and of those passed over as damaged, why. */
  readonly snapshot: string;
  readonly passedOver: readonly string[];
  /** Txns that came after the snapshot. */
  readonly txns: number;
}

interface NumberedFile {
  readonly path: string;
  readonly zxid: number;
}

/**
 * @param directory dataDir, or its `version-2`.
 * @param logDirectory dataLogDir where that is another one.
 */
export async function readDataDirectory(directory: string, logDirectory = directory): Promise<RestoredTree> {
  const snapshots = numbered(directory, /^snapshot\.([0-9a-f]{1,16})(\.gz|\.snappy)?$/).reverse();
  const logs = numbered(logDirectory, /^log\.([0-9a-f]{1,16})$/);
  const passedOver: string[] = [];
  for (const file of snapshots) {
    let snapshot: Snapshot;
    try {
      snapshot = await readSnapshot(file.path);
    } catch (error) {
      passedOver.push(error instanceof Error ? error.message : String(error));
      continue;
    }
    const { zxid, txns } = await replay(snapshot, file, logs);
    return { tree: snapshot.tree, zxid, snapshot: file.path, passedOver, txns };
  }
  const reasons = passedOver.length === 0 ? "there is no file snapshot.*" : passedOver.join("; ");
  throw importFailure(`${directory} has no snapshot that can be read: ${reasons}`);
}

function numbered(directory: string, form: RegExp): NumberedFile[] {
  const inner = join(directory, "version-2");
  const place = existsSync(inner) ? inner : directory;
  const files: NumberedFile[] = [];
  for (const name of namesIn(place)) {
    const digits = form.exec(name)?.[1];
    if (digits !== undefined) files.push({ path: join(place, name), zxid: Number.parseInt(digits, 16) });
  }
  return files.sort((a, b) => a.zxid - b.zxid);
}

function namesIn(directory: string): readonly string[] {
  try {
    return readdirSync(directory);
  } catch (error) {
    throw importFailure(`${directory} cannot be read: ${error instanceof Error ? error.message : String(error)}`, error);
  }
}

async function replay(
  snapshot: Snapshot,
  file: NumberedFile,
  logs: readonly NumberedFile[],
): Promise<{ readonly zxid: number; readonly txns: number }> {
  let zxid = file.zxid;
  let txns = 0;
  // The last file that begins at or before the next txn, and all after it.
  const first = logs.findLastIndex((log) => log.zxid <= file.zxid + 1);
  for (const log of logs.slice(Math.max(0, first))) {
    for await (const record of readLog(log.path)) {
      if (record.zxid <= zxid) continue;
      if (!directlyFollows(zxid, record.zxid))
        throw importFailure(
          `${log.path}: the txn ${hex(record.zxid)} follows ${hex(zxid)}: those in between are missing; all log files since ${file.path} are needed`,
        );
      for (const txn of record.txns) snapshot.tree.apply(record.zxid, txn);
      zxid = record.zxid;
      txns += 1;
    }
  }
  if (zxid < snapshot.reaches)
    throw importFailure(
      `${file.path} was written while txns went on, up to ${hex(snapshot.reaches)}, but the log files end at ${hex(zxid)}: without the rest no consistent tree can be had`,
    );
  return { zxid, txns };
}

/** zxids are dense within an epoch and begin at 1 in the next. */
function directlyFollows(before: number, zxid: number): boolean {
  return zxid === before + 1 || (zxid % 2 ** 32 === 1 && zxid > before);
}

export function hex(zxid: number): string {
  return `0x${zxid.toString(16)}`;
}
