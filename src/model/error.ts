/**
 * Every error code, once: name, wire number, sentence, and whether the same call may succeed later.
 * Inside the core these are answers (values, never thrown); a user meets them in one class, ZabraError.
 * Numbers of codes that ZooKeeper has are ZooKeeper's; ours start at −600.
 */

export const errorTable = {
  OK: { number: 0, sentence: "ok", retryable: false },
  RUNTIME_INCONSISTENCY: {
    number: -2,
    sentence: "not attempted: an earlier operation of the same multi failed",
    retryable: false,
  },
  MARSHALLING_ERROR: { number: -5, sentence: "the request could not be decoded", retryable: false },
  UNIMPLEMENTED: { number: -6, sentence: "the operation is not known here", retryable: false },
  BAD_ARGUMENTS: { number: -8, sentence: "an argument is not valid", retryable: false },
  NO_NODE: { number: -101, sentence: "no such node", retryable: false },
  NO_AUTH: { number: -102, sentence: "not permitted by the node's ACL", retryable: false },
  BAD_VERSION: { number: -103, sentence: "the node has another version", retryable: false },
  NO_CHILDREN_FOR_EPHEMERALS: { number: -108, sentence: "an ephemeral node cannot have children", retryable: false },
  NODE_EXISTS: { number: -110, sentence: "the node exists already", retryable: false },
  NOT_EMPTY: { number: -111, sentence: "the node has children", retryable: false },
  SESSION_EXPIRED: { number: -112, sentence: "the session has ended", retryable: false },
  INVALID_ACL: { number: -114, sentence: "the ACL is not valid", retryable: false },
  AUTH_FAILED: { number: -115, sentence: "authentication failed", retryable: false },
  SESSION_MOVED: { number: -118, sentence: "the session has moved to another server", retryable: true },
  NO_WATCHER: { number: -121, sentence: "no such watch", retryable: false },
  RECONFIG_DISABLED: { number: -123, sentence: "membership cannot be changed here", retryable: false },
  QUOTA_EXCEEDED: { number: -125, sentence: "a quota would be exceeded", retryable: false },
  THROTTLED: { number: -127, sentence: "the server is throttling requests", retryable: true },
  /** A condition of a multi does not hold (and there is no else branch). */
  CONDITION_FAILED: { number: -600, sentence: "a condition does not hold", retryable: false },
  /** The guard node is gone or was created anew: somebody else may hold the lock. */
  FENCED: { number: -601, sentence: "the guard no longer holds", retryable: false },
  /** History before the wanted zxid is gone; take a new snapshot. Carries the oldest zxid. */
  COMPACTED: { number: -602, sentence: "history from that zxid is no longer kept", retryable: false },
  NO_QUORUM: { number: -603, sentence: "no quorum confirmed a leader in time", retryable: true },
  OVERLOADED: { number: -604, sentence: "the server is overloaded", retryable: true },
  LIMIT: { number: -605, sentence: "a limit would be exceeded", retryable: false },
  OUT_OF_ORDER: { number: -606, sentence: "a write arrived out of order", retryable: true },
  SLOW_CONSUMER: { number: -607, sentence: "the consumer did not keep up", retryable: true },
  /** Free space is below the reserve: writes are refused, reads go on. */
  READ_ONLY: { number: -608, sentence: "the server refuses writes: its disk is nearly full", retryable: true },
  /** The call's own deadline passed. */
  TIMEOUT: { number: -620, sentence: "the deadline passed", retryable: true },
  CONNECTION_LOSS: { number: -621, sentence: "the connection was lost", retryable: true },
  ABORTED: { number: -622, sentence: "the call was aborted by its signal", retryable: false },
  CLOSED: { number: -623, sentence: "the client is closed", retryable: false },
  PROTOCOL: { number: -624, sentence: "the peer broke the protocol", retryable: false },
} as const;

export type ErrorCode = keyof typeof errorTable;

const byNumber = new Map<number, ErrorCode>();
for (const code of Object.keys(errorTable) as ErrorCode[]) byNumber.set(errorTable[code].number, code);

export function errorNumber(code: ErrorCode): number {
  return errorTable[code].number;
}

/** The code of a wire number; BAD_ARGUMENTS for numbers we do not know. */
export function errorCode(number: number): ErrorCode {
  return byNumber.get(number) ?? "BAD_ARGUMENTS";
}
