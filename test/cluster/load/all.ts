/** The loads by name. */
import { ephemerals } from "./ephemerals.ts";
import type { BeginLoad } from "./load.ts";
import { locks } from "./locks.ts";
import { queues } from "./queues.ts";
import { registers } from "./registers.ts";
import { streams } from "./streams.ts";
import { watches } from "./watches.ts";

/** Besides `sets`, which is always there: by it the nemesis tells that clients get on. */
export const loads: Readonly<Record<string, BeginLoad>> = { registers, ephemerals, locks, watches, streams, queues };
