/** `kill -9`: the leader, a follower, a minority, a majority, everybody; they come back when the fault is over. */
import { anotherLeads, type Fault, free, leaderNow, type Stage, type Struck } from "./fault.ts";

type Choose = (stage: Stage, leader: number | undefined) => readonly number[];

function kill(name: string, choose: Choose): Fault {
  return {
    name,
    kind: "kill",
    strike: async (stage) => {
      const leader = await leaderNow(stage);
      const victims = choose(stage, leader).filter((id) => stage.servers.pid(id) !== 0);
      return victims.length === 0 ? undefined : strike(stage, victims, leader);
    },
  };
}

async function strike(stage: Stage, victims: readonly number[], leader: number | undefined): Promise<Struck> {
  for (const id of victims) stage.taken.add(id);
  await Promise.all(victims.map((id) => stage.servers.signal(id, "SIGKILL")));
  const minority = victims.length * 2 < stage.network.ids.length;
  const led = leader !== undefined && victims.includes(leader) ? leader : undefined;
  return {
    what: `server ${victims.join(", ")}${led === undefined ? "" : ` (${led} led)`}`,
    victims: victims.length,
    end: async () => {
      const problem = stage.alone && minority && led !== undefined ? await anotherLeads(stage, led) : undefined;
      for (const id of victims) {
        if (stage.servers.pid(id) === 0) stage.servers.startServer(id);
        stage.taken.delete(id);
      }
      return problem;
    },
  };
}

const quorum = (stage: Stage): number => (stage.network.ids.length >> 1) + 1;

export const kills: readonly Fault[] = [
  kill("kill-leader", (_stage, leader) => (leader === undefined ? [] : [leader])),
  kill("kill-follower", (stage, leader) =>
    free(stage)
      .filter((id) => id !== leader)
      .slice(0, 1),
  ),
  kill("kill-minority", (stage) => free(stage).slice(0, stage.network.ids.length - quorum(stage))),
  kill("kill-majority", (stage) => free(stage).slice(0, quorum(stage))),
  kill("kill-all", (stage) => free(stage)),
];
