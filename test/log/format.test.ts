/** Batches and records as bytes: what is written is read, and nothing passes under another salt, sequence, offset or predecessor. */
import t from "tap";
import { Batch } from "../../src/log/batch.ts";
import { batchHeaderBytes, getBatchHeader, RecordCursor, segmentSalt } from "../../src/log/format.ts";
import { payloadOf, zxid } from "./support.ts";

function sealed(salt: number): Uint8Array {
  const batch = new Batch(zxid(2, 7));
  for (const length of [0, 1, 5, 40_000]) batch.append(zxid(2, 8 + batch.entries), payloadOf(zxid(2, 8 + batch.entries), length));
  batch.append(zxid(3, 1), payloadOf(zxid(3, 1), 9));
  return batch.seal(8_192, 5_000, 3, salt).slice();
}

function walk(bytes: Uint8Array, salt: number, prev = zxid(2, 7)): { zxids: number[]; bad: boolean } {
  const cursor = new RecordCursor(bytes, batchHeaderBytes, bytes.length, prev, salt);
  const zxids: number[] = [];
  while (cursor.next()) {
    if (!Buffer.from(cursor.payload()).equals(payloadOf(cursor.zxid, cursor.payloadBytes))) throw new Error("wrong bytes");
    zxids.push(cursor.zxid);
  }
  return { zxids, bad: cursor.bad };
}

t.test("round trip", async (t) => {
  const salt = segmentSalt(99, 3);
  const bytes = sealed(salt);
  t.same(getBatchHeader(bytes, 0, 8_192, 3, salt), {
    bodyBytes: bytes.length - 48,
    entries: 5,
    offset: 8_192,
    durableEnd: 5_000,
    prev: zxid(2, 7),
    last: zxid(3, 1),
  });
  t.same(walk(bytes, salt), { zxids: [zxid(2, 8), zxid(2, 9), zxid(2, 10), zxid(2, 11), zxid(3, 1)], bad: false });
});

t.test("another salt, sequence, offset or predecessor", async (t) => {
  const salt = segmentSalt(99, 3);
  const bytes = sealed(salt);
  t.equal(getBatchHeader(bytes, 0, 8_192, 3, segmentSalt(99, 2)), undefined);
  t.equal(getBatchHeader(bytes, 0, 8_192, 4, salt), undefined);
  t.equal(getBatchHeader(bytes, 0, 4_096, 3, salt), undefined);
  t.equal(getBatchHeader(bytes.subarray(0, 47), 0, 8_192, 3, salt), undefined);
  t.same(walk(bytes, segmentSalt(99, 2)), { zxids: [], bad: true });
  t.same(walk(bytes, salt, zxid(2, 6)), { zxids: [], bad: true });
  t.same(walk(bytes.subarray(0, bytes.length - 1), salt).bad, true);
});

t.test("a reused buffer writes what a new one does", async (t) => {
  const batch = new Batch(zxid(1, 1));
  batch.append(zxid(1, 2), payloadOf(zxid(1, 2), 100_000));
  batch.seal(0, 0, 1, 5);
  batch.restart(zxid(2, 7));
  for (const length of [0, 1, 5, 40_000]) batch.append(zxid(2, 8 + batch.entries), payloadOf(zxid(2, 8 + batch.entries), length));
  batch.append(zxid(3, 1), payloadOf(zxid(3, 1), 9));
  t.ok(Buffer.from(batch.seal(8_192, 5_000, 3, 77)).equals(sealed(77)));
});

t.test("every segment of a log has a salt of its own", async (t) => {
  const salts = new Set<number>();
  for (let sequence = 1; sequence <= 100_000; sequence += 1) salts.add(segmentSalt(0x1234_5678, sequence));
  t.equal(salts.size, 100_000);
});
