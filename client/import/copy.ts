/** Copies a tree that does not change: a data directory's, or an export file's. */

import { importFailure } from "./failure.ts";
import { hashOf, type PortableNode, TreeDigest } from "./node.ts";
import type { Target } from "./target.ts";

export interface CopyResult {
  readonly nodes: number;
  /** Of the source and, read anew, of the target: the same. */
  readonly digest: string;
  readonly written: number;
  /** Nodes whose create counter is too far ahead to be reached. */
  readonly loweredCounters: readonly string[];
}

/** Nodes come with parents before children. Resolves once the target was read again and is equal; rejects with ImportError when it is not. */
export async function copyNodes(
  target: Target,
  nodes: Iterable<PortableNode> | AsyncIterable<PortableNode>,
  onProgress: (nodes: number) => void,
): Promise<CopyResult> {
  const digest = new TreeDigest();
  const seen = new Set<string>();
  const counters = new Map<string, number>();
  for await (const node of nodes) {
    const hash = hashOf(node);
    digest.add(hash);
    seen.add(node.path);
    if (node.childCreates > 0) counters.set(node.path, node.childCreates);
    await target.put(node, hash);
    onProgress(seen.size);
  }
  // What an interrupted import of an older state has left.
  for (const path of [...target.paths()]) if (!seen.has(path)) await target.remove(path);
  for (const [path, creates] of counters) await target.raiseCounter(path, creates);
  const found = await target.reload();
  requireEqual(digest, found.digest);
  return { nodes: digest.nodes, digest: `${digest}`, written: target.written, loweredCounters: [...target.loweredCounters] };
}

export function requireEqual(source: TreeDigest, target: TreeDigest): void {
  if (`${source}` === `${target}`) return;
  throw importFailure(
    `the trees differ: the source's digest is ${source}, the target's ${target} (number of nodes, then their sum). Somebody else writes to the target, or a TTL passed; run the same command again`,
  );
}
