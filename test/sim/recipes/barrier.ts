/**
 * The barrier: whoever passes does so at a state in which it was not set, judged by the zxids between which the wait looked; who is told to have set
 * or removed it did, once; nobody passes one that is up all the time, over lost sessions, and everybody passes when it is removed.
 */
import { type Client, ZabraError } from "../../../client/index.ts";
import { Barrier } from "../../../client/recipes/index.ts";
import type { RecipeStage, RecipeWorkload } from "../recipe-harness/stage.ts";

const parent = "/barriers";
/** Set and removed by everybody. */
const busy = `${parent}/busy`;
/** Up until the faults are over. */
const long = `${parent}/long`;
const end = `${parent}/end`;

/** A wait that resolved: it looked at a state from `from` to `to`. */
interface Pass {
  readonly who: string;
  readonly from: number;
  readonly to: number;
}

/** From `zxid` on; undefined: not known, the history has a gap there. */
interface State {
  readonly zxid: number;
  readonly up: boolean | undefined;
}

/** Calls that were told to have changed something, and those of unknown outcome. */
class Tally {
  told = 0;
  unknown = 0;

  async count(call: Promise<boolean>): Promise<void> {
    try {
      if (await call) this.told += 1;
    } catch (error) {
      if (error instanceof ZabraError && error.outcome === "unknown") this.unknown += 1;
      throw error;
    }
  }

  fits(real: number): boolean {
    return real >= this.told && real <= this.told + this.unknown;
  }
}

class BarrierWork {
  readonly #stage: RecipeStage;
  readonly #passes: Pass[] = [];
  readonly #history: State[] = [];
  readonly #sets = new Tally();
  readonly #removals = new Tally();
  readonly #passedLong = new Set<Client>();
  #ended = false;
  #removing = false;

  constructor(stage: RecipeStage) {
    this.#stage = stage;
  }

  async play(): Promise<void> {
    const stage = this.#stage;
    const { witness, ensemble } = stage;
    const barrier = new Barrier(witness, long);
    await barrier.set();
    const following = this.#follow();
    await ensemble.until(() => this.#history.length > 0);
    const waiting = stage.clients.map((client) => this.#waitLong(client));
    await stage.repeat((client) => this.#round(client));
    await witness.create(end);
    await ensemble.until(() => this.#ended, 10_000);
    await following;
    this.#judge();
    this.#removing = true;
    await barrier.remove();
    const held = (): readonly Client[] => stage.clients.filter((client) => !this.#passedLong.has(client));
    await stage.eventually(
      "barrier: everybody passes when it is removed",
      5_000,
      () => held().length === 0,
      () => `not ${held().map((client) => stage.nameOf(client))}`,
    );
    await Promise.all(waiting);
  }

  /** No fault ends this wait. */
  async #waitLong(client: Client): Promise<void> {
    await new Barrier(client, long).wait();
    this.#passedLong.add(client);
    this.#stage.quietly(() =>
      this.#stage.check("barrier: nobody passes while it is up", this.#removing, this.#stage.nameOf(client)),
    );
  }

  async #round(client: Client): Promise<void> {
    const { random } = this.#stage;
    const barrier = new Barrier(client, busy);
    const options = { timeoutMs: random.between(50, 2_000) };
    if (random.chance(0.3)) return this.#sets.count(barrier.set(options));
    if (random.chance(0.4)) return this.#removals.count(barrier.remove(options));
    const from = Math.max(...[this.#stage.witness, ...this.#stage.clients].map(({ lastZxid }) => lastZxid));
    const started = this.#stage.ensemble.nowMs;
    await barrier.wait(options);
    if (this.#stage.ensemble.nowMs - started > 50) this.#stage.mark("waited at a barrier");
    this.#passes.push({ who: this.#stage.nameOf(client), from, to: client.lastZxid });
  }

  /** Every state of the busy barrier. */
  async #follow(): Promise<void> {
    const stream = this.#stage.witness.subscribe(parent, { withData: false });
    for await (const batch of stream) {
      if (batch.type === "snapshot") {
        const last = this.#history.at(-1);
        if (last !== undefined) this.#history.push({ zxid: last.zxid + 1, up: undefined });
        this.#history.push({ zxid: batch.zxid, up: batch.entries.some(({ path }) => path === busy) });
        this.#ended = batch.entries.some(({ path }) => path === end);
      } else {
        for (const { path, type, zxid } of batch.changes) {
          if (path === busy) this.#history.push({ zxid, up: type !== "deleted" });
          else if (path === end) this.#ended = true;
        }
      }
      if (this.#ended) return;
    }
  }

  #judge(): void {
    const stage = this.#stage;
    for (const pass of this.#passes)
      stage.check("barrier: nobody passes while it is up", this.#wasOpen(pass), `${pass.who} at ${pass.from} to ${pass.to}`);
    if (this.#history.some(({ up }) => up === undefined)) return stage.mark("the history has a gap");
    const [sets, removals] = [true, false].map((up) => this.#history.slice(1).filter((state) => state.up === up).length);
    stage.check("barrier: who is told to have set or removed it did", this.#sets.fits(sets ?? 0), `set ${sets} times`);
    stage.check(
      "barrier: who is told to have set or removed it did",
      this.#removals.fits(removals ?? 0),
      `removed ${removals} times`,
    );
    stage.mark("a whole history");
  }

  /** Whether it was open, or may have been, at any zxid that the wait can have looked at. */
  #wasOpen({ from, to }: Pass): boolean {
    return this.#history.some(({ zxid, up }, i) => {
      const until = this.#history[i + 1]?.zxid ?? Number.POSITIVE_INFINITY;
      return up !== true && zxid <= to && until > from;
    });
  }
}

export const recipe: RecipeWorkload = {
  name: "barrier",
  plays: ["Barrier"],
  marks: ["waited at a barrier", "a whole history"],
  bugs: [
    { name: "a barrier is looked at without a quorum", breaks: "barrier: nobody passes while it is up", seed: 22 },
    { name: "each who removes is told that it was set", breaks: "barrier: who is told to have set or removed it did", seed: 1 },
    { name: "who is woken does not look again", breaks: "barrier: everybody passes when it is removed", seed: 1 },
  ],
  play: (stage) => new BarrierWork(stage).play(),
};
