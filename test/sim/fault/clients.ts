/**
 * Faults seen by clients, and the two that no other fault makes likely: a leader that is cut off, or
 * frozen, *together with a client that goes on reading*, while the others elect at once and write. What
 * is stale about a lease shows there and nowhere else.
 */
import { openAcl } from "../../../src/model/acl.ts";
import type { AnyClient } from "../client.ts";
import type { Cluster } from "../cluster.ts";
import type { SimServer } from "../server.ts";
import { cutFor, type Fault, type FaultTools } from "./tools.ts";

const cutClient = (tools: FaultTools, oneWay: boolean): boolean => {
  const client = tools.random.pick(tools.cluster.clients);
  const ms = tools.duration();
  for (const server of tools.cluster.servers) cutFor(tools, client.id, server.id, ms, oneWay);
  return true;
};

interface Sides {
  readonly leader: SimServer;
  readonly reader: AnyClient;
  readonly writers: readonly AnyClient[];
}

function sides({ cluster, random }: FaultTools): Sides | undefined {
  const { leader, clients, servers } = cluster;
  const voters = servers.filter((server) => server.voter && server !== leader);
  if (leader === undefined || voters.length < 2 || clients.length < 2) return undefined;
  const [reader, ...writers] = random.shuffle(clients);
  return reader === undefined ? undefined : { leader, reader, writers };
}

/** The reader goes to the leader, everybody else to the others; then, when they are there, `then`. */
function takeSides(tools: FaultTools, { leader, reader, writers }: Sides, then: () => void): void {
  const { cluster, random } = tools;
  const others = cluster.servers.filter((server) => server.voter && server !== leader);
  const move = (client: AnyClient, server: SimServer): void => {
    client.pinned = server.id;
    if (client.server !== server.id) client.disconnect();
  };
  cluster.resting.add(reader);
  move(reader, leader);
  for (const writer of writers) move(writer, random.pick(others));
  tools.during(2_500, () => {
    for (const client of [reader, ...writers]) client.pinned = undefined;
    cluster.resting.delete(reader);
  });
  cluster.scheduler.after(random.between(80, 200), () => {
    if (!tools.stopped && leader.status()?.role === "leading") then();
  });
}

/**
 * The others learn that their links are gone: they look at once, and vote when their promises end. The
 * leader is told nothing: with a link it would forget what came over it, and with that its lease.
 */
function cutLeader(tools: FaultTools, leader: SimServer, ms: number): void {
  for (const other of tools.cluster.servers) {
    if (other === leader) continue;
    cutFor(tools, leader.id, other.id, ms);
    tools.cluster.peers.halfOpen(other.id, leader.id);
  }
}

/** Linearizable reads here and writes there, one a millisecond or two, of one path. */
function race(tools: FaultTools, { reader, writers }: Sides, ms: number, readGapMs: number): void {
  const { cluster, random } = tools;
  const end = cluster.scheduler.now + ms;
  let written = 0;
  let nextRead = 0;
  const step = (): void => {
    if (tools.stopped || cluster.scheduler.now >= end) return;
    if (cluster.scheduler.now >= nextRead) {
      nextRead = cluster.scheduler.now + readGapMs;
      call(cluster, reader, { type: "exists", path: "/race", watch: false }, false);
    }
    const writer = random.pick(writers);
    written += 1;
    const data = Buffer.from(`race ${written}`);
    const made = { data, kind: "persistent", sequential: false, ttlMs: 0, acl: openAcl } as const;
    if (random.chance(0.3)) call(cluster, writer, { type: "create", path: "/race", ...made }, true);
    else call(cluster, writer, { type: "setData", path: "/race", data, version: -1 }, true);
    cluster.scheduler.after(random.between(0.5, 2), step);
  };
  step();
}

function call(cluster: Cluster, client: AnyClient, request: Parameters<AnyClient["call"]>[0], isWrite: boolean): void {
  if (!client.ready || client.outstanding >= 12) return;
  const operation = client.call(request, isWrite, { type: "linearizable" });
  if (operation !== undefined) cluster.checks.invoked(operation);
}

/** Leader and reader on one side, a fast new leader and the writers on the other. */
const splitWithClient: Fault = (tools) => {
  const found = sides(tools);
  if (found === undefined) return false;
  const ms = tools.random.between(300, 1_500);
  takeSides(tools, found, () => {
    race(tools, found, Math.min(ms, 450), 0);
    cutLeader(tools, found.leader, ms);
  });
  return true;
};

/** The leader stands still; requests queue up at it while another leads; then it goes on in the middle of a turn. */
const freezeWithQueue: Fault = (tools) => {
  const found = sides(tools);
  if (found === undefined) return false;
  const ms = tools.random.between(200, 700);
  takeSides(tools, found, () => {
    // Few enough that there is room for those of the end, which wait in its inbox when it goes on.
    race(tools, found, ms, ms / 10);
    cutLeader(tools, found.leader, ms + tools.random.between(-20, 300));
    found.leader.pause(ms, "pause", tools.random.pick(["between turns", "before the clock", "before the effects"] as const));
  });
  return true;
};

export const clientFaults = {
  "client cut": (tools) => cutClient(tools, true),
  "client isolated": (tools) => cutClient(tools, false),
  "client disconnect": (tools) => {
    tools.random.pick(tools.cluster.clients).disconnect();
    return true;
  },
  "reconnect storm": (tools) => {
    for (const client of tools.cluster.clients) client.disconnect();
    return true;
  },
  "slow consumer": (tools) => {
    const server = tools.random.pick(tools.cluster.servers);
    const slow = server.slowConsumer(true);
    tools.during(tools.duration(), () => server.slowConsumer(false));
    return slow;
  },
  "leader split off with a client": splitWithClient,
  "leader frozen with a queue": freezeWithQueue,
} satisfies Record<string, Fault>;
