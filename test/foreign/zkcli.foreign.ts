/** zkCli, unmodified, says the same at Zabra's port as at a real ZooKeeper's, whose words were recorded. */
import { readFileSync } from "node:fs";
import t from "tap";
import { startZabra } from "../conformance/recording.ts";
import { expectedFile, runZkCli, zkCliMissing } from "./zkcli.ts";

t.setTimeout(900_000);

if (zkCliMissing !== undefined) console.error(zkCliMissing);
t.test("zkCli", { skip: zkCliMissing ?? false }, async (t) => {
  const server = await startZabra();
  t.teardown(() => server.close());
  const said = await runZkCli(server.addresses[0] ?? "");
  t.ok(said.length > 100, `${said.length} lines`);
  t.same(said, readFileSync(expectedFile, "utf8").trimEnd().split("\n"));
});
