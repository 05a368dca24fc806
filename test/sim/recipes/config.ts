/**
 * Configurations: a watcher never has a value that does not fit, nor half of a write of two keys, nor an older one after a newer; acknowledged writes,
 * planned ones and rollbacks among them, are in the history once; a plan is written upon what it showed; after quiet all watchers have the last value.
 */
import { type Client, unless } from "../../../client/index.ts";
import { type Config, ConfigStore, differences, type StandardSchema, watchConfig } from "../../../client/recipes/index.ts";
import type { RecipeStage, RecipeWorkload } from "../recipe-harness/stage.ts";

const path = "/config/c";
const options = { keys: true, keep: 100 } as const;
/** From so many on, the oldest may be gone. */
const keptMax = 95;

interface Pair {
  readonly a: number;
  readonly b: number;
}

/** Slow at times, as validators that ask somebody are. */
function makeSchema(stage: RecipeStage): StandardSchema<Pair> {
  const validate = async (value: unknown): Promise<{ value: Pair } | { issues: { message: string }[] }> => {
    if (stage.random.chance(0.2)) await stage.ensemble.sleep(stage.random.between(0, 30));
    const { a, b } = value as Partial<Pair>;
    return typeof a === "number" && typeof b === "number" ? { value: { a, b } } : { issues: [{ message: "no pair" }] };
  };
  return { "~standard": { version: 1, vendor: "sim", validate } };
}

class ConfigWork {
  readonly #stage: RecipeStage;
  /** Notes of acknowledged writes, and the value of each. */
  readonly #written = new Map<string, unknown>();
  /** Rollbacks write nothing when another was faster. */
  readonly #perhaps = new Set<string>();
  /** Of planned writes: what `a` was. */
  readonly #planned = new Map<string, unknown>();
  #writes = 0;

  constructor(stage: RecipeStage) {
    this.#stage = stage;
  }

  async play(): Promise<void> {
    const stage = this.#stage;
    const last = new ConfigStore(stage.witness, path, options);
    await last.apply({ a: 0, b: 0 });
    const schema = makeSchema(stage);
    const configs = await Promise.all(stage.clients.map((client) => watchConfig(client, path, schema, options)));
    for (const config of configs) this.#follow(config);
    await stage.repeat((client) => this.#write(client));
    const end = { a: -1, b: -1 };
    await last.apply(end, { timeoutMs: 10_000 });
    const settled = configs.map((config) => config.when(({ a }) => a === end.a && config.error === undefined && !config.stale));
    const all = Promise.all(settled).then(async () => differences(await last.read(), end).length === 0);
    await stage.eventually("config: after quiet all have the last value", 10_000, () => all);
    await this.#judge(last);
    for (const config of configs) config.close();
  }

  #follow(config: Config<Pair>): void {
    const stage = this.#stage;
    let zxid = config.zxid;
    const look = (): void => {
      const { a, b } = config.value;
      stage.check("config: only values that fit", typeof a === "number" && typeof b === "number", `${a} ${b}`);
      stage.check("config: never half of a write", a === b, `${a} ${b}`);
      stage.check("config: never an older value after a newer", config.zxid >= zxid, `${config.zxid} after ${zxid}`);
      zxid = config.zxid;
    };
    config.onChange(() => stage.quietly(look));
    config.onError(() => {
      stage.mark("a bad value was told");
      stage.quietly(look);
    });
  }

  async #write(client: Client): Promise<void> {
    const { random } = this.#stage;
    this.#writes += 1;
    const [a, note] = [this.#writes, `write ${this.#writes}`];
    const store = new ConfigStore(client, path, options);
    const call = { timeoutMs: 3_000, note };
    const drawn = random.float();
    if (drawn < 0.15) await client.set(`${path}/a`, '"bad"', call);
    else if (drawn < 0.3) await this.#rollBack(store, call);
    else if (drawn < 0.5) await this.#plan(store, { a, b: a }, call);
    else {
      await store.apply({ a, b: a }, call);
      this.#written.set(note, { a, b: a });
    }
  }

  async #rollBack(store: ConfigStore, call: { readonly note: string; readonly timeoutMs: number }): Promise<void> {
    this.#perhaps.add(call.note);
    const target = await unless("NO_NODE", store.rollback(undefined, call));
    if (target !== undefined) this.#written.set(call.note, target.value);
  }

  /** Looked at for a while, as people do. */
  async #plan(store: ConfigStore, value: Pair, call: { readonly note: string; readonly timeoutMs: number }): Promise<void> {
    const plan = await store.plan(value, call);
    await this.#stage.ensemble.sleep(this.#stage.random.between(0, 60));
    const zxid = await unless("CONDITION_FAILED", plan.commit({ timeoutMs: call.timeoutMs }));
    if (zxid === undefined) return this.#stage.mark("a plan was overtaken");
    this.#written.set(call.note, value);
    this.#planned.set(call.note, plan.differences.find(({ at }) => at === "a")?.before);
  }

  async #judge(store: ConfigStore): Promise<void> {
    const stage = this.#stage;
    const history = await store.history();
    if (history.length >= keptMax) return stage.mark("more writes than are kept");
    for (const [note, value] of this.#written) {
      const entries = history.filter((one) => one.note === note);
      const fits = entries.length === 1 || (entries.length === 0 && this.#perhaps.has(note));
      const same = entries.every((one) => differences(one.value, value).length === 0);
      stage.check("config: each acknowledged write is in the history once", fits && same, `${note}, ${entries.length} times`);
    }
    for (const [note, before] of this.#planned) {
      const found = history[history.findIndex((one) => one.note === note) - 1]?.value as Pair | undefined;
      stage.check("config: a plan is written upon what it showed", found?.a === before, `${note}: ${before}, not ${found?.a}`);
    }
  }
}

export const recipe: RecipeWorkload = {
  name: "config",
  plays: ["Config", "ConfigStore", "watchConfig", "differences"],
  marks: ["a bad value was told", "a plan was overtaken"],
  bugs: [
    { name: "a bad value is passed on", breaks: "config: only values that fit", seed: 3 },
    { name: "two values are judged at once", breaks: "config: never an older value after a newer", seed: 3 },
    { name: "keys are written one by one", breaks: "config: never half of a write", seed: 1 },
    { name: "a value is not kept", breaks: "config: each acknowledged write is in the history once", seed: 3 },
    { name: "a plan is written upon anything", breaks: "config: a plan is written upon what it showed", seed: 3 },
    { name: "a bad value is the last", breaks: "config: after quiet all have the last value", seed: 3 },
  ],
  play: (stage) => new ConfigWork(stage).play(),
};
