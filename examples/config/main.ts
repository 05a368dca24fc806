/**
 * A server whose settings change while it runs: good ones are taken up at once, a bad one is refused and told, and one command goes back.
 * `node dist/examples/config/main.js` starts an ensemble of its own and goes through it once.
 */
import { connect } from "zabra";
import { ConfigStore, watchConfig } from "zabra/recipes";
import { startEnsemble } from "zabra/testing";
import { z } from "zod";

const schema = z.object({ greeting: z.string().min(1), limit: z.number().int().positive() });
const path = "/config/app";

const ensemble = await startEnsemble({ zookeeper: false });
const client = await connect(ensemble.urls);
const store = new ConfigStore(client, path, { schema });
await store.apply({ greeting: "hello", limit: 10 }, { note: "first" });

// ---- the program that is configured

const config = await watchConfig(client, path, schema);
console.log(`starts with ${JSON.stringify(config.value)}`);
config.onChange((value) => console.log(`goes on with ${JSON.stringify(value)}`));
config.onError((error) => console.log(`keeps it: ${error.detail}`));

// ---- its operator

const plan = await store.plan({ greeting: "good day", limit: 20 });
for (const { at, before, after } of plan.differences) console.log(`plan: ${at} ${before} -> ${after}`);
await plan.commit();
await config.when(({ limit }) => limit === 20);
const refused = new Promise<void>((resolve) => config.onError(() => resolve()));
await client.set(path, '{"greeting": "", "limit": "many"}'); // past the recipe, as an editor would
await refused;
const { revision } = await store.rollback(0);
await config.when(({ limit }) => limit === 10);
console.log(`back to revision ${revision}; kept are ${(await store.history()).length} values`);

config.close();
await client.close();
await ensemble.close();
