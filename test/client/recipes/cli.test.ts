/** `zabra config` as a process, against a real server. */
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import t from "tap";
import { connect } from "../../../client/index.ts";
import { register } from "../../../client/recipes/index.ts";
import { startServer } from "../../../server/index.ts";

t.setTimeout(900_000);

const program = fileURLToPath(new URL("../cli-program.js", import.meta.url));

t.test("recipes on the command line", async (t) => {
  const server = await startServer({ zookeeperPort: false });
  await server.ready();
  const directory = mkdtempSync(join(tmpdir(), "zabra-cli-"));
  const client = await connect(server.url);
  t.teardown(async () => {
    await client.close();
    await server.close();
    rmSync(directory, { recursive: true });
  });

  const zabra = (...parameters: string[]): Promise<readonly [number, string]> => {
    const child = spawn(process.execPath, [program, ...parameters], { env: { ...process.env, ZABRA_CONNECT: server.url } });
    let output = "";
    for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk: Buffer) => (output += chunk.toString()));
    return new Promise((resolve) => child.on("close", (status) => resolve([status ?? -1, output])));
  };
  const file = (name: string, value: unknown): string => {
    const path = join(directory, name);
    writeFileSync(path, typeof value === "string" ? value : JSON.stringify(value));
    return path;
  };

  t.test("config: dry run, apply, history, rollback", async (t) => {
    const first = file("app.json", { port: 1, db: { host: "a" } });
    const [dry, shown] = await zabra("config", "apply", first, "--dry-run");
    t.equal(dry, 0);
    t.match(shown, /^\+ \(all\) {2}\{"port":1/);
    t.match(shown, /nothing was written/);
    t.equal(await client.exists("/config/app"), undefined);
    t.equal((await zabra("config", "apply", first, "--note", "first"))[0], 0);
    t.same((await client.get("/config/app")).json(), { port: 1, db: { host: "a" } });
    const [, changed] = await zabra("config", "apply", file("app.json", { port: 2, db: { host: "a" }, new: true }));
    t.match(changed, /^\+ new {2}true\n~ port {2}1 -> 2\n\/config\/app written, zxid \d+\n$/);
    const [, history] = await zabra("config", "history", "/config/app", "--json");
    const revisions = history
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line));
    t.match(revisions, [
      { revision: 0, note: "first", value: { port: 1 } },
      { revision: 1, value: { port: 2 } },
    ]);
    t.match(await zabra("config", "rollback", "/config/app"), [0, /~ port {2}2 -> 1/]);
    t.match((await client.get("/config/app")).json(), { port: 1 });
  });

  t.test("registry: services, instances", async (t) => {
    const registration = await register(client, "shop", { id: "a", payload: { url: "http://a" }, weight: 2, zone: "z" });
    t.match(await zabra("registry", "ls"), [0, /^shop +1 instance/]);
    t.match(await zabra("registry", "ls", "shop"), [0, /^a +up +weight 2 +zone z +\{"url":"http:\/\/a"\}\n$/]);
    await registration.close();
  });

  t.test("cron: a command at times, with its run and token; the history; refusals", async (t) => {
    const script = 'echo "run $ZABRA_RUN at $ZABRA_TICK with $ZABRA_TOKEN"; [ "$ZABRA_RUN" = 2 ] && kill -TERM $PPID';
    const [code, output] = await zabra("cron", "/cron/x", "--every", "100ms", "--", "sh", "-c", script);
    t.equal(code, 0);
    t.match(output, /^leads, token \d+\n.*run 1 at \d{4}-.*Z with \d+/s);
    const [, history] = await zabra("cron", "/cron/x", "--json");
    t.match(JSON.parse(history.split("\n")[0] ?? ""), { run: 1, status: "failed", result: "exit code 1" });
    t.match(await zabra("cron", "/cron/x", "--every", "soon", "--", "true"), [64, /--every must be a number and/]);
  });

  t.test("config: keys; refusals", async (t) => {
    const keys = file("k.json", { a: 1, b: "x" });
    t.equal((await zabra("config", "apply", keys, "--path", "/settings", "--keys"))[0], 0);
    t.equal((await client.get("/settings/b")).text, '"x"');
    t.match(await zabra("config", "apply", file("bad.json", "{")), [64, /bad\.json: .*JSON/]);
    t.match(await zabra("config", "rollback", "/settings", "7"), [1, /NO_NODE.*revision 7 is not kept; kept are: 0/]);
    t.match(await zabra("config", "apply", keys, "--keep", "0"), [1, /BAD_ARGUMENTS.*keep/]);
  });
});
