import fc from "fast-check";
import t from "tap";
import { FrameDecoder, frameHeader } from "../../src/wire/frame.ts";
import { fromHex, hex } from "./compare.ts";

function drain(decoder: FrameDecoder): Uint8Array[] {
  const bodies: Uint8Array[] = [];
  for (let body = decoder.next(); body !== undefined; body = decoder.next()) bodies.push(body);
  return bodies;
}

t.test("a header is an int32, big-endian", async (t) => {
  t.equal(hex(frameHeader(0x01020304)), "01020304");
});

t.test("frames within one chunk are views of it", async (t) => {
  const chunk = fromHex("00000001 aa 00000002 bbcc 000000");
  const decoder = new FrameDecoder(10);
  decoder.push(chunk);
  const bodies = drain(decoder);
  t.same(bodies.map(hex), ["aa", "bbcc"]);
  t.ok(bodies.every((body) => body.buffer === chunk.buffer));
  decoder.push(fromHex("01dd"));
  t.same(drain(decoder).map(hex), ["dd"]);
});

t.test("frames come out whole, however they were cut, and do not change afterwards", async () => {
  const bodies = fc.array(fc.uint8Array({ minLength: 1, maxLength: 60 }), { maxLength: 12 });
  fc.assert(
    fc.property(bodies, fc.array(fc.nat(30)), fc.boolean(), (wanted, cuts, lazy) => {
      const stream = Uint8Array.from(wanted.flatMap((body) => [...frameHeader(body.length), ...body]));
      const decoder = new FrameDecoder(60);
      const found: Uint8Array[] = [];
      let at = 0;
      for (const cut of [...cuts, stream.length]) {
        decoder.push(stream.slice(at, at + cut));
        at = Math.min(at + cut, stream.length);
        if (!lazy) found.push(...drain(decoder));
      }
      found.push(...drain(decoder));
      if (JSON.stringify(found.map(hex)) !== JSON.stringify(wanted.map(hex))) throw new Error("other frames");
    }),
    { numRuns: 3_000 },
  );
});

for (const header of ["00000000", "ffffffff", "80000000", "7fffffff", "0000000b"]) {
  t.test(`a length of ${header} is refused as soon as it is there`, async (t) => {
    const decoder = new FrameDecoder(10);
    decoder.push(fromHex(`00000001aa${header.slice(0, 6)}`));
    t.same(drain(decoder).map(hex), ["aa"]);
    decoder.push(fromHex(header.slice(6)));
    t.throws(() => decoder.next(), { name: "ProtocolError" });
    t.throws(() => decoder.next(), { name: "ProtocolError" }, "and stays so");
  });
}

t.test("the largest length passes", async (t) => {
  const decoder = new FrameDecoder(10);
  decoder.push(fromHex("0000000a 00010203040506070809"));
  t.equal(decoder.next()?.length, 10);
});

t.test("memory grows with what has come, not with what was claimed", async (t) => {
  const before = process.memoryUsage().arrayBuffers;
  const decoders = Array.from({ length: 200 }, () => new FrameDecoder(1 << 24));
  for (const decoder of decoders) {
    decoder.push(frameHeader(1 << 24));
    decoder.push(Uint8Array.of(1, 2, 3));
    t.equal(decoder.next(), undefined);
  }
  t.ok(process.memoryUsage().arrayBuffers - before < 16 << 20);
});
