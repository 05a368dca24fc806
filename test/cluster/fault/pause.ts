/** SIGSTOP: a process that does nothing, keeps all its connections, and wakes with what has gathered in its sockets. */
import { readFileSync } from "node:fs";
import { anotherLeads, type Fault, free, leaderNow, type Stage, type Struck } from "./fault.ts";

function pause(name: string, choose: (stage: Stage, leader: number | undefined) => readonly number[]): Fault {
  return {
    name,
    kind: "pause",
    strike: async (stage) => {
      const leader = await leaderNow(stage);
      const victims = choose(stage, leader).filter((id) => stage.servers.pid(id) !== 0);
      return victims.length === 0 ? undefined : strike(stage, victims, leader);
    },
  };
}

async function strike(stage: Stage, victims: readonly number[], leader: number | undefined): Promise<Struck> {
  for (const id of victims) {
    stage.taken.add(id);
    await stage.servers.signal(id, "SIGSTOP");
  }
  const minority = victims.length * 2 < stage.network.ids.length;
  const led = leader !== undefined && victims.includes(leader) ? leader : undefined;
  return {
    what: `server ${victims.join(", ")}${led === undefined ? "" : ` (${led} led)`}`,
    victims: victims.length,
    end: async () => {
      const awake = victims.filter((id) => stateOf(stage.servers.pid(id)) !== "T");
      const problem = stage.alone && minority && led !== undefined ? await anotherLeads(stage, led) : undefined;
      for (const id of victims) {
        await stage.servers.signal(id, "SIGCONT");
        stage.taken.delete(id);
      }
      return awake.length === 0 ? problem : `server ${awake.join(", ")} did not stand still`;
    },
  };
}

function stateOf(pid: number): string {
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  return stat.slice(stat.lastIndexOf(")") + 2, stat.lastIndexOf(")") + 3);
}

export const pauses: readonly Fault[] = [
  pause("pause-leader", (_stage, leader) => (leader === undefined ? [] : [leader])),
  pause("pause-follower", (stage, leader) =>
    free(stage)
      .filter((id) => id !== leader)
      .slice(0, 1),
  ),
  pause("pause-minority", (stage) => free(stage).slice(0, (stage.network.ids.length - 1) >> 1)),
  pause("pause-majority", (stage) => free(stage).slice(0, (stage.network.ids.length >> 1) + 1)),
];
