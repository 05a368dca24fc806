/**
 * Damaged LMDB files of a real server in a real ensemble: whatever the damage does to it (an error, SIGBUS, SIGSEGV), a supervisor that only
 * starts it again, without `--rejoin`, gets it back with all its data, from its own log or from a leader.
 */
import { closeSync, mkdtempSync, openSync, readdirSync, rmSync, statSync, truncateSync, writeFileSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import t from "tap";
import { connect } from "../../client/index.ts";
import { ProcessEnsemble } from "./process-ensemble.ts";

t.setTimeout(900_000);

const victim = 1;
const pageBytes = 8_192;
const startsMax = 8;
/** Of 20 ms and more. */
const pollsMax = 3_000;
/** The log soon begins after the ensemble's beginning, so a lost tree must come from a leader. */
const shortHistory = { log_segment_bytes: 65_536, history_txns_min: 50, history_bytes_min: 65_536, history_bytes_max: 1 << 18 };
const quickFlushes = { flush_interval_ms: 100 };

type Tap = Pick<typeof t, "equal" | "match" | "teardown">;
type Client = Awaited<ReturnType<typeof connect>>;

interface Damage {
  readonly name: string;
  readonly damage: (file: string) => void;
  readonly told: RegExp;
}

/** Reading what is missing ends a process with SIGBUS. */
const cut: Damage = {
  name: "a file cut in the middle",
  damage: (file) => truncateSync(file, statSync(file).size >> 1),
  told: /tree store is damaged/,
};
/** lmdb-js would end the process with SIGSEGV at opening. */
const zeros: Damage = {
  name: "a first page of zeros",
  damage: (file) => overwrite(file, 0, new Uint8Array(512)),
  told: /meta page 0 of data\.mdb is not LMDB's/,
};
const garbage: Damage = {
  name: "garbage in all pages but the first two",
  damage: (file) => overwrite(file, 2 * pageBytes, new Uint8Array(statSync(file).size - 2 * pageBytes).fill(0x5a)),
  told: /tree store is damaged/,
};

function overwrite(file: string, offset: number, bytes: Uint8Array): void {
  const fd = openSync(file, "r+");
  writeSync(fd, bytes, 0, bytes.length, offset);
  closeSync(fd);
}

async function startEnsemble(t: Tap, limits: object): Promise<ProcessEnsemble> {
  const directory = mkdtempSync(join(tmpdir(), "zabra-lost-"));
  const file = join(directory, "config.json");
  writeFileSync(file, JSON.stringify({ limits: { ...quickFlushes, ...limits } }));
  const ensemble = await ProcessEnsemble.start({ args: ["--config", file], directory });
  t.teardown(async () => {
    await ensemble.close();
    rmSync(directory, { recursive: true, force: true });
  });
  return ensemble;
}

async function write(client: Client, prefix: string, count: number): Promise<void> {
  await client.ensurePath(`/${prefix}`);
  const creations: Promise<unknown>[] = [];
  for (let i = 0; i < count; i += 1) creations.push(client.create(`/${prefix}/n${i}`, "d".repeat(300)));
  await Promise.all(creations);
}

async function waitFlushed(ensemble: ProcessEnsemble, id: number): Promise<void> {
  for (;;) {
    const status = await ensemble.status(id);
    if (status !== undefined && status.flushedZxid === status.lastAppliedZxid) return;
    await delay(20);
  }
}

/** Starts the server again whenever it ends, until it has made up for its tree and serves; what it printed. */
async function supervise(ensemble: ProcessEnsemble, id: number): Promise<string> {
  const member = ensemble.member(id);
  member.output = "";
  let polls = 0;
  for (let starts = 1; starts <= startsMax && polls < pollsMax; starts += 1) {
    ensemble.startServer(id);
    for (; member.child !== undefined && polls < pollsMax; polls += 1) {
      const ready = await fetch(`${ensemble.httpUrl(id)}/readyz`).then(
        (response) => response.ok,
        () => false,
      );
      if (ready && /the tree (is built again|must come)/.test(member.output)) return member.output;
      await delay(20);
    }
  }
  throw new Error(`server ${id} does not come back\n${ensemble.outputs()}`);
}

async function loseAndReturn(t: Tap, ensemble: ProcessEnsemble, { name, damage, told }: Damage, how: string): Promise<void> {
  const others = ensemble.urls.filter((_, index) => index !== victim - 1);
  const client = await connect(others);
  const prefix = name.replaceAll(/\W+/g, "-");
  await write(client, prefix, 300);
  await waitFlushed(ensemble, victim);
  await ensemble.signal(victim, "SIGKILL");
  damage(join(ensemble.dataDirectory(victim), storeOf(ensemble), "data.mdb"));
  const output = await supervise(ensemble, victim);
  t.match(output, told, name);
  t.match(output, new RegExp(how), name);
  const there = await connect([ensemble.urls[victim - 1] ?? ""]);
  t.equal((await there.children(`/${prefix}`)).names.length, 300, name);
  t.equal((await there.get(`/${prefix}/n299`, { level: "session" })).text, "d".repeat(300), name);
  await Promise.all([client.close(), there.close()]);
}

function storeOf(ensemble: ProcessEnsemble): string {
  const stores = readdirSync(ensemble.dataDirectory(victim)).filter((name) => name.startsWith("store-"));
  return stores.at(-1) ?? "";
}

t.test("a damaged tree comes back from a leader", async (t) => {
  const ensemble = await startEnsemble(t, shortHistory);
  for (const each of [cut, garbage]) await loseAndReturn(t, ensemble, each, "the tree must come from a leader");
});

t.test("a damaged tree comes back from the server's own log", async (t) => {
  const ensemble = await startEnsemble(t, {});
  await loseAndReturn(t, ensemble, zeros, "the tree is built again from the log");
});
