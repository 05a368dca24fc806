/**
 * Cron jobs: each tick starts at most once, in order and without a gap; what is guarded by a run's term is done by one run at a time; after quiet every run
 * but the last has ended, as done, failed or interrupted, and those that are done did all they had to.
 */
import type { Client } from "../../../client/index.ts";
import { CronJob, type CronJobOptions, everyMs, type Tick } from "../../../client/recipes/index.ts";
import { mutant } from "../../../src/model/mutant.ts";
import type { RecipeStage, RecipeWorkload } from "../recipe-harness/stage.ts";

const path = "/cron/c";
const effects = "/effects";
const intervalMs = 100;

class CronWork {
  readonly #stage: RecipeStage;
  readonly #started = new Set<number>();

  constructor(stage: RecipeStage) {
    this.#stage = stage;
  }

  async play(): Promise<void> {
    const stage = this.#stage;
    const { witness } = stage;
    await witness.create(effects);
    const stop = new AbortController();
    const serving = stage.clients.map((client) =>
      new CronJob(client, path, this.#options(client)).serve({ signal: stop.signal }),
    );
    const job = new CronJob(witness, path, this.#options(witness));
    await stage.calm;
    const before = (await job.history()).at(-1)?.run ?? 0;
    const isLater = async (): Promise<boolean> =>
      (await job.history()).some(({ run, status }) => run > before + 1 && status === "done");
    await stage.eventually("cron: after quiet ticks go on", 15_000, isLater);
    stop.abort();
    await Promise.all(serving);
    await this.#judge(job);
  }

  #options(client: Client): CronJobOptions {
    const { ensemble } = this.#stage;
    // Wall clocks of different machines differ, by more than an interval.
    const skewMs = this.#stage.random.between(-150, 150);
    const wallMs = (): number => 1_000_000 + ensemble.nowMs + skewMs;
    const next = everyMs(intervalMs);
    return {
      next,
      wallMs,
      missed: "all",
      keep: 10_000,
      name: this.#stage.nameOf(client),
      run: (tick) => this.#run(client, tick),
    };
  }

  async #run(client: Client, { run, guard, signal }: Tick): Promise<string> {
    const { random } = this.#stage;
    this.#stage.quietly(() => this.#stage.check("cron: a run starts once", !this.#started.has(run), `run ${run}`));
    this.#started.add(run);
    this.#stage.spotlight = client;
    const options = mutant("a run without its guard") ? {} : { guard, signal };
    await client.create(`${effects}/${run}-begin`, undefined, options);
    await client.sleep(random.between(0, 60));
    await client.create(`${effects}/${run}-end`, undefined, options);
    return "";
  }

  async #judge(job: CronJob): Promise<void> {
    const stage = this.#stage;
    const at = new Map<string, number>();
    for await (const one of stage.witness.list(effects)) at.set(one.path.slice(effects.length + 1), one.stat.czxid);
    const history = await job.history();
    let last = 0;
    for (const [i, { run, atMs, status }] of history.entries()) {
      const before = history[i - 1];
      stage.check(
        "cron: no tick is left out or doubled",
        run === i + 1 && (before === undefined || atMs === before.atMs + intervalMs),
        `run ${run}`,
      );
      stage.check("cron: every run ended", status !== "running" || i === history.length - 1, `run ${run}`);
      const [begin, end] = [at.get(`${run}-begin`), at.get(`${run}-end`)];
      stage.check("cron: what is done was done", status !== "done" || (begin !== undefined && end !== undefined), `run ${run}`);
      stage.check("cron: one run at a time", begin === undefined || begin > last, `run ${run}`);
      last = Math.max(last, begin ?? 0, end ?? 0);
      stage.mark(`a run ${status}`);
    }
  }
}

export const recipe: RecipeWorkload = {
  name: "cron-job",
  plays: ["CronJob", "everyMs"],
  marks: ["a run done", "a run interrupted"],
  bugs: [
    { name: "a run without its guard", breaks: "cron: one run at a time", seed: 5 },
    { name: "a run begins before it is recorded", breaks: "cron: a run starts once", seed: 1 },
    { name: "a new leader forgets what was missed", breaks: "cron: no tick is left out or doubled", seed: 1 },
    { name: "a run that was cut off stays running", breaks: "cron: every run ended", seed: 1 },
    { name: "a run that was ended is told as done", breaks: "cron: what is done was done", seed: 1 },
    { name: "who loses the lead serves no more", breaks: "cron: after quiet ticks go on", seed: 1 },
  ],
  play: (stage) => new CronWork(stage).play(),
};
