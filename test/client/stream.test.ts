/** A stream's consumer that is too slow: it is bounded, paused at the server, and loses nothing. */
import t from "tap";
import { connect, type StreamBatch } from "../../client/index.ts";
import { startServer } from "../../server/index.ts";
import { Gate } from "./gate.ts";

t.test("a slow consumer is paused and goes on without a gap", async (t) => {
  const server = await startServer();
  await server.ready();
  const gate = await Gate.make();
  const client = await connect(server.url, { dial: gate.dial });
  const writer = await connect(server.url);
  await client.create("/s");
  const stream = client.subscribe("/s");
  const first = await stream.next();
  t.equal(first.value?.type, "snapshot");
  // Far more than is held here: 32 MiB.
  const big = new Uint8Array(1 << 19);
  const count = 90;
  for (let i = 0; i < count; i += 1) await writer.set("/s", big);
  await client.sync();
  const versions: (number | undefined)[] = [];
  while (versions.length < count) {
    const { value } = (await stream.next()) as { readonly value: StreamBatch };
    if (value.type === "changes") versions.push(...value.changes.map((change) => change.stat?.version));
    else t.fail("a second snapshot");
  }
  t.same(
    versions,
    Array.from({ length: count }, (_, i) => i + 1),
  );
  await stream.return();
  await client.close();
  await writer.close();
  await server.close();
});
