/**
 * Rounds of partitions between real servers, in every shape, under writers and a register. What the clients were told is then held
 * against every server, and the register's history is judged by search. A round whose fault did not bite is a failure.
 */
import { setTimeout as delay } from "node:timers/promises";
import { connect } from "../../client/index.ts";
import type { PartitionedEnsemble } from "./partitioned-ensemble.ts";
import { RegisterLoad } from "./register-load.ts";
import { checkAtAll, connectWriters, Workload } from "./workload.ts";

/** A fault that nobody notices for so long has not bitten. */
const biteMs = 20_000;

interface Scene {
  readonly ensemble: PartitionedEnsemble;
  readonly leader: number;
  readonly followers: readonly number[];
  readonly faultMs: number;
  /** Resolves once every writer has had a write acknowledged, those too that were at a server which is cut off now. */
  everyWriterGetsOn(): Promise<void>;
}

/** Whether it bit: undefined, or what should have happened and did not. */
type Fault = (scene: Scene) => Promise<string | undefined>;

/** Nobody is told anything: all the server can know is that it hears nothing. */
const isolatedLeader: Fault = async (scene) => {
  scene.ensemble.isolate(scene.leader);
  return (await othersGoOn(scene)) ?? standsAside(scene, scene.leader);
};

const isolatedFollower: Fault = async (scene) => {
  const [victim = 0] = scene.followers;
  scene.ensemble.isolate(victim);
  await delay(scene.faultMs);
  await scene.everyWriterGetsOn();
  return standsAside(scene, victim);
};

const deafLeader: Fault = async (scene) => {
  for (const id of scene.followers) scene.ensemble.block(id, scene.leader);
  return othersGoOn(scene);
};

const muteLeader: Fault = async (scene) => {
  for (const id of scene.followers) scene.ensemble.block(scene.leader, id);
  return othersGoOn(scene);
};

/** The leader and one follower do not hear each other; the other hears both. */
const bridge: Fault = async (scene) => {
  const [victim = 0] = scene.followers;
  scene.ensemble.block(scene.leader, victim);
  scene.ensemble.block(victim, scene.leader);
  await delay(scene.faultMs);
  return standsAside(scene, victim);
};

/** Who sends to the next one alone hears from the one before alone: nobody has an exchange with anybody. */
const ring: Fault = async (scene) => {
  const { ids } = scene.ensemble;
  for (const [i, id] of ids.entries()) {
    const next = ids[(i + 1) % ids.length];
    for (const other of ids) if (other !== id && other !== next) scene.ensemble.block(id, other);
  }
  return nobodyLeads(scene);
};

const allApart: Fault = async (scene) => {
  for (const id of scene.ensemble.ids) scene.ensemble.isolate(id);
  return nobodyLeads(scene);
};

const flapping: Fault = async (scene) => {
  const before = scene.ensemble.connections;
  const endMs = performance.now() + scene.faultMs;
  while (performance.now() < endMs) {
    scene.ensemble.cut(scene.leader);
    await delay(150);
  }
  return scene.ensemble.connections > before + 2 ? undefined : "the leader's links were not made anew";
};

const slow: Fault = async (scene) => {
  const delayMs = 60;
  scene.ensemble.slow(delayMs);
  // What is on its way is not slowed any more.
  await delay(2 * delayMs);
  const client = await connect(scene.ensemble.servers.urls);
  const begunMs = performance.now();
  await client.create("/slow-", undefined, { sequential: true, timeoutMs: 60_000 });
  const tookMs = performance.now() - begunMs;
  await client.close();
  await delay(scene.faultMs);
  return tookMs >= 2 * delayMs ? undefined : `a write took ${tookMs.toFixed(0)} ms`;
};

/** No two servers can speak, one of them being dead, and the dead one comes back into the partition. */
const killedInside: Fault = async (scene) => {
  const [victim = 0, other = 0] = scene.followers;
  const { servers } = scene.ensemble;
  scene.ensemble.isolate(victim);
  await servers.signal(other, "SIGKILL");
  const problem = await nobodyLeads(scene);
  servers.startServer(other);
  return problem;
};

export const partitions: Readonly<Record<string, Fault>> = {
  isolatedLeader,
  isolatedFollower,
  deafLeader,
  muteLeader,
  bridge,
  ring,
  allApart,
  flapping,
  slow,
  killedInside,
};

async function roleOf(scene: Scene, id: number): Promise<string> {
  return (await scene.ensemble.servers.status(id))?.role ?? "down";
}

async function othersGoOn(scene: Scene): Promise<string | undefined> {
  const problem = await anotherLeads(scene);
  if (problem !== undefined) return problem;
  await delay(scene.faultMs);
  await scene.everyWriterGetsOn();
  return undefined;
}

async function anotherLeads(scene: Scene): Promise<string | undefined> {
  return within("no other server leads", async () => {
    for (const id of scene.followers) if ((await roleOf(scene, id)) === "leading") return true;
    return false;
  });
}

async function standsAside(scene: Scene, id: number): Promise<string | undefined> {
  return within(`server ${id} is cut off and does not notice`, async () => (await roleOf(scene, id)) === "looking");
}

async function nobodyLeads(scene: Scene): Promise<string | undefined> {
  const problem = await within("a server leads without a quorum", async () => {
    for (const id of scene.ensemble.ids) if ((await roleOf(scene, id)) === "leading") return false;
    return true;
  });
  await delay(scene.faultMs);
  return problem;
}

async function within(problem: string, holds: () => Promise<boolean>): Promise<string | undefined> {
  const endMs = performance.now() + biteMs;
  while (performance.now() < endMs) {
    if (await holds()) return undefined;
    await delay(20);
  }
  return problem;
}

export interface PartitionReport {
  readonly round: number;
  readonly partition: string;
  readonly problems: readonly string[];
  readonly acks: number;
  readonly registerCalls: number;
  readonly gapMs: number;
}

export interface PartitionOptions {
  readonly rounds: number;
  readonly kinds: readonly string[];
  readonly faultMs: number;
  readonly writers?: number;
  /** A client leaves a server that has lost the others after two thirds of it. */
  readonly sessionTimeoutMs: number;
  onRound(report: PartitionReport): void;
}

export async function partitionRounds(ensemble: PartitionedEnsemble, options: PartitionOptions): Promise<void> {
  const { urls } = ensemble.servers;
  const lost: string[] = [];
  const clients = await connectWriters(urls, options.writers ?? 6, options.sessionTimeoutMs, (index) =>
    lost.push(`writer ${index} lost its session`),
  );
  for (let round = 1; round <= options.rounds; round += 1) {
    for (const partition of options.kinds) {
      const workload = await Workload.begin(`/partition-${round}-${partition}`, clients);
      const register = await RegisterLoad.begin(`/registers/${round}-${partition}`, clients, 100);
      await workload.everyWriterAcked();
      const notBitten = await strike(ensemble, partition, options.faultMs, workload);
      const { acks, longestGapMs: gapMs } = workload;
      await Promise.all([workload.end(), register.end()]);
      const wrong = [notBitten, register.problem()].filter((problem) => problem !== undefined);
      const problems = [...wrong, ...(await checkAtAll(urls, workload)), ...lost.splice(0)];
      options.onRound({ round, partition, problems, acks, registerCalls: register.calls, gapMs });
    }
  }
  await Promise.all(clients.map((client) => client.close()));
}

/** The fault, then the way back to an ensemble in which all serve and every writer gets on. */
async function strike(
  ensemble: PartitionedEnsemble,
  partition: string,
  faultMs: number,
  workload: Workload,
): Promise<string | undefined> {
  const fault = partitions[partition];
  if (fault === undefined) throw new Error(`no partition ${partition}: ${Object.keys(partitions).join(", ")}`);
  const leader = await ensemble.servers.leader();
  const followers = ensemble.ids.filter((id) => id !== leader);
  workload.resetGaps();
  const everyWriterGetsOn = (): Promise<void> => workload.everyWriterAcked();
  const notBitten = await fault({ ensemble, leader, followers, faultMs, everyWriterGetsOn });
  ensemble.heal();
  await ensemble.servers.waitServing(undefined, 60_000);
  await workload.everyWriterAcked();
  return notBitten === undefined ? undefined : `the fault did not bite: ${notBitten}`;
}
