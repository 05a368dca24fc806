/** The client on three real servers: leaders and followers die under it, nothing is lost or done twice. */
import t from "tap";
import { connect, toText } from "../../client/index.ts";
import { Lock } from "../../client/recipes/index.ts";
import { startEnsemble } from "../../server/index.ts";
import { until } from "./gate.ts";

t.setTimeout(900_000);

t.test("three servers, of which one after the other dies and comes back", async (t) => {
  const ensemble = await startEnsemble();
  await ensemble.ready();
  const client = await connect(ensemble.urls);
  const watcher = await connect(ensemble.urls);
  const session = client.session?.id;
  await client.create("/log", "");
  const seen: string[] = [];
  const stream = watcher.subscribe("/log");
  const reading = (async () => {
    for await (const batch of stream) {
      if (batch.type === "changes") for (const change of batch.changes) seen.push(toText(change.data));
    }
  })();
  const grant = await new Lock(client, "/lock").acquire();
  const versions: number[] = [];
  const write = async (count: number): Promise<void> => {
    for (let i = 0; i < count; i += 1) {
      const data = String(versions.length + 1);
      const writes = [client.set("/log", data, { guard: grant.guard }), client.get("/log")] as const;
      const [set, read] = await Promise.all(writes);
      versions.push(set.stat.version);
      t.equal(read.text, data, "a read sees its session's earlier write");
    }
  };
  await write(20);
  for (let round = 0; round < 2; round += 1) {
    await until(() => ensemble.leader() !== undefined);
    const leader = ensemble.leader() ?? 0;
    const killed = ensemble.kill(leader);
    await write(20);
    await killed;
    await ensemble.restart(leader);
    await ensemble.ready();
    await write(5);
  }
  t.same(
    versions,
    Array.from({ length: 70 }, (_, i) => i + 1),
  );
  t.equal(client.session?.id, session, "one session all the while");
  grant.check();
  await until(() => seen.length >= 70);
  t.same(seen, versions.map(String));
  await stream.return();
  await reading;
  await client.close();
  await watcher.close();
  await ensemble.close();
});
