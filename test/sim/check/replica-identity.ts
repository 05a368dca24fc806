/**
 * I-22, replica identity: with all quiet and flushed at one zxid, the stores of all servers hold the same
 * keys and the same bytes, znodes, sessions, reply tables, digest and all.
 */
import { EpochRecordFile } from "../../../src/log/epoch-record.ts";
import { TokenSource } from "../../../src/model/tokens.ts";
import type { Cluster } from "../cluster.ts";
import type { SimServer } from "../server.ts";
import { sameBytes } from "./same-bytes.ts";
import { Check, Invariant } from "./violation.ts";

const first = Uint8Array.of(0);
const end = Uint8Array.of(255, 255, 255, 255);

export class ReplicaIdentity extends Invariant {
  readonly same = new Check("replicas hold the same bytes");

  /** When all is quiet, flushed, and at one zxid. */
  judge(cluster: Cluster): void {
    const difference = replicaDifference(cluster);
    this.same.hold(difference === undefined, () => difference ?? "");
  }
}

export function replicaDifference(cluster: Cluster): string | undefined {
  const [reference, ...others] = cluster.servers;
  if (reference === undefined) return undefined;
  const wanted = dump(reference);
  for (const other of others) {
    const found = dump(other);
    if (found.length !== wanted.length)
      return `servers ${reference.id} and ${other.id} hold ${wanted.length} and ${found.length} keys: ${oddKeys(wanted, found)}`;
    for (const [i, [key, value]] of wanted.entries()) {
      const pair = found[i];
      if (pair === undefined || !sameBytes(pair[0], key))
        return `servers ${reference.id} and ${other.id} differ in key ${show(key)}`;
      if (!sameBytes(pair[1], value))
        return `servers ${reference.id} and ${other.id} differ in the value of ${show(key)}: ${show(value)} and ${show(pair[1])}`;
    }
  }
  return undefined;
}

const localIndex = /^\\x01(ephemeral|reap)\//;
const crcBytes = 4;
const empty = new Uint8Array(0);

type Pairs = (readonly [key: Uint8Array, value: Uint8Array])[];

function dump(server: SimServer): Pairs {
  const opening = EpochRecordFile.open(server.platter, new TokenSource());
  if (opening.type !== "ok") return [];
  const pairs = server.stores.get(`store-${opening.record.generation}`)?.range(first, end, Number.MAX_SAFE_INTEGER) ?? [];
  return withoutLocalNumbers(pairs);
}

/** Indexes of paths are numbered by each server for itself: what counts is which paths they hold. */
function withoutLocalNumbers(pairs: Pairs): Pairs {
  return pairs
    .map(([key, value]): Pairs[number] =>
      localIndex.test(show(key))
        ? [Buffer.concat([key.subarray(0, show(key).indexOf("/") - 3), recordText(value)]), empty]
        : [key, value],
    )
    .sort(([a], [b]) => Buffer.compare(a, b));
}

/** The path of an index record, behind its checksum. */
function recordText(value: Uint8Array): Uint8Array {
  return value.subarray(crcBytes);
}

function oddKeys(a: Pairs, b: Pairs): string {
  const keysA = new Set(a.map(([key]) => show(key)));
  const keysB = new Set(b.map(([key]) => show(key)));
  const odd = [...keysA].filter((key) => !keysB.has(key)).concat([...keysB].filter((key) => !keysA.has(key)));
  return odd.slice(0, 5).join(" ");
}

function show(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes)
    text += byte >= 32 && byte < 127 ? String.fromCharCode(byte) : `\\x${byte.toString(16).padStart(2, "0")}`;
  return text;
}
