/**
 * ZooKeeper's transaction log files (3.5 to 3.9): `log.ZXID`, named by their first txn.
 *
 *     magic "ZKLG", version int, database id long · records: Adler-32 long, length int, bytes, 0x42 · zeros
 *
 * A record is a header (session, cxid, zxid, time, type), the txn, and since 3.6 a digest. A file ends where its
 * zeros or its bytes end, or with a record that lacks its 0x42: that write was never completed. A
 * whole record that fails its checksum is damage.
 */
import { ProtocolError, Reader } from "../../src/wire/cursor.ts";
import { readAcl, readBoolean, readBuffer, readString } from "../../src/wire/jute.ts";
import { adler32, ByteStream } from "./byte-stream.ts";
import type { OfflineTxn, Owner } from "./offline-tree.ts";

/** "ZKLG" */
const logMagic = 0x5a4b_4c47;
const endOfRecord = 0x42;

export interface LogRecord {
  readonly zxid: number;
  /** What it does to the tree, in order; empty for sessions and refusals. */
  readonly txns: readonly OfflineTxn[];
}

/** The records of one file, from its beginning. Throws ImportError for damage. */
export async function* readLog(path: string): AsyncGenerator<LogRecord, void, undefined> {
  const stream = ByteStream.open(path);
  try {
    yield* parseLog(stream);
  } finally {
    await stream.close();
  }
}

export async function* parseLog(stream: ByteStream): AsyncGenerator<LogRecord, void, undefined> {
  // A server may have died before it wrote the head of a new file.
  if (!(await stream.has(16))) return;
  if ((await stream.int32()) !== logMagic) throw stream.failure("this is no ZooKeeper log: its first bytes are not ZKLG");
  await stream.raw(12);
  for (let bytes = await readRecord(stream); bytes !== undefined; bytes = await readRecord(stream)) {
    try {
      yield decodeRecord(bytes);
    } catch (error) {
      if (error instanceof ProtocolError) throw stream.failure(`a record cannot be read: ${error.message}`, error);
      throw error;
    }
  }
}

/** Undefined at the end. */
async function readRecord(stream: ByteStream): Promise<Uint8Array | undefined> {
  if (!(await stream.has(12))) return undefined;
  const checksum = await stream.halves();
  const length = await stream.length("a record");
  if (length <= 0 || !(await stream.has(length + 1))) return undefined;
  const bytes = (await stream.raw(length)).slice();
  const mark = (await stream.raw(1))[0];
  if (mark !== endOfRecord) return undefined;
  if (checksum.high !== 0 || checksum.low !== adler32(bytes)) throw stream.failure("a record fails its checksum");
  return bytes;
}

const none: readonly OfflineTxn[] = [];

function decodeRecord(bytes: Uint8Array): LogRecord {
  const r = new Reader(bytes);
  const session = readOwner(r);
  r.int32();
  const zxid = r.int64();
  if (!Number.isSafeInteger(zxid) || zxid < 0) throw new ProtocolError("a zxid beyond 53 bits");
  r.int64();
  const type = r.int32();
  return { zxid, txns: type === 14 ? decodeMulti(r, session) : decodeTxn(r, type, session) };
}

function readOwner(r: Reader): Owner {
  const high = r.int32();
  return { high, low: r.int32() >>> 0 };
}

const nobody: Owner = { high: 0, low: 0 };
const container: Owner = { high: 0x8000_0000 | 0, low: 0 };

function decodeTxn(r: Reader, type: number, session: Owner): readonly OfflineTxn[] {
  switch (type) {
    case 1:
    case 15:
    case 19:
    case 21:
      return [decodeCreate(r, type, session)];
    case 2:
    case 20:
      return [{ type: "delete", path: readString(r) }];
    case 5:
    case 16:
      return [{ type: "setData", path: readString(r), data: readBuffer(r) }];
    case 7:
      return [{ type: "setAcl", path: readString(r), acl: readAcl(r) }];
    case 13: // check
    case -1: // a refused request
    case -10: // a session begins
    case -11: // a session ends: its ephemerals are not here
      return none;
    default:
      throw new ProtocolError(`a txn of the unknown type ${type}`);
  }
}

function decodeCreate(r: Reader, type: number, session: Owner): OfflineTxn {
  const path = readString(r);
  const data = readBuffer(r);
  const acl = readAcl(r);
  let owner = type === 19 ? container : nobody;
  if (type === 1 || type === 15) owner = readBoolean(r) ? session : nobody;
  // Logs that began before 3.4 lack it.
  const parentCreates = r.remaining >= 4 ? r.int32() : -1;
  if (type === 21) owner = ttlOwner(r);
  return { type: "create", path, data, acl, owner, parentCreates };
}

function ttlOwner(r: Reader): Owner {
  const { high, low } = readOwner(r);
  return { high: 0xff00_0000 | (high & 0xff), low };
}

/** A refused multi is logged with an error for each of its operations. */
function decodeMulti(r: Reader, session: Owner): readonly OfflineTxn[] {
  const count = r.int32();
  const parts: { readonly type: number; readonly bytes: Uint8Array }[] = [];
  for (let i = 0; i < count; i += 1) {
    const type = r.int32();
    parts.push({ type, bytes: readBuffer(r) ?? new Uint8Array(0) });
  }
  if (parts.some((part) => part.type === -1)) return none;
  return parts.flatMap((part) => decodeTxn(new Reader(part.bytes), part.type, session));
}
