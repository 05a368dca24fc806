/**
 * Partitions of every shape, as sets of directed pairs that cannot speak. Nothing is reset and nobody is told: all a server can know is
 * that it hears nothing. They may overlap, and end one by one.
 */
import { setTimeout as delay } from "node:timers/promises";
import { anotherLeads, type Fault, leaderNow, type Stage, type Struck, shuffled, within } from "./fault.ts";

type Pair = readonly [from: number, to: number];
type Shape = (ids: readonly number[], leader: number, stage: Stage) => readonly Pair[];

/** Every two of different groups. */
function between(groups: readonly (readonly number[])[]): Pair[] {
  const pairs: Pair[] = [];
  for (const group of groups)
    for (const other of groups) if (group !== other) for (const a of group) for (const b of other) pairs.push([a, b]);
  return pairs;
}

const others = (ids: readonly number[], id: number): number[] => ids.filter((other) => other !== id);

function oneOf(stage: Stage, ids: readonly number[]): number {
  return stage.random.pick(ids);
}

/** The leader and as many as make no quorum, and the rest. */
const minorityWithLeader: Shape = (ids, leader, stage) => {
  const order = shuffled(stage.random, others(ids, leader));
  const size = (ids.length - 1) >> 1;
  return between([[leader, ...order.slice(0, size - 1)], order.slice(size - 1)]);
};

const majorityWithLeader: Shape = (ids, leader, stage) => {
  const order = shuffled(stage.random, others(ids, leader));
  const size = (ids.length >> 1) + 1;
  return between([[leader, ...order.slice(0, size - 1)], order.slice(size - 1)]);
};

/** Each hears and is heard by its neighbours on a ring alone: every one sees another majority, if the ring is large enough. */
const majoritiesRing: Shape = (ids, leader, stage) => {
  // On a ring of three all are neighbours: there, the leader and one other do not hear each other.
  if (ids.length <= 3) return between([[leader], [oneOf(stage, others(ids, leader))]]);
  const ring = shuffled(stage.random, ids);
  const reach = Math.max(1, (ids.length - 1) >> 2);
  const apart = (a: number, b: number): boolean => {
    const distance = Math.abs(ring.indexOf(a) - ring.indexOf(b));
    return Math.min(distance, ring.length - distance) > reach;
  };
  return ids.flatMap((a) => ids.filter((b) => a !== b && apart(a, b)).map((b): Pair => [a, b]));
};

/** Who sends to the next one alone hears from the one before alone: nobody has an exchange with anybody. */
const oneWayRing: Shape = (ids) =>
  ids.flatMap((id, i) =>
    ids.filter((other) => other !== id && other !== ids[(i + 1) % ids.length]).map((other): Pair => [id, other]),
  );

/** Two halves that meet in one server. */
const bridge: Shape = (ids, leader, stage) => {
  const middle = oneOf(stage, others(ids, leader));
  const order = [
    leader,
    ...shuffled(
      stage.random,
      ids.filter((id) => id !== leader && id !== middle),
    ),
  ];
  return between([order.slice(0, order.length >> 1), order.slice(order.length >> 1)]);
};

/** Any set of directed cuts; one of them the leader's. */
const grudge: Shape = (ids, leader, stage) => {
  const pairs = ids.flatMap((a) => others(ids, a).map((b): Pair => [a, b]));
  return [[leader, oneOf(stage, others(ids, leader))], ...pairs.filter(() => stage.random.chance(0.4))];
};

/** What must be seen of it when no other fault is at work: another leader; or that who is cut off knows that nobody follows it, or is there. */
type Effect = "another leads" | "who is cut off stands aside";

function partition(name: string, shape: Shape, effects: readonly Effect[] = []): Fault {
  return { name, kind: "partition", strike: (stage) => strike(stage, shape, effects) };
}

async function strike(stage: Stage, shape: Shape, effects: readonly Effect[]): Promise<Struck> {
  const { network } = stage;
  const leader = await leaderNow(stage);
  const pairs = shape(network.ids, leader ?? oneOf(stage, network.ids), stage);
  const touched = (): number => pairs.reduce((sum, [from, to]) => sum + network.touched(from, to), 0);
  const before = touched();
  for (const [from, to] of pairs) network.block(from, to);
  return {
    what: `${pairs.map(([from, to]) => `${from}↛${to}`).join(" ")}${leader === undefined ? "" : `, ${leader} led`}`,
    end: async () => {
      let problem = await somethingHeld(stage, pairs, () => touched() > before);
      if (stage.alone && leader !== undefined) {
        if (effects.includes("another leads")) problem ??= await anotherLeads(stage, leader);
        if (effects.includes("who is cut off stands aside")) problem ??= await standsAside(stage, pairs[0]?.[0] ?? 0);
      }
      for (const [from, to] of pairs) network.unblock(from, to);
      return problem;
    },
  };
}

/** Who is down says nothing that could be held, and nobody speaks to it. */
async function somethingHeld(stage: Stage, pairs: readonly Pair[], held: () => boolean): Promise<string | undefined> {
  const isUp = (id: number): boolean => !stage.taken.has(id) && stage.servers.pid(id) !== 0;
  if (!pairs.some(([from, to]) => isUp(from) && isUp(to))) return undefined;
  return within("nothing was held", held);
}

function standsAside({ servers }: Stage, id: number): Promise<string | undefined> {
  return within(`server ${id} is cut off and does not notice`, async () => (await servers.status(id))?.role === "looking");
}

/** One link after the other, and back in another order (FoundationDB's swizzle). */
const swizzle: Fault = {
  name: "swizzle",
  kind: "partition",
  strike: async (stage) => {
    const { network, random } = stage;
    const all = network.ids.flatMap((a) => others(network.ids, a).map((b): Pair => [a, b]));
    const touched = (): number => all.reduce((sum, [from, to]) => sum + network.touched(from, to), 0);
    const before = touched();
    for (const [from, to] of shuffled(random, all)) {
      network.block(from, to);
      await delay(random.below(60));
    }
    return {
      what: "all links, one by one",
      end: async () => {
        const problem = await somethingHeld(stage, all, () => touched() > before);
        for (const [from, to] of shuffled(random, all)) {
          network.unblock(from, to);
          await delay(random.below(60));
        }
        return problem;
      },
    };
  },
};

/** The clients reach some of the servers only, and the leader may be cut off from the others: an old leader with clients of its own. */
const clientsCutOff: Fault = {
  name: "clients-cut-off",
  kind: "partition",
  strike: async (stage) => {
    const leader = await leaderNow(stage);
    const order = shuffled(stage.random, stage.network.ids);
    const reachable = stage.random.chance(0.5) && leader !== undefined ? leader : (order[0] ?? 0);
    const doors = stage.doors.filter((_, i) => i + 1 !== reachable);
    const touched = (): number => doors.reduce((sum, door) => sum + door.touched("out") + door.touched("back"), 0);
    const before = touched();
    const set = (how: "hold" | "release"): void => {
      for (const door of doors) for (const direction of ["out", "back"] as const) door[how](direction);
    };
    set("hold");
    return {
      what: `clients reach server ${reachable} alone`,
      end: async () => {
        const problem = await within("nothing of the clients was held", () => touched() > before);
        set("release");
        return problem;
      },
    };
  },
};

export const partitions: readonly Fault[] = [
  partition("isolate-leader", (ids, leader) => between([[leader], others(ids, leader)]), [
    "another leads",
    "who is cut off stands aside",
  ]),
  partition(
    "isolate-follower",
    (ids, leader, stage) => {
      const victim = oneOf(stage, others(ids, leader));
      return between([[victim], others(ids, victim)]);
    },
    ["who is cut off stands aside"],
  ),
  partition("deaf-leader", (ids, leader) => others(ids, leader).map((id): Pair => [id, leader]), ["another leads"]),
  partition("mute-leader", (ids, leader) => others(ids, leader).map((id): Pair => [leader, id]), ["another leads"]),
  partition("one-way", (ids, leader, stage) => [[leader, oneOf(stage, others(ids, leader))]]),
  partition("minority-with-leader", minorityWithLeader, ["another leads"]),
  partition("majority-with-leader", majorityWithLeader),
  partition("majorities-ring", majoritiesRing),
  partition("one-way-ring", oneWayRing),
  partition("bridge", bridge),
  partition("all-apart", (ids) => between(ids.map((id) => [id]))),
  partition("grudge", grudge),
  swizzle,
  clientsCutOff,
];
