/** Paths that a server is asked to watch are checked like those that it is asked to read. */
import t from "tap";
import { startServer } from "../../server/index.ts";
import { NativeClient } from "./native-client.ts";

t.test("a bad path is refused by name, and the connection lives on", async (t) => {
  const server = await startServer({ logLevel: "silent" });
  t.teardown(() => server.close());
  await server.ready();
  const client = await NativeClient.connect(server.url);
  const bad: readonly (readonly [string, RegExp])[] = [
    ["x", /BAD_ARGUMENTS.*\//],
    ["/a/", /BAD_ARGUMENTS/],
    ["/a//b", /BAD_ARGUMENTS/],
    [`/${"x".repeat(1_024)}`, /path_bytes_max/],
    ["/x".repeat(65), /path_depth_max/],
  ];
  for (const [path, reason] of bad) {
    await t.rejects(client.read({ type: "addWatch", path, recursive: true }), reason, `addWatch ${path.slice(0, 8)}`);
    await t.rejects(
      client.read({ type: "subscribe", stream: 1, path, recursive: true, fromZxid: undefined, withData: false }),
      reason,
      `subscribe ${path.slice(0, 8)}`,
    );
  }
  t.match(await client.read({ type: "addWatch", path: "/not/there/yet", recursive: true }), { type: "none" });
  client.close();
});
