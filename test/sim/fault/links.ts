/** Faults of the network between servers: partitions of every shape, slow, clogged, flapping and half-open links. */
import { cutFor, type Fault, type FaultTools, twoServers } from "./tools.ts";

function partition(tools: FaultTools, oneWay: boolean): boolean {
  const shuffled = tools.random.shuffle(tools.cluster.servers);
  if (shuffled.length < 2) return false;
  const size = 1 + tools.random.below(shuffled.length - 1);
  const ms = tools.duration();
  for (const left of shuffled.slice(0, size)) {
    for (const right of shuffled.slice(size)) cutFor(tools, left.id, right.id, ms, oneWay);
  }
  return true;
}

const isolateLeader: Fault = (tools) => {
  const { leader, servers } = tools.cluster;
  if (leader === undefined || servers.length < 2) return false;
  const ms = tools.duration();
  for (const other of servers) if (other !== leader) cutFor(tools, leader.id, other.id, ms);
  return true;
};

/** Each server sees only its neighbours: every one a different majority. */
const ring: Fault = (tools) => {
  const shuffled = tools.random.shuffle(tools.cluster.servers);
  if (shuffled.length < 4) return false;
  const ms = tools.duration();
  for (const [i, a] of shuffled.entries()) {
    for (const [j, b] of shuffled.entries()) {
      const apart = Math.min((i - j + shuffled.length) % shuffled.length, (j - i + shuffled.length) % shuffled.length);
      if (i < j && apart > 1) cutFor(tools, a.id, b.id, ms);
    }
  }
  return true;
};

/** Two halves that meet in one server only. */
const bridge: Fault = (tools) => {
  const shuffled = tools.random.shuffle(tools.cluster.servers);
  if (shuffled.length < 3) return false;
  const ms = tools.duration();
  const half = Math.ceil((shuffled.length - 1) / 2);
  for (const a of shuffled.slice(1, 1 + half)) for (const b of shuffled.slice(1 + half)) cutFor(tools, a.id, b.id, ms);
  return true;
};

/** Links stop one by one and come back in another order (FoundationDB's swizzle). */
const swizzle: Fault = (tools) => {
  const { servers } = tools.cluster;
  const { random } = tools;
  if (servers.length < 2) return false;
  const server = random.pick(servers);
  for (const other of servers) {
    if (other === server) continue;
    tools.cluster.scheduler.after(random.between(0, 150) * tools.cluster.slow, () => {
      if (!tools.stopped) cutFor(tools, server.id, other.id, 150 * tools.cluster.slow + tools.duration());
    });
  }
  return true;
};

const flap: Fault = (tools) => {
  const pair = twoServers(tools);
  if (pair === undefined) return false;
  const { cluster, random } = tools;
  for (let i = 0; i < 6; i += 1)
    cluster.scheduler.after(i * random.between(20, 120), () => {
      if (!tools.stopped) cluster.peers.break(pair[0].id, pair[1].id);
    });
  return true;
};

const slowNetwork: Fault = (tools) => {
  const { network } = tools.cluster;
  const before = network.options;
  if (before.latencyMs > 8) return false;
  network.options = { ...before, latencyMs: before.latencyMs + tools.random.between(5, 60), jitterMs: before.jitterMs * 4 };
  tools.during(tools.duration(), () => {
    network.options = before;
  });
  return true;
};

/** Frames of a link that is gone reach the server all the same: it must know them by their link number. */
const staleFrames: Fault = (tools) => {
  const pair = twoServers(tools);
  if (pair === undefined) return false;
  const [from, to] = pair;
  const { peers, scheduler } = tools.cluster;
  const kept = peers.keepFrames(from.id, to.id);
  const { stale } = tools.cluster.checks.oldLinks;
  if (kept.frames.length === 0) return false;
  peers.break(from.id, to.id);
  for (let i = 1; i <= 4; i += 1)
    scheduler.after(i * tools.random.between(5, 120), () => {
      stale.evaluations += peers.replay(kept, to.id);
    });
  return true;
};

export const linkFaults = {
  partition: (tools) => partition(tools, false),
  "one-way partition": (tools) => partition(tools, true),
  "one-way link": (tools) => {
    const pair = twoServers(tools);
    if (pair !== undefined) cutFor(tools, pair[0].id, pair[1].id, tools.duration(), true);
    return pair !== undefined;
  },
  "isolate leader": isolateLeader,
  ring,
  bridge,
  swizzle,
  clog: (tools) => {
    const pair = twoServers(tools);
    if (pair !== undefined) cutFor(tools, pair[0].id, pair[1].id, Math.min(tools.duration(), 400 * tools.cluster.slow), true);
    return pair !== undefined;
  },
  "broken link": (tools) => {
    const pair = twoServers(tools);
    if (pair !== undefined) tools.cluster.peers.break(pair[0].id, pair[1].id);
    return pair !== undefined;
  },
  "all links broken": (tools) => {
    const { servers, peers } = tools.cluster;
    for (const a of servers) for (const b of servers) if (a.id < b.id) peers.break(a.id, b.id);
    return servers.length > 1;
  },
  "half-open link": (tools) => {
    const pair = twoServers(tools);
    return pair !== undefined && tools.cluster.peers.halfOpen(pair[0].id, pair[1].id);
  },
  "flapping link": flap,
  "slow network": slowNetwork,
  "stale frames": staleFrames,
} satisfies Record<string, Fault>;
