/** Moving in from a real ZooKeeper, small: live, from its files in every compression, and back out as text. */
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import t, { type Test } from "tap";
import { connect } from "../../client/index.ts";
import { command, ProcessEnsemble } from "../cluster/process-ensemble.ts";
import { digestOfFiles, ImportProcess, runLiveImport, runSnapshotImport, targetArguments, targetAuth } from "./import-run.ts";
import { fillZooKeeper } from "./import-workload.ts";
import { whyNoZooKeeper, ZooKeeper, ZooKeeperWriter } from "./zookeeper.ts";

const count = 3_000;
const missing = whyNoZooKeeper();
if (missing !== undefined) console.error(missing);
const options = { skip: missing ?? false };
t.setTimeout(900_000);

async function start(t: Test): Promise<{ readonly zookeeper: ZooKeeper; readonly ensemble: ProcessEnsemble }> {
  const zookeeper = await ZooKeeper.start({ snapCount: 2_000 });
  t.teardown(() => zookeeper.close());
  const ensemble = await ProcessEnsemble.start({ args: targetArguments });
  t.teardown(() => ensemble.close());
  return { zookeeper, ensemble };
}

t.test("live, while it is written", options, async (t) => {
  const { zookeeper, ensemble } = await start(t);
  const run = await runLiveImport({ count, followMs: 2_000, zookeeper, ensemble, say: (line) => t.comment(line) });
  t.equal(run.imported.digest, run.filesDigest, "the import's digest is that of ZooKeeper's files");
  t.ok(run.churned > 100, `${run.churned} writes meanwhile`);
  t.ok(run.imported.targetEpoch > 3);
  t.strictSame(run.imported.loweredCounters, []);
  const client = await connect(ensemble.urls);
  t.teardown(() => client.close());
  const created = await client.create("/kinds/lock/n-", "", { sequential: true });
  t.ok(Number(created.path.slice(-10)) >= 30, `${created.path}: the number goes on`);
  t.equal(await client.exists("/kinds/ephemeral"), undefined);
  await client.delete("/kinds/container/child");
  await client.whenDeleted("/kinds/container");
  t.pass("a container is one here too: it went when it was empty");
});

t.test("an import that was killed is taken up again", options, async (t) => {
  const { zookeeper, ensemble } = await start(t);
  const writer = await ZooKeeperWriter.open(zookeeper.port);
  await fillZooKeeper(writer, count);
  const from = ["--from", `zk://127.0.0.1:${zookeeper.port}`, "--source-auth", "digest:u:p"];
  const parameters = [...from, "--kinds-from", zookeeper.dataDirectory, "--connect", ensemble.urls.join(","), ...targetAuth];
  const first = new ImportProcess(parameters);
  await first.following();
  await first.kill();
  await writer.set("/load/d0/n1", "meanwhile");
  const client = await connect(ensemble.urls);
  t.teardown(() => client.close());
  // What a session timeout would do.
  await client.delete("/zookeeper/import/running");
  const second = await new ImportProcess([...parameters, "--once"]).result();
  t.ok(second.written < 200, `${second.written} writes for ${second.nodes} nodes: only what differs`);
  t.equal(second.digest, await digestOfFiles(zookeeper.dataDirectory));
  await writer.close();
});

t.test("over an election of the source", options, async (t) => {
  const servers = await ZooKeeper.startEnsemble(3);
  t.teardown(() => Promise.all(servers.map((server) => server.close())));
  const ensemble = await ProcessEnsemble.start({ servers: 1, args: targetArguments });
  t.teardown(() => ensemble.close());
  const leads = await Promise.all(servers.map((server) => server.leads()));
  const leader = servers.find((_, i) => leads[i]);
  const [follower, ...others] = servers.filter((server) => server !== leader);
  if (leader === undefined || follower === undefined) throw new Error("ZooKeeper has no leader");
  const writer = await ZooKeeperWriter.open(leader.port);
  await fillZooKeeper(writer, 500);
  // The one that dies is the first to be asked.
  const hosts = [leader, follower, ...others].map((server) => `127.0.0.1:${server.port}`).join(",");
  const parameters = ["--from", `zk://${hosts}`, "--source-auth", "digest:u:p", "--kinds-from", follower.dataDirectory];
  const run = new ImportProcess([...parameters, "--connect", ensemble.urls.join(","), ...targetAuth], (line) => t.comment(line));
  await run.following();
  await leader.stop();
  await writer.close();
  const again = await untilWritable(follower.port);
  await again.set("/load/d0/n1", "after the election");
  await again.close();
  run.cutOver();
  const imported = await run.result();
  t.equal(imported.digest, await digestOfFiles(follower.dataDirectory));
  const client = await connect(ensemble.urls);
  t.teardown(() => client.close());
  t.equal((await client.get("/load/d0/n1")).text, "after the election");
});

/** A session that writes, as soon as the server has a leader again. */
async function untilWritable(port: number): Promise<ZooKeeperWriter> {
  for (;;) {
    const writer = await ZooKeeperWriter.open(port).catch(() => undefined);
    if (writer !== undefined) return writer;
    await delay(100);
  }
}

t.test("from its files, plain and compressed; out as text and back", options, async (t) => {
  const zookeeper = await ZooKeeper.start({ snapCount: 2_000 });
  t.teardown(() => zookeeper.close());
  const writer = await ZooKeeperWriter.open(zookeeper.port);
  await fillZooKeeper(writer, count);
  for (const method of ["", "gz", "snappy"]) {
    // A server writes a snapshot when it starts.
    await zookeeper.stop();
    await zookeeper.start({ properties: { "zookeeper.snapshot.compression.method": method } });
    const later = await ZooKeeperWriter.open(zookeeper.port);
    await later.set("/load/d0/n1", `after the snapshot ${method}`);
    await later.close();
    const imported = await runSnapshotImport(zookeeper.dataDirectory, (line) => t.comment(line));
    t.equal(imported.digest, await digestOfFiles(zookeeper.dataDirectory));
    t.ok(
      (imported.txns ?? 0) >= 1 && imported.nodes > count,
      `${method}: ${imported.nodes} nodes, ${imported.txns} txns after the snapshot`,
    );
  }
});

t.test("export and import of an export", options, async (t) => {
  const ensemble = await ProcessEnsemble.start({ servers: 1, args: targetArguments });
  t.teardown(() => ensemble.close());
  const client = await connect(ensemble.urls);
  t.teardown(() => client.close());
  await client.create("/a", "text");
  await client.create("/a/bin", Uint8Array.of(255, 0));
  await client.create("/a/c", "", { kind: "container" });
  await client.create("/a/t", "", { ttlMs: 3_600_000 });
  const file = join(t.testdir(), "export");
  const zabra = (...parameters: string[]) =>
    spawnSync(process.execPath, [command, ...parameters, "--connect", ensemble.urls.join(",")], { encoding: "utf8" });
  t.equal(zabra("export", "/a", "-o", file).status, 0);
  t.match(zabra("import", "--from-export", file, "--to", "/b").stderr, /epoch.*would go backwards/);
  const back = zabra("import", "--from-export", file, "--to", "/b", "--any-epoch", "--json");
  t.equal(back.status, 0, back.stderr);
  t.equal(JSON.parse(back.stdout).nodes, 4);
  const [first, second] = [zabra("export", "/a").stdout, zabra("export", "/b").stdout];
  t.equal(second.split("\n").slice(1).join("\n"), first.split("\n").slice(1).join("\n"));
});
