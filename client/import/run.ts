/** The imports and the export as one call each: what the command line gives, put together. */
import { rootPath } from "../../src/model/path.ts";
import { epochOf, type Zxid } from "../../src/model/zxid.ts";
import type { Client } from "../client.ts";
import { ZabraError } from "../error.ts";
import { type CopyResult, copyNodes } from "./copy.ts";
import { type RestoredTree, readDataDirectory } from "./data-directory.ts";
import { checkExport, exportLines, readExport } from "./export-file.ts";
import { importFailure } from "./failure.ts";
import { LiveImport, type LiveProgress, type LiveResult, requireEpochAbove } from "./live-import.ts";
import { LiveSource } from "./live-source.ts";
import { hiddenId, isReserved, type PortableNode } from "./node.ts";
import { Target, topNode } from "./target.ts";

export interface Credentials {
  readonly scheme: string;
  readonly credentials: Uint8Array;
}

export interface ImportOptions {
  readonly client: Client;
  /** Where the source's top goes. */
  readonly to: string;
  /** Go on although the target's epoch is not above the source's. */
  readonly anyEpoch: boolean;
  /** Told how many nodes are copied. */
  onProgress(nodes: number): void;
}

export interface SnapshotImportOptions extends ImportOptions {
  readonly directory: string;
  /** Where the log files are elsewhere. */
  readonly logDirectory: string | undefined;
  /** Only this node of the source, with all below it. */
  readonly top: string;
}

export type SnapshotImportResult = CopyResult & Omit<RestoredTree, "tree"> & { readonly ephemerals: number };

export async function importSnapshot(options: SnapshotImportOptions): Promise<SnapshotImportResult> {
  const { directory, top, client } = options;
  const { tree, ...restored } = await readDataDirectory(directory, options.logDirectory);
  if (!tree.has(top)) throw importFailure(`the source has no node ${top}`);
  await requireEpoch(options, restored.zxid);
  const target = await Target.open({ client, path: options.to, source: `${directory}${top}` });
  const copied = await copyNodes(target, tree.nodesBelow(top), options.onProgress);
  await target.release();
  return { ...copied, ...restored, ephemerals: tree.ephemerals };
}

export async function importExport(options: ImportOptions & { readonly file: string }): Promise<CopyResult> {
  const { file, client } = options;
  const head = await checkExport(file);
  await requireEpoch(options, head.zxid);
  const target = await Target.open({ client, path: options.to, source: file });
  const copied = await copyNodes(target, readExport(file), options.onProgress);
  await target.release();
  return copied;
}

async function requireEpoch(options: ImportOptions, sourceZxid: number): Promise<void> {
  const { zxid } = await options.client.sync();
  if (!options.anyEpoch) requireEpochAbove(epochOf(zxid), Math.floor(sourceZxid / 2 ** 32));
}

export interface LiveImportRun {
  readonly client: Client;
  readonly to: string;
  readonly hosts: readonly { readonly host: string; readonly port: number }[];
  readonly top: string;
  readonly auth: readonly Credentials[];
  /** Data directory of one of the source's servers, for the kinds of nodes. */
  readonly kindsFrom: string | undefined;
  readonly kindsLogFrom: string | undefined;
  /** False: scan again and again. */
  readonly watch: boolean;
  readonly rescanMs: number;
  onProgress(progress: LiveProgress): void;
  /** Given the import as soon as it runs, to cut over or stop. */
  onStarted(live: LiveImport): void;
}

export async function importLive(run: LiveImportRun): Promise<LiveResult> {
  const { client, hosts, top, kindsFrom } = run;
  await client.sync();
  let live: LiveImport | undefined;
  const source = new LiveSource({ hosts, top, auth: run.auth, onChange: (path) => live?.onChange(path) });
  const name = `zk://${hosts.map(({ host, port }) => `${host}:${port}`).join(",")}${top}`;
  const target = await Target.open({ client, path: run.to, source: name });
  const readKinds =
    kindsFrom === undefined ? undefined : async () => (await readDataDirectory(kindsFrom, run.kindsLogFrom)).tree.kinds();
  const { watch, rescanMs, onProgress } = run;
  live = new LiveImport({ source, target, watch, rescanMs, readKinds, onProgress });
  run.onStarted(live);
  try {
    const result = await live.run();
    await target.release();
    return result;
  } finally {
    source.close();
  }
}

// ---- export

const exportPageSize = 5_000;

/**
 * The lines of an export of `path`: all nodes below it at one zxid, but ephemerals and ZooKeeper's own. Rejects
 * with ImportError when an ACL is hidden from us.
 */
export async function* exportTree(client: Client, path: string): AsyncGenerator<string, void, undefined> {
  const options = { recursive: true, withData: true, withDetails: true, pageSize: exportPageSize };
  const top = await topNode(client, path);
  const first = await client.listPage(path, options);
  async function* nodes(): AsyncGenerator<PortableNode, void, undefined> {
    requireWholeAcl(top);
    yield top;
    for (let page = first; ; page = await client.listPage(path, options, page.cursor)) {
      for (const { path: global, data, stat, details } of page.entries) {
        if (isReserved(global) || stat.ephemeralOwner !== 0) continue;
        if (details === undefined) throw new ZabraError("PROTOCOL", { path: global, detail: "a list without details" });
        const node = { path: path === rootPath ? global : global.slice(path.length), data, ...details };
        requireWholeAcl(node);
        yield node;
      }
      if (page.cursor === undefined) return;
    }
  }
  yield* exportLines({ path, zxid: first.zxid satisfies Zxid }, nodes());
}

function requireWholeAcl(node: PortableNode): void {
  const hidden = hiddenId(node.acl);
  if (hidden === undefined) return;
  throw importFailure(
    `the ACL of ${node.path} shows ${hidden}: its hash is hidden from readers without ADMIN; authenticate as super user (--auth digest:super:PASSWORD)`,
  );
}
