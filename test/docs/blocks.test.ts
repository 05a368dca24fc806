/**
 * Every code block of README and docs is run: TypeScript as a program of its own, type-checked before, against an ensemble; shell commands of `zabra` too.
 */
import { spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import t from "tap";
import ts from "typescript";
import { startEnsemble } from "../../server/index.ts";

const root = fileURLToPath(new URL("../../../", import.meta.url));
const documented = "ws://127.0.0.1:2180,ws://127.0.0.1:2190,ws://127.0.0.1:2200";
/** Pages whose programs need more than an ensemble, and the test that runs each of them. */
const elsewhere: ReadonlyMap<string, string> = new Map([["docs/fencing.md", "test/examples/docs.test.ts"]]);
/** Commands that build, start or stop things are run by the gate itself, and by `test/server/cli.test.ts`. */
const notHere = /^(?:npm|npx zabra (?:dev|server|watch)|kill|node dist|#|$)/;

interface Block {
  readonly name: string;
  readonly language: string;
  readonly text: string;
}

export function blocksOf(name: string, page: string): readonly Block[] {
  const found = page.matchAll(/^```(\w*)\n(.*?)^```$/gms);
  return [...found].map(([, language = "", text = ""], i) => ({ name: `${name}, block ${i + 1}`, language, text }));
}

function pages(): readonly string[] {
  const below = (directory: string): string[] =>
    readdirSync(join(root, directory), { withFileTypes: true }).flatMap((entry) => {
      const path = join(directory, entry.name);
      return entry.isDirectory() ? below(path) : path.endsWith(".md") ? [path] : [];
    });
  return ["README.md", ...below("docs")];
}

/** What the compiler says of a program. */
function typeErrors(files: readonly string[]): readonly string[] {
  const program = ts.createProgram(files, {
    target: ts.ScriptTarget.ES2023,
    module: ts.ModuleKind.NodeNext,
    moduleResolution: ts.ModuleResolutionKind.NodeNext,
    lib: ["lib.es2023.d.ts", "lib.esnext.disposable.d.ts", "lib.dom.d.ts"],
    types: ["node"],
    typeRoots: [join(root, "node_modules/@types")],
    strict: true,
    skipLibCheck: true,
    noEmit: true,
  });
  return ts.getPreEmitDiagnostics(program).map(({ file, messageText, start }) => {
    const line = file === undefined ? 0 : file.getLineAndCharacterOfPosition(start ?? 0).line + 1;
    return `${file?.fileName ?? ""}:${line}: ${ts.flattenDiagnosticMessageText(messageText, " ")}`;
  });
}

function run(file: string, directory: string): Promise<readonly [number | null, string]> {
  const child = spawn(process.execPath, [file], { cwd: directory, stdio: ["ignore", "pipe", "pipe"] });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk: Buffer) => (output += chunk.toString()));
  const timer = setTimeout(() => child.kill("SIGKILL"), 30_000);
  return new Promise((resolve) =>
    child.on("close", (code) => {
      clearTimeout(timer);
      resolve([code, output]);
    }),
  );
}

t.setTimeout(900_000);
const all = pages()
  .filter((path) => !elsewhere.has(path))
  .flatMap((path) => blocksOf(path, readFileSync(join(root, path), "utf8")));

t.test("blocks are found", async (t) => {
  t.same(blocksOf("x", "a\n```ts\none\n```\nb\n```sh\ntwo\n```\n"), [
    { name: "x, block 1", language: "ts", text: "one\n" },
    { name: "x, block 2", language: "sh", text: "two\n" },
  ]);
  t.ok(all.filter((block) => block.language === "ts").length >= 5);
  const known = new Set(["ts", "sh", ""]);
  t.same(
    all.filter((block) => !known.has(block.language)),
    [],
    "another language would need somebody to run it",
  );
});

t.test("pages that are left out are run by the test that is named", async (t) => {
  for (const [page, test] of elsewhere) t.ok(readFileSync(join(root, test), "utf8").includes(page), page);
});

t.test("every block runs", async (t) => {
  const directory = mkdtempSync(join(root, "dist/.docs-"));
  t.teardown(() => rmSync(directory, { recursive: true }));
  mkdirSync(join(directory, "node_modules"));
  symlinkSync(root, join(directory, "node_modules/zabra"));
  writeFileSync(join(directory, "package.json"), '{ "type": "module" }');
  const programs = all.filter(({ language, text }) => language === "ts" && !text.includes("node:test"));
  const files = programs.map(({ text }, i) => {
    const file = join(directory, `block-${i}.ts`);
    writeFileSync(file, text);
    return file;
  });
  t.same(typeErrors(files), [], "they type-check");

  const ensemble = await startEnsemble({ servers: 1, zookeeper: false });
  t.teardown(() => ensemble.close());
  for (const [i, block] of programs.entries()) {
    const text = block.text.replaceAll(documented, ensemble.urls.join(","));
    const { outputText } = ts.transpileModule(text, {
      compilerOptions: { target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.ESNext },
    });
    writeFileSync(join(directory, `block-${i}.js`), outputText);
    const [code, output] = await run(join(directory, `block-${i}.js`), directory);
    t.equal(code, 0, `${block.name}${code === 0 ? "" : `\n${output}`}`);
  }

  const zabra = join(root, "dist/server/zabra.js");
  for (const block of all.filter(({ language }) => language === "sh")) {
    const lines = block.text.split("\n").filter((line) => !notHere.test(line.trim()));
    if (lines.length === 0) continue;
    const script = `set -e\n${lines.join("\n").replaceAll("npx zabra", `"${process.execPath}" "${zabra}"`)}`;
    const env = { ...process.env, ZABRA_CONNECT: ensemble.urls.join(",") };
    const child = spawn("bash", ["-c", script], { cwd: directory, env, stdio: ["ignore", "pipe", "pipe"] });
    let output = "";
    for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk: Buffer) => (output += chunk.toString()));
    const code = await new Promise((resolve) => child.on("close", resolve));
    t.equal(code, 0, `${block.name}${code === 0 ? "" : `\n${script}\n${output}`}`);
  }
});
