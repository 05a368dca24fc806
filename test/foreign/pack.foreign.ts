/**
 * The package as its users get it: packed, installed into an empty project, type-checked there with
 * `moduleResolution: nodenext`, and run. The README's program is one of those that run. Needs a package
 * registry, or npm's cache, for the dependencies.
 */
import { type SpawnSyncReturns, spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import t, { type Test } from "tap";

const root = fileURLToPath(new URL("../../..", import.meta.url));
const tsc = join(root, "node_modules/typescript/bin/tsc");

t.setTimeout(900_000);

const program = `
import { connect, ZabraError, type Client, type Stat } from "zabra";
import { Election, Lock } from "zabra/recipes";
import { startServer } from "zabra/server";
import { startEnsemble, virtualEnsemble } from "zabra/testing";

const virtual = virtualEnsemble();
const simulated = await virtual.run(async () => (await (await virtual.client()).create("/virtual")).path);

const single = await startServer();
await single.ready();
await single.close();

const ensemble = await startEnsemble({ servers: 3 });
const client: Client = await connect(ensemble.urls);
await client.create("/installed", "yes");
const stat: Stat = (await client.get("/installed")).stat;
const refused = await client.create("/installed").catch((error: unknown) => error instanceof ZabraError && error.code);
const term = await new Election(client, "/election").campaign();
const held = await new Lock(client, "/lock").withLock(async (signal: AbortSignal) => !signal.aborted);
// @ts-expect-error: types are there, not any
const wrong: string = stat.version;
console.log(JSON.stringify({ simulated, text: (await client.get("/installed")).text, refused, held, leads: term.held, wrong }));
await client.close();
process.env["SERVERS"] = ensemble.urls.join(",");
await import("./readme.js");
await ensemble.close();
`;

const project = {
  "package.json": JSON.stringify({ name: "user", private: true, type: "module" }),
  "tsconfig.json": JSON.stringify({
    compilerOptions: {
      target: "es2023",
      module: "nodenext",
      moduleResolution: "nodenext",
      strict: true,
      skipLibCheck: true,
      types: ["node"],
      typeRoots: [join(root, "node_modules/@types")],
      outDir: "out",
    },
  }),
  "program.ts": program,
  "readme.ts": readmeProgram().replace(/connect\("[^"]*"\)/, 'connect(process.env["SERVERS"] ?? "")'),
};

function readmeProgram(): string {
  return /```ts\n([\s\S]*?)```/.exec(readFileSync(join(root, "README.md"), "utf8"))?.[1] ?? "";
}

function run(directory: string, command: string, args: readonly string[]): SpawnSyncReturns<string> {
  return spawnSync(command, args, { cwd: directory, encoding: "utf8", timeout: 100_000 });
}

function succeeded(t: Test, result: SpawnSyncReturns<string>, what: string): boolean {
  return t.equal(result.status, 0, what, { output: result.stdout, errors: result.stderr, error: result.error?.message });
}

const unreachable = "no package registry can be reached";
const offline = /\b(ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|ENOTCACHED)\b/;

t.test("examples/hello.ts is the program of the README", async (t) => {
  const example = readFileSync(join(root, "examples/hello.ts"), "utf8");
  t.match(readmeProgram(), /connect/);
  t.equal(example.slice(example.indexOf("import ")), readmeProgram());
});

t.test("packed, installed, checked and run", async (t) => {
  const directory = mkdtempSync(join(tmpdir(), "zabra-pack-"));
  t.teardown(() => rmSync(directory, { recursive: true, force: true }));
  if (!succeeded(t, run(root, process.execPath, ["dist/test/docs/api-main.js"]), "makes the API reference")) return;
  const packed = run(root, "npm", ["pack", "--ignore-scripts", "--silent", "--pack-destination", directory]);
  if (!succeeded(t, packed, "packs")) return;
  for (const [name, text] of Object.entries(project)) writeFileSync(join(directory, name), text);

  const tarball = readdirSync(directory).find((name) => name.endsWith(".tgz")) ?? "";
  const installed = run(directory, "npm", ["install", "--prefer-offline", "--no-audit", "--no-fund", `./${tarball}`]);
  if (installed.status !== 0 && offline.test(installed.stderr)) {
    console.error(`NOT TESTED: ${unreachable}`);
    return void t.pass("installs", { skip: unreachable });
  }
  if (!succeeded(t, installed, "installs")) return;

  const files = readdirSync(join(directory, "node_modules/zabra/dist"));
  t.strictSame(files.toSorted(), ["api", "client", "server", "src", "test"], "nothing but the product");
  t.strictSame(readdirSync(join(directory, "node_modules/zabra/dist/test")), ["sim"], "and the simulator");
  succeeded(t, run(directory, process.execPath, [tsc, "-p", "."]), "the types resolve");
  const ran = run(directory, process.execPath, ["out/program.js"]);
  if (!succeeded(t, ran, "runs")) return;
  const [first = "", second] = ran.stdout.split("\n");
  t.strictSame(JSON.parse(first), {
    simulated: "/virtual",
    text: "yes",
    refused: "NODE_EXISTS",
    held: true,
    leads: true,
    wrong: 0,
  });
  t.equal(second, "hello 0", "the README's program");
  const version = run(directory, join(directory, "node_modules/.bin/zabra"), ["--version"]);
  t.match(version.stdout, /^\d+\.\d+\.\d+\n$/, "the command is installed");
});
