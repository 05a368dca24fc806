/**
 * Tokens at real resources: a Redis server by ioredis, and PostgreSQL by the pattern of `docs/fencing.md`, run as it stands there. A holder in
 * a process of its own is stopped past its deadline and woken: its late write is refused. Skipped loudly where a server is not on the PATH.
 */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { chmodSync, chownSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { Redis } from "ioredis";
import t, { type Test } from "tap";
import { FencedRedis } from "../../client/fencing/index.ts";
import { connect } from "../../client/index.ts";
import { Lock } from "../../client/recipes/index.ts";
import { startServer } from "../../server/index.ts";
import { freePorts } from "../cluster/process-ensemble.ts";

t.setTimeout(900_000);

const holder = fileURLToPath(new URL("./paused-holder.js", import.meta.url));
const page = fileURLToPath(new URL("../../../docs/fencing.md", import.meta.url));

function missing(program: string): string | undefined {
  return spawnSync(program, ["--version"]).error === undefined ? undefined : `NOT TESTED: ${program} is not on the PATH`;
}

function skipLoudly(t: Test, why: string): void {
  console.error(why);
  t.pass(why, { skip: why });
}

async function startRedis(t: Test): Promise<{ readonly redis: Redis; readonly port: number }> {
  const [port = 0] = await freePorts(1);
  const server = spawn("redis-server", ["--port", String(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"], {
    stdio: "ignore",
  });
  const redis = new Redis({ port, host: "127.0.0.1", retryStrategy: () => 20, maxRetriesPerRequest: null });
  redis.on("error", () => {});
  t.teardown(() => {
    redis.disconnect();
    server.kill("SIGKILL");
  });
  await redis.ping();
  return { redis, port };
}

/** The next line that the holder's process says. */
function lines(child: ChildProcess): AsyncIterator<string> {
  if (child.stdout === null) throw new Error("no output");
  return createInterface({ input: child.stdout })[Symbol.asyncIterator]();
}

t.test("Redis: a stopped holder is refused", async (t) => {
  const why = missing("redis-server");
  if (why !== undefined) return skipLoudly(t, why);
  const { redis, port } = await startRedis(t);
  const server = await startServer({ limits: { session_timeout_ms_min: 200, replies_per_session_max: 1_100 } });
  t.teardown(() => server.close());
  await server.ready();
  const child = spawn(process.execPath, [holder, server.url, String(port)], { stdio: ["pipe", "pipe", "inherit"] });
  t.teardown(() => child.kill("SIGKILL"));
  const said = lines(child);
  t.match((await said.next()).value, /^holds \d+$/);
  child.kill("SIGSTOP");
  const client = await connect(server.url);
  const grant = await new Lock(client, "/l").acquire({ timeoutMs: 20_000 });
  await new FencedRedis(redis).set(grant, "report", "by the second");
  child.kill("SIGCONT");
  child.stdin.write("write\n");
  t.match((await said.next()).value, /^refused FENCED/);
  t.equal(await redis.get("report"), "by the second");
  await grant.release();
  await client.close();
});

// ---- PostgreSQL

/** The SQL of the page, block by block. */
function blocks(): readonly string[] {
  return [...readFileSync(page, "utf8").matchAll(/```sql\n([\s\S]*?)```/g)].map(([, sql = ""]) => sql);
}

/** PostgreSQL does not run as root: a user that is not is borrowed. */
function unprivileged(): { readonly uid?: number; readonly gid?: number } {
  return process.getuid?.() === 0 ? { uid: 65_534, gid: 65_534 } : {};
}

async function startPostgres(t: Test): Promise<(sql: string) => string> {
  const directory = mkdtempSync(join(tmpdir(), "zabra-pg-"));
  const user = unprivileged();
  if (user.uid !== undefined && user.gid !== undefined) chownSync(directory, user.uid, user.gid);
  chmodSync(directory, 0o700);
  const env = { PATH: process.env["PATH"], HOME: directory, LC_ALL: "C" };
  const made = spawnSync("initdb", ["-D", join(directory, "data"), "-U", "test", "-A", "trust", "--no-sync"], {
    ...user,
    env,
    encoding: "utf8",
  });
  if (made.status !== 0) throw new Error(`initdb: ${made.stderr}`);
  const args = ["-D", join(directory, "data"), "-k", directory, "-c", "listen_addresses=", "-c", "fsync=off"];
  const server = spawn("postgres", args, { ...user, env, stdio: "ignore" });
  t.teardown(() => {
    server.kill("SIGKILL");
    rmSync(directory, { recursive: true, force: true });
  });
  const psql = (sql: string): ReturnType<typeof spawnSync> =>
    spawnSync("psql", ["-h", directory, "-U", "test", "-d", "postgres", "-qtA", "-v", "ON_ERROR_STOP=1"], {
      input: sql,
      encoding: "utf8",
      env,
    });
  while (psql("select 1").status !== 0) await delay(50);
  return (sql) => {
    const { status, stdout, stderr } = psql(sql);
    return status === 0 ? String(stdout).trim() : `ERROR ${String(stderr)}`;
  };
}

t.test("PostgreSQL: the pattern of the page refuses a lower token", async (t) => {
  const why = missing("postgres") ?? missing("initdb") ?? missing("psql");
  if (why !== undefined) return skipLoudly(t, why);
  const sql = await startPostgres(t);
  const [schema = "", claim = "", write = ""] = blocks();
  const as = (text: string, token: number): string =>
    text.replaceAll("$token", String(token)).replaceAll("$text", `'by ${token}'`);
  const isError = (text: string): boolean => text.startsWith("ERROR");
  t.notOk(isError(sql(schema)), "the tables");
  sql("insert into report values (1, 'none')");
  for (const token of [4_294_967_300, 8_589_934_593]) {
    t.equal(sql(as(claim, token)), String(token), "claimed");
    t.notOk(isError(sql(as(write, token))));
    t.equal(sql("select text from report"), `by ${token}`);
  }
  t.equal(sql(as(claim, 4_294_967_300)), "", "a former holder claims nothing");
  t.match(sql(as(write, 4_294_967_300)), /FENCED/);
  t.equal(sql("select text from report"), "by 8589934593");
});
