/**
 * `zabra recover --accept-loss`: when a quorum with memory is gone for good, the best surviving data
 * directory becomes the beginning of a new ensemble. Offline. It forgets the cluster it was founded in,
 * so that founding starts again, with the same voters and with this directory's log, whose owner wins
 * the first election because all others are empty. What was committed elsewhere alone is lost.
 */
import { existsSync } from "node:fs";
import { EpochRecordFile } from "../src/log/epoch-record.ts";
import { TokenSource } from "../src/model/tokens.ts";
import type { ServerId } from "../src/model/zxid.ts";
import { ConfigError, exitCodes } from "./config.ts";
import { DirectoryLock } from "./directory-lock.ts";
import { NodeDisk } from "./disk.ts";
import { Inbox } from "./inbox.ts";

export interface Recovered {
  readonly id: ServerId;
  readonly voters: readonly ServerId[];
  readonly clusterId: string;
}

export async function recoverDirectory(directory: string): Promise<Recovered> {
  if (!existsSync(directory)) throw new ConfigError("data-dir", `${directory} does not exist`);
  const lock = new DirectoryLock(directory);
  const inbox = new Inbox();
  const disk = new NodeDisk(directory, inbox);
  try {
    return await rewrite(disk, inbox, directory);
  } finally {
    await disk.close();
    lock.release();
  }
}

async function rewrite(disk: NodeDisk, inbox: Inbox, directory: string): Promise<Recovered> {
  const opening = EpochRecordFile.open(disk, new TokenSource());
  if (opening.type === "absent") throw new ConfigError("data-dir", `${directory} holds no server's data`);
  if (opening.type !== "ok") throw new ConfigError("data-dir", opening.reason, exitCodes.configuration);
  const { record, file } = opening;
  if (!record.member)
    throw new ConfigError(
      "data-dir",
      `${directory} is of a server that lost its data, was started with --rejoin and has not fetched everything again; choose another server's`,
      exitCodes.configuration,
    );
  file.save({ ...record, clusterId: "", foundation: "empty", member: true });
  await new Promise<void>((resolve, reject) => {
    inbox.onArrival(() => {
      for (const event of inbox.take()) {
        if (event.type === "diskFailed") reject(new Error(event.reason));
        else if (event.type === "diskDone") file.onDiskDone(event.token);
      }
      if (!file.saving) resolve();
    });
  });
  return { id: record.nodeId, voters: record.voters, clusterId: record.clusterId };
}
