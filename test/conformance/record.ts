/**
 * `npm run conformance:record`: asks a real ZooKeeper all cases and writes down what it answered. With
 * `-- --case TEXT`, prints the cases with TEXT in their name instead; with `-- --zabra`, asks Zabra.
 */
import { writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { RealZooKeeper, zookeeperVersion } from "../foreign/real-zookeeper.ts";
import { allCases } from "./cases.ts";
import { recordingFile, startZabra } from "./recording.ts";
import { runCases } from "./run.ts";

const { values } = parseArgs({ options: { case: { type: "string" }, zabra: { type: "boolean", default: false } } });
const cases = allCases.filter(({ name }) => name.includes(values.case ?? ""));
const server = values.zabra ? await startZabra() : await RealZooKeeper.start();
try {
  const transcripts = await runCases(server.addresses, cases, 1);
  if (values.case !== undefined || values.zabra) console.log(JSON.stringify(transcripts, undefined, 1));
  else writeFileSync(recordingFile, `${JSON.stringify({ zookeeper: zookeeperVersion, transcripts }, undefined, 1)}\n`);
} finally {
  await server.close();
}
