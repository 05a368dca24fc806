/**
 * Two-phase commit: no transaction is committed by one participant and aborted by another; none is committed that somebody voted against;
 * what its coordinator was told is what the participants did; and when all is quiet every one is finished, though coordinators died.
 */
import { type Client, unless } from "../../../client/index.ts";
import { type Decision, participate, transact } from "../../../client/recipes/index.ts";
import type { RecipeStage, RecipeWorkload } from "../recipe-harness/stage.ts";

const path = "/commits/c";

class CommitWork {
  readonly #stage: RecipeStage;
  /** What the first that did anything did. */
  readonly #outcomes = new Map<string, Decision>();
  readonly #refused = new Set<string>();
  readonly #told = new Map<string, Decision>();
  readonly #stop = new AbortController();
  #number = 0;

  constructor(stage: RecipeStage) {
    this.#stage = stage;
  }

  async play(): Promise<void> {
    const stage = this.#stage;
    const taking = stage.clients.map((client) => this.#participate(client));
    await stage.repeat((client) => this.#transact(client));
    const children = async (): Promise<number> => (await stage.witness.exists(path))?.numChildren ?? 0;
    await stage.eventually("commit: after quiet all are finished", 15_000, async () => (await children()) === 0);
    for (const [payload, decision] of this.#told) this.#sameOutcome(payload, decision);
    for (const decision of this.#outcomes.values()) stage.mark(`a decision to ${decision}`);
    this.#stop.abort();
    await Promise.all(taking);
  }

  #participate(client: Client): Promise<void> {
    const { random } = this.#stage;
    const apply = async (payload: unknown, decision: Decision): Promise<void> => {
      await client.sleep(random.between(0, 20));
      this.#stage.quietly(() => this.#sameOutcome(String(payload), decision));
      if (random.chance(0.1)) throw new Error("try again");
    };
    // Who is asked again answers as before: a yes was a promise.
    const answers = new Map<string, boolean>();
    const prepare = async (payload: unknown): Promise<boolean> => {
      await client.sleep(random.chance(0.1) ? random.between(100, 600) : random.between(0, 20));
      const able = answers.get(String(payload)) ?? random.chance(0.9);
      answers.set(String(payload), able);
      if (!able) this.#refused.add(String(payload));
      return able;
    };
    const work = {
      prepare,
      commit: (payload: unknown) => apply(payload, "commit"),
      abort: (payload: unknown) => apply(payload, "abort"),
    };
    return participate(client, path, this.#stage.nameOf(client), work, { signal: this.#stop.signal, patienceMs: 400 });
  }

  async #transact(client: Client): Promise<void> {
    const { random } = this.#stage;
    this.#number += 1;
    const payload = `t${this.#number}`;
    const participants = this.#stage.clients.map((one) => this.#stage.nameOf(one));
    const options = { participants, payload, patienceMs: 300, timeoutMs: random.between(100, 3_000) };
    // NO_NODE: all was finished before a coordinator that stood still asked again.
    const decision = await unless("NO_NODE", transact(client, path, options));
    if (decision !== undefined) this.#told.set(payload, decision);
  }

  #sameOutcome(payload: string, decision: Decision): void {
    const first = this.#outcomes.get(payload) ?? decision;
    this.#outcomes.set(payload, first);
    this.#stage.check("commit: all or none", first === decision, `${payload}: ${first} and ${decision}`);
    this.#stage.check("commit: none against a vote", decision === "abort" || !this.#refused.has(payload), payload);
  }
}

export const recipe: RecipeWorkload = {
  name: "two-phase-commit",
  plays: ["transact", "participate"],
  marks: ["a decision to commit", "a decision to abort"],
  bugs: [
    { name: "a timeout decides alone", breaks: "commit: all or none", seed: 1 },
    { name: "a commit needs no votes", breaks: "commit: none against a vote", seed: 9 },
    { name: "a dead coordinator is waited for", breaks: "commit: after quiet all are finished", seed: 2 },
  ],
  play: (stage) => new CommitWork(stage).play(),
};
