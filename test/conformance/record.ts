/** Runs the cases against a real ZooKeeper and writes what it answered. `node dist/test/conformance/record.js HOST:PORT FILE`. */
import { writeFileSync } from "node:fs";
import { allCases } from "./cases.ts";
import { runCases } from "./run.ts";

const [address = "127.0.0.1:2181", file = "recording.json"] = process.argv.slice(2);
const recording = await runCases(
  [address],
  process.env.ONLY ? allCases.filter((c) => c.name.includes(process.env.ONLY)) : allCases,
  Number(process.env.LANES ?? 1),
);
writeFileSync(file, `${JSON.stringify(recording, undefined, 1)}\n`);
console.log(`${Object.keys(recording).length} cases`);
