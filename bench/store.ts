/**
 * The tree store over LMDB in one process, as a server has it: load, random updates, reads, children,
 * memory. `npx tsx bench/store.ts [nodes] [directory]`. Times are of this process; "loop" is the longest
 * time in which the loop's thread did not come round, which is what a heartbeat would have waited.
 */
import { mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { LmdbKeyValue } from "../server/lmdb.ts";
import { productionLimits } from "../src/model/limits.ts";
import { TokenSource } from "../src/model/tokens.ts";
import type { Zxid } from "../src/model/zxid.ts";
import type { Znode } from "../src/tree/store.ts";
import { openStore, type WriteBehindStore } from "../src/tree/write-behind-store.ts";

const nodes = Number(process.argv[2] ?? 1_000_000);
const directory = mkdtempSync(join(process.argv[3] ?? tmpdir(), "zabra-bench-store-"));
const perDirectory = 1_000;
const dataBytes = 100;
/** Puts between two looks at the event loop. */
const turnPuts = 500;

let zxid = 0x1_0000_0000;
let state = 12_345;

function draw(n: number): number {
  state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
  return Math.floor((state / 0x1_0000_0000) * n);
}

function pathOf(index: number): string {
  return `/app/dir${String(Math.floor(index / perDirectory)).padStart(6, "0")}/node-${String(index % perDirectory).padStart(10, "0")}`;
}

function newNode(): Znode {
  zxid += 1;
  const at = zxid as Zxid;
  const nowMs = Date.now();
  return {
    data: new Uint8Array(dataBytes).fill(zxid & 0xff),
    acl: 1,
    kind: "persistent",
    owner: 0,
    ttlMs: 0,
    czxid: at,
    mzxid: at,
    pzxid: at,
    ctimeMs: nowMs,
    mtimeMs: nowMs,
    stampMs: zxid - 0x1_0000_0000,
    version: 0,
    aversion: 0,
    childCreates: 0,
    numChildren: 0,
    descendants: 0,
    bytesBelow: 0,
    hashHigh: Math.imul(zxid, 2_654_435_761),
    hashLow: zxid | 0,
  };
}

function memory(): string {
  const status = readFileSync("/proc/self/status", "utf8");
  const of = (name: string): number => Math.round(Number(new RegExp(`${name}:\\s+(\\d+)`).exec(status)?.[1] ?? 0) / 1_024);
  const { heapTotal, heapUsed, arrayBuffers } = process.memoryUsage();
  const heap = `heap ${Math.round(heapUsed / 1e6)} of ${Math.round(heapTotal / 1e6)} MB, buffers ${Math.round(arrayBuffers / 1e6)} MB`;
  return `RssAnon ${of("RssAnon")} MB (${heap}), RssFile ${of("RssFile")} MB`;
}

function report(what: string, count: number, startMs: number, startCpu: NodeJS.CpuUsage): void {
  const ms = performance.now() - startMs;
  const cpu = process.cpuUsage(startCpu);
  const cpuUs = (cpu.user + cpu.system) / count;
  console.log(
    `${what}: ${((ms * 1_000) / count).toFixed(2)} µs each, ${cpuUs.toFixed(2)} µs of CPU, loop ${longestMs.toFixed(1)} ms, ${memory()}`,
  );
}

let store: WriteBehindStore;
let longestMs = 0;
let lastTurnMs = performance.now();
let flushes = 0;

const kv = new LmdbKeyValue(join(directory, "store-1"), (event) => {
  if (event.type === "storeFailed") throw new Error(event.reason);
  if (event.type === "storeCommitted") store.onStoreCommitted(event.token);
  if (event.type === "storeSynced" && store.onStoreSynced(event.token)) flushes += 1;
});

/** The end of a turn: flush when it is time, and let events in. */
async function turn(): Promise<void> {
  store.setApplied(zxid as Zxid);
  const nowMs = performance.now();
  if (store.shouldFlush(nowMs)) store.flush(nowMs);
  longestMs = Math.max(longestMs, performance.now() - lastTurnMs);
  await new Promise((resolve) => setImmediate(resolve));
  while (store.congested) await new Promise((resolve) => setImmediate(resolve));
  lastTurnMs = performance.now();
}

async function settle(): Promise<void> {
  while (store.flushedZxid < store.appliedZxid) {
    if (!store.flushing || store.shouldFlush(0)) store.flush(0);
    await new Promise((resolve) => setImmediate(resolve));
  }
  lastTurnMs = performance.now();
}

async function puts(what: string, count: number, path: (i: number) => string): Promise<void> {
  longestMs = 0;
  lastTurnMs = performance.now();
  flushes = 0;
  const startMs = performance.now();
  const startCpu = process.cpuUsage();
  for (let i = 0; i < count; i += 1) {
    store.put(path(i), newNode());
    if (i % turnPuts === turnPuts - 1) await turn();
  }
  await settle();
  report(`${what} (${flushes} flushes)`, count, startMs, startCpu);
}

function reads(what: string, count: number, read: (i: number) => void): void {
  longestMs = 0;
  const startMs = performance.now();
  const startCpu = process.cpuUsage();
  for (let i = 0; i < count; i += 1) read(i);
  report(what, count, startMs, startCpu);
}

const opening = openStore({ kv, tokens: new TokenSource(), limits: productionLimits });
if (opening.type !== "ok") throw new Error(opening.reason);
store = opening.store;
console.log(`${nodes} znodes of ${dataBytes} bytes in ${directory}; ${memory()}`);
await puts("load in order", nodes, pathOf);
reads("get, random", 300_000, () => store.get(pathOf(draw(nodes))));
reads("get, one of 1,000", 300_000, () => store.get(pathOf(draw(1_000))));
reads("get, absent", 300_000, (i) => store.get(`/app/dir000000/absent-${i}`));
reads("children, page of 100", 10_000, () =>
  store.children(`/app/dir${String(draw(Math.floor(nodes / perDirectory))).padStart(6, "0")}`, "", 100),
);
await puts("update random", Math.min(nodes, 500_000), () => pathOf(draw(nodes)));
await puts("update one of 1,000", 300_000, () => pathOf(draw(1_000)));
await puts("update random again", Math.min(nodes, 500_000), () => pathOf(draw(nodes)));
reads("get, random", 300_000, () => store.get(pathOf(draw(nodes))));
const file = statSync(join(directory, "store-1", "data.mdb"));
console.log(`file ${Math.round((file.blocks * 512) / 1e6)} MB on disk; ${memory()}`);
kv.close();
await kv.closed;
rmSync(directory, { recursive: true, force: true });
