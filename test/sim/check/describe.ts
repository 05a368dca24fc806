/** A client's call in a few words. */
import { formatZxid, type Zxid } from "../../../src/model/zxid.ts";
import type { Operation } from "../history.ts";

export function describe(operation: Operation): string {
  const path = "path" in operation.request ? ` ${operation.request.path}` : "";
  const number = operation.isWrite ? ` #${operation.seq}` : ` (${operation.level.type})`;
  return `client ${operation.client} session ${formatZxid(operation.session as number as Zxid)} ${operation.request.type}${path}${number}`;
}
