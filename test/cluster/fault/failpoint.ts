/**
 * Servers that kill themselves at a named place of their own code (`server/failpoint.ts`): between two operations of the disk, before or
 * after a message, while they come back. The victim is started with its order, and without it when it has died.
 */
import type { Failpoint } from "../../../server/failpoint.ts";
import { type Fault, free, leaderNow, type Stage, type Struck, within } from "./fault.ts";

/**
 * Where it is reached: by a server that comes back, by one that comes back without its data, or by a leader; all are armed where one
 * cannot tell who will lead.
 */
type Where = "comes back" | "comes back empty" | "all come back";

interface Place {
  readonly name: Failpoint;
  readonly where: Where;
  /** A place that is reached at once may be more telling later. */
  readonly hit?: number;
}

const places: readonly Place[] = [
  ...(["logBeforeWrite", "logBeforeSync", "logAfterSync"] as const).flatMap((name): Place[] => [
    { name, where: "comes back", hit: 20 },
    { name, where: "all come back", hit: 30 },
  ]),
  ...(["epochBeforeSync", "epochBeforeRename", "epochBeforeDirectorySync", "epochAfterDirectorySync"] as const).flatMap(
    (name): Place[] => [
      { name, where: "all come back" },
      { name, where: "all come back", hit: 2 },
      { name, where: "all come back", hit: 3 },
      { name, where: "comes back empty", hit: 2 },
    ],
  ),
  ...(["segmentBeforeSync", "segmentBeforeRename", "segmentBeforeDirectorySync", "segmentAfterDirectorySync"] as const).map(
    (name): Place => ({ name, where: "comes back empty" }),
  ),
  ...(["manifestBeforeSync", "manifestBeforeRename", "manifestBeforeDirectorySync", "manifestAfterDirectorySync"] as const).map(
    (name): Place => ({ name, where: "comes back empty" }),
  ),
  ...(["removeBefore", "removeAfter"] as const).map((name): Place => ({ name, where: "comes back" })),
  ...(["storeBeforeCommit", "storeAfterCommit", "replyBeforeSend", "replyAfterSend"] as const).map(
    (name): Place => ({ name, where: "comes back" }),
  ),
  ...(["followerInfoBeforeSend", "leaderInfoAfterReceive", "ackEpochBeforeSend", "newLeaderAfterReceive"] as const).map(
    (name): Place => ({ name, where: "comes back" }),
  ),
  { name: "upToDateAfterReceive", where: "comes back" },
  ...(["ackBeforeSend", "proposalAfterReceive", "commitAfterReceive"] as const).map(
    (name): Place => ({ name, where: "comes back", hit: 2 }),
  ),
  ...(["voteBeforeSend", "followerInfoAfterReceive", "leaderInfoBeforeSend", "ackEpochAfterReceive"] as const).map(
    (name): Place => ({ name, where: "all come back" }),
  ),
  ...(["newLeaderBeforeSend", "upToDateBeforeSend", "heartbeatBeforeSend"] as const).map(
    (name): Place => ({ name, where: "all come back" }),
  ),
  ...(["ackAfterReceive", "proposalBeforeSend", "commitBeforeSend"] as const).map(
    (name): Place => ({ name, where: "all come back", hit: 20 }),
  ),
  { name: "snapAfterReceive", where: "comes back empty" },
  { name: "snapChunkAfterReceive", where: "comes back empty" },
  { name: "snapChunkAckBeforeSend", where: "comes back empty" },
];

async function strike(stage: Stage, { name, where, hit = 1 }: Place): Promise<Struck | undefined> {
  const { servers } = stage;
  const leader = await leaderNow(stage);
  const followers = free(stage).filter((id) => id !== leader && servers.pid(id) !== 0);
  // Who comes back empty needs all the others: what it has acknowledged is on them alone.
  const [one] = where === "comes back empty" && !stage.alone ? [] : followers;
  const victims = where === "all come back" ? free(stage) : one === undefined ? [] : [one];
  if (victims.length === 0) return undefined;
  const args = where === "comes back empty" ? ["--rejoin"] : [];
  for (const id of victims) stage.taken.add(id);
  await Promise.all(victims.map((id) => servers.signal(id, "SIGKILL")));
  const pids = new Map<number, number>();
  for (const id of victims) {
    if (where === "comes back empty") servers.wipe(id);
    // What it said before is not about this.
    servers.member(id).output = "";
    servers.startServer(id, args, { ZABRA_FAILPOINTS: `${name}=crash@${hit}` });
    pids.set(id, servers.pid(id));
  }
  const died = (): readonly number[] => victims.filter((id) => servers.pid(id) !== pids.get(id));
  return {
    what: `${name} of server ${victims.join(", ")}`,
    victims: 1,
    end: async () => {
      const problem = await within(`nobody died at ${name}`, () =>
        died().some((id) => servers.member(id).output.includes(`failpoint ${name}:`)),
      );
      for (const id of victims) {
        // The others are still armed.
        await servers.signal(id, "SIGKILL");
        servers.startServer(id, args);
        stage.taken.delete(id);
      }
      return problem;
    },
  };
}

export const failpointFaults: readonly Fault[] = places.map((place) => ({
  name: `at-${place.name}${place.hit === undefined ? "" : `-${place.hit}`}${place.where === "comes back" ? "" : place.where === "all come back" ? "-all" : "-empty"}`,
  kind: "failpoint",
  longHistory: place.where === "comes back empty" || place.name.startsWith("remove"),
  strike: (stage) => strike(stage, place),
}));
