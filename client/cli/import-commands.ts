/** import and export: moving in from ZooKeeper, and a tree as a text file. See docs/importing.md. */
import { createWriteStream } from "node:fs";
import { createInterface } from "node:readline";
import { Writable } from "node:stream";
import { pipeline } from "node:stream/promises";
import type { Command } from "commander";
import { type Client, connect } from "../client.ts";
import { toBytes } from "../data.ts";
import type { CopyResult } from "../import/copy.ts";
import { ImportError, importFailure } from "../import/failure.ts";
import type { LiveImport, LiveProgress } from "../import/live-import.ts";
import type { Credentials } from "../import/run.ts";
import { type GlobalOptions, printJson, printLine, progress } from "./output.ts";

type Globals = (command: Command) => Command;

const callTimeoutMs = 120_000;
const sessionTimeoutMs = 30_000;
const progressMs = 1_000;

interface ImportFlags extends GlobalOptions {
  readonly from?: string;
  readonly fromSnapshot?: string;
  readonly fromExport?: string;
  readonly logDir?: string;
  readonly kindsFrom?: string;
  readonly path: string;
  readonly to: string;
  readonly sourceAuth: readonly string[];
  readonly auth: readonly string[];
  readonly once?: boolean;
  readonly anyEpoch?: boolean;
  readonly rescan: string;
  readonly watch: boolean;
}

interface ExportFlags extends GlobalOptions {
  readonly auth: readonly string[];
  readonly output?: string;
}

export function addImportCommands(program: Command, globals: Globals): void {
  globals(
    program
      .command("import")
      .description("copy a tree from ZooKeeper, its files, or an export; run it again to go on after an interruption")
      .option("--from <url>", "a running ZooKeeper: zk://HOST:PORT[,HOST:PORT…][/path]; follows it until told to cut over")
      .option("--once", "with --from: cut over as soon as all is copied", false)
      .option("--source-auth <scheme:credentials>", "with --from: authenticate there, such as digest:super:PASSWORD", gather, [])
      .option("--kinds-from <dir>", "with --from: data directory of one of its servers, to tell containers and TTL nodes")
      .option("--no-watch", "with --from: scan again and again instead of watching, as is done with servers before 3.6")
      .option("--rescan <ms>", "with --from: between scans where there is no watch", "10000")
      .option("--from-snapshot <dir>", "a ZooKeeper server's data directory: snapshot.* and log.*")
      .option("--log-dir <dir>", "with --from-snapshot or --kinds-from: where log.* are, when elsewhere")
      .option("--path <path>", "with --from-snapshot: only this node and all below it", "/")
      .option("--from-export <file>", "a file made by zabra export")
      .option("--to <path>", "where it goes; must be empty", "/")
      .option("--auth <scheme:credentials>", "authenticate to the target, such as digest:super:PASSWORD", gather, [])
      .option("--any-epoch", "with --from-snapshot or --from-export: accept that zxids go backwards", false),
  ).action((flags: ImportFlags) => reported(flags, () => runImport(flags)));
  globals(
    program
      .command("export [path]")
      .description("write a tree as JSON lines, which zabra import --from-export reads")
      .option("-o, --output <file>", "instead of the standard output")
      .option("--auth <scheme:credentials>", "authenticate, such as digest:super:PASSWORD", gather, []),
  ).action((path: string | undefined, flags: ExportFlags) => reported(flags, () => runExport(path ?? "/", flags)));
}

function gather(value: string, before: readonly string[]): readonly string[] {
  return [...before, value];
}

/** What is the operator's to mend is said in one sentence; everything else goes the way of all commands. */
async function reported(flags: GlobalOptions, run: () => Promise<void>): Promise<void> {
  try {
    await run();
  } catch (error) {
    if (!(error instanceof ImportError)) throw error;
    if (flags.json) printJson({ error: error.name, message: error.message });
    else process.stderr.write(`zabra: ${error.message}\n`);
    process.exitCode = 1;
  }
}

async function open(flags: GlobalOptions & { readonly auth: readonly string[] }): Promise<Client> {
  const connectTimeoutMs = Number(flags.timeout);
  if (!(connectTimeoutMs >= 1)) throw importFailure("--timeout must be a number of ms, at least 1");
  const client = await connect(flags.connect, { callTimeoutMs, connectTimeoutMs, sessionTimeoutMs });
  for (const { scheme, credentials } of flags.auth.map(parseAuth)) await client.addAuth(scheme, credentials);
  return client;
}

function parseAuth(text: string): Credentials {
  const colon = text.indexOf(":");
  if (colon < 1) throw importFailure("credentials must be SCHEME:CREDENTIALS, such as digest:user:password");
  return { scheme: text.slice(0, colon), credentials: toBytes(text.slice(colon + 1)) ?? new Uint8Array(0) };
}

// ---- import

async function runImport(flags: ImportFlags): Promise<void> {
  const sources = [flags.from, flags.fromSnapshot, flags.fromExport].filter((source) => source !== undefined);
  if (sources.length !== 1) throw importFailure("give one of --from, --from-snapshot and --from-export");
  const source = flags.from === undefined ? undefined : parseSource(flags.from);
  const client = await open(flags);
  try {
    if (source !== undefined) await runLive(client, source, flags);
    else await runCopy(client, flags);
  } finally {
    await client.close();
  }
}

interface SourceAddress {
  readonly hosts: readonly { readonly host: string; readonly port: number }[];
  readonly top: string;
}

const zookeeperPort = 2181;

/** `zk://a:2181,b:2181/path`. */
function parseSource(url: string): SourceAddress {
  const match = /^zk:\/\/([^/]+)(\/.*)?$/.exec(url);
  const hosts = (match?.[1] ?? "").split(",").map((text) => /^(\[[^\]]+\]|[^:]+)(?::(\d{1,5}))?$/.exec(text));
  const parsed = hosts.map((host) => ({
    host: (host?.[1] ?? "").replace(/^\[|\]$/g, ""),
    port: Number(host?.[2] ?? zookeeperPort),
  }));
  if (parsed.some(({ host, port }) => host === "" || port < 1 || port > 65_535))
    throw importFailure(`--from must be zk://HOST:PORT[,HOST:PORT…][/path], not ${url}`);
  const path = match?.[2] ?? "/";
  return { hosts: parsed, top: path.length > 1 && path.endsWith("/") ? path.slice(0, -1) : path };
}

async function runCopy(client: Client, flags: ImportFlags): Promise<void> {
  const { importExport, importSnapshot } = await import("../import/run.ts");
  const say = every(progressMs, (nodes: number) => {
    process.stderr.write(flags.json ? `${JSON.stringify({ phase: "copying", nodes })}\n` : `copied ${nodes} nodes\n`);
  });
  const common = { client, to: flags.to, anyEpoch: flags.anyEpoch === true, onProgress: say };
  let result: CopyResult;
  let extent = "";
  if (flags.fromExport !== undefined) result = await importExport({ ...common, file: flags.fromExport });
  else {
    const place = { directory: flags.fromSnapshot ?? "", logDirectory: flags.logDir, top: flags.path };
    const restored = await importSnapshot({ ...common, ...place });
    for (const reason of restored.passedOver) warn(`a damaged snapshot was passed over: ${reason}`);
    extent = ` as of zxid 0x${restored.zxid.toString(16)} (${restored.ephemerals} ephemerals of the snapshot left out)`;
    result = restored;
  }
  warnCounters(result.loweredCounters);
  if (flags.json) printJson(result);
  else printLine(`${result.nodes} nodes${extent}; the digests of both trees are ${result.digest}`);
}

async function runLive(client: Client, source: SourceAddress, flags: ImportFlags): Promise<void> {
  const { importLive } = await import("../import/run.ts");
  if (flags.kindsFrom === undefined)
    warn("containers and TTL nodes look persistent to ZooKeeper's clients, and are copied as such; see --kinds-from");
  const control = new Control(flags.once === true, flags.json);
  const rescanMs = Number(flags.rescan);
  if (!(rescanMs >= 1)) throw importFailure("--rescan must be a number of ms, at least 1");
  try {
    const result = await importLive({
      client,
      to: flags.to,
      ...source,
      auth: flags.sourceAuth.map(parseAuth),
      kindsFrom: flags.kindsFrom,
      kindsLogFrom: flags.logDir,
      watch: flags.watch,
      rescanMs,
      onProgress: (progress) => control.onProgress(progress),
      onStarted: (live) => control.start(live),
    });
    warnCounters(result.loweredCounters);
    if (flags.json) printJson(result);
    else
      printLine(
        `${result.nodes} nodes as of zxid 0x${result.sourceZxid.toString(16)}; the digests of both trees are ${result.digest}. Clients may connect to this ensemble now.`,
      );
  } finally {
    control.end();
  }
}

/** The operator's side of a running import: progress out, `cut over` and Ctrl-C in. */
class Control {
  readonly #once: boolean;
  #live: LiveImport | undefined;
  #input: ReturnType<typeof createInterface> | undefined;
  #phase = "";
  readonly #say = every(progressMs, (line: string) => process.stderr.write(`${line}\n`));
  readonly #json: boolean;
  readonly #cutOver = (): void => {
    if (!this.#json) process.stderr.write("cutting over\n");
    this.#live?.cutOver();
  };
  readonly #stop = (): void => this.#live?.stop();

  constructor(once: boolean, json: boolean) {
    this.#once = once;
    this.#json = json;
  }

  start(live: LiveImport): void {
    this.#live = live;
    if (this.#once) live.cutOver();
    process.on("SIGUSR2", this.#cutOver);
    process.once("SIGINT", this.#stop);
    process.once("SIGTERM", this.#stop);
    this.#input = createInterface({ input: process.stdin });
    this.#input.on("line", (line) => {
      if (/^cut ?over$/.test(line.trim())) this.#cutOver();
    });
  }

  onProgress(progress: LiveProgress): void {
    const changed = progress.phase !== this.#phase;
    this.#phase = progress.phase;
    if (changed && progress.phase === "following" && !this.#json)
      process.stderr.write(
        `following; when nothing writes to the source any more, type "cut over", or: kill -USR2 ${process.pid}\n`,
      );
    const line = this.#json ? JSON.stringify(progress) : describe(progress);
    if (changed) process.stderr.write(`${line}\n`);
    else this.#say(line);
  }

  end(): void {
    this.#input?.close();
    process.stdin.unref?.();
    process.off("SIGUSR2", this.#cutOver);
    process.off("SIGINT", this.#stop);
    process.off("SIGTERM", this.#stop);
  }
}

function describe(progress: LiveProgress): string {
  if (progress.phase === "lost") return `interrupted, trying again: ${progress.reason}`;
  const extent = `${progress.phase}: ${progress.nodes} nodes, ${progress.written} writes`;
  return progress.phase === "following" ? `${extent}, ${progress.changes} changes followed` : extent;
}

/** `act`, but not more often than that. */
function every<T>(ms: number, act: (value: T) => void): (value: T) => void {
  let next = 0;
  return (value) => {
    const now = performance.now();
    if (now < next) return;
    next = now + ms;
    act(value);
  };
}

function warnCounters(paths: readonly string[]): void {
  if (paths.length === 0) return;
  const some = paths.slice(0, 3).join(", ");
  warn(
    `sequential nodes below ${some}${paths.length > 3 ? ", …" : ""} start at lower numbers than at the source: its counters are too far ahead`,
  );
}

function warn(sentence: string): void {
  process.stderr.write(`warning: ${sentence}\n`);
}

// ---- export

async function runExport(path: string, flags: ExportFlags): Promise<void> {
  const { exportTree } = await import("../import/run.ts");
  const client = await open(flags);
  try {
    const output = flags.output === undefined ? standardOutput() : createWriteStream(flags.output);
    await pipeline(counted(exportTree(client, path), progress("exported", flags)), output);
  } finally {
    await client.close();
  }
}

/** One line a node, more or less. */
async function* counted(lines: AsyncIterable<string>, say: (nodes: number) => void): AsyncGenerator<string, void, undefined> {
  let count = 0;
  for await (const line of lines) {
    say((count += 1));
    yield line;
  }
}

/** The process's own is not to be ended. */
function standardOutput(): Writable {
  return new Writable({
    decodeStrings: false,
    write: (chunk: string, _encoding, done) => {
      process.stdout.write(chunk, done);
    },
  });
}
