/** The frame of the manifest and of epoch records: no damage of one or two places passes, or looks like a newer version. */
import t from "tap";
import { type FileFormat, frameFile, readFrame } from "../../src/log/framed-file.ts";
import { crc32c } from "../../src/model/crc32c.ts";

const format: FileFormat = { magic: 0x31_32_33_34, version: 7, summedWholeSince: 6 };
const body = Uint8Array.from({ length: 40 }, (_, i) => i);

t.test("what was framed is read", async (t) => {
  t.same(readFrame(format, frameFile(format, body)), { type: "ok", version: 7, body });
  t.same(readFrame(format, frameFile(format, new Uint8Array(0))), { type: "ok", version: 7, body: new Uint8Array(0) });
});

t.test("a newer version is told from damage", async (t) => {
  t.match(readFrame(format, frameFile({ ...format, version: 9 }, body)), { type: "ok", version: 9 });
  t.match(readFrame({ ...format, magic: 1 }, frameFile(format, body)), { type: "bad", reason: "is of another kind" });
});

t.test("an older frame, summed the older way, is read", async (t) => {
  const bytes = frameFile({ ...format, version: 5 }, body);
  t.match(readFrame(format, bytes), { type: "bad" });
  new DataView(bytes.buffer).setUint32(12, crc32c(body, 5), true);
  t.match(readFrame(format, bytes), { type: "ok", version: 5, body });
});

t.test("every cut, every flipped bit, and the same flip at two places are refused", async (t) => {
  const good = frameFile(format, body);
  const passed: string[] = [];
  for (let cut = 0; cut < good.length; cut += 1)
    if (readFrame(format, good.subarray(0, cut)).type !== "bad") passed.push(`cut at ${cut}`);
  for (let first = 0; first < good.length; first += 1)
    for (let second = first; second < good.length; second += 1)
      for (let mask = 1; mask < 256; mask <<= 1) {
        const hurt = good.slice();
        hurt[first] = (hurt[first] ?? 0) ^ mask;
        if (second > first) hurt[second] = (hurt[second] ?? 0) ^ mask;
        if (readFrame(format, hurt).type !== "bad") passed.push(`${mask} at ${first} and ${second}`);
      }
  t.same(passed, []);
});
