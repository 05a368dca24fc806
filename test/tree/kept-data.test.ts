/** A kept node's data is its own: no other node's, and not the frame's that it came in. */
import t from "tap";
import { keptData } from "../../src/tree/kept-data.ts";

const frame = Uint8Array.from({ length: 65_536 }, (_, i) => i % 251);
const lengths = [0, 1, 64, 100, 511, 512, 513, 4_000, 4_096, 10_000];

t.test("data of any length outlives its frame", async (t) => {
  const source = frame.slice();
  const kept = Array.from({ length: 500 }, (_, i) => {
    const length = lengths[i % lengths.length] ?? 0;
    return { i, length, data: keptData(source.subarray(i, i + length)) };
  });
  source.fill(0);
  t.same(
    kept.filter(({ i, length, data }) => data === undefined || Buffer.compare(data, frame.subarray(i, i + length)) !== 0),
    [],
    "what was kept is what was given",
  );
  t.same(
    kept.filter(({ length, data }) => data === undefined || data.buffer.byteLength > Math.max(length, 4_096)),
    [],
    "a frame is not kept for a part of it",
  );
});

t.test("what is most of its buffer is not copied", async (t) => {
  const whole = frame.slice(0, 300);
  t.equal(keptData(whole), whole);
  t.equal(keptData(undefined), undefined);
});
