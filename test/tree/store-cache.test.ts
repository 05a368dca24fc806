import t from "tap";
import type { Znode } from "../../src/tree/store.ts";
import { ZnodeCache } from "../../src/tree/store-cache.ts";
import { blankZnode } from "../../src/tree/znode.ts";

const node = (version: number, bytes = 0): Znode => ({ ...blankZnode, version, data: new Uint8Array(bytes) });

t.test("a node that is kept is replaced, another is not taken in", async (t) => {
  const cache = new ZnodeCache(8, 1 << 20);
  cache.set("/a", node(1));
  cache.replace("/a", node(2));
  cache.replace("/b", node(2));
  t.equal(cache.get("/a")?.version, 2);
  t.equal(cache.get("/b"), undefined);
});

t.test("one that has become old is replaced too", async (t) => {
  const cache = new ZnodeCache(4, 1 << 20);
  cache.set("/a", node(1));
  cache.set("/b", node(1));
  cache.set("/c", node(1));
  cache.replace("/a", node(2));
  t.equal(cache.get("/a")?.version, 2);
  cache.delete("/a");
  t.equal(cache.get("/a"), undefined);
});

t.test("a value that has grown too large is forgotten, not served as it was", async (t) => {
  for (const others of [0, 1]) {
    const cache = new ZnodeCache(4, 4_000);
    cache.set("/a", node(1));
    for (let i = 0; i <= others; i += 1) cache.set(`/other${i}`, node(1));
    cache.replace("/a", node(2, 3_000));
    t.equal(cache.get("/a"), undefined);
  }
});
