/** Makes ZooKeeper's files, byte by byte, for the tests of what reads them. Checksums are computed here, not by the code under test. */
import { writeFileSync } from "node:fs";
import { type Acl, openAcl } from "../../../src/model/acl.ts";
import { Writer } from "../../../src/wire/cursor.ts";
import { writeAcl, writeBoolean, writeBuffer, writeString, writeStrings } from "../../../src/wire/jute.ts";

export interface FixtureNode {
  readonly path: string;
  readonly data?: string | undefined;
  readonly acl?: number;
  readonly zxid?: number;
  readonly creates?: number;
  /** High and low half of ephemeralOwner. */
  readonly owner?: readonly [number, number];
}

export const containerOwner = [-0x8000_0000, 0] as const;
export const sessionOwner = [0x0100_0000, 77] as const;

export function ttlOwner(ttlMs: number): readonly [number, number] {
  return [0xff00_0000 | Math.floor(ttlMs / 2 ** 32), ttlMs | 0];
}

export const aclTable: readonly Acl[] = [
  openAcl,
  [
    { perms: 31, scheme: "digest", id: "u:Jq7wMyA/w2Vd5WIDAKdu4OIIFEQ=" },
    { perms: 1, scheme: "world", id: "anyone" },
  ],
];

function bytesOf(text: string | undefined): Uint8Array | undefined {
  return text === undefined ? undefined : new TextEncoder().encode(text);
}

/** Adler-32 by its definition. */
function adler(bytes: Uint8Array): number {
  let a = 1;
  let b = 0;
  for (const byte of bytes) {
    a = (a + byte) % 65_521;
    b = (b + a) % 65_521;
  }
  return b * 65_536 + a;
}

function head(w: Writer, magic: number): void {
  w.int32(magic);
  w.int32(2);
  w.int64(0);
}

/** `trailing`: what later versions put behind the checksum. */
export function snapshotBytes(nodes: readonly FixtureNode[], trailing = false): Uint8Array {
  const w = new Writer(1 << 20);
  head(w, 0x5a4b_534e);
  w.int32(1);
  w.int64(1_234_567);
  w.int32(30_000);
  w.int32(aclTable.length);
  aclTable.forEach((acl, i) => {
    w.int64(i + 1);
    writeAcl(w, acl);
  });
  for (const node of nodes) writeNode(w, node);
  writeString(w, "/");
  seal(w);
  if (trailing) {
    w.int64(9);
    w.int32(2);
    w.int64(123_456);
    seal(w);
  }
  return w.view().slice();
}

function writeNode(w: Writer, node: FixtureNode): void {
  const { path, data, acl = 1, zxid = 1, creates = 0, owner = [0, 0] } = node;
  writeString(w, path);
  writeBuffer(w, bytesOf(data));
  if (acl === -1) {
    w.int32(-1);
    w.int32(-1);
  } else w.int64(acl);
  w.int64(zxid);
  w.int64(zxid);
  w.int64(1_600_000_000_000);
  w.int64(1_600_000_000_000);
  w.int32(0);
  w.int32(creates);
  w.int32(0);
  w.int32(owner[0]);
  w.int32(owner[1]);
  w.int64(zxid);
}

function seal(w: Writer): void {
  w.int64(adler(w.view()));
  writeString(w, "/");
}

// ---- logs

export type FixtureTxn =
  | {
      readonly type: "create" | "create2" | "container" | "ttl";
      readonly path: string;
      readonly data?: string;
      readonly ephemeral?: boolean;
      readonly creates?: number;
      readonly ttlMs?: number;
    }
  | { readonly type: "delete"; readonly path: string }
  | { readonly type: "setData"; readonly path: string; readonly data: string }
  | { readonly type: "setAcl"; readonly path: string; readonly acl: Acl }
  | { readonly type: "error" | "createSession" }
  | { readonly type: "closeSession"; readonly paths: readonly string[] }
  | { readonly type: "multi"; readonly txns: readonly FixtureTxn[] };

const opcodes = {
  create: 1,
  create2: 15,
  container: 19,
  ttl: 21,
  delete: 2,
  setData: 5,
  setAcl: 7,
  error: -1,
  createSession: -10,
  closeSession: -11,
  multi: 14,
} as const;

function writeBody(w: Writer, txn: FixtureTxn): void {
  switch (txn.type) {
    case "create":
    case "create2":
    case "container":
    case "ttl":
      writeString(w, txn.path);
      writeBuffer(w, bytesOf(txn.data));
      writeAcl(w, openAcl);
      if (txn.type === "create" || txn.type === "create2") writeBoolean(w, txn.ephemeral === true);
      w.int32(txn.creates ?? 1);
      if (txn.type === "ttl") w.int64(txn.ttlMs ?? 1);
      break;
    case "delete":
      writeString(w, txn.path);
      break;
    case "setData":
      writeString(w, txn.path);
      writeBuffer(w, bytesOf(txn.data));
      w.int32(1);
      break;
    case "setAcl":
      writeString(w, txn.path);
      writeAcl(w, txn.acl);
      w.int32(1);
      break;
    case "closeSession":
      writeStrings(w, txn.paths);
      break;
    case "multi":
      w.int32(txn.txns.length);
      for (const part of txn.txns) {
        const inner = new Writer();
        writeBody(inner, part);
        w.int32(opcodes[part.type]);
        writeBuffer(w, inner.view().slice());
      }
      break;
    default:
      w.int32(0);
  }
}

function recordBytes(zxid: number, txn: FixtureTxn): Uint8Array {
  const w = new Writer();
  w.int64(1_234_567);
  w.int32(1);
  w.int64(zxid);
  w.int64(1_600_000_000_000);
  w.int32(opcodes[txn.type]);
  writeBody(w, txn);
  // A digest, as 3.6 and later have it.
  w.int32(2);
  w.int64(4_711);
  return w.view().slice();
}

/** `zeros`: what the server has preallocated behind the last record. */
export function logBytes(records: readonly (readonly [number, FixtureTxn])[], zeros = 1_000): Uint8Array {
  const w = new Writer(1 << 20);
  head(w, 0x5a4b_4c47);
  for (const [zxid, txn] of records) {
    const bytes = recordBytes(zxid, txn);
    w.int64(adler(bytes));
    writeBuffer(w, bytes);
    w.uint8(0x42);
  }
  w.raw(new Uint8Array(zeros));
  return w.view().slice();
}

// ---- snappy

/** In snappy-java's stream format, blocks of literals alone. */
export function snappyBytes(bytes: Uint8Array, blockBytes = 50): Uint8Array {
  const w = new Writer(1 << 20);
  w.raw(Uint8Array.of(0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0, 0, 0, 0, 1, 0, 0, 0, 1));
  for (let at = 0; at < bytes.length; at += blockBytes) {
    const block = bytes.subarray(at, at + blockBytes);
    w.int32(block.length + 2);
    w.uint8(block.length);
    w.uint8((block.length - 1) << 2);
    w.raw(block);
  }
  return w.view().slice();
}

export function write(path: string, bytes: Uint8Array): void {
  writeFileSync(path, bytes);
}
