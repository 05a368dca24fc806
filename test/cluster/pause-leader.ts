/**
 * A leader that sleeps (SIGSTOP) while a new one is elected and writes go on, then wakes with requests in its
 * sockets. What it answers to linearizable reads must not be older than what had been acknowledged to
 * anybody when they were sent. Used by the test and by the long script.
 */
import { setTimeout as delay } from "node:timers/promises";
import { connect } from "../../client/index.ts";
import { NativeClient } from "../server/native-client.ts";
import type { ProcessEnsemble } from "./process-ensemble.ts";

export interface PauseReport {
  readonly leader: number;
  readonly newLeader: number;
  /** From SIGSTOP to the first write acknowledged by the others. */
  readonly serviceMs: number;
  /** Of the reads sent to the sleeping leader: answered with new data, refused, unanswered when it closed the connection. */
  readonly answered: number;
  readonly refused: number;
  readonly closed: number;
  readonly problems: readonly string[];
}

/** Connections to the old leader that queue reads while it sleeps. */
const connections = 4;
const path = "/paused";

export async function pauseLeader(ensemble: ProcessEnsemble, sleepMs: number): Promise<PauseReport> {
  const leader = await ensemble.leader();
  const others = ensemble.members.filter((member) => member.id !== leader).map((member) => member.id);
  const client = await connect(
    others.map((id) => ensemble.urls[id - 1] ?? ""),
    { sessionTimeoutMs: 60_000, callTimeoutMs: 60_000 },
  );
  await client.ensurePath(path);
  let value = 0;
  await client.set(path, "0");
  const sleepers = await Promise.all(Array.from({ length: connections }, () => Sleeper.open(ensemble.urls[leader - 1] ?? "")));
  for (const sleeper of sleepers) await sleeper.warm();

  const stoppedMs = performance.now();
  await ensemble.signal(leader, "SIGSTOP");
  let serviceMs = 0;
  while (performance.now() - stoppedMs < sleepMs || serviceMs === 0) {
    await client.set(path, String(value + 1));
    value += 1;
    if (serviceMs === 0) serviceMs = performance.now() - stoppedMs;
    // `value` is acknowledged: whoever reads from now on must see it, or something later.
    sleepers[value % connections]?.ask(value);
    await delay(10);
  }
  const newLeader = await leaderAmong(ensemble, others);
  await ensemble.signal(leader, "SIGCONT");
  for (const sleeper of sleepers) await sleeper.settle();
  await ensemble.waitServing();
  const problems = sleepers.flatMap((sleeper) => sleeper.problems);
  const late = await connect(ensemble.urls[leader - 1] ?? "");
  const { data } = await late.get(path);
  if (new TextDecoder().decode(data) !== String(value))
    problems.push(`after it came back, the old leader reads ${new TextDecoder().decode(data)}, not ${value}`);
  await Promise.all([late.close(), client.close()]);
  for (const sleeper of sleepers) sleeper.close();
  const sum = (of: (sleeper: Sleeper) => number): number => sleepers.reduce((total, sleeper) => total + of(sleeper), 0);
  return {
    leader,
    newLeader,
    serviceMs: Math.round(serviceMs),
    answered: sum((s) => s.answered),
    refused: sum((s) => s.refused),
    closed: sum((s) => s.closed),
    problems,
  };
}

async function leaderAmong(ensemble: ProcessEnsemble, ids: readonly number[]): Promise<number> {
  for (;;) {
    for (const id of ids) if ((await ensemble.status(id))?.role === "leading") return id;
    await delay(10);
  }
}

/** A bare connection to the leader, which cannot wander to another server. */
class Sleeper {
  readonly #client: NativeClient;
  readonly #asked: Promise<void>[] = [];
  readonly problems: string[] = [];
  answered = 0;
  refused = 0;
  closed = 0;

  private constructor(client: NativeClient) {
    this.#client = client;
  }

  static async open(url: string): Promise<Sleeper> {
    return new Sleeper(await NativeClient.connect(url, 60_000));
  }

  /** The leader has a lease and this connection works. */
  async warm(): Promise<void> {
    for (let i = 0; i < 20; i += 1) await this.#client.get(path);
  }

  ask(atLeast: number): void {
    this.#asked.push(this.#read(atLeast));
  }

  async #read(atLeast: number): Promise<void> {
    const request = this.#client.message({ type: "getData", path, watch: false }, false);
    const [reply] = await this.#client.ask([request]).catch(() => []);
    if (reply === undefined) this.closed += 1;
    else if (reply.outcome.result.type !== "data") this.refused += 1;
    else {
      this.answered += 1;
      const seen = Number(Buffer.from(reply.outcome.result.data ?? []).toString());
      if (reply.level !== "linearizable") this.problems.push(`a linearizable read was answered at level ${reply.level}`);
      if (!(seen >= atLeast))
        this.problems.push(`the old leader answered ${seen} to a read sent after ${atLeast} was acknowledged`);
    }
  }

  async settle(): Promise<void> {
    await Promise.all(this.#asked);
  }

  close(): void {
    this.#client.close();
  }
}
