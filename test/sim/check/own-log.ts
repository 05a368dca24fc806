/** A server's log as its disk has it, through the real recovery code, as one proposal. */

import type { LogEntry } from "../../../src/log/entry.ts";
import { EpochRecordFile } from "../../../src/log/epoch-record.ts";
import { type Log, openLog } from "../../../src/log/log.ts";
import { tinyLimits } from "../../../src/model/limits.ts";
import { TokenSource } from "../../../src/model/tokens.ts";
import { zeroEpoch } from "../../../src/model/zxid.ts";
import type { ProposalMessage } from "../../../src/zab/message.ts";
import type { SimServer } from "../server.ts";

export function ownLog(server: SimServer | undefined): ProposalMessage | undefined {
  if (server === undefined) return undefined;
  const record = EpochRecordFile.open(server.platter, new TokenSource());
  if (record.type !== "ok") return undefined;
  const opened = openLog({
    disk: server.platter,
    tokens: new TokenSource(),
    directory: `log-${record.record.generation}`,
    limits: tinyLimits,
  });
  if (opened.type !== "ok") return undefined;
  return { type: "proposal", epoch: zeroEpoch, prev: opened.log.base, entries: allOf(opened.log) };
}

function allOf(log: Log): LogEntry[] {
  const entries: LogEntry[] = [];
  for (let after = log.base; after < log.lastZxid; after = entries.at(-1)?.zxid ?? log.lastZxid)
    entries.push(...(log.readAfter(after, Number.MAX_SAFE_INTEGER) ?? []));
  return entries;
}
