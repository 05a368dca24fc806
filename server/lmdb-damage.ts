/**
 * What says that an LMDB file is not what its store wrote. LMDB answers some damage with an error, and some with the end of the process
 * (lmdb-js even where it refuses a file's head at opening: SIGSEGV), so the head is looked at here before LMDB sees it. A store in which damage was met is
 * *condemned* by a file beside the data: it is never opened again. Called by lmdb.ts and store-check.ts.
 */
import { closeSync, existsSync, fdatasyncSync, fsyncSync, openSync, readFileSync, readSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DamagedStoreError } from "../src/tree/store-error.ts";

const condemnedName = "condemned";
const metaMagic = 0xbeef_c0de;
const metaVersion = 2;
const metaFlag = 8;
/** Offsets in a page: of its flags, and of the magic, the version and the size of a page in LMDB's meta pages. */
const at = { flags: 18, magic: 24, version: 28, pageBytes: 48, end: 52 } as const;
const pageBytesMin = 512;
const pageBytesMax = 65_536;

/** Errors by which LMDB, or lmdb-js reading what LMDB gave it, shows that pages are not what they were. */
const damageErrors =
  /MDB_(PAGE_NOTFOUND|CORRUPTED|VERSION_MISMATCH|INVALID|INCOMPATIBLE|BAD_CHECKSUM|CURSOR_FULL|PAGE_FULL)|Invalid key size/;

/** Damage as such; any other error as it is. */
export function asDamage(error: unknown): unknown {
  const text = error instanceof Error ? error.message : String(error);
  return damageErrors.test(text) && !(error instanceof DamagedStoreError) ? damage(text) : error;
}

/** Throws DamagedStoreError when the store was condemned, or its file cannot be one of LMDB's. Fine when there is none yet. */
export function demandSound(directory: string): void {
  const condemned = join(directory, condemnedName);
  if (existsSync(condemned)) throw new DamagedStoreError(readFileSync(condemned, "utf8") || "the tree store was condemned");
  const file = join(directory, "data.mdb");
  if (!existsSync(file)) return;
  const fd = openSync(file, "r");
  try {
    demandHead(fd);
  } finally {
    closeSync(fd);
  }
}

/** LMDB opens a file when both meta pages are its own. An empty file is one that it had not begun to write. */
function demandHead(fd: number): void {
  const head = Buffer.alloc(at.end);
  const read = readSync(fd, head, 0, at.end, 0);
  if (read === 0) return;
  demandMeta(head, read, 0);
  const pageBytes = head.readUInt32LE(at.pageBytes);
  const isPower = (pageBytes & (pageBytes - 1)) === 0;
  if (pageBytes < pageBytesMin || pageBytes > pageBytesMax || !isPower)
    throw damage(`its pages are said to have ${pageBytes} bytes`);
  demandMeta(head, readSync(fd, head, 0, at.end, pageBytes), 1);
  if (head.readUInt32LE(at.pageBytes) !== pageBytes) throw damage("its meta pages disagree on the size of a page");
}

function demandMeta(head: Buffer, read: number, page: number): void {
  const sound =
    read === at.end &&
    (head.readUInt16LE(at.flags) & metaFlag) !== 0 &&
    head.readUInt32LE(at.magic) === metaMagic &&
    (head.readUInt32LE(at.version) & 0xffff) === metaVersion;
  if (!sound) throw damage(`meta page ${page} of data.mdb is not LMDB's`);
}

function damage(what: string): DamagedStoreError {
  return new DamagedStoreError(`the tree store is damaged: ${what}`);
}

/** Durable when it returns, if the disk allows: the process is about to end, and a disk that fails must not hide why. */
export function condemn(directory: string, reason: string): void {
  try {
    const file = join(directory, condemnedName);
    if (existsSync(file)) return;
    writeFileSync(file, reason, { flush: true });
    const fd = openSync(directory, "r");
    fsyncSync(fd);
    closeSync(fd);
  } catch {
    // The next start meets the damage again.
  }
}

/**
 * A process that was killed between LMDB's write of its meta page and the end of the sync leaves a
 * transaction that is visible and perhaps not durable. Syncing first makes what we are about to
 * read durable, unless a sync of it has failed already: so the core counts nothing as durable before a commit of its own.
 */
export function makeDurable(directory: string): void {
  const file = join(directory, "data.mdb");
  if (!existsSync(file)) return;
  const fd = openSync(file, "r+");
  fdatasyncSync(fd);
  closeSync(fd);
}
