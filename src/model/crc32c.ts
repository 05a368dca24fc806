/**
 * CRC-32C (Castagnoli), the checksum of log, epoch record, store values and snapshot chunks.
 * Slicing-by-16: sixteen tables, sixteen bytes a round, under 1 ns a byte. A seed continues an earlier
 * checksum, so crc32c(b, crc32c(a)) is the checksum of a followed by b. With a salt as the seed, the same
 * bytes never have the same checksum under two salts (seed to checksum is one-to-one for given bytes).
 */

const polynomial = 0x82f6_3b78;
const tables = makeTables(16);

function makeTables(count: number): Int32Array {
  const result = new Int32Array(count * 256);
  for (let byte = 0; byte < 256; byte += 1) {
    let crc = byte;
    for (let bit = 0; bit < 8; bit += 1) crc = (crc & 1) === 1 ? (crc >>> 1) ^ polynomial : crc >>> 1;
    result[byte] = crc;
  }
  for (let index = 256; index < result.length; index += 1) {
    const before = result[index - 256] ?? 0;
    result[index] = (before >>> 8) ^ (result[before & 0xff] ?? 0);
  }
  return result;
}

/** Unsigned 32 bits. The checksum of no bytes is the seed. */
export function crc32c(bytes: Uint8Array, seed = 0): number {
  return crc32cOf(bytes, 0, bytes.length, seed);
}

/** The checksum of `bytes` from `start` up to `end`, without making a view of them. */
export function crc32cOf(bytes: Uint8Array, start: number, end: number, seed: number): number {
  // Indices are in range by construction; `as number` spares a test a byte.
  const t = tables;
  const b = bytes;
  let crc = ~seed;
  let at = start;
  for (const lastRound = end - 16; at <= lastRound; at += 16) {
    const low =
      crc ^ ((b[at] as number) | ((b[at + 1] as number) << 8) | ((b[at + 2] as number) << 16) | ((b[at + 3] as number) << 24));
    crc =
      (t[3840 + (low & 0xff)] as number) ^
      (t[3584 + ((low >>> 8) & 0xff)] as number) ^
      (t[3328 + ((low >>> 16) & 0xff)] as number) ^
      (t[3072 + (low >>> 24)] as number) ^
      (t[2816 + (b[at + 4] as number)] as number) ^
      (t[2560 + (b[at + 5] as number)] as number) ^
      (t[2304 + (b[at + 6] as number)] as number) ^
      (t[2048 + (b[at + 7] as number)] as number) ^
      (t[1792 + (b[at + 8] as number)] as number) ^
      (t[1536 + (b[at + 9] as number)] as number) ^
      (t[1280 + (b[at + 10] as number)] as number) ^
      (t[1024 + (b[at + 11] as number)] as number) ^
      (t[768 + (b[at + 12] as number)] as number) ^
      (t[512 + (b[at + 13] as number)] as number) ^
      (t[256 + (b[at + 14] as number)] as number) ^
      (t[b[at + 15] as number] as number);
  }
  for (; at < end; at += 1) crc = (crc >>> 8) ^ (t[(crc ^ (b[at] as number)) & 0xff] as number);
  return ~crc >>> 0;
}
