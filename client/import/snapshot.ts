/**
 * ZooKeeper's snapshot files (3.5 to 3.9): `snapshot.ZXID`, with `.gz` or `.snappy` when compressed.
 *
 *     magic "ZKSN", version int, database id long · sessions · ACLs, numbered · nodes: path, data, ACL's number,
 *     stat · the path "/" as the end · Adler-32 of all before, and "/"
 *
 * Later versions add a digest and a zxid, each with a checksum of its own; neither is needed here. The zxid in
 * the name is of the last txn that is in every node; `reaches` is of the last that is in any.
 */
import type { Acl, AclEntry } from "../../src/model/acl.ts";
import { openAcl } from "../../src/model/acl.ts";
import { parentOf, rootPath } from "../../src/model/path.ts";
import { ByteStream } from "./byte-stream.ts";
import { OfflineTree } from "./offline-tree.ts";

/** "ZKSN" */
const snapshotMagic = 0x5a4b_534e;
const countMax = 0x7fff_ffff;

export interface Snapshot {
  readonly tree: OfflineTree;
  readonly reaches: number;
}

/** Rejects with ImportError for a file that is cut off or damaged. */
export async function readSnapshot(path: string): Promise<Snapshot> {
  const stream = ByteStream.open(path);
  try {
    return await parseSnapshot(stream);
  } finally {
    await stream.close();
  }
}

export async function parseSnapshot(stream: ByteStream): Promise<Snapshot> {
  if ((await stream.int32()) !== snapshotMagic)
    throw stream.failure("this is no ZooKeeper snapshot: its first bytes are not ZKSN");
  await stream.raw(12);
  await passSessions(stream);
  const acls = await readAcls(stream);
  const snapshot = await readNodes(stream, acls);
  await checkSeal(stream);
  return snapshot;
}

async function passSessions(stream: ByteStream): Promise<void> {
  const count = await stream.length("the table of sessions", countMax);
  for (let i = 0; i < count; i += 1) await stream.raw(12);
}

async function readAcls(stream: ByteStream): Promise<ReadonlyMap<string, Acl>> {
  const acls = new Map<string, Acl>([[aclKey({ high: -1, low: 0xffff_ffff }), openAcl]]);
  const count = await stream.length("the table of ACLs", countMax);
  for (let i = 0; i < count; i += 1) {
    const key = aclKey(await stream.halves());
    acls.set(key, await readAcl(stream));
  }
  return acls;
}

function aclKey(number: { readonly high: number; readonly low: number }): string {
  return `${number.high}:${number.low}`;
}

async function readAcl(stream: ByteStream): Promise<Acl> {
  const count = await stream.length("an ACL", countMax);
  const acl: AclEntry[] = [];
  for (let i = 0; i < count; i += 1) {
    const perms = await stream.int32();
    const scheme = await stream.text("an ACL's scheme");
    acl.push({ perms, scheme, id: await stream.text("an ACL's id") });
  }
  return acl;
}

async function readNodes(stream: ByteStream, acls: ReadonlyMap<string, Acl>): Promise<Snapshot> {
  const tree = new OfflineTree();
  let reaches = 0;
  for (let path = await stream.text("a path"); path !== "/"; path = await stream.text("a path")) {
    const data = await stream.buffer("a node's data");
    const aclNumber = aclKey(await stream.halves());
    const czxid = await stream.int64("czxid");
    const mzxid = await stream.int64("mzxid");
    await stream.raw(20); // ctime, mtime, version
    const childCreates = await stream.int32();
    await stream.raw(4); // aversion
    const owner = await stream.halves();
    const pzxid = await stream.int64("pzxid");
    const acl = acls.get(aclNumber);
    if (acl === undefined) throw stream.failure(`the node ${path} has an ACL that is not in the file`);
    const name = path === "" ? rootPath : path;
    if (!isPlace(name)) throw stream.failure(`${JSON.stringify(path)} is no path; the file is corrupt`);
    tree.put(name, { data, acl, owner, czxid, childCreates });
    reaches = Math.max(reaches, czxid, mzxid, pzxid);
  }
  if (!tree.has(rootPath)) throw stream.failure("the snapshot has no root node");
  return { tree, reaches };
}

function isPlace(path: string): boolean {
  return path.startsWith("/") && (path === rootPath || parentOf(path) !== undefined);
}

/** Everything up to here, its checksum, and a "/" that ZooKeeper looks for at the end. */
async function checkSeal(stream: ByteStream): Promise<void> {
  const found = stream.adler;
  const { high, low } = await stream.halves();
  if (high !== 0 || low !== found) throw stream.failure("the snapshot fails its checksum");
  if ((await stream.text("the end mark")) !== "/") throw stream.failure("the snapshot has no end mark");
}
