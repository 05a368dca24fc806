/** A server's log as its disk has it, through the real recovery code, as one proposal. */
import { EpochRecordFile } from "../../../src/log/epoch-record.ts";
import { openLog } from "../../../src/log/log.ts";
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
  const entries = opened.log.readAfter(opened.log.base, Number.MAX_SAFE_INTEGER);
  return entries === undefined ? undefined : { type: "proposal", epoch: zeroEpoch, prev: opened.log.base, entries };
}
