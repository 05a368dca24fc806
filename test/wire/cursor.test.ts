import fc from "fast-check";
import t from "tap";
import { Reader, Writer } from "../../src/wire/cursor.ts";
import { bytes, half, int32, text, uint, uint32 } from "./arbitraries.ts";
import { expectSame, fromHex, hex } from "./compare.ts";

function written(write: (w: Writer) => void): Uint8Array {
  const w = new Writer(64);
  write(w);
  return w.finish();
}

const varints: readonly (readonly [value: number, bytes: string])[] = [
  [1, "01"],
  [127, "7f"],
  [128, "8001"],
  [300, "ac02"],
  [2 ** 28 - 1, "ffffff7f"],
  [2 ** 28, "8080808001"],
  [2 ** 32, "8080808010"],
  [0x1_0000_0005, "8580808010"],
  [Number.MAX_SAFE_INTEGER, "ffffffffffffff0f"],
];

t.test("varints", async (t) => {
  for (const [value, bytes] of varints) {
    t.equal(hex(written((w) => w.uint(8, value))), `08${bytes}`);
    t.equal(new Reader(fromHex(bytes)).uint(), value);
  }
});

t.test("zigzag", async (t) => {
  for (const [value, bytes] of [
    [-1, "01"],
    [1, "02"],
    [-64, "7f"],
    [2 ** 31 - 1, "feffffff0f"],
    [-(2 ** 31), "ffffffff0f"],
  ] as const) {
    t.equal(hex(written((w) => w.sint(8, value))), `08${bytes}`);
    t.equal(new Reader(fromHex(bytes)).sint(), value);
    t.equal(new Reader(fromHex(bytes)).sint64(), value);
  }
});

t.test("numbers of every size come back", async () => {
  fc.assert(
    fc.property(uint, uint32, int32, half, (a, b, c, d) => {
      const r = new Reader(
        written((w) => {
          w.optionalUint(8, a);
          w.optionalUint(16, b);
          w.optionalSint(24, c);
          w.sint64(32, d);
          w.int32(c);
          w.int64(d);
        }),
      );
      expectSame([r.tag(), r.uint(), r.tag(), r.uint32(), r.tag(), r.sint()], [8, a, 16, b, 24, c]);
      if (d !== 0) expectSame([r.tag(), r.sint64()], [32, d]);
      expectSame([r.int32(), r.int64(), r.more()], [c, d, false]);
    }),
    { numRuns: 3_000 },
  );
});

t.test("a number of 32 bits is refused beyond", async (t) => {
  t.equal(new Reader(fromHex("ffffffff0f")).uint32(), 0xffff_ffff);
  t.throws(() => new Reader(fromHex("8080808010")).uint32(), { name: "ProtocolError" });
});

t.test("an int64 beyond safe integers reads as infinite, with its sign", async (t) => {
  const int64 = (bytes: string): number => new Reader(fromHex(bytes)).int64();
  t.equal(int64("001fffffffffffff"), Number.MAX_SAFE_INTEGER);
  t.equal(int64("0020000000000000"), Infinity);
  t.equal(int64("ffffffffffffffff"), -1);
  t.equal(int64("ffe0000000000001"), Number.MIN_SAFE_INTEGER);
  t.equal(int64("8000000000000000"), -Infinity);
});

t.test("nested bodies are right whatever length was expected", async () => {
  fc.assert(
    fc.property(
      fc.array(bytes, { maxLength: 5 }),
      fc.constantFrom(0, 127, 128, 20_000, 3_000_000),
      fc.nat(20_000),
      (parts, expected, pad) => {
        const padding = new Uint8Array(pad).fill(5);
        const r = new Reader(
          written((w) => {
            const outer = w.open(10, expected);
            for (const part of parts) w.elementBytes(18, part);
            const inner = w.open(26, expected);
            w.elementBytes(10, padding);
            w.close(inner);
            w.close(outer);
            w.uint(16, 7);
          }),
        );
        expectSame(r.tag(), 10);
        const outer = r.enter();
        for (const part of parts) expectSame([r.tag(), r.bytes()], [18, part]);
        expectSame(r.tag(), 26);
        const inner = r.enter();
        expectSame([r.tag(), r.bytes().length], [10, pad]);
        r.leave(inner);
        r.leave(outer);
        expectSame([r.tag(), r.uint(), r.more()], [16, 7, false]);
      },
    ),
    { numRuns: 500 },
  );
});

t.test("lengths are as short as they can be", async (t) => {
  for (const expected of [0, 500, 70_000]) {
    t.equal(hex(written((w) => w.close(w.open(10, expected)))), "0a00");
  }
});

t.test("strings come back, and are UTF-8 as the platform writes it", async () => {
  fc.assert(
    fc.property(text, (value) => {
      const encoded = written((w) => w.elementString(10, value));
      const body = new TextEncoder().encode(value);
      expectSame(encoded.subarray(encoded.length - body.length), body);
      const r = new Reader(encoded);
      expectSame([r.tag(), r.string()], [10, value]);
    }),
    { numRuns: 3_000 },
  );
});

t.test("a lone surrogate is written as U+FFFD, as TextEncoder does", async (t) => {
  for (const value of ["\ud800", "a\udc00b", "\ud83d\ud83d\ude00", "x\udfff"]) {
    t.same(
      written((w) => void w.text(value)),
      new TextEncoder().encode(value),
    );
  }
});

t.test("what is UTF-8 is what the platform's strict decoder takes", async () => {
  const strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
  const byte = fc.constantFrom(
    0x00,
    0x41,
    0x7f,
    0x80,
    0xbf,
    0xc0,
    0xc2,
    0xe0,
    0xa0,
    0xed,
    0x9f,
    0xef,
    0xbb,
    0xf0,
    0x90,
    0xf4,
    0x8f,
    0xff,
  );
  fc.assert(
    fc.property(fc.array(byte, { maxLength: 6 }), (raw) => {
      const bytes = Uint8Array.from(raw);
      let wanted: string | undefined;
      try {
        wanted = strict.decode(bytes);
      } catch {}
      let found: string | undefined;
      try {
        found = new Reader(Uint8Array.of(bytes.length, ...bytes)).string();
      } catch {}
      expectSame([found], [wanted]);
    }),
    { numRuns: 20_000 },
  );
});

t.test("a writer's finished bytes are never written again, across slabs of any size", async () => {
  fc.assert(
    fc.property(fc.integer({ min: 16, max: 600 }), fc.array(bytes, { maxLength: 30 }), (slab, messages) => {
      const w = new Writer(slab);
      const finished = messages.map((message) => {
        w.raw(message);
        return w.finish();
      });
      expectSame(finished, messages);
    }),
    { numRuns: 500 },
  );
});

t.test("a slab that had to grow is not kept", async (t) => {
  const w = new Writer(256);
  w.raw(new Uint8Array(100_000));
  t.equal(w.finish().length, 100_000);
  w.uint8(1);
  t.equal(w.finish().buffer.byteLength, 256);
});

t.test("reading beyond the end", async (t) => {
  for (const read of [(r: Reader) => r.int32(), (r: Reader) => r.int64(), (r: Reader) => r.raw(4), (r: Reader) => r.raw(-1)]) {
    t.throws(() => read(new Reader(Uint8Array.of(1, 2, 3))), { name: "ProtocolError" });
  }
  t.throws(() => new Reader(new Uint8Array(0)).tag(), { name: "ProtocolError" });
});

t.test("a message left before its end is our own error", async (t) => {
  const r = new Reader(fromHex("020801"));
  const mark = r.enter();
  t.throws(() => r.leave(mark), { name: "InvariantError" });
});
