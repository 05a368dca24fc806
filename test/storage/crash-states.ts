/**
 * Every state that a power cut may leave of a virtual file system at one moment: each combination of names that no
 * directory sync has covered, and for each file left, each combination of sectors that no sync of it has covered (all
 * of them up to four sectors; beyond, prefixes, suffixes, and each sector alone old or new), torn in the middle too.
 */
import { dirname } from "node:path";
import { applyChange, type Inode, type VirtualFs } from "./virtual-fs.ts";

export type State = ReadonlyMap<string, Uint8Array | "directory">;

const sectorBytes = 512;
const allSubsetsMax = 10;
const allSectorsMax = 4;
const statesMax = 20_000;

export function* crashStates(virtual: VirtualFs): Generator<State> {
  let made = 0;
  for (const subset of subsetsOf(virtual.changes.length, allSubsetsMax)) {
    const names = new Map(virtual.durableNames);
    for (const [index, change] of virtual.changes.entries()) if (subset.has(index)) applyChange(names, change);
    for (const state of contents(reachable(names))) {
      made += 1;
      if (made > statesMax) throw new Error("too many states at one moment: make the history smaller");
      yield state;
    }
  }
}

/** A name whose directory is not there is not there either; the driver removes unfinished files when it starts. */
function reachable(names: ReadonlyMap<string, Inode | "directory">): [string, Inode | "directory"][] {
  const isThere = (path: string): boolean => names.has(path) && (dirname(path) === "/" || isThere(dirname(path)));
  return [...names].filter(([path]) => isThere(path) && !path.endsWith(".tmp"));
}

function* contents(names: readonly (readonly [string, Inode | "directory"])[]): Generator<State> {
  const [first, ...rest] = names;
  if (first === undefined) return void (yield new Map());
  const [path, node] = first;
  const variants = node === "directory" ? [node] : [...variantsOf(node)];
  for (const others of contents(rest)) for (const variant of variants) yield new Map([[path, variant], ...others]);
}

function* variantsOf(node: Inode): Generator<Uint8Array> {
  const sectors = [...node.dirty].sort((a, b) => a - b);
  if (sectors.length === 0) return yield node.content;
  for (const subset of subsetsOf(sectors.length, allSectorsMax)) {
    const kept = sectors.filter((_, index) => subset.has(index));
    yield mixed(node, kept, sectorBytes);
    // The last one kept, only in part.
    if (kept.length > 0) yield mixed(node, kept, 100);
    if (kept.length > 0) yield mixed(node, kept, 20);
  }
}

/** The durable content with these sectors of the new one, the last of them only up to `lastBytes`. A file that grew is as long as they reach. */
function mixed(node: Inode, kept: readonly number[], lastBytes: number): Uint8Array {
  const last = kept.at(-1) ?? -sectorBytes;
  const end = Math.min(node.content.length, last + lastBytes);
  const bytes = new Uint8Array(Math.max(node.durable.length, end));
  bytes.set(node.durable);
  for (const sector of kept) {
    const to = Math.min(sector === last ? end : sector + sectorBytes, node.content.length);
    bytes.set(node.content.subarray(sector, to), sector);
  }
  return bytes;
}

/** All subsets of 0 … n − 1 when there are few enough; else prefixes, suffixes, and each one alone in or out. */
function* subsetsOf(n: number, allMax: number): Generator<ReadonlySet<number>> {
  const all = Array.from({ length: n }, (_, index) => index);
  if (n <= allMax) {
    for (let bits = 0; bits < 2 ** n; bits += 1) yield new Set(all.filter((index) => (bits >> index) & 1));
    return;
  }
  for (let count = 0; count <= n; count += 1) {
    yield new Set(all.slice(0, count));
    yield new Set(all.slice(count));
  }
  for (const one of all) {
    yield new Set([one]);
    yield new Set(all.filter((index) => index !== one));
  }
}
