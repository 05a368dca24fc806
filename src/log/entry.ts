/** One transaction as the log holds it: the payload is an encoded Txn, never looked into here and never changed by anybody. */
import type { Zxid } from "../model/zxid.ts";

export interface LogEntry {
  readonly zxid: Zxid;
  readonly payload: Uint8Array;
}
