/** CRC-32C against RFC 3720's vectors and a bit-by-bit second implementation. */
import t from "tap";
import { crc32c, crc32cOf } from "../../src/model/crc32c.ts";

function slow(bytes: Uint8Array, seed: number): number {
  let crc = ~seed;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit += 1) crc = (crc & 1) === 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1;
  }
  return ~crc >>> 0;
}

t.test("RFC 3720, B.4", async (t) => {
  t.equal(crc32c(new Uint8Array(32)), 0x8a9136aa);
  t.equal(crc32c(new Uint8Array(32).fill(0xff)), 0x62a8ab43);
  t.equal(crc32c(Uint8Array.from({ length: 32 }, (_, index) => index)), 0x46dd794e);
  t.equal(crc32c(new TextEncoder().encode("123456789")), 0xe3069283);
  t.equal(crc32c(new Uint8Array(0), 77), 77);
});

t.test("every length, offset and seed agrees with the slow one, and continues", async (t) => {
  const bytes = Uint8Array.from({ length: 200 }, (_, index) => (index * 97 + 13) & 0xff);
  for (let start = 0; start < 20; start += 1) {
    for (let end = start; end <= 200; end += 1) {
      const seed = (start * 0x1234567 + end) >>> 0;
      const part = bytes.slice(start, end);
      if (crc32cOf(bytes, start, end, seed) !== slow(part, seed)) return void t.fail(`${start} … ${end}`);
      const middle = start + ((end - start) >> 1);
      if (crc32cOf(bytes, middle, end, crc32cOf(bytes, start, middle, seed)) !== crc32c(part, seed))
        return void t.fail(`continued ${start} … ${end}`);
    }
  }
  t.pass();
});

t.test("two salts never agree on the same bytes", async (t) => {
  const bytes = Uint8Array.from({ length: 60 }, (_, index) => index);
  const sums = new Set<number>();
  for (let salt = 0; salt < 20_000; salt += 1) sums.add(crc32c(bytes, Math.imul(salt, 0x9e3779b1) >>> 0));
  t.equal(sums.size, 20_000);
});
