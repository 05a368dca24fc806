/**
 * How an LMDB environment is opened: alike in the thread that reads (the loop's) and in the one that
 * writes. One environment is one store directory.
 *
 * Measured with `bench/store.ts` (1,000,000 znodes of 100 bytes, random updates):
 * - *No writemap*. With it, a transaction that frees pages which it has itself changed, while the file has no free pages
 *   to reclaim (a young store that shrinks), aborts the process: "Assertion 'x <= dl[0].mid' failed in mdb_freelist_save()"
 *   (lmdb-js issue 212, ModSecurity pull request 3639). It would on every server at once, and again after each start. The price: LMDB
 *   keeps a malloc'ed copy of every page that a transaction touches and never gives them back, 250 to 360 MB of anonymous memory after
 *   flushes of 20,000 to 50,000 random nodes against 80 MB, and 9 to 13 µs of CPU a put against 4 to 5.
 * - *Standard sync*, not lmdb-js's overlapping one: transactions run in a thread of their own, where
 *   waiting for the disk delays nobody, and whatever is visible is durable.
 * - *No read-ahead*: with 350 MB for everything, the kernel read up to megabytes around each page that a
 * random read missed, and the server did nothing else.
 * - *Pages of 8 KiB*: half of what 16 KiB write a random put, for the same CPU.
 */
import { open, type RootDatabase } from "lmdb";

export type Environment = RootDatabase<Uint8Array, Uint8Array>;

export const pageBytes = 8_192;
/** The map's first size, and so the file's (it is sparse); LMDB doubles it when it is full. */
const mapBytesMin = 256 << 20;
/** Images, snapshots and the two threads. */
const readersMax = 254;

/** `readOnly`: for a process beside the one that writes it. */
export function openEnvironment(directory: string, readOnly = false): Environment {
  return open<Uint8Array, Uint8Array>({ ...options, readOnly, path: directory });
}

/** lmdb-js reads into buffers that it uses again; what it hands out is copied here, once, and is no Buffer. */
const keyEncoder = {
  writeKey(key: Uint8Array, target: Uint8Array, start: number): number {
    target.set(key, start);
    return start + key.length;
  },
  readKey(source: Uint8Array, start: number, end: number): Uint8Array {
    return copyOf(source, start, end);
  },
};

const encoder = {
  encode(value: Uint8Array): Uint8Array {
    return value;
  },
  decode(source: Uint8Array, length: number): Uint8Array {
    return copyOf(source, 0, length);
  },
};

/** Up to this, a loop is faster than making a view to copy from. */
const loopBytesMax = 256;

function copyOf(source: Uint8Array, start: number, end: number): Uint8Array {
  const copy = new Uint8Array(end - start);
  if (copy.length <= loopBytesMax) for (let i = start; i < end; i += 1) copy[i - start] = source[i] as number;
  else copy.set(new Uint8Array(source.buffer, source.byteOffset + start, copy.length));
  return copy;
}

const options = {
  noSubdir: false,
  keyEncoder,
  encoder,
  useVersions: false,
  cache: false,
  pageSize: pageBytes,
  mapSize: mapBytesMin,
  maxReaders: readersMax,
  maxDbs: 1,
  useWritemap: false,
  overlappingSync: false,
  noReadAhead: true,
};
