/** `zabra`'s client commands as processes, against a real server: output, JSON, exit codes, and commands under a lock. */
import { type ChildProcess, spawn } from "node:child_process";
import { extname } from "node:path";
import { fileURLToPath } from "node:url";
import t from "tap";
import { connect } from "../../client/index.ts";
import { Lock } from "../../client/recipes/index.ts";
import { type Server, startServer } from "../../server/index.ts";
import { childNodeArguments } from "../support/child.ts";
import { until } from "./gate.ts";

const program = fileURLToPath(new URL(`./cli-program${extname(fileURLToPath(import.meta.url))}`, import.meta.url));

class Run {
  readonly child: ChildProcess;
  output = "";
  readonly ended: Promise<number>;

  constructor(server: string, ...parameters: string[]) {
    this.child = spawn(process.execPath, [...childNodeArguments, program, ...parameters], {
      env: { ...process.env, ZABRA_CONNECT: server },
      stdio: ["ignore", "pipe", "pipe"],
    });
    for (const stream of [this.child.stdout, this.child.stderr]) {
      stream?.on("data", (chunk: Buffer) => {
        this.output += chunk.toString();
      });
    }
    this.ended = new Promise((resolve) => this.child.on("close", (code) => resolve(code ?? -1)));
  }
}

t.setTimeout(900_000);

t.test("zabra", async (t) => {
  let server: Server;
  t.before(async () => {
    server = await startServer();
    await server.ready();
  });
  t.after(() => server.close());

  /** Exit code and all that was printed. */
  const zabra = async (...parameters: string[]): Promise<readonly [number, string]> => {
    const run = new Run(server.url, ...parameters);
    return [await run.ended, run.output];
  };

  t.test("quota set, get and rm", async (t) => {
    await zabra("create", "/quota/of/this", "12345", "--parents");
    t.same(await zabra("quota", "set", "/quota/of", "--hard-count", "2", "--bytes", "9"), [
      0,
      "count=-1,bytes=9=;byteHardLimit=-1;countHardLimit=2\n",
    ]);
    t.match(await zabra("create", "/quota/of/that"), [1, /countHardLimit of \/quota\/of is 2/]);
    t.match(await zabra("quota", "set", "/quota/of/this", "--count", "1"), [1, /cannot be nested/]);
    t.match(await zabra("quota", "set", "/quota/none", "--count", "1"), [1, /no such node/]);
    t.match(await zabra("quota", "set", "/quota/of", "--count", "many"), [1, /--count must be a whole number/]);
    t.same(await zabra("quota", "get", "/quota/of"), [0, "nodes  2  soft -  hard 2\nbytes  5  soft 9  hard -\n"]);
    t.same(await zabra("quota", "rm", "/quota/of"), [0, "removed the quota of /quota/of\n"]);
    t.equal((await zabra("create", "/quota/of/that"))[0], 0);
    t.match(await zabra("ls", "/zookeeper/quota"), [0, ""], "nothing is left behind");
  });

  t.test("create, get, set, stat, ls, rm", async (t) => {
    t.same(await zabra("create", "/a", "hello"), [0, "/a\n"]);
    t.same(await zabra("get", "/a"), [0, "hello"]);
    t.same(await zabra("set", "/a", "new", "--version", "0"), [0, "version 1\n"]);
    const [code, json] = await zabra("get", "/a", "--json");
    t.equal(code, 0);
    t.match(JSON.parse(json), { path: "/a", data: "new", stat: { version: 1 } });
    t.equal((await zabra("create", "/p/q/r", "--parents"))[0], 0);
    t.same(await zabra("ls", "/p", "-r"), [0, "q\nq/r\n"]);
    t.same(await zabra("rm", "/p", "-r"), [0, "removed 3 nodes\n"]);
    t.match((await zabra("stat", "/a"))[1], /version +1/);
  });

  t.test("refusals end with 1 and say why; bad usage with 64; help with 0", async (t) => {
    const [code, text] = await zabra("get", "/none");
    t.equal(code, 1);
    t.match(text, /NO_NODE.*\/none/);
    const [jsonCode, json] = await zabra("get", "/none", "--json");
    t.equal(jsonCode, 1);
    t.match(JSON.parse(json), { error: "NO_NODE", path: "/none" });
    t.equal((await zabra("get"))[0], 64);
    t.equal((await zabra("frobnicate"))[0], 64);
    t.equal((await zabra("get", "/a", "--timeout", "soon"))[0], 64);
    t.equal((await zabra("lock", "--help"))[0], 0);
    const [, unreachable] = await zabra("get", "/a", "--connect", "ws://127.0.0.1:1", "--timeout", "300");
    t.match(unreachable, /TIMEOUT/);
  });

  t.test("lock: the command runs with its token, its exit code is ours, the lock is given back", async (t) => {
    const script = "process.stdout.write('token ' + process.env.ZABRA_TOKEN); process.exitCode = 7";
    const [code, text] = await zabra("lock", "/job", "--", process.execPath, "-e", script);
    t.equal(code, 7);
    t.match(text, /token \d+/);
    t.match(await zabra("lock", "/job"), [0, "nobody\n"]);
  });

  t.test("lock: a signal stops the command and gives the lock back; losing the lock kills it", async (t) => {
    const client = await connect(server.url);
    const lock = new Lock(client, "/held");
    const forever = [
      "lock",
      "/held",
      "--",
      process.execPath,
      "-e",
      "process.stdout.write('runs'); setInterval(() => {}, 1000)",
    ] as const;
    const first = new Run(server.url, ...forever);
    await until(() => first.output.includes("runs"));
    first.child.kill("SIGTERM");
    t.equal(await first.ended, 128 + 15);
    t.equal((await lock.contenders()).length, 0);

    const second = new Run(server.url, ...forever);
    await until(() => second.output.includes("runs"));
    await client.delete((await lock.contenders())[0]?.path ?? "");
    t.equal(await second.ended, 1);
    t.match(second.output, /was lost/);

    const grant = await lock.acquire();
    const waiting = new Run(server.url, ...forever);
    await until(async () => (await lock.contenders()).length === 2);
    waiting.child.kill("SIGINT");
    t.equal(await waiting.ended, 1);
    t.equal((await lock.contenders()).length, 1, "one who stops waiting leaves the queue");
    await grant.release();
    await client.close();
  });

  t.test("watch prints what is there and every change", async (t) => {
    const client = await connect(server.url);
    await client.create("/w", "one");
    const run = new Run(server.url, "watch", "/w", "--json");
    await until(() => run.output.includes("\n"));
    await client.set("/w", "two");
    await until(() => run.output.split("\n").length > 2);
    run.child.kill("SIGINT");
    t.equal(await run.ended, 0);
    const lines = run.output
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line));
    t.match(lines, [
      { type: "is", path: "/w", data: "one" },
      { type: "dataChanged", path: "/w", data: "two" },
    ]);
    await client.close();
  });

  t.test("status names every server", async (t) => {
    const [code, json] = await zabra("status", "--json");
    t.equal(code, 0);
    t.match(JSON.parse(json), { role: "leading" });
  });
});
