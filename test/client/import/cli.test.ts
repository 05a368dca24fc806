/** `zabra import` and `zabra export` as processes: a ZooKeeper server's files in, text out and in again, live with `--once`, and bad usage. */
import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { extname, join } from "node:path";
import { fileURLToPath } from "node:url";
import t from "tap";
import { startServer } from "../../../server/index.ts";
import { childNodeArguments } from "../../support/child.ts";
import { logBytes, snapshotBytes, write } from "./zookeeper-files.ts";

t.setTimeout(900_000);

const program = fileURLToPath(new URL(`../cli-program${extname(fileURLToPath(import.meta.url))}`, import.meta.url));

interface Ended {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

function zabra(url: string, ...parameters: string[]): Promise<Ended> {
  const child = spawn(process.execPath, [...childNodeArguments, program, ...parameters, "--connect", url], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  let [out, err] = ["", ""];
  child.stdout.on("data", (chunk: Buffer) => {
    out += chunk.toString();
  });
  child.stderr.on("data", (chunk: Buffer) => {
    err += chunk.toString();
  });
  return new Promise((resolve) => child.on("close", (code) => resolve({ code: code ?? -1, out, err })));
}

t.test("in from files, out as text, in again, and over from a server", async (t) => {
  const directory = t.testdir();
  const [server, other] = [await startServer(), await startServer({ foundAboveEpoch: 9 })];
  t.teardown(() => Promise.all([server.close(), other.close()]));
  await Promise.all([server.ready(), other.ready()]);
  write(
    join(directory, "snapshot.1"),
    snapshotBytes([
      { path: "", zxid: 0 },
      { path: "/a", data: "one" },
    ]),
  );
  write(join(directory, "log.2"), logBytes([[2, { type: "create", path: "/a/b", data: "two" }]]));
  const files = await zabra(server.url, "import", "--from-snapshot", directory, "--path", "/a", "--to", "/in");
  t.match(files, { code: 0, out: /^2 nodes as of zxid 0x2 \(0 ephemerals .*\); the digests of both trees are 2:\w{16}\n$/ });
  const file = join(directory, "export");
  t.match(await zabra(server.url, "export", "/in", "-o", file), { code: 0, out: "" });
  t.match((await zabra(server.url, "export", "/in")).out.split("\n").slice(1), readFileSync(file, "utf8").split("\n").slice(1));
  const back = await zabra(other.url, "import", "--from-export", file, "--to", "/back", "--json");
  t.match(JSON.parse(back.out), { nodes: 2, digest: files.out.slice(-19, -1) });
  const live = await zabra(other.url, "import", "--from", `zk://${server.zookeeper}/in`, "--to", "/live", "--once");
  t.match(live, { code: 0, out: /^2 nodes as of zxid .*; the digests of both trees are 2:\w{16}\. Clients may connect/ });
  t.match(live.err, /containers and TTL nodes look persistent/);
});

t.test("bad usage is one sentence and exit code 1", async (t) => {
  const server = await startServer();
  t.teardown(() => server.close());
  await server.ready();
  const bad: readonly (readonly [readonly string[], RegExp])[] = [
    [[], /^zabra: give one of --from, --from-snapshot and --from-export\n$/],
    [["--from", "zk://a:1", "--from-export", "x"], /give one of/],
    [["--from", "http://a:1"], /--from must be zk:\/\/HOST:PORT.*, not http:\/\/a:1\n$/],
    [["--from", "zk://a:99999"], /--from must be/],
    [["--from", "zk://a:1", "--source-auth", "word"], /credentials must be SCHEME:CREDENTIALS/],
    [["--from-snapshot", "/nowhere"], /^zabra: \/nowhere cannot be read: ENOENT/],
    [["--from-export", "/nowhere"], /^zabra: \/nowhere cannot be read: ENOENT/],
  ];
  const ended = await Promise.all(bad.map(([parameters]) => zabra(server.url, "import", ...parameters)));
  for (const [i, [parameters, message]] of bad.entries())
    t.match(ended[i], { code: 1, out: "", err: message }, parameters.join(" "));
});
