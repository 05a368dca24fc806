/** The program of the README. Start servers with `npm start`, then `node dist/examples/hello.js`. */
import { connect } from "zabra";
import { Lock } from "zabra/recipes";

const client = await connect("ws://127.0.0.1:2180,ws://127.0.0.1:2190,ws://127.0.0.1:2200");
await client.ensurePath("/config");
await client.create("/config/greeting", "hello", { kind: "ephemeral" });
const { text, stat } = await client.get("/config/greeting");
console.log(text, stat.version);
await new Lock(client, "/locks/report").withLock(async (signal, grant) => {
  await client.set("/config/greeting", "good day", { guard: grant.guard, signal });
});
await client.close();
