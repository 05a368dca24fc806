/**
 * Moving in as an operator does it: a ZooKeeper that is written all the time, three fresh Zabra servers, `zabra import`
 * as a process, cut over by a line on its standard input. What came out is compared with ZooKeeper's own
 * files, which are read by other code than the import used. For import.foreign.ts and import-large.ts.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { setTimeout as delay } from "node:timers/promises";
import { readDataDirectory } from "../../client/import/data-directory.ts";
import { hashOf, TreeDigest } from "../../client/import/node.ts";
import { command, ProcessEnsemble } from "../cluster/process-ensemble.ts";
import { Churn, fillZooKeeper } from "./import-workload.ts";
import { type ZooKeeper, ZooKeeperWriter } from "./zookeeper.ts";

/** Of the password `admin`. */
const superDigest = "super:xQJmxLMiHGwaqBvst5y6rkB6HQs=";
export const targetArguments: readonly string[] = ["--super-digest", superDigest, "--found-above-epoch", "3"];
export const targetAuth: readonly string[] = ["--auth", "digest:super:admin"];

export interface ImportOutcome {
  readonly nodes: number;
  readonly digest: string;
  readonly targetEpoch: number;
  readonly written: number;
  readonly zxid?: number;
  readonly txns?: number;
  readonly loweredCounters: readonly string[];
}

/** `zabra import --json …` as a process. */
export class ImportProcess {
  readonly #child: ChildProcess;
  #output = "";
  #errors = "";
  readonly #following: Promise<void>;
  readonly #exit: Promise<number>;

  constructor(parameters: readonly string[], say: (line: string) => void = () => {}) {
    this.#child = spawn(process.execPath, [command, "import", "--json", ...parameters], { stdio: ["pipe", "pipe", "pipe"] });
    this.#exit = new Promise((resolve) => this.#child.once("close", (code) => resolve(code ?? -1)));
    this.#child.stdout?.on("data", (chunk: Buffer) => {
      this.#output += chunk.toString();
    });
    this.#following = new Promise((resolve, reject) => {
      if (this.#child.stderr === null) return;
      createInterface({ input: this.#child.stderr }).on("line", (line) => {
        this.#errors += `${line}\n`;
        say(line);
        if (line.includes('"phase":"following"')) resolve();
      });
      this.#exit.then(() => reject(new Error(`the import ended\n${this.#errors}${this.#output}`)));
    });
    this.#following.catch(() => {});
  }

  following(): Promise<void> {
    return this.#following;
  }

  cutOver(): void {
    this.#child.stdin?.write("cut over\n");
  }

  kill(): Promise<number> {
    this.#child.kill("SIGKILL");
    return this.#exit;
  }

  async result(): Promise<ImportOutcome> {
    const code = await this.#exit;
    if (code !== 0) throw new Error(`zabra import ended with ${code}\n${this.#errors}${this.#output}`);
    return JSON.parse(this.#output) as ImportOutcome;
  }
}

/** The digest of the tree in a server's files. */
export async function digestOfFiles(directory: string): Promise<string> {
  const { tree } = await readDataDirectory(directory);
  const digest = new TreeDigest();
  for (const node of tree.nodesBelow("/")) digest.add(hashOf(node));
  return digest.toString();
}

export interface LiveRun {
  readonly count: number;
  /** How long to go on writing after the copy is there. */
  readonly followMs: number;
  readonly zookeeper: ZooKeeper;
  readonly ensemble: ProcessEnsemble;
  readonly say: (line: string) => void;
}

export interface LiveOutcome {
  readonly imported: ImportOutcome;
  /** Of ZooKeeper's files, after the cut-over. */
  readonly filesDigest: string;
  readonly churned: number;
  readonly copySeconds: number;
  readonly cutOverSeconds: number;
}

export async function runLiveImport({ count, followMs, zookeeper, ensemble, say }: LiveRun): Promise<LiveOutcome> {
  const writer = await ZooKeeperWriter.open(zookeeper.port);
  await fillZooKeeper(writer, count);
  say(`ZooKeeper has ${count} nodes`);
  const churn = new Churn(writer, count);
  const from = ["--from", `zk://127.0.0.1:${zookeeper.port}`, "--source-auth", "digest:u:p"];
  const parameters = [...from, "--kinds-from", zookeeper.dataDirectory, "--connect", ensemble.urls.join(","), ...targetAuth];
  const startMs = performance.now();
  const run = new ImportProcess(parameters, say);
  await run.following();
  const copiedMs = performance.now();
  await delay(followMs);
  const churned = await churn.stop();
  const cutMs = performance.now();
  run.cutOver();
  const imported = await run.result();
  const endMs = performance.now();
  const filesDigest = await digestOfFiles(zookeeper.dataDirectory);
  await writer.close();
  return {
    imported,
    filesDigest,
    churned,
    copySeconds: (copiedMs - startMs) / 1_000,
    cutOverSeconds: (endMs - cutMs) / 1_000,
  };
}

/** Imports a server's files into one fresh server. */
export async function runSnapshotImport(directory: string, say: (line: string) => void): Promise<ImportOutcome> {
  const ensemble = await ProcessEnsemble.start({ servers: 1, args: targetArguments });
  try {
    const parameters = ["--from-snapshot", directory, "--connect", ensemble.urls.join(","), ...targetAuth];
    return await new ImportProcess(parameters, say).result();
  } finally {
    await ensemble.close();
  }
}
