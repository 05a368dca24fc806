/**
 * Error numbers on the ZooKeeper port. Codes that ZooKeeper has keep their number; ours (≤ −600) become
 * the number whose meaning to ZooKeeper's clients is nearest:
 *
 * | ours | sent | because |
 * |---|---|---|
 * | CONDITION_FAILED, FENCED | −103 BADVERSION | a precondition does not hold |
 * | NO_QUORUM, TIMEOUT, OUT_OF_ORDER | −7 OPERATIONTIMEOUT | not answered in time; client libraries try again |
 * | OVERLOADED | −127 THROTTLEDOP | not performed; may be tried again |
 * | LIMIT, COMPACTED | −8 BADARGUMENTS | the same call would fail again |
 * | READ_ONLY | −119 NOTREADONLY | writes are refused here, reads are not |
 * | SLOW_CONSUMER, CONNECTION_LOSS, ABORTED, CLOSED | −4 CONNECTIONLOSS | the connection is of no use any more |
 * | PROTOCOL | −5 MARSHALLINGERROR | the bytes made no sense |
 */
import { type ErrorCode, errorNumber } from "../model/error.ts";

const nearest: { readonly [Code in ErrorCode]?: number } = {
  CONDITION_FAILED: -103,
  FENCED: -103,
  COMPACTED: -8,
  NO_QUORUM: -7,
  OVERLOADED: -127,
  LIMIT: -8,
  OUT_OF_ORDER: -7,
  SLOW_CONSUMER: -4,
  READ_ONLY: -119,
  TIMEOUT: -7,
  CONNECTION_LOSS: -4,
  ABORTED: -4,
  CLOSED: -4,
  PROTOCOL: -5,
};

export function zkErrorNumber(code: ErrorCode): number {
  return nearest[code] ?? errorNumber(code);
}
