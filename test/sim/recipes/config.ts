/**
 * Configurations: a watcher never has a value that does not fit, nor half of a write of two keys, nor an older one after a newer; acknowledged writes are
 * in the history once; after quiet all watchers have the last value.
 */
import type { Client } from "../../../client/index.ts";
import { ConfigStore, type StandardSchema, watchConfig } from "../../../client/recipes/index.ts";
import type { RecipeStage, RecipeWorkload } from "../recipe-harness/stage.ts";

const path = "/config/c";

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

async function play(stage: RecipeStage): Promise<void> {
  const { witness, random } = stage;
  const schema = makeSchema(stage);
  const last = new ConfigStore(witness, path, { keys: true, keep: 100 });
  await last.apply({ a: 0, b: 0 });
  const configs = await Promise.all(stage.clients.map((client) => watchConfig(client, path, schema, { keys: true })));
  for (const config of configs) {
    let zxid = config.zxid;
    config.onChange(({ a, b }) =>
      stage.quietly(() => {
        stage.check("config: only values that fit", typeof a === "number" && typeof b === "number", `${a} ${b}`);
        stage.check("config: never half of a write", a === b, `${a} ${b}`);
        stage.check("config: never an older value after a newer", config.zxid >= zxid);
        zxid = config.zxid;
      }),
    );
  }
  let number = 0;
  const acknowledged: number[] = [];
  const write = async (client: Client): Promise<void> => {
    number += 1;
    const a = number;
    if (random.chance(0.15)) await client.set(`${path}/a`, '"bad"', { timeoutMs: 2_000 });
    else {
      await new ConfigStore(client, path, { keys: true, keep: 100 }).apply({ a, b: a }, { timeoutMs: 3_000 });
      acknowledged.push(a);
    }
  };
  await stage.repeat(write);
  await last.apply({ a: -1, b: -1 }, { timeoutMs: 10_000 });
  await stage.ensemble.until(() => configs.every(({ value }) => value.a === -1), 10_000);
  const kept = (await last.history()).map(({ value }) => (value as Pair).a);
  const missing = acknowledged.filter((a) => kept.filter((one) => one === a).length !== 1);
  stage.check("config: each acknowledged write is in the history once", kept.length >= 95 || missing.length === 0, () =>
    missing.join(", "),
  );
  for (const config of configs) config.close();
}

export const recipe: RecipeWorkload = {
  name: "config",
  plays: ["Config", "ConfigStore", "watchConfig", "differences"],
  bugs: [
    { name: "a bad value is passed on", seed: 3 },
    { name: "two values are judged at once", seed: 3 },
    { name: "keys are written one by one", seed: 1 },
    { name: "a value is not kept", seed: 3 },
  ],
  play,
};
