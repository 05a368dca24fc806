/** Disks that fail, are full or slow, by a preloaded shim. A server whose write or sync failed must end with exit code 70, and is started again. */
import { type DiskShim, diskErrors, diskFiles } from "../shim/disk-shim.ts";
import { type Fault, free, type Stage, within } from "./fault.ts";

function missing({ disks }: Stage): string | undefined {
  return typeof disks === "string" ? disks : undefined;
}

function shimOf({ disks }: Stage): DiskShim {
  if (typeof disks === "string") throw new Error(disks);
  return disks;
}

interface Failure {
  readonly name: string;
  readonly of: "sync" | "write";
  readonly error: keyof typeof diskErrors;
  readonly files: number;
}

/** The next sync or write of such a file fails, once: what is tried again would be told that it succeeded. */
function failing({ name, of, error, files }: Failure): Fault {
  const [failures, code, count] =
    of === "sync"
      ? (["syncFailures", "syncError", "syncsFailed"] as const)
      : (["writeFailures", "writeError", "writesFailed"] as const);
  return {
    name,
    kind: "disk",
    missing,
    strike: async (stage) => {
      const shim = shimOf(stage);
      const [victim] = free(stage).filter((id) => stage.servers.pid(id) !== 0);
      if (victim === undefined) return undefined;
      stage.taken.add(victim);
      const before = shim.get(victim, count);
      shim.set(victim, { files, [code]: diskErrors[error], [failures]: 1 });
      return {
        what: `server ${victim}`,
        end: async () => {
          let problem = await within(`the disk of server ${victim} did not fail`, () => shim.get(victim, count) > before);
          problem ??= await within(
            `server ${victim} goes on after ${error}`,
            () => stage.servers.pid(victim) === 0 && stage.servers.member(victim).exit !== undefined,
          );
          const code = stage.servers.member(victim).exit;
          if (problem === undefined && code !== 70)
            problem = `server ${victim} ended with ${code} after ${error}: ${stage.servers.member(victim).output.slice(-300)}`;
          shim.heal(victim);
          stage.taken.delete(victim);
          if (stage.servers.pid(victim) === 0) stage.servers.startServer(victim);
          return problem;
        },
      };
    },
  };
}

function slow(name: string, ms: (stage: Stage) => number, count: (stage: Stage) => number): Fault {
  return {
    name,
    kind: "disk",
    missing,
    strike: async (stage) => {
      const shim = shimOf(stage);
      const victims = free(stage).slice(0, count(stage));
      if (victims.length === 0) return undefined;
      const before = victims.map((id) => shim.get(id, "syncsDelayed"));
      const syncDelayMs = ms(stage);
      for (const id of victims) shim.set(id, { files: diskFiles.log | diskFiles.store | diskFiles.other, syncDelayMs });
      return {
        what: `server ${victims.join(", ")}, ${syncDelayMs} ms a sync`,
        end: async () => {
          const problem = await within("no sync was delayed", () =>
            victims.some((id, i) => shim.get(id, "syncsDelayed") > (before[i] ?? 0)),
          );
          for (const id of victims) shim.heal(id);
          return problem;
        },
      };
    },
  };
}

/**
 * A disk without a byte left. The server says so before it is too late: a leader refuses writes, a follower ends with exit code 70 when
 * its log or tree needs more; whoever ends comes back when there is room.
 */
const full: Fault = {
  name: "full-disk",
  kind: "disk",
  byNameOnly: true,
  missing: ({ smallDisks }) => (typeof smallDisks === "string" ? smallDisks : undefined),
  strike: async (stage) => {
    const { smallDisks, servers } = stage;
    if (typeof smallDisks === "string") throw new Error(smallDisks);
    const [victim] = free(stage).filter((id) => servers.pid(id) !== 0);
    if (victim === undefined) return undefined;
    stage.taken.add(victim);
    smallDisks.fill(victim);
    const wasFull = smallDisks.isFull(victim);
    return {
      what: `server ${victim}`,
      end: async () => {
        const code = servers.pid(victim) === 0 ? servers.member(victim).exit : undefined;
        smallDisks.empty(victim);
        stage.taken.delete(victim);
        if (servers.pid(victim) === 0) servers.startServer(victim);
        if (code !== undefined && code !== 70) return `server ${victim} ended with ${code} on a full disk`;
        return wasFull ? undefined : "there was room left";
      },
    };
  },
};

export const disks: readonly Fault[] = [
  failing({ name: "log-sync-error", of: "sync", error: "EIO", files: diskFiles.log }),
  failing({ name: "store-sync-error", of: "sync", error: "EIO", files: diskFiles.store }),
  failing({ name: "log-write-error", of: "write", error: "EIO", files: diskFiles.log }),
  failing({ name: "log-write-full", of: "write", error: "ENOSPC", files: diskFiles.log }),
  failing({ name: "store-write-full", of: "write", error: "ENOSPC", files: diskFiles.store }),
  slow(
    "slow-disk",
    (stage) => 20 + stage.random.below(600),
    () => 1,
  ),
  slow(
    "slow-disks",
    (stage) => 10 + stage.random.below(150),
    (stage) => stage.network.ids.length,
  ),
  slow(
    "hung-disk",
    () => 10_000,
    () => 1,
  ),
  full,
];
