/** The text form of a tree: what is written is read back, and a file that was cut or changed is found out. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import t from "tap";
import { checkExport, exportLines, readExport } from "../../../client/import/export-file.ts";
import type { PortableNode } from "../../../client/import/node.ts";
import { openAcl } from "../../../src/model/acl.ts";

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

const nodes: readonly PortableNode[] = [
  { path: "/", data: undefined, acl: openAcl, kind: "persistent", ttlMs: 0, childCreates: 3 },
  { path: "/a", data: bytes(""), acl: openAcl, kind: "persistent", ttlMs: 0, childCreates: -1 },
  { path: "/b", data: bytes("ä\n\u2028"), acl: openAcl, kind: "container", ttlMs: 0, childCreates: 5 },
  {
    path: "/b/c",
    data: Uint8Array.of(0xff, 0, 1),
    acl: [{ perms: 1, scheme: "ip", id: "::1" }],
    kind: "ttl",
    ttlMs: 9,
    childCreates: -1,
  },
];

async function* each(): AsyncGenerator<PortableNode> {
  yield* nodes;
}

async function write(path: string): Promise<string[]> {
  let text = "";
  for await (const line of exportLines({ path: "/x", zxid: 77 }, each())) text += line;
  writeFileSync(path, text);
  return text.trimEnd().split("\n");
}

t.test("there and back", async (t) => {
  const path = join(t.testdir(), "export");
  t.equal((await write(path)).length, nodes.length + 2);
  t.strictSame(await checkExport(path), { path: "/x", zxid: 77, nodes: nodes.length });
  const read: PortableNode[] = [];
  for await (const node of readExport(path)) read.push({ ...node, data: node.data?.slice() });
  t.strictSame(read, nodes);
});

t.test("data that is text stays legible", async (t) => {
  const path = join(t.testdir(), "export");
  await write(path);
  t.match(readFileSync(path, "utf8"), '"data":"ä\\n');
});

t.test("what is wrong with a file is said with its line", async (t) => {
  const path = join(t.testdir(), "export");
  const lines = await write(path);
  const check = async (change: (lines: string[]) => void, message: RegExp): Promise<void> => {
    const changed = [...lines];
    change(changed);
    writeFileSync(path, changed.join("\n"));
    await t.rejects(checkExport(path), message);
  };
  await check((l) => l.splice(0), /cut off/);
  await check((l) => l.pop(), /is cut off: its last line is no end/);
  await check((l) => l.splice(2, 1), /was changed: its nodes have the digest 3:/);
  await check((l) => l.splice(2, 1, '{"path":"/a"}'), /was changed/);
  await check((l) => l.push('{"path":"/late"}'), /line 7: comes after the end/);
  await check((l) => l.splice(2, 1, "{"), /line 3: is no JSON object/);
  await check((l) => l.splice(2, 1, "[]"), /line 3: is no JSON object/);
  await check((l) => l.splice(0, 1, "{}"), /line 1: is no head of a zabra export/);
  await check((l) => l.splice(0, 1, '{"zabra-export":1}'), /line 1: needs a path and a zxid/);
  await check((l) => l.splice(1, 1, '{"path":"a"}'), /line 2: needs a "path"/);
  await check((l) => l.splice(1, 1, '{"path":"/","kind":"ephemeral"}'), /line 2: has a "kind"/);
  await check((l) => l.splice(1, 1, '{"path":"/","kind":"ttl"}'), /line 2: needs a "ttlMs"/);
  await check((l) => l.splice(1, 1, '{"path":"/","creates":-3}'), /line 2: "creates"/);
  await check((l) => l.splice(1, 1, '{"path":"/","data":1}'), /line 2: "data" and "base64"/);
  await check((l) => l.splice(1, 1, '{"path":"/","acl":[]}'), /line 2: "acl" must be/);
  await check((l) => l.splice(1, 1, '{"path":"/","acl":[{"perms":1}]}'), /line 2: has an ACL entry/);
  await t.rejects(checkExport(join(t.testdirName, "none")), /none cannot be read/);
});
