/**
 * The house rules, checked: import directions, a deterministic core, small files and functions, no dead
 * files, nothing unfinished, one title a page, a map of the sources that is true. Each rule is first
 * shown a bad sample that it must report.
 */
import t from "tap";
import {
  checkCore,
  checkDirections,
  checkFinished,
  checkImported,
  checkMap,
  checkShipped,
  checkSize,
  checkTimers,
  checkTitle,
} from "./tidy/rules.ts";
import { filesBelow, isFile, parse, readText } from "./tidy/source.ts";

const product = filesBelow(["src", "client", "server"], ".ts").map((path) => parse(path, readText(path)));
const core = product.filter((source) => source.path.startsWith("src/"));
const written = filesBelow(["src", "client", "server", "test", "bench", "examples", "proto", "docs"], "");
const pages = [...filesBelow(["docs", "examples", "test"], ".md"), "README.md", "CHANGELOG.md", "CONTRIBUTING.md"].filter(isFile);
/** For tests of the tree without a disk. */
const testOnly = ["src/tree/memory-store.ts"];
const map = "docs/architecture.md";

function directionsOf(path: string, line: string): string[] {
  return checkDirections(parse(path, line));
}

t.test("the files are found", async (t) => {
  t.ok(core.length > 50, "src");
  t.ok(
    core.some(
      (source) => source.path === "src/model/zxid.ts" && source.imports.some((one) => one.target === "src/model/assert.ts"),
    ),
  );
});

t.test("imports go one way", async (t) => {
  t.strictSame(directionsOf("src/zab/a.ts", 'import { x } from "../tree/b.ts";'), [
    "src/zab/a.ts imports src/tree/b.ts: src/zab may import src/model; types of src/zab, src/log, src/tree, src/session, src/watch",
  ]);
  t.strictSame(directionsOf("src/zab/a.ts", 'import type { X } from "../tree/b.ts";'), []);
  t.strictSame(directionsOf("src/zab/a.ts", 'import { type X } from "../tree/b.ts";'), []);
  t.equal(directionsOf("src/zab/a.ts", 'import { type X, y } from "../tree/b.ts";').length, 1);
  t.equal(directionsOf("src/zab/a.ts", 'import type { X } from "../replica/b.ts";').length, 1);
  t.equal(directionsOf("src/model/a.ts", 'export * from "../wire/b.ts";').length, 1);
  t.equal(directionsOf("src/new/a.ts", "").length, 1);
  t.equal(directionsOf("client/cli/a.ts", 'import { x } from "../../server/b.ts";').length, 1);
  t.equal(directionsOf("client/a.ts", 'await import("../src/wire/peer-codec.ts");').length, 1);
  t.strictSame(
    directionsOf(
      "client/a.ts",
      'import { x } from "../src/wire/client-codec.ts"; import { y } from "./b.ts"; import ws from "ws";',
    ),
    [],
  );
  t.strictSame(product.flatMap(checkDirections), []);
});

t.test("the core is synchronous and deterministic", async (t) => {
  const bad = [
    "Date.now();",
    "const now = new Date();",
    "Math.random();",
    "async function f() {}",
    "const f = async () => 1;",
    "const p: Promise<void> = x;",
    "new WeakRef(x);",
    "new Intl.Collator();",
    "a.localeCompare(b);",
    'eval("1");',
    "setTimeout(f, 1);",
    "queueMicrotask(f);",
    'import { readFileSync } from "node:fs";',
    'import ws from "ws";',
  ];
  for (const line of bad) t.equal(checkCore(parse("src/x.ts", line)).length, 1, line);
  t.ok(checkCore(parse("src/x.ts", 'const x = await import("./y.ts");')).length >= 2, "await, import()");
  t.strictSame(checkCore(parse("src/x.ts", "// Date, Promise\nrandom.random(); row.Date; const r = { eval: 1 };")), []);
  t.strictSame(core.flatMap(checkCore), []);
});

t.test("clients wait by their own timers alone, so that virtual time works", async (t) => {
  for (const line of ["setTimeout(f, 1);", "AbortSignal.timeout(5);", "const now = Date.now();", "performance.now();"])
    t.equal(checkTimers(parse("client/recipes/x.ts", line)).length, 1, line);
  t.strictSame(checkTimers(parse("client/recipes/x.ts", "client.after(1, f); clearTimeout; row.Date;")), []);
  t.strictSame(product.flatMap(checkTimers), []);
});

t.test("what zabra/testing ships imports nothing that is not shipped", async (t) => {
  const simulator = filesBelow(["test/sim"], ".ts").map((path) => parse(path, readText(path)));
  const bad = [
    parse("test/sim/testing.ts", 'import "./a.ts";'),
    parse("test/sim/a.ts", 'import t from "tap"; import "../x.ts";'),
  ];
  t.equal(checkShipped("test/sim/testing.ts", bad, ["ws"]).length, 2);
  const dependencies = Object.keys((JSON.parse(readText("package.json")) as { dependencies: object }).dependencies);
  t.strictSame(checkShipped("test/sim/testing.ts", simulator, dependencies), []);
});

t.test("files and functions are small", async (t) => {
  t.equal(checkSize(parse("src/x.ts", "\n".repeat(601))).length, 1);
  t.strictSame(checkSize(parse("src/x.ts", "\n".repeat(600))), []);
  t.equal(checkSize(parse("src/x.ts", `class X { #m() {${"\n".repeat(70)}} }`)).length, 1);
  t.equal(checkSize(parse("src/x.ts", `const f = () => {${"\n".repeat(70)}};`)).length, 1);
  t.strictSame(checkSize(parse("src/x.ts", `function f() {${"\n".repeat(69)}}`)), []);
  t.strictSame(product.flatMap(checkSize), []);
});

t.test("every file of src is used", async (t) => {
  const [used, dead, user] = [
    parse("src/a/used.ts", ""),
    parse("src/a/dead.ts", ""),
    parse("server/x.ts", 'import { y } from "../src/a/used.ts";'),
  ];
  t.strictSame(checkImported([used, dead, user], []), ["src/a/dead.ts: nothing imports it"]);
  t.strictSame(checkImported([used, dead, user], ["src/a/dead.ts"]), []);
  t.strictSame(checkImported(product, testOnly), []);
});

t.test("nothing is left unfinished", async (t) => {
  const word = ["TO", "DO"].join("");
  t.strictSame(checkFinished("x.ts", `fine\n// ${word}: later`), ["x.ts:2: finish it, or open an issue"]);
  t.strictSame(checkFinished("x.ts", `const ${word}S = 1;`), []);
  t.strictSame(
    [...written, ...pages].flatMap((path) => checkFinished(path, readText(path))),
    [],
  );
});

t.test("a page has one title", async (t) => {
  t.equal(checkTitle("x.md", "# a\n# b\n").length, 1);
  t.equal(checkTitle("x.md", "text\n## a\n").length, 1);
  t.strictSame(checkTitle("x.md", "# a\n```\n# a comment\n```\n"), []);
  t.strictSame(
    pages.flatMap((path) => checkTitle(path, readText(path))),
    [],
  );
});

t.test("the map of the sources is true", async (t) => {
  const exists = (path: string) => path === "src/a/b.ts" || path === "server/c.ts";
  t.strictSame(checkMap("map.md", "`src/a/b.ts`, `server/c.ts`, not/in/code.ts", ["src/a/b.ts", "server/c.ts"], exists), []);
  t.strictSame(checkMap("map.md", "`a/b.ts`", ["src/a/b.ts"], exists), []);
  t.strictSame(checkMap("map.md", "`src/a/x.ts`", ["src/a/b.ts"], exists), [
    "map.md: names src/a/x.ts, which does not exist",
    "map.md: does not name src/a/b.ts",
  ]);
  const paths = core.map((source) => source.path);
  if (isFile(map)) t.strictSame(checkMap(map, readText(map), paths, isFile), []);
  else t.comment(`${map} is not written yet`);
});
