/**
 * Places at which a server under test ends, stops or fails by order of `ZABRA_FAILPOINTS`: `NAME=ACTION[@HIT]`, separated by commas, with
 * `crash` (SIGKILL to itself), `pause:MS` (the thread stands still) or `error` (an exception), at the given hit of the place, by default the
 * first. Without the variable nothing is armed and a place costs one comparison. Only the drivers have places: the core must not know.
 *
 * Names: `log…` are the log's own writes, `epoch…` and `manifest…` files that are replaced whole, `segment…` new files; `TYPEBeforeSend` and
 * `TYPEAfterReceive` are messages between servers.
 */
import { writeSync } from "node:fs";
import type { PeerMessage } from "../src/zab/message.ts";

const files = ["epoch", "manifest", "segment"] as const;
const messages = [
  ...([
    "hello",
    "found",
    "foundAck",
    "founded",
    "vote",
    "followerInfo",
    "leaderInfo",
    "ackEpoch",
    "diff",
    "trunc",
    "snap",
  ] as const),
  ...(["snapChunk", "snapChunkAck", "proposal", "newLeader", "ack", "upToDate", "commit", "heartbeat", "heartbeatAck"] as const),
  ...(["digestQuery", "digestReply", "fence", "forward", "refusal", "confirm", "confirmed", "resume", "resumed"] as const),
  ...(["register", "moved"] as const),
] satisfies readonly PeerMessage["type"][];

export type Failpoint =
  | "logBeforeWrite"
  | "logBeforeSync"
  | "logAfterSync"
  | `${(typeof files)[number]}${"BeforeSync" | "BeforeRename" | "BeforeDirectorySync" | "AfterDirectorySync"}`
  | "removeBefore"
  | "removeAfter"
  | "storeBeforeCommit"
  | "storeAfterCommit"
  | "replyBeforeSend"
  | "replyAfterSend"
  | "shutdownBeforeFlush"
  | `${PeerMessage["type"]}${"BeforeSend" | "AfterReceive"}`;

export const failpoints: readonly Failpoint[] = [
  ...(["logBeforeWrite", "logBeforeSync", "logAfterSync"] as const),
  ...files.flatMap((file) =>
    (["BeforeSync", "BeforeRename", "BeforeDirectorySync", "AfterDirectorySync"] as const).map(
      (step) => `${file}${step}` as const,
    ),
  ),
  ...(["removeBefore", "removeAfter", "storeBeforeCommit", "storeAfterCommit", "replyBeforeSend", "replyAfterSend"] as const),
  "shutdownBeforeFlush",
  ...messages.flatMap((type) => [`${type}BeforeSend` as const, `${type}AfterReceive` as const]),
];

interface Armed {
  readonly action: "crash" | "pause" | "error";
  readonly ms: number;
  hitsLeft: number;
}

const armed = new Map<string, Armed>();
const pauseMsMax = 600_000;

/** True once `armFailpoints` armed one; look at it before making up a name. */
export let failpointsArmed = false;

/** For a process that serves nothing but tests. Returns the first word that makes no sense, having armed what came before it. */
export function armFailpoints(text: string): string | undefined {
  for (const word of text.split(",")) {
    const [, name = "", action = "", ms, hit] = /^(\w+)=(crash|pause|error)(?::(\d+))?(?:@(\d+))?$/.exec(word) ?? [];
    if (
      !(failpoints as readonly string[]).includes(name) ||
      (action === "pause") !== (ms !== undefined) ||
      Number(ms ?? 0) > pauseMsMax
    )
      return word;
    armed.set(name, { action: action as Armed["action"], ms: Number(ms ?? 0), hitsLeft: Number(hit ?? 1) });
  }
  failpointsArmed = true;
  return undefined;
}

/** Does what was ordered for this place; nothing as a rule. */
export function failpoint(name: Failpoint): void {
  if (failpointsArmed) reached(name);
}

function reached(name: Failpoint): void {
  const order = armed.get(name);
  if (order === undefined) return;
  order.hitsLeft -= 1;
  if (order.hitsLeft !== 0) return;
  // Not by a stream, which in the store's thread would need the other one to go on.
  writeSync(2, `failpoint ${name}: ${order.action}\n`);
  if (order.action === "error") throw new Error(`failpoint ${name}`);
  if (order.action === "crash") process.kill(process.pid, "SIGKILL");
  // A killed process does not come back from here either.
  const ms = order.action === "crash" ? pauseMsMax : order.ms;
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}
