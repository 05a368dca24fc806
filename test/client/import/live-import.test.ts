/**
 * The live import, from one Zabra server's ZooKeeper port into another server: while the source is written, over
 * cut connections, interrupted and taken up again. Against ZooKeeper itself: test/foreign/import.foreign.ts.
 */
import t, { type Test } from "tap";
import type { LiveImport, LiveProgress, LiveResult } from "../../../client/import/live-import.ts";
import { exportTree, importLive, type LiveImportRun } from "../../../client/import/run.ts";
import { type Client, connect } from "../../../client/index.ts";
import { type Server, startServer } from "../../../server/index.ts";
import { LinkProxy } from "../../support/link-proxy.ts";

t.setTimeout(900_000);

interface Pair {
  readonly source: Server;
  readonly from: Client;
  readonly target: Server;
  readonly into: Client;
  readonly proxy: LinkProxy;
}

async function pair(t: Test, foundAboveEpoch = 5): Promise<Pair> {
  const source = await startServer();
  const target = await startServer({ foundAboveEpoch });
  await Promise.all([source.ready(), target.ready()]);
  const [from, into] = [await connect(source.url), await connect(target.url)];
  const proxy = await LinkProxy.start(Number(source.zookeeper?.split(":")[1]));
  t.teardown(async () => {
    await Promise.all([from.close(), into.close()]);
    await Promise.all([source.close(), target.close(), proxy.close()]);
  });
  return { source, from, target, into, proxy };
}

async function fill(client: Client): Promise<void> {
  const creates = [client.create("/app", "top")];
  for (let i = 0; i < 20; i += 1) {
    creates.push(client.create(`/app/d${i}`, undefined));
    for (let j = 0; j < 10; j += 1) creates.push(client.create(`/app/d${i}/n${j}`, `${i} ${j}`));
  }
  creates.push(client.create("/app/empty", ""));
  creates.push(client.create("/app/seen", "x", { acl: [{ perms: 31, scheme: "ip", id: "127.0.0.1" }] }));
  creates.push(client.create("/app/here", "", { kind: "ephemeral" }));
  creates.push(client.create("/app/seq"));
  await Promise.all(creates);
  for (let i = 0; i < 5; i += 1) await client.delete((await client.create("/app/seq/s-", "", { sequential: true })).path);
}

/** An import under way; `phase` resolves when it is first in a phase after the call. */
class Running {
  live: LiveImport | undefined;
  readonly result: Promise<LiveResult>;
  readonly phases: string[] = [];
  #waiting: { readonly phase: string; readonly resolve: () => void }[] = [];

  constructor({ into, proxy }: Pair, options: Partial<LiveImportRun> = {}) {
    this.result = importLive({
      client: into,
      to: "/",
      hosts: [{ host: "127.0.0.1", port: proxy.port }],
      top: "/",
      auth: [],
      kindsFrom: undefined,
      kindsLogFrom: undefined,
      watch: true,
      rescanMs: 20,
      onProgress: (progress) => this.#onProgress(progress),
      onStarted: (live) => {
        this.live = live;
      },
      ...options,
    });
    this.result.catch(() => {});
  }

  phase(phase: string): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ phase, resolve });
      this.result.catch(reject);
    });
  }

  #onProgress({ phase }: LiveProgress): void {
    if (this.phases.at(-1) !== phase) this.phases.push(phase);
    for (const one of this.#waiting) if (one.phase === phase) one.resolve();
    this.#waiting = this.#waiting.filter((one) => one.phase !== phase);
  }
}

/** All but the head, which has the zxid. */
async function linesOf(client: Client, path = "/"): Promise<string[]> {
  const lines: string[] = [];
  for await (const line of exportTree(client, path)) lines.push(line.replace(/,"creates":\d+/, ""));
  return lines.slice(1);
}

async function change(client: Client, round: string): Promise<void> {
  await client.create(`/app/new-${round}`, round);
  await client.create(`/app/new-${round}/below`, round);
  await client.set("/app/d1/n1", `set ${round}`);
  await client.delete("/app/d2/n2");
  await client.create("/app/d2/n2", `again ${round}`);
  await client.deleteRecursive(`/app/d${round.length + 2}`);
  await client.setAcl("/app/d1", [
    { perms: 31, scheme: "world", id: "anyone" },
    { perms: 1, scheme: "ip", id: `10.0.0.${round.length}` },
  ]);
}

t.test("copies, follows over a cut connection, cuts over", async (t) => {
  const both = await pair(t);
  const { from, into, proxy } = both;
  await fill(from);
  const run = new Running(both);
  await run.phase("following");
  await change(from, "a");
  // Followed, before there is any talk of a cut-over: the last of the changes that fire a watch is there.
  while ((await into.exists("/app/d3")) !== undefined) await run.phase("following");
  t.equal((await into.get("/app/d1/n1")).text, "set a");
  t.equal((await into.get("/app/d2/n2")).text, "again a");
  t.equal((await into.get("/app/new-a/below")).text, "a");
  const lost = run.phase("lost");
  proxy.cut();
  await change(from, "bb");
  await lost;
  await run.phase("following");
  await change(from, "ccc");
  run.live?.cutOver();
  const result = await run.result;
  t.strictSame(await linesOf(into), await linesOf(from));
  t.equal(`{"end":"${result.digest}"}\n`, (await linesOf(from)).at(-1));
  t.ok(result.targetEpoch > 5, "the epoch it was founded above");
  t.equal(await into.exists("/app/here"), undefined, "ephemerals stay behind");
  t.equal((await into.create("/app/seq/s-", "", { sequential: true })).path, "/app/seq/s-0000000005");
  t.strictSame((await into.children("/zookeeper")).names, ["config", "quota"], "nothing marks the import any more");
});

t.test("what is told while the tree is scanned is not lost", async (t) => {
  const both = await pair(t);
  const { from, into } = both;
  await fill(from);
  const run = new Running(both);
  let writing = true;
  const writer = (async () => {
    for (let i = 0; writing; i += 1) {
      await from.set("/app/d1/n1", `busy ${i}`);
      await from.create(`/app/d1/busy${i}`, `${i}`);
      if (i > 3) await from.delete(`/app/d1/busy${i - 3}`);
    }
  })();
  await run.phase("following");
  await run.phase("following");
  writing = false;
  await writer;
  run.live?.cutOver();
  await run.result;
  t.strictSame(await linesOf(into), await linesOf(from));
});

t.test("without a watch, by scanning; a part of the tree, to another place", async (t) => {
  const both = await pair(t);
  const { from, into } = both;
  await fill(from);
  const run = new Running(both, { watch: false, top: "/app", to: "/moved/here" });
  await run.phase("following");
  await change(from, "a");
  await run.phase("scanning");
  await run.phase("following");
  t.equal((await into.get("/moved/here/d1/n1")).text, "set a");
  run.live?.cutOver();
  await run.result;
  t.strictSame(await linesOf(into, "/moved/here"), await linesOf(from, "/app"));
});

t.test("stopped and taken up again; only with the same source", async (t) => {
  const both = await pair(t);
  const { from, into } = both;
  await fill(from);
  const first = new Running(both);
  await first.phase("following");
  first.live?.stop();
  await t.rejects(first.result, /stopped before the cut-over/);
  await from.set("/app/d1/n1", "meanwhile");
  await from.deleteRecursive("/app/d3");
  await t.rejects(new Running(both, { top: "/app" }).result, /another import into this ensemble was not finished/);
  await t.rejects(new Running(both).result, /is running, or died less than a session timeout ago/);
  await into.delete("/zookeeper/import/running");
  const second = new Running(both);
  await second.phase("scanning");
  second.live?.cutOver();
  const { written } = await second.result;
  t.ok(written < 50, `${written} writes: only what differs`);
  t.strictSame(await linesOf(into), await linesOf(from));
});

t.test("a target that lost nodes by itself, as empty containers and TTL nodes go, gets them again", async (t) => {
  const both = await pair(t);
  const { from, into } = both;
  await fill(from);
  const run = new Running(both);
  await run.phase("following");
  await into.delete("/app/empty");
  const read = run.phase("scanning");
  // Has no parent there.
  await from.create("/app/empty/below", "");
  await read;
  await run.phase("following");
  t.ok(await into.exists("/app/empty/below"));
  await into.deleteRecursive("/app/d5");
  run.live?.cutOver();
  await run.result;
  t.strictSame(await linesOf(into), await linesOf(from));
});

t.test("refusals say what to do", async (t) => {
  const both = await pair(t, 0);
  const { from, into } = both;
  await fill(from);
  await t.rejects(new Running(both).result, /the target's epoch is 1 and the source's 1: .*--found-above-epoch 1001/);
  await into.deleteRecursive("/zookeeper/import");
  await t.rejects(new Running(both, { top: "/none" }).result, /the source has no node \/none/);
  await into.deleteRecursive("/zookeeper/import");
  await into.create("/mine", "");
  await t.rejects(new Running(both).result, /is not empty \(it holds mine\)/);
});

t.test("a node that we may not read ends the import with the way out", async (t) => {
  const both = await pair(t);
  const { from } = both;
  await from.create("/shut", "", { acl: [{ perms: 1, scheme: "digest", id: "u:Jq7wMyA/w2Vd5WIDAKdu4OIIFEQ=" }] });
  await t.rejects(new Running(both).result, /does not let us read \/shut; authenticate/);
});

t.test("of two importers one is fenced", async (t) => {
  const both = await pair(t);
  const { from, into } = both;
  await fill(from);
  const run = new Running(both);
  await run.phase("following");
  await into.delete("/zookeeper/import/running");
  await into.create("/zookeeper/import/running", "", { kind: "ephemeral" });
  await from.set("/app/d1/n1", "late");
  await t.rejects(run.result, /another import has taken over/);
});
