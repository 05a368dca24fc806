/**
 * One process of the cron job: `node dist/examples/cron/main.js [name] [servers]`. Start as many as you
 * like, on any machines; kill any of them.
 */
import { connect } from "zabra";
import { effectsPath, makeJob } from "./job.ts";

const [name = `process ${process.pid}`, servers = "ws://127.0.0.1:2180,ws://127.0.0.1:2190,ws://127.0.0.1:2200"] =
  process.argv.slice(2);

// Short, so that another takes over soon.
const client = await connect(servers, { sessionTimeoutMs: 2_000 });
const stop = new AbortController();
for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => stop.abort());
await client.ensurePath(effectsPath);
await makeJob(client, name, (line) => console.log(line)).serve({ signal: stop.signal });
await client.close();
