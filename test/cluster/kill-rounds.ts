/**
 * Rounds of `kill -9` under continuous writes: the leader, a follower, two of three, all three. After each,
 * what the clients were told is held against every server. Used by the test and by the long script.
 */
import { setTimeout as delay } from "node:timers/promises";
import type { ProcessEnsemble } from "./process-ensemble.ts";
import { checkAtAll, connectWriters, Workload } from "./workload.ts";

export const kills = ["leader", "follower", "two", "all"] as const;
export type Kill = (typeof kills)[number];

export interface KillOptions {
  readonly rounds: number;
  readonly writers?: number;
  readonly sessionTimeoutMs: number;
  /** Writing before the kill, and the time that two or all servers stay down. */
  readonly writeMs?: number;
  readonly downMs?: number;
  readonly kinds?: readonly Kill[];
  onRound(report: KillReport): void;
}

export interface KillReport {
  readonly round: number;
  readonly kill: Kill;
  readonly victims: readonly number[];
  readonly problems: readonly string[];
  readonly acks: number;
  /** Between two acknowledged writes, whoever's; and of the one writer that waited longest. */
  readonly gapMs: number;
  readonly writerGapMs: number;
}

export async function killRounds(ensemble: ProcessEnsemble, options: KillOptions): Promise<void> {
  const lost: string[] = [];
  const clients = await connectWriters(ensemble.urls, options.writers ?? 8, options.sessionTimeoutMs, (index) =>
    lost.push(`writer ${index} lost its session`),
  );
  for (let round = 1; round <= options.rounds; round += 1) {
    for (const kill of options.kinds ?? kills) {
      const workload = await Workload.begin(`/kill-${round}-${kill}`, clients);
      const victims = await killAndBack(ensemble, workload, kill, round, options);
      const { acks, longestGapMs: gapMs, longestWriterGapMs: writerGapMs } = workload;
      await workload.end();
      const problems = [...(await checkAtAll(ensemble.urls, workload)), ...lost.splice(0)];
      options.onRound({ round, kill, victims, problems, acks, gapMs, writerGapMs });
    }
  }
  await Promise.all(clients.map((client) => client.close()));
}

async function killAndBack(
  ensemble: ProcessEnsemble,
  workload: Workload,
  kill: Kill,
  round: number,
  options: KillOptions,
): Promise<readonly number[]> {
  await workload.everyWriterAcked();
  await delay(options.writeMs ?? 300);
  const victims = await victimsOf(ensemble, kill, round);
  workload.resetGaps();
  await Promise.all(victims.map((id) => ensemble.signal(id, "SIGKILL")));
  // One down: the others must go on alone. More down: nobody can, until they are back.
  if (victims.length === 1) await workload.everyWriterAcked();
  else await delay(options.downMs ?? 200);
  for (const id of victims) ensemble.startServer(id);
  await ensemble.waitServing(undefined, 60_000);
  await workload.everyWriterAcked();
  return victims;
}

async function victimsOf(ensemble: ProcessEnsemble, kill: Kill, round: number): Promise<readonly number[]> {
  const leader = await ensemble.leader();
  const followers = ensemble.members.map((member) => member.id).filter((id) => id !== leader);
  const turn = followers[round % followers.length] ?? leader;
  switch (kill) {
    case "leader":
      return [leader];
    case "follower":
      return [turn];
    // With the leader, and without.
    case "two":
      return round % 2 === 1 ? [leader, turn] : followers.slice(0, 2);
    case "all":
      return [leader, ...followers];
  }
}
