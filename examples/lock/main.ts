/**
 * Eight workers, each a client of its own, add to a number that only one may change at a time, while servers are killed; then one holder is
 * cut off and its late write refused. `node dist/examples/lock/main.js [seconds = 3]` starts an ensemble of its own.
 */
import { setTimeout as delay } from "node:timers/promises";
import { type Client, connect, ZabraError } from "zabra";
import { Lock } from "zabra/recipes";
import { startEnsemble } from "zabra/testing";

const [seconds = "3"] = process.argv.slice(2);
const ensemble = await startEnsemble({ zookeeper: false });
const clients = await Promise.all(Array.from({ length: 8 }, () => connect(ensemble.urls, { sessionTimeoutMs: 4_000 })));
const [observer] = clients;
if (observer === undefined) throw new Error("there are no clients");
await observer.create("/number", "0");
const untilMs = performance.now() + 1_000 * Number(seconds);
let additions = 0;

async function work(client: Client): Promise<void> {
  const lock = new Lock(client, "/locks/number");
  while (performance.now() < untilMs) {
    await lock.withLock(async (_signal, grant) => {
      const { text } = await client.get("/number");
      await client.set("/number", String(Number(text) + 1), { guard: grant.guard });
      additions += 1;
    });
  }
}

async function killServers(): Promise<void> {
  for (let i = 0; performance.now() < untilMs; i += 1) {
    await delay(700);
    await ensemble.kill(i % 3);
    await delay(300);
    await ensemble.restart(i % 3);
  }
  await ensemble.ready();
}

await Promise.all([...clients.map(work), killServers()]);
const { text } = await observer.get("/number");
console.log(`${additions} additions under the lock, and the number is ${text}`);

const late = await new Lock(observer, "/locks/number").acquire();
await observer.delete(late.path); // as if its session had ended while its process stood still
const refusal = await observer.set("/number", "wrong", { guard: late.guard }).catch((error: unknown) => error);
console.log(`a late write is refused: ${refusal instanceof ZabraError ? refusal.code : "no"}`);
process.exitCode = text === String(additions) && refusal instanceof ZabraError ? 0 : 1;
await Promise.all(clients.map((client) => client.close()));
await ensemble.close();
