/** The recording of a real ZooKeeper's answers, the list of known differences, and a Zabra set up like it. */
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { startServer } from "../../server/index.ts";
import { superDigest } from "./operations.ts";
import type { Transcripts } from "./run.ts";

export interface Recording {
  /** Its version. */
  readonly zookeeper: string;
  readonly transcripts: Transcripts;
}

/** A kind of difference that is meant, and all lines of all cases in which it shows. */
export interface Difference {
  readonly name: string;
  readonly reason: string;
  /** By case: what Zabra says instead, by the number of the line (from 0); null: there is no such line. */
  readonly lines: Readonly<Record<string, Readonly<Record<string, string | null>>>>;
}

/** Seen from dist/test/conformance: data files are not built. */
function beside(name: string): string {
  return fileURLToPath(new URL(`../../../test/conformance/${name}`, import.meta.url));
}

export const recordingFile = beside("zookeeper.json");

export function readRecording(): Recording {
  return JSON.parse(readFileSync(recordingFile, "utf8")) as Recording;
}

export function readDifferences(): readonly Difference[] {
  return JSON.parse(readFileSync(beside("differences.json"), "utf8")) as readonly Difference[];
}

/** One server, with the limits that the recorded one had. */
export async function startZabra(): Promise<{ readonly addresses: readonly string[]; close(): Promise<void> }> {
  const server = await startServer({
    logLevel: "silent",
    superDigest,
    limits: { session_timeout_ms_min: 400, session_timeout_ms_max: 40_000, reap_interval_ms: 100 },
  });
  await server.ready();
  return { addresses: [server.zookeeper ?? ""], close: () => server.close() };
}
