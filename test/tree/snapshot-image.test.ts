import t from "tap";
import { tinyLimits } from "../../src/model/limits.ts";
import { TokenSource } from "../../src/model/tokens.ts";
import type { Zxid } from "../../src/model/zxid.ts";
import { SnapshotSink, SnapshotSource } from "../../src/tree/snapshot-image.ts";
import { openStore, type WriteBehindStore } from "../../src/tree/write-behind-store.ts";
import { SimKeyValue } from "../sim/key-value.ts";
import { Random } from "../sim/random.ts";
import { plainNode, randomBytes } from "./store-model.ts";

const firstKey = Uint8Array.of(0);
const endKey = Uint8Array.of(255, 255);

function open(kv: SimKeyValue): WriteBehindStore {
  const opening = openStore({ kv, tokens: new TokenSource(), limits: tinyLimits });
  if (opening.type !== "ok") throw new Error(opening.reason);
  return opening.store;
}

function newKeyValue(): SimKeyValue {
  return new SimKeyValue(new Random(3), { commitMsMax: 0, syncMsMax: 0 });
}

function fill(kv: SimKeyValue, count: number, zxid: number): WriteBehindStore {
  const random = new Random(4);
  const store = open(kv);
  for (let i = 0; i < count; i += 1) store.put(`/n${i}`, plainNode(i, randomBytes(random, random.pick([0, 10, 200, 2_000]))));
  store.putRecord("session/1", Uint8Array.of(1));
  store.setApplied(zxid as Zxid);
  store.flush(0);
  for (const event of kv.advance(0))
    event.type === "storeCommitted" ? store.onStoreCommitted(event.token) : store.onStoreSynced(event.token);
  return store;
}

t.test("an image arrives whole, in bounded parts, while the source goes on", (t) => {
  const from = newKeyValue();
  const store = fill(from, 300, 41);
  const wanted = from.range(firstKey, endKey, 10_000);
  const source = new SnapshotSource(from, tinyLimits.snapshot_chunk_bytes);
  t.equal(source.zxid, 41);
  const to = newKeyValue();
  const sink = new SnapshotSink(to, new TokenSource());
  let parts = 0;
  for (;;) {
    const part = source.next();
    parts += 1;
    const bytes = part.pairs.reduce((sum, [key, value]) => sum + key.length + value.length, 0);
    const last = part.pairs.at(-1);
    t.ok(
      part.pairs.length > 0 && bytes - (last?.[1].length ?? 0) - (last?.[0].length ?? 0) < tinyLimits.snapshot_chunk_bytes,
      "bounded",
    );
    t.equal(sink.write(part.pairs), undefined);
    t.ok(sink.pending > 0);
    store.put(`/later${parts}`, plainNode(parts));
    store.setApplied((100 + parts) as Zxid);
    if (!store.flushing) store.flush(0);
    for (const event of from.advance(0))
      event.type === "storeCommitted" ? store.onStoreCommitted(event.token) : store.onStoreSynced(event.token);
    if (part.done) break;
    t.equal(sink.synced, false);
  }
  source.release();
  t.equal(from.images, 0);
  t.ok(parts > 20);
  t.equal(sink.synced, false);
  while (sink.pending > 0) {
    for (const event of to.advance(0))
      t.ok(event.type === "storeCommitted" ? sink.onStoreCommitted(event.token) : sink.onStoreSynced(event.token));
  }
  t.equal(sink.synced, true);
  t.same(to.range(firstKey, endKey, 10_000), wanted);
  const copy = open(to);
  t.equal(copy.appliedZxid, 41);
  t.equal(copy.flushedZxid, 0, "it has synced nothing itself");
  t.ok(copy.shouldFlush(0), "which it does at once");
  t.equal(copy.get("/n7")?.czxid, 7);
  t.equal(copy.get("/later1"), undefined);
  t.end();
});

t.test("a snapshot that was cut short does not open", (t) => {
  const from = newKeyValue();
  fill(from, 50, 41);
  const source = new SnapshotSource(from, 512);
  const to = newKeyValue();
  const sink = new SnapshotSink(to, new TokenSource());
  sink.write(source.next().pairs);
  to.advance(0);
  t.equal(openStore({ kv: to, tokens: new TokenSource(), limits: tinyLimits }).type, "damaged");
  t.throws(() => new SnapshotSink(to, new TokenSource()), { message: /empty store/ });
  t.end();
});

t.test("a store that was never flushed is an image at zxid 0", (t) => {
  const source = new SnapshotSource(newKeyValue(), 512);
  t.equal(source.zxid, 0);
  const part = source.next();
  t.equal(part.done, true);
  const to = newKeyValue();
  const sink = new SnapshotSink(to, new TokenSource());
  sink.write(part.pairs);
  for (const event of to.advance(0)) if (event.type === "storeSynced") sink.onStoreSynced(event.token);
  t.equal(sink.synced, true);
  t.equal(open(to).appliedZxid, 0);
  t.end();
});

t.test("damage is found before it is sent, and before it is taken", (t) => {
  const from = newKeyValue();
  fill(from, 3, 5);
  const pairs = from.range(firstKey, endKey, 10);
  from.flip((pairs[2] as (typeof pairs)[number])[0], 77);
  const source = new SnapshotSource(from, 1 << 20);
  t.throws(() => source.next(), { message: /fails its checksum/ });
  const to = newKeyValue();
  const sink = new SnapshotSink(to, new TokenSource());
  t.match(sink.write(from.range(firstKey, endKey, 10)), /fails its checksum/);
  t.equal(sink.pending, 0);
  t.match(sink.write([...pairs].reverse()), /out of order/);
  t.equal(sink.write(pairs), undefined);
  t.match(sink.write(pairs), /out of order/);
  t.end();
});
