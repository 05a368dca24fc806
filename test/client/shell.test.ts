/** The shell: words of a line, drawn trees, history, and a script from a pipe. (At a real terminal: `test/foreign/shell.foreign.ts`.) */
import { spawn, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { extname, join } from "node:path";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { Command } from "commander";
import t from "tap";
import { complete } from "../../client/cli/completer.ts";
import { History } from "../../client/cli/history.ts";
import { everySecond } from "../../client/cli/output.ts";
import { addClientCommands } from "../../client/cli/program.ts";
import { treeLines } from "../../client/cli/tree-view.ts";
import { splitWords } from "../../client/cli/words.ts";
import { startServer } from "../../server/index.ts";
import { virtualEnsemble } from "../sim/testing.ts";
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

t.test("what Tab offers: commands, those of a command, options, paths", async (t) => {
  const ensemble = virtualEnsemble({ seed: 2 });
  await ensemble.run(async () => {
    const client = await ensemble.client();
    await client.ensurePath("/services/shop");
    const zabra = new Command("zabra");
    addClientCommands(zabra);
    const offers = async (line: string): Promise<readonly string[]> => (await complete(zabra, client, line))[0];
    t.same(await offers("conf"), ["config"]);
    t.same(await offers("config "), ["apply", "history", "rollback"]);
    t.same(await offers("config a"), ["apply"]);
    t.same(await offers("registry "), ["ls"]);
    t.same(await offers("config apply --dr"), ["--dry-run"]);
    t.same(await offers("watch --r"), ["--recursive"]);
    t.same(await offers("get /serv"), ["/services"]);
    t.same(await offers("get /services/"), ["/services/shop"]);
    t.same(await offers("set /services wor"), [], "data is nobody's to guess");
    await client.close();
    t.same(await offers("get /serv"), [], "nothing, rather than an error");
  });
});

t.test("completions for bash", async (t) => {
  const script = spawnSync(process.execPath, [...childNodeArguments, program, "completion", "bash"], { encoding: "utf8" }).stdout;
  const offers = (...words: string[]): string => {
    const ask = `COMP_WORDS=(zabra ${words.join(" ")}); COMP_CWORD=${words.length}; _zabra; echo "\${COMPREPLY[*]}"`;
    return spawnSync("bash", ["-c", `${script}\n${ask}`], { encoding: "utf8" }).stdout.trim();
  };
  t.equal(offers("conf"), "config");
  t.equal(offers("config", "''"), "apply history rollback");
  t.equal(offers("config", "apply", "--dr"), "--dry-run");
  t.equal(offers("watch", "--rec"), "--recursive");
  t.equal(offers("get", "''"), "");
});

t.test("long work tells how far it is, once a second and not before", async (t) => {
  let nowMs = 0;
  const told: number[] = [];
  const say = everySecond(
    (nodes) => told.push(nodes),
    () => nowMs,
  );
  for (let nodes = 1; nodes <= 30; nodes += 1) {
    say(nodes);
    nowMs += 100;
  }
  t.same(told, [11, 21]);
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
