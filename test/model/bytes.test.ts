/** The core's byte coder: every value survives, UTF-8 is Node's, and input that ends early is refused. */
import fc from "fast-check";
import t from "tap";
import { ByteReader, ByteWriter, encodedLength, utf8Decode, utf8Encode } from "../../src/model/bytes.ts";

function written(write: (writer: ByteWriter) => void): Uint8Array {
  const writer = new ByteWriter(1);
  write(writer);
  return writer.take();
}

t.test("numbers survive", async (t) => {
  fc.assert(
    fc.property(fc.maxSafeNat(), fc.integer(), fc.double(), fc.nat({ max: 0xffff_ffff }), (varint, int, f64, u32) => {
      const reader = new ByteReader(
        written((w) => {
          w.varint(varint);
          w.int(int);
          w.f64(f64);
          w.u32(u32);
        }),
      );
      return (
        reader.varint() === varint &&
        reader.int() === int &&
        Object.is(reader.f64(), f64) &&
        reader.u32() === u32 &&
        reader.remaining === 0
      );
    }),
  );
  for (const value of [0, 127, 128, 2 ** 31, 2 ** 32, Number.MAX_SAFE_INTEGER])
    t.equal(new ByteReader(written((w) => w.varint(value))).varint(), value);
  for (const value of [-2_147_483_648, -1, 0, 2_147_483_647]) t.equal(new ByteReader(written((w) => w.int(value))).int(), value);
  for (const value of [-1, 1.5, Number.NaN, 2 ** 53]) t.throws(() => new ByteWriter().varint(value), { name: "RangeError" });
});

t.test("text survives, lone surrogates too, and is Node's UTF-8 otherwise", async (t) => {
  const text = fc.oneof(
    fc.string(),
    fc.string({ unit: "binary" }),
    fc.array(fc.nat({ max: 0xffff })).map((units) => String.fromCharCode(...units)),
  );
  fc.assert(
    fc.property(text, (value) => {
      const bytes = utf8Encode(value);
      if (Buffer.from(value).toString() === value && Buffer.compare(bytes, Buffer.from(value)) !== 0) return false;
      return bytes.length === encodedLength(value) && utf8Decode(bytes, 0, bytes.length) === value;
    }),
  );
  for (const value of ["x".repeat(10_000), "é".repeat(5_000), "😀".repeat(5_000)])
    t.equal(new ByteReader(written((w) => w.text(value))).text(), value);
});

t.test("malformed UTF-8 reads as U+FFFD", async (t) => {
  for (const bytes of [[0xff], [0x80], [0xc0, 0x80], [0xe0, 0x80, 0x80], [0xf4, 0x90, 0x80, 0x80], [0xe2, 0x82], [0xc3]]) {
    const text = utf8Decode(Uint8Array.from([0x61, ...bytes, 0x62]), 0, bytes.length + 2);
    t.equal(text, `a${"\ufffd".repeat(bytes.length)}b`);
  }
});

t.test("input that ends early, or says too much, is refused", async (t) => {
  const whole = written((w) => {
    w.text("hello");
    w.f64(1);
    w.bytes(new Uint8Array(3));
  });
  for (let length = 0; length < whole.length; length += 1) {
    const reader = new ByteReader(whole, 0, length);
    t.throws(
      () => {
        reader.text();
        reader.f64();
        reader.bytes();
      },
      { name: "RangeError" },
      `${length} bytes`,
    );
  }
  t.throws(() => new ByteReader(new Uint8Array(9).fill(0xff)).varint(), { name: "RangeError" });
  t.throws(() => new ByteReader(written((w) => w.varint(2 ** 32))).int(), { name: "RangeError" });
});

t.test("a writer that was taken starts anew, and what was taken is its own", async (t) => {
  const writer = new ByteWriter();
  writer.u8(1);
  const first = writer.take();
  writer.u8(2);
  t.same([...first], [1]);
  t.same([...writer.take()], [2]);
});
