/** Copies of trees that stand still, into a real server: what is kept, what is refused, and counters. */
import t, { type Test } from "tap";
import { copyNodes } from "../../../client/import/copy.ts";
import type { PortableNode } from "../../../client/import/node.ts";
import { Target } from "../../../client/import/target.ts";
import { type Client, connect } from "../../../client/index.ts";
import { startServer } from "../../../server/index.ts";
import { openAcl } from "../../../src/model/acl.ts";

t.setTimeout(900_000);

function node(path: string, rest: Partial<PortableNode> = {}): PortableNode {
  return { path, data: undefined, acl: openAcl, kind: "persistent", ttlMs: 0, childCreates: -1, ...rest };
}

async function server(t: Test): Promise<Client> {
  const server = await startServer();
  await server.ready();
  const client = await connect(server.url);
  t.teardown(async () => {
    await client.close();
    await server.close();
  });
  return client;
}

const open = (client: Client, path = "/to"): Promise<Target> => Target.open({ client, path, source: "test" });
const quiet = (): void => {};

async function kindsOf(client: Client): Promise<Record<string, string>> {
  const { entries } = await client.listPage("/to", { recursive: true, withDetails: true });
  return Object.fromEntries(
    entries.map(({ path, details }) => [path, `${details?.kind} ${details?.ttlMs} ${details?.childCreates}`]),
  );
}

t.test("kinds, and counters that go on", async (t) => {
  const client = await server(t);
  const nodes = [
    node("/", { data: Uint8Array.of(1), childCreates: 9 }),
    node("/c", { kind: "container", childCreates: 400 }),
    node("/c/below", { childCreates: 0 }),
    node("/e", { kind: "container", childCreates: 5 }),
    node("/far", { childCreates: 2_000_000 }),
    node("/t", { kind: "ttl", ttlMs: 86_400_000 }),
  ];
  const result = await copyNodes(await open(client), nodes, quiet);
  t.strictSame(await kindsOf(client), {
    "/to/c": "container 0 400",
    "/to/c/below": "persistent 0 0",
    // It has no child, and would go if it had had one.
    "/to/e": "container 0 0",
    "/to/far": "persistent 0 0",
    "/to/t": "ttl 86400000 0",
  });
  t.equal((await client.create("/to/c/s-", "", { sequential: true })).path, "/to/c/s-0000000400");
  t.equal((await client.create("/to/s-", "", { sequential: true })).path, "/to/s-0000000009");
  t.strictSame(result.loweredCounters, ["/far"]);
});

t.test("a second run over a first that was not finished: removes, changes kinds, and leaves the rest", async (t) => {
  const client = await server(t);
  const first = await open(client);
  const before = [
    node("/"),
    node("/a"),
    node("/a/x"),
    node("/a/x/y"),
    node("/b"),
    node("/gone"),
    node("/gone/too"),
    node("/same"),
  ];
  await copyNodes(first, before, quiet);
  await client.delete("/zookeeper/import/running");
  const second = await open(client);
  t.ok(second.resumed);
  const after = [
    node("/"),
    node("/a", { kind: "container" }),
    node("/a/x"),
    node("/a/x/y", { data: Uint8Array.of(7) }),
    node("/b", { kind: "ttl", ttlMs: 60_000 }),
    node("/same"),
  ];
  const stat = await client.exists("/to/same");
  await copyNodes(second, after, quiet);
  t.match(await kindsOf(client), { "/to/a": /^container/, "/to/a/x": /^persistent/, "/to/b": /^ttl 60000/ });
  t.equal(await client.exists("/to/gone"), undefined);
  t.strictSame(await client.exists("/to/same"), stat, "was not touched");
  await second.release();
  t.equal(await client.exists("/zookeeper/import"), undefined);
});

t.test("what cannot be copied is named", async (t) => {
  const client = await server(t);
  const bad: readonly (readonly [PortableNode, RegExp])[] = [
    [
      node("/s", { acl: [{ perms: 31, scheme: "sasl", id: "me" }] }),
      /\/s has an ACL with sasl:me, and there is no scheme sasl here/,
    ],
    [node("/d", { acl: [{ perms: 31, scheme: "digest", id: "u:x" }] }), /the ACL of \/d shows u:x: its hash is hidden/],
    [node("/big", { data: new Uint8Array(1 << 20) }), /\/big has 1048576 bytes of data; a node here has at most 1044480/],
    [node(`/${"n".repeat(1_024)}`), /path longer than path_bytes_max, 1024/],
  ];
  for (const [i, [one, message]] of bad.entries()) {
    await t.rejects(copyNodes(await open(client, `/to${i}`), [node("/"), one], quiet), message);
    await client.deleteRecursive("/zookeeper/import");
  }
  const largest = node("/big", { data: new Uint8Array((1 << 20) - 4_096) });
  await copyNodes(await open(client, "/largest"), [node("/"), largest], quiet);
  t.equal((await client.get("/largest/big")).data?.length, 1_044_480);
});

t.test("somebody else writes to the target: the digest shows it", async (t) => {
  const client = await server(t);
  const nodes = async function* (): AsyncGenerator<PortableNode> {
    yield node("/");
    yield node("/a");
    await client.create("/to/mine", "");
  };
  await t.rejects(
    copyNodes(await open(client), nodes(), quiet),
    /the trees differ: the source's digest is 2:\w+, the target's 3:/,
  );
});
