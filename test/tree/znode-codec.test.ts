import t from "tap";
import type { Znode } from "../../src/tree/store.ts";
import { describeKey, nodeKey, recordKey } from "../../src/tree/store-keys.ts";
import {
  decodeRecord,
  decodeZnode,
  encodeRecord,
  encodeZnode,
  isSound,
  sealValue,
  znodeBytesMax,
} from "../../src/tree/znode-codec.ts";
import { Random } from "../sim/random.ts";
import { plainNode, randomBytes, randomNode } from "./store-model.ts";

/** Encoded between other bytes, as in an arena. */
function znodeValue(key: Uint8Array, node: Znode): Uint8Array {
  const bytes = new Uint8Array(znodeBytesMax(node) + 10).fill(0xaa);
  const end = encodeZnode(node, bytes, 5);
  sealValue(key, bytes, 5, end);
  return bytes.subarray(5, end);
}

t.test("a znode is read back as it was", (t) => {
  const random = new Random(1);
  const key = nodeKey("/a/b");
  const written = Array.from({ length: 5_000 }, () => randomNode(random)).map((node) => ({ node, value: znodeValue(key, node) }));
  for (const { node, value } of written) {
    const read = decodeZnode(key, value);
    if (JSON.stringify(read) !== JSON.stringify(node)) t.same(read, node);
    if (Object.is(read.data?.buffer, value.buffer)) t.fail("data must be copied");
  }
  t.end();
});

t.test("a plain node of 100 bytes takes at most 145", (t) => {
  t.ok(znodeValue(nodeKey("/a/b"), plainNode(4_294_967_299, new Uint8Array(100))).length <= 145);
  t.end();
});

t.test("data larger than a chunk", (t) => {
  const data = randomBytes(new Random(2), 1 << 20);
  const key = nodeKey("/big");
  const read = decodeZnode(key, znodeValue(key, plainNode(1, data))).data;
  t.ok(read !== undefined && Buffer.from(read).equals(data));
  t.end();
});

t.test("every flipped bit, every cut and every other key is damage", (t) => {
  const key = nodeKey("/a/b");
  const value = znodeValue(key, plainNode(7, Uint8Array.of(1, 2, 3)));
  t.ok(isSound(key, value));
  for (let bit = 0; bit < value.length * 8; bit += 1) {
    const flipped = value.slice();
    flipped[bit >> 3] = (flipped[bit >> 3] as number) ^ (1 << (bit & 7));
    if (isSound(key, flipped)) t.fail(`bit ${bit}`);
    t.throws(() => decodeZnode(key, flipped), { message: /znode \/a\/b fails its checksum/, name: "InvariantError" });
  }
  for (let length = 0; length < value.length; length += 1) t.notOk(isSound(key, value.subarray(0, length)));
  t.notOk(isSound(nodeKey("/a/c"), value));
  t.end();
});

t.test("numbers that cannot be stored are refused where they come in", (t) => {
  for (const wrong of [0.5, -1, Number.NaN, Infinity]) {
    t.throws(() => znodeValue(nodeKey("/a"), { ...plainNode(1), ctimeMs: wrong }), { name: "InvariantError" });
  }
  t.end();
});

t.test("records, and keys in words", (t) => {
  const key = recordKey("session/9");
  const bytes = new Uint8Array(5);
  sealValue(key, bytes, 0, encodeRecord(Uint8Array.of(5), bytes, 0));
  t.same(decodeRecord(key, bytes), Uint8Array.of(5));
  t.equal(describeKey(key), "record session/9");
  t.equal(describeKey(nodeKey("/ä/€")), "znode /ä/€");
  t.equal(describeKey(nodeKey("/")), "znode /");
  t.equal(describeKey(nodeKey("/a")), "znode /a");
  t.end();
});
