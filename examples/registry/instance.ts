/**
 * One instance of the service: `node dist/examples/registry/instance.js NAME SERVERS`. It registers, answers with its name, and on
 * SIGTERM asks for no new work, serves what still comes, and goes.
 */
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import { connect } from "zabra";
import { register } from "zabra/recipes";

const [name = `instance-${process.pid}`, servers = "ws://127.0.0.1:2180"] = process.argv.slice(2);
const quietMs = 150;
let lastRequestMs = performance.now();

const http = createServer(async (_request, response) => {
  lastRequestMs = performance.now();
  await delay(Math.random() * 4);
  response.end(name);
});
await new Promise<void>((resolve) => http.listen(0, "127.0.0.1", resolve));
const { port } = http.address() as AddressInfo;

// Short, so that the list forgets a killed process soon.
const client = await connect(servers, { sessionTimeoutMs: 1_000 });
const registration = await register(client, "hello", {
  id: name,
  payload: { url: `http://127.0.0.1:${port}` },
  health: () => http.listening,
});
console.log(`${name} up`);

process.once("SIGTERM", async () => {
  await registration.drain();
  lastRequestMs = performance.now();
  while (performance.now() - lastRequestMs < quietMs) await delay(10);
  await registration.close();
  await client.close();
  http.close(() => process.exit(0));
  http.closeIdleConnections();
});
