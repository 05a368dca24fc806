/**
 * `npm run conformance:record`: asks a real ZooKeeper all cases and writes down what it answered, and what
 * zkCli, if it is installed, says of it; and what the clients sent, for the fuzzer. With
 * `-- --case TEXT`, prints the cases with TEXT in their name instead; with `-- --zabra`, asks Zabra.
 */
import { writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { RealZooKeeper, zookeeperVersion } from "../foreign/real-zookeeper.ts";
import { expectedFile, runZkCli, zkCliMissing } from "../foreign/zkcli.ts";
import { allCases } from "./cases.ts";
import { recordingFile, sessionsFile, startZabra } from "./recording.ts";
import { runCases } from "./run.ts";
import { recordSessions } from "./sessions.ts";

const { values } = parseArgs({ options: { case: { type: "string" }, zabra: { type: "boolean", default: false } } });
const cases = allCases.filter(({ name }) => name.includes(values.case ?? ""));
const server = values.zabra ? await startZabra() : await RealZooKeeper.start();
try {
  const recording = values.case === undefined && !values.zabra;
  // First, while the tree is empty.
  if (recording && zkCliMissing === undefined)
    writeFileSync(expectedFile, `${(await runZkCli(server.addresses[0] ?? "")).join("\n")}\n`);
  const sessions = recordSessions();
  const transcripts = await runCases(server.addresses, cases, 1);
  if (recording) writeFileSync(sessionsFile, `${JSON.stringify(sessions(), undefined, 1)}\n`);
  if (recording) writeFileSync(recordingFile, `${JSON.stringify({ zookeeper: zookeeperVersion, transcripts }, undefined, 1)}\n`);
  else console.log(JSON.stringify(transcripts, undefined, 1));
} finally {
  await server.close();
}
