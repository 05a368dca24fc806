/** Faults of processes and machines: crashes of every kind, pauses at every point of a turn, suspended machines. */
import type { PauseKind, PausePoint } from "../server.ts";
import { cutFor, type Fault, type FaultTools, victim } from "./tools.ts";

/** Long enough, now and then, that another leader is elected and commits meanwhile. */
function pauseMs(tools: FaultTools): number {
  const { random: r } = tools;
  const { slow } = tools.cluster;
  return r.chance(0.4) ? r.between(20, 400) * slow : r.chance(0.5) ? r.between(1_200, 2_500) * slow : tools.duration();
}

function pause(kind: PauseKind, point: PausePoint): Fault {
  return (tools) => {
    const server = victim(tools);
    if (!server.running || server.paused) return false;
    server.pause(pauseMs(tools), kind, point);
    return true;
  };
}

/** One server misses what the others do; then these crash, and it is there when they come back. */
const lagAndCrash: Fault = (tools) => {
  const { cluster, random } = tools;
  if (cluster.servers.length === 1) return false;
  const server = random.pick(cluster.servers);
  const ms = random.between(30, 600) * cluster.slow;
  for (const other of cluster.servers) if (other !== server) cutFor(tools, server.id, other.id, ms);
  cluster.scheduler.after(ms * random.between(0.6, 1), () => {
    if (tools.stopped) return;
    for (const other of cluster.servers) if (other !== server) tools.crash(other, "crash");
  });
  return true;
};

/** The same server dies again and again, often before it is up. */
const crashLoop: Fault = (tools) => {
  const { cluster, random } = tools;
  const server = random.pick(cluster.servers);
  for (let i = 0; i < 4; i += 1) {
    cluster.scheduler.after(i * random.between(10, 250), () => {
      if (tools.stopped) return;
      if (server.running) tools.crash(server, random.chance(0.5) ? "kill" : "crash");
    });
  }
  return server.running;
};

export const processFaults = {
  crash: (tools) => tools.crash(tools.random.pick(tools.cluster.servers), "crash"),
  kill: (tools) => tools.crash(tools.random.pick(tools.cluster.servers), "kill"),
  "silent crash": (tools) => tools.crash(tools.random.pick(tools.cluster.servers), "silent"),
  "leader crash": (tools) => tools.cluster.leader !== undefined && tools.crash(tools.cluster.leader, "crash"),
  "crash all": (tools) => tools.cluster.servers.map((server) => tools.crash(server, "crash")).includes(true),
  "kill all": (tools) => tools.cluster.servers.map((server) => tools.crash(server, "kill")).includes(true),
  "crash loop": crashLoop,
  "lag and crash": lagAndCrash,
  pause: pause("pause", "between turns"),
  "pause before the clock": pause("pause", "before the clock"),
  "pause before the effects": pause("pause", "before the effects"),
  suspend: pause("suspend", "between turns"),
  "suspend before the effects": pause("suspend", "before the effects"),
  "event-loop stall": (tools) => {
    const server = victim(tools);
    if (!server.running || server.paused) return false;
    server.pause(
      tools.random.between(20, 160) * tools.cluster.slow,
      "pause",
      tools.random.pick(["between turns", "before the clock"] as const),
    );
    return true;
  },
} satisfies Record<string, Fault>;
