import { rmSync, statSync } from "node:fs";
import { LmdbKeyValue } from "../server/lmdb.ts";
const dir = "/tmp/lmdb-try"; rmSync(dir, { recursive: true, force: true });
const waits = new Map<number, () => void>();
const kv = new LmdbKeyValue(dir, (e) => { if (e.type === "storeSynced") waits.get(e.token)?.(); else if (e.type === "storeFailed") { console.log(e); process.exit(1); } });
let token = 0;
const commit = (writes: any) => new Promise<void>((r) => { waits.set(++token, r); kv.commit(writes, token); });
const key = (i: number) => Buffer.from("\x02/n\0" + String(i).padStart(8, "0"));
const val = (i: number, v: number) => Buffer.concat([Buffer.from(`${i}:${v}`), Buffer.alloc(i % 97 === 0 ? 20000 : 120)]);
const version = new Map<number, number>();
let n = 0;
const images: any[] = [];
let reads = 0;
for (let round = 0; round < 60; round++) {
  const w = [];
  const next = new Map<number, number>();
  for (let j = 0; j < 10000; j++) { const i = round < 30 ? n++ : Math.floor(Math.random() * n); next.set(i, round); }
  for (const [i, v] of next) w.push({ key: key(i), value: val(i, v) });
  const p = commit(w);
  let done = false; void p.then(() => { done = true; });
  while (!done) {
    for (let k = 0; k < 200; k++) { const i = Math.floor(Math.random() * n); const got = kv.get(key(i)); if (got === undefined) { if (version.has(i)) throw new Error("missing " + i); } else { const s = Buffer.from(got.subarray(0, 20)).toString().split("\0")[0]!; const [a, b] = s.split(":").map(Number); if (a !== i || (b !== version.get(i) && b !== next.get(i))) throw new Error(`bad ${i} ${s} want ${version.get(i)} or ${next.get(i)}`); } reads++; }
    for (const im of images) for (let k = 0; k < 20; k++) { const i = Math.floor(Math.random() * im.n); const got = im.image.get(key(i)); const s = Buffer.from(got.subarray(0, 20)).toString().split("\0")[0]!; if (Number(s.split(":")[1]) !== im.version.get(i)) throw new Error("image"); reads++; }
    await new Promise((r) => setImmediate(r));
  }
  for (const [i, v] of next) version.set(i, v);
  for (const [i, v] of [...next].slice(0, 50)) { const got = kv.get(key(i))!; if (!Buffer.from(got.subarray(0, 20)).toString().startsWith(`${i}:${v}\0`)) throw new Error("stale after synced"); }
  if (round % 7 === 3) images.push({ image: kv.image(), n, version: new Map(version) });
  if (images.length > 3) images.shift().image.release();
}
const s = statSync(dir + "/data.mdb"); console.log("reads", reads, "size", s.size / 2 ** 20, "alloc", s.blocks * 512 / 2 ** 20);
kv.close(); await kv.closed; console.log("closed");
rmSync(dir, { recursive: true, force: true });
