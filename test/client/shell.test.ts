/** The shell: words of a line, drawn trees, history, and a script from a pipe. (At a real terminal: `test/foreign/shell.foreign.ts`.) */
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { extname, join } from "node:path";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import t from "tap";
import { History } from "../../client/cli/history.ts";
import { treeLines } from "../../client/cli/tree-view.ts";
import { splitWords } from "../../client/cli/words.ts";
import { startServer } from "../../server/index.ts";
import { childNodeArguments } from "../support/child.ts";

const program = fileURLToPath(new URL(`./cli-program${extname(fileURLToPath(import.meta.url))}`, import.meta.url));

t.test("words", async (t) => {
  const lines: readonly (readonly [string, readonly string[]])[] = [
    ["", []],
    ["  get   /a ", ["get", "/a"]],
    ["set /a 'two words'", ["set", "/a", "two words"]],
    ['set /a "say \\"hi\\" \\\\ \\n"', ["set", "/a", 'say "hi" \\ \\n']],
    ["set /a\\ b ''", ["set", "/a b", ""]],
    ["a'b'\"c\"d", ["abcd"]],
  ];
  for (const [line, words] of lines) t.same(splitWords(line), words, line);
  for (const line of ["set /a 'x", 'set "', "set \\"]) t.throws(() => splitWords(line), { code: "BAD_ARGUMENTS" }, line);
});

t.test("a drawn tree", async (t) => {
  t.same(treeLines("/x", ["a", "a/b", "a/b/c", "a/d", "e"]), ["/x", "├── a", "│   ├── b", "│   │   └── c", "│   └── d", "└── e"]);
  t.same(treeLines("/", []), ["/"]);
});

t.test("history", async (t) => {
  const file = join(mkdtempSync(join(tmpdir(), "zabra-history-")), "history");
  const first = History.open(file);
  for (const line of ["one", "two", "two", " secret", "", "three"]) first.add(line);
  t.same(History.open(file).newestFirst(), ["three", "two", "one"]);
  t.equal(statSync(file).mode & 0o777, 0o600);
  writeFileSync(file, "old\n".repeat(3_000));
  t.equal(History.open(file).newestFirst().length, first.linesMax);
  t.equal(readFileSync(file, "utf8").length, 4 * first.linesMax, "the file is cut too");
  const none = History.open("");
  none.add("x");
  t.same(none.newestFirst(), []);
});

t.test("a script from a pipe runs in one session and ends at its first failure", async (t) => {
  const server = await startServer({ logLevel: "silent" });
  t.teardown(() => server.close());
  await server.ready();
  const child = spawn(process.execPath, [...childNodeArguments, program, "shell"], {
    env: { ...process.env, ZABRA_CONNECT: server.url },
  });
  const output = Promise.all([text(child.stdout), text(child.stderr), new Promise((resolve) => child.on("exit", resolve))]);
  child.stdin.end('# a comment\ncreate -e /mine "two words"\nls /mine/.. --tree\nget /mine\n');
  const [, refused, code] = await output;
  t.match(refused, /BAD_PATH|BAD_ARGUMENTS/);
  t.equal(code, 1);

  const again = spawn(process.execPath, [...childNodeArguments, program, "shell"], {
    env: { ...process.env, ZABRA_CONNECT: server.url },
  });
  const outputs = Promise.all([text(again.stdout), text(again.stderr), new Promise((resolve) => again.on("exit", resolve))]);
  again.stdin.end("create -e /mine2 'x y'\nget /mine2\nstat /mine2 --json\nexit\nget /mine2\n");
  const [printed, , end] = await outputs;
  t.match(printed, /^\/mine2\nx y\{"path":"\/mine2".*"ephemeralOwner":[1-9]/);
  t.equal(end, 0);
});
