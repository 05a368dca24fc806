/** Faults that last for minutes, for runs at the long pace: what history, sessions and TTLs make of long absence. */
import { cutFor, type Fault, type FaultTools } from "./tools.ts";

function minutes(tools: FaultTools): number {
  return tools.random.logBetween(60_000, 1_200_000);
}

/** One server is gone for longer than the history reaches, as often as not. */
const outage: Fault = (tools) => {
  const server = tools.random.pick(tools.cluster.servers);
  if (!server.running) return false;
  server.crash(tools.random.chance(0.5));
  tools.restartLater(server, minutes(tools));
  return true;
};

/** A minority, the leader in it or not, runs on by itself. */
const separation: Fault = (tools) => {
  const shuffled = tools.random.shuffle(tools.cluster.servers);
  const size = Math.floor((shuffled.length - 1) / 2);
  const ms = minutes(tools);
  for (const left of shuffled.slice(0, size)) for (const right of shuffled.slice(size)) cutFor(tools, left.id, right.id, ms);
  return size > 0;
};

/** A client hears nothing for about as long as its session lives: it comes back just before its end, or just after. */
const absence: Fault = (tools) => {
  const { clients, servers, sessionTimeoutMs } = tools.cluster;
  const client = tools.random.pick(clients);
  const ms = sessionTimeoutMs * tools.random.between(0.5, 2);
  for (const server of servers) cutFor(tools, client.id, server.id, ms);
  return true;
};

export const longFaults = {
  "long outage": outage,
  "long separation": separation,
  "long absence of a client": absence,
} satisfies Record<string, Fault>;
