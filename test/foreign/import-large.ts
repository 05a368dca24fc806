/**
 * The proof by size (`npm run import:large [nodes]`, 200,000 by default): a real ZooKeeper of so many nodes is imported while it is
 * written, cut over, and compared; then its files are imported. Prints what was measured; ends with 1 when a digest differs.
 */
import { ProcessEnsemble } from "../cluster/process-ensemble.ts";
import { runLiveImport, runSnapshotImport, targetArguments } from "./import-run.ts";
import { whyNoZooKeeper, ZooKeeper } from "./zookeeper.ts";

const count = Number(process.argv[2] ?? 200_000);

function say(line: string): void {
  process.stdout.write(`${new Date().toISOString().slice(11, 19)} ${line}\n`);
}

function verdict(what: string, digest: string, filesDigest: string): void {
  const same = digest === filesDigest;
  say(`${what}: ${digest}; ZooKeeper's files: ${filesDigest}: ${same ? "equal" : "DIFFERENT"}`);
  if (!same) process.exitCode = 1;
}

const missing = whyNoZooKeeper();
if (missing !== undefined) throw new Error(missing);
const zookeeper = await ZooKeeper.start({ snapCount: 50_000 });
try {
  const version = /version: ([\w.]+)/.exec(await zookeeper.word("srvr"))?.[1] ?? "?";
  say(`ZooKeeper ${version}, ${count} nodes`);
  const ensemble = await ProcessEnsemble.start({ args: targetArguments });
  try {
    const run = await runLiveImport({ count, followMs: 10_000, zookeeper, ensemble, say });
    const rate = Math.round(run.imported.nodes / run.copySeconds);
    say(
      `copied in ${run.copySeconds.toFixed(1)} s (${rate} nodes/s), ${run.churned} writes to the source meanwhile and for 10 s after`,
    );
    say(`cut over in ${run.cutOverSeconds.toFixed(1)} s, ${run.imported.nodes} nodes, target epoch ${run.imported.targetEpoch}`);
    verdict("live", run.imported.digest, run.filesDigest);
    const startMs = performance.now();
    const files = await runSnapshotImport(zookeeper.dataDirectory, say);
    say(`files imported in ${((performance.now() - startMs) / 1_000).toFixed(1)} s, ${files.txns} txns after the snapshot`);
    verdict("files", files.digest, run.filesDigest);
  } finally {
    await ensemble.close();
  }
} finally {
  await zookeeper.close();
}
