/**
 * Servers started wrongly: each ends with one clear message and the right exit code, and harms no data.
 * Real processes, because exit codes, stderr and the files left behind are the point.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import t from "tap";
import { connect, toText } from "../../client/index.ts";
import { encodeEpochRecord, epochRecordFiles } from "../../src/log/epoch-record.ts";
import { frameFile } from "../../src/log/framed-file.ts";
import { makeEpoch, zeroZxid } from "../../src/model/zxid.ts";
import { command, freePorts, ProcessEnsemble } from "./process-ensemble.ts";

t.setTimeout(900_000);
const directory = mkdtempSync(join(tmpdir(), "zabra-bad-"));
t.teardown(() => rmSync(directory, { recursive: true, force: true }));

class Run {
  readonly child: ChildProcess;
  output = "";
  readonly ended: Promise<number>;

  constructor(args: readonly string[]) {
    this.child = spawn(process.execPath, [command, "server", "--log-level", "error", ...args], {
      stdio: ["ignore", "pipe", "pipe"],
    });
    for (const stream of [this.child.stdout, this.child.stderr]) {
      stream?.on("data", (chunk: Buffer) => {
        this.output += chunk.toString();
      });
    }
    this.ended = new Promise((resolve) => {
      // `close`, not `exit`: by then all that it said has been read.
      this.child.on("close", (code) => resolve(code ?? -1));
    });
    t.teardown(() => this.child.kill("SIGKILL"));
  }

  async until(condition: (run: Run) => boolean): Promise<void> {
    while (!condition(this)) {
      if (this.child.exitCode !== null) throw new Error(`ended with ${this.child.exitCode}: ${this.output}`);
      await delay(10);
    }
  }

  /** Resolves when it prints its addresses, to the native one. */
  async url(): Promise<string> {
    await this.until((run) => run.output.includes("ws://"));
    return /ws:\/\/[\d.:]+/.exec(this.output)?.[0] ?? "";
  }

  async stop(): Promise<void> {
    this.child.kill("SIGTERM");
    await this.ended;
  }
}

const anyPorts = ["--http", "127.0.0.1:0", "--zk", "127.0.0.1:0"] as const;

/** Segments of the log are written out when they are made; small ones are made at once. */
const smallLog = join(directory, "small-log.json");
writeFileSync(smallLog, JSON.stringify({ limits: { log_segment_bytes: 256 * 1024 } }));

/** A server's directory with `/kept` in it, and the server stopped; made once. */
const template = found();

async function found(): Promise<string> {
  const path = join(directory, "template");
  const run = new Run(["--data-dir", path, ...anyPorts, "--config", smallLog]);
  const client = await connect(await run.url());
  await client.create("/kept", "as it was");
  await client.close();
  await run.stop();
  return path;
}

/** A copy of it. */
async function founded(name: string): Promise<string> {
  const path = join(directory, name);
  cpSync(await template, path, { recursive: true });
  return path;
}

async function stillHolds(path: string): Promise<string | undefined> {
  const run = new Run(["--data-dir", path, ...anyPorts, "--config", smallLog]);
  const client = await connect(await run.url());
  const data = toText((await client.get("/kept")).data);
  await client.close();
  await run.stop();
  return data;
}

/** Every file that holds data, with the hash of what is in it. */
function contents(path: string): readonly string[] {
  const names = readdirSync(path, { recursive: true, encoding: "utf8" }).sort();
  // A lock whose process is gone, and what an interrupted replace leaves, mean nothing.
  const data = names.filter((name) => !/^zabra\.lock$|\/lock\.mdb$|\.tmp$/.test(name));
  return data
    .filter((name) => statSync(join(path, name)).isFile())
    .map(
      (name) =>
        `${name} ${createHash("sha256")
          .update(readFileSync(join(path, name)))
          .digest("hex")}`,
    );
}

async function refused(t: Tap, args: readonly string[], message: RegExp): Promise<void> {
  const run = new Run(args);
  const code = await run.ended;
  t.equal(code, 78, run.output);
  t.match(run.output, message);
  const ours = run.output.split("\n").filter((line) => line.startsWith("zabra: "));
  t.equal(ours.length, 1, "one message of one line");
}

type Tap = Pick<typeof t, "equal" | "match">;

async function occupy(): Promise<{ readonly server: Server; readonly port: number }> {
  const [port = 0] = await freePorts(1);
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve));
  return { server, port };
}

t.test("a port in use", async (t) => {
  const path = await founded("port");
  const { server, port } = await occupy();
  t.teardown(() => server.close());
  const [peer = 0] = await freePorts(1);
  const before = contents(path);
  await refused(
    t,
    ["--data-dir", path, "--http", `127.0.0.1:${port}`, "--zk", "127.0.0.1:0"],
    new RegExp(`^zabra: http: 127.0.0.1:${port} is in use by another process$`, "m"),
  );
  await refused(
    t,
    ["--data-dir", path, "--http", "127.0.0.1:0", "--zk", `127.0.0.1:${port}`],
    new RegExp(`^zabra: zk: 127.0.0.1:${port} is in use by another process$`, "m"),
  );
  const three = `1=127.0.0.1:${port},2=127.0.0.1:${peer},3=127.0.0.1:${peer + 1}`;
  await refused(
    t,
    ["--data-dir", join(directory, "fresh"), ...anyPorts, "--ensemble", three],
    new RegExp(`^zabra: peer: 127.0.0.1:${port} is in use by another process$`, "m"),
  );
  // Opening ends the last segment and begins another, which is no harm.
  const after = new Set(contents(path).map(nameOf));
  t.same(
    before.map(nameOf).filter((name) => !after.has(name)),
    [],
    "no file went",
  );
  t.equal(await stillHolds(path), "as it was");
});

function nameOf(line: string): string {
  return line.slice(0, line.indexOf(" "));
}

t.test("the data directory of another server", async (t) => {
  const path = await founded("another");
  const before = contents(path);
  await refused(
    t,
    ["--id", "2", "--data-dir", path, ...anyPorts],
    /^zabra: the data directory belongs to server 1, not to server 2$/m,
  );
  t.same(contents(path), before);
});

t.test("a data directory in use", async (t) => {
  const path = await founded("in-use");
  const first = new Run(["--data-dir", path, ...anyPorts]);
  const client = await connect(await first.url());
  await refused(
    t,
    ["--data-dir", path, ...anyPorts],
    new RegExp(`^zabra: data-dir: .* is in use by process ${first.child.pid}$`, "m"),
  );
  t.equal(toText((await client.get("/kept")).data), "as it was", "the first goes on");
  await client.close();
  await first.stop();
});

t.test("a data directory of a newer format", async (t) => {
  const path = await founded("newer");
  for (const file of epochRecordFiles) {
    const bytes = readFileSync(join(path, file));
    const newer = { magic: bytes.readUInt32LE(0), version: bytes.readUInt32LE(4) + 1, summedWholeSince: 0 };
    writeFileSync(join(path, file), frameFile(newer, bytes.subarray(16)));
  }
  const before = contents(path);
  await refused(
    t,
    ["--data-dir", path, ...anyPorts],
    /^zabra: the epoch record has format version 4, and this program knows versions up to 3$/m,
  );
  await refused(t, ["--data-dir", path, ...anyPorts, "--rejoin"], /format version 4/);
  t.same(contents(path), before);
});

t.test("a data directory that cannot be made or written", async (t) => {
  const file = join(directory, "file");
  writeFileSync(file, "not a directory");
  await refused(t, ["--data-dir", file, ...anyPorts], /^zabra: data-dir: .*file cannot be made: /m);
  await refused(t, ["--data-dir", join(file, "below"), ...anyPorts], /^zabra: data-dir: .*below cannot be made: /m);
  t.equal(readFileSync(file, "utf8"), "not a directory");
  // Read-only even to root.
  await refused(t, ["--data-dir", "/proc/self", ...anyPorts], /^zabra: data-dir: \/proc\/self cannot be written: /m);
});

t.test("other voters than those of the foundation", async (t) => {
  const path = await founded("voters");
  const [a = 0, b = 0, c = 0] = await freePorts(3);
  const before = contents(path);
  await refused(
    t,
    ["--data-dir", path, ...anyPorts, "--ensemble", `1=127.0.0.1:${a},2=127.0.0.1:${b},3=127.0.0.1:${c}`],
    /^zabra: the ensemble's voters were 1 and are now 1,2,3: membership cannot be changed by configuration$/m,
  );
  t.same(contents(path), before);
});

t.test("an empty directory in place of a lost one", async (t) => {
  const ensemble = await ProcessEnsemble.start({ args: ["--config", smallLog] });
  t.teardown(() => ensemble.close());
  const client = await connect(ensemble.urls);
  await client.create("/kept", "as it was");
  await ensemble.signal(3, "SIGKILL");
  ensemble.wipe(3);
  ensemble.startServer(3);
  t.equal(await ensemble.exitCode(3), 78);
  t.match(
    ensemble.member(3).output,
    /^zabra: the data directory is empty but the ensemble .* already counts server 3: .*--rejoin/m,
  );
  ensemble.startServer(3, ["--rejoin"]);
  await ensemble.waitServing();
  const back = await connect(ensemble.urls[2] ?? "");
  t.equal(toText((await back.get("/kept", { level: "session" })).data), "as it was");
  await back.close();

  t.comment("and a server of another ensemble on the same addresses");
  await ensemble.signal(3, "SIGTERM");
  const own = ensemble.dataDirectory(3);
  const foreign = join(directory, "foreign");
  cpSync(own, foreign, { recursive: true });
  const foreignId = "f".repeat(32);
  const record = encodeEpochRecord(
    {
      nodeId: 3,
      clusterId: foreignId,
      foundation: "founded",
      member: true,
      voters: [1, 2, 3],
      observers: [],
      acceptedEpoch: makeEpoch(1_000),
      currentEpoch: makeEpoch(1_000),
      generation: generationOf(own),
      floorZxid: zeroZxid,
    },
    1_000_000,
  );
  for (const file of epochRecordFiles) writeFileSync(join(foreign, file), record);
  const { http, peer } = ensemble.member(3);
  const members = ensemble.members.map((member) => `${member.id}=127.0.0.1:${member.peer}`).join(",");
  const stranger = new Run([
    "--id",
    "3",
    "--data-dir",
    foreign,
    "--ensemble",
    members,
    "--http",
    `127.0.0.1:${http}`,
    "--zk",
    "off",
    "--peer",
    `127.0.0.1:${peer}`,
    "--config",
    smallLog,
  ]);
  await stranger.until((run) => /belongs to the ensemble [0-9a-f]{32}, we to f{32}/.test(run.output));
  // Long enough for many attempts.
  await delay(1_500);
  await client.set("/kept", "changed without the stranger");
  t.ok((await ensemble.status(1))?.epoch ?? 0 < 1_000, "its high epoch counts nowhere");
  const ready = await fetch(`http://127.0.0.1:${http}/readyz`);
  t.equal(ready.status, 503, await ready.text());
  const said = stranger.output.split("\n").filter((line) => line.includes("we to"));
  t.ok(said.length <= 30, `the two peers were refused in a few lines (${said.length})`);
  stranger.child.kill("SIGKILL");
  await stranger.ended;

  ensemble.startServer(3);
  await ensemble.waitServing();
  const again = await connect(ensemble.urls[2] ?? "");
  t.equal(toText((await again.get("/kept")).data), "changed without the stranger", "its own directory still serves");
  await again.close();
  await client.close();
});

function generationOf(path: string): number {
  mkdirSync(path, { recursive: true });
  return Math.max(...readdirSync(path).map((name) => Number(/^log-(\d+)$/.exec(name)?.[1] ?? 0)));
}
