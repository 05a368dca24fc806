/** The server as a process: exit codes, messages, signals, recovery, and the ensemble of `zabra dev`. */
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server as NetServer } from "node:net";
import { tmpdir } from "node:os";
import { extname, join } from "node:path";
import { fileURLToPath } from "node:url";
import t from "tap";
import { freeDevPort } from "../cluster/process-ensemble.ts";
import { childNodeArguments } from "../support/child.ts";
import { NativeClient } from "./native-client.ts";

const program = fileURLToPath(new URL(`./cli-program${extname(fileURLToPath(import.meta.url))}`, import.meta.url));
const directory = mkdtempSync(join(tmpdir(), "zabra-cli-"));
const config = join(directory, "config.json");
writeFileSync(
  config,
  JSON.stringify({ limits: { outstanding_per_connection_max: 900, log_segment_bytes: 16 << 20, free_space_reserve_bytes: 0 } }),
);
t.setTimeout(900_000);
t.teardown(() => rmSync(directory, { recursive: true, force: true }));

class Run {
  readonly child: ChildProcess;
  output = "";
  readonly ended: Promise<number | null>;
  #wake: () => void = () => {};
  #over = false;

  constructor(...parameters: string[]) {
    this.child = spawn(process.execPath, [...childNodeArguments, program, ...parameters], {
      env: { ...process.env, ZABRA_CONFIG: config },
      stdio: ["ignore", "pipe", "pipe"],
    });
    for (const stream of [this.child.stdout, this.child.stderr]) {
      stream?.on("data", (chunk: Buffer) => {
        this.output += chunk.toString();
        this.#wake();
      });
    }
    this.ended = new Promise((resolve) => {
      this.child.on("exit", (code) => {
        this.#over = true;
        this.#wake();
        resolve(code);
      });
    });
    t.teardown(() => this.child.kill("SIGKILL"));
  }

  /** The first match of what it prints. */
  async says(pattern: RegExp): Promise<RegExpExecArray> {
    for (;;) {
      const match = pattern.exec(this.output);
      if (match !== null) return match;
      if (this.#over) throw new Error(`ended without saying ${pattern}: ${this.output}`);
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }
}

function server(name: string, ...parameters: string[]): Run {
  return new Run("server", "--data-dir", join(directory, name), "--http", "127.0.0.1:0", "--zk", "127.0.0.1:0", ...parameters);
}

async function ready(url: string): Promise<void> {
  for (;;) {
    const response = await fetch(`${url}/readyz`).catch(() => undefined);
    if (response?.ok === true) return;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

const refused: readonly (readonly [title: string, parameters: () => readonly string[], code: number, message: RegExp])[] = [
  ["an unknown flag", () => ["server", "--nonsense"], 64, /unknown option '--nonsense'/],
  ["an unknown flag of dev", () => ["dev", "--nonsense"], 64, /unknown option/],
  ["a missing data directory", () => ["server"], 64, /^zabra: --data-dir: is required/m],
  ["a bad id", () => ["server", "--data-dir", "x", "--id", "0"], 64, /^zabra: --id: must be/m],
  ["recover without consent", () => ["recover", "--data-dir", "x"], 64, /--accept-loss/],
  ["recover of nothing", () => ["recover", "--accept-loss", "--data-dir", join(directory, "nothing")], 78, /does not exist/],
  ["too many dev servers", () => ["dev", "--servers", "10"], 64, /--servers: must be a whole number from 1 to 9/],
  [
    "a data directory that cannot be made",
    () => ["server", "--data-dir", "/dev/null/x"],
    78,
    /^zabra: data-dir: \/dev\/null\/x cannot be made/m,
  ],
  [
    "a configuration file that is missing",
    () => ["server", "--config", "/nowhere.json", "--data-dir", "x"],
    78,
    /^zabra: --config: \/nowhere.json/m,
  ],
];
for (const [title, parameters, code, message] of refused) {
  t.test(`exit code ${code}: ${title}`, async (t) => {
    const run = new Run(...parameters());
    t.equal(await run.ended, code);
    t.match(run.output, message);
    t.ok(run.output.length < 1_000, "a sentence, not a stack");
  });
}

t.test("a port in use, a directory in use", async (t) => {
  const holder = await new Promise<NetServer>((resolve) => {
    const listening = createServer().listen(0, "127.0.0.1", () => resolve(listening));
  });
  t.teardown(() => holder.close());
  const address = holder.address();
  const port = typeof address === "object" ? address?.port : 0;
  const blocked = new Run("server", "--data-dir", join(directory, "blocked"), "--http", `127.0.0.1:${port}`, "--zk", "off");
  t.equal(await blocked.ended, 78);
  t.match(blocked.output, new RegExp(`zabra: http: 127.0.0.1:${port} is in use by another process`));
  t.notOk(existsSync(join(directory, "blocked")), "before the data directory is touched");

  const first = server("twice");
  await first.says(/ws:\/\/\S+:\d+/);
  const second = server("twice");
  t.equal(await second.ended, 78);
  t.match(second.output, new RegExp(`in use by process ${first.child.pid}`));
  first.child.kill("SIGTERM");
  t.equal(await first.ended, 0);
});

t.test("SIGTERM ends it with 0; SIGKILL loses nothing; its lock does not keep the next one out", async (t) => {
  const first = server("life");
  const [, url = ""] = await first.says(/(ws:\/\/[^\s,]+)/);
  await ready(url.replace("ws", "http"));
  const client = await NativeClient.connect(url);
  await client.create("/kept", "yes");
  first.child.kill("SIGKILL");
  await first.ended;

  const second = server("life");
  const [, again = ""] = await second.says(/(ws:\/\/[^\s,]+)/);
  await ready(again.replace("ws", "http"));
  const reader = await NativeClient.connect(again);
  t.equal(await reader.get("/kept"), "yes");
  second.child.kill("SIGTERM");
  t.equal(await second.ended, 0);
  await reader.whenClosed();
});

t.test("another id on a data directory is refused with 78", async (t) => {
  const run = server("life", "--id", "2");
  t.equal(await run.ended, 78);
  t.match(run.output, /belongs to server 1/);
});

t.test("damage is refused with 70", async (t) => {
  const path = join(directory, "damaged");
  mkdirSync(path);
  writeFileSync(join(path, "epoch-record-1"), "nonsense that is long enough");
  const run = server("damaged");
  t.equal(await run.ended, 70);
  t.match(run.output, /damaged/);
});

t.test("recover: the survivor begins a new ensemble with what it has", async (t) => {
  const recovering = new Run("recover", "--accept-loss", "--data-dir", join(directory, "life"));
  t.equal(await recovering.ended, 0);
  t.match(recovering.output, /is the beginning of a new ensemble of 1/);
  const run = server("life");
  const [, url = ""] = await run.says(/(ws:\/\/[^\s,]+)/);
  await ready(url.replace("ws", "http"));
  const client = await NativeClient.connect(url);
  t.equal(await client.get("/kept"), "yes");
  run.child.kill("SIGTERM");
  t.equal(await run.ended, 0);
});

t.test("dev: three servers, one of which dies and is started again; a signal ends all", async (t) => {
  const port = await freeDevPort(3);
  const dev = new Run("dev", "--data-dir", join(directory, "dev"), "--base-port", String(port), "--log-level", "info");
  await dev.says(new RegExp(`connect to +ws://127.0.0.1:${port},ws://127.0.0.1:${port + 10},ws://127.0.0.1:${port + 20}`));
  const client = await NativeClient.connect(`ws://127.0.0.1:${port + 10}`);
  await client.create("/dev", "x");
  const [, pid = ""] = await dev.says(/^\[1\] .*"pid":(\d+)/m);
  process.kill(Number(pid), "SIGKILL");
  await dev.says(/\[1\] ended \(SIGKILL\); starting it again/);
  await ready(`http://127.0.0.1:${port}`);
  const back = await NativeClient.connect(`ws://127.0.0.1:${port}`);
  t.equal(await back.get("/dev"), "x");
  dev.child.kill("SIGINT");
  t.equal(await dev.ended, 0);
  await t.rejects(fetch(`http://127.0.0.1:${port + 10}/livez`));
});
