/** The shell in a real terminal (tmux): prompt, Tab, Ctrl-C, a command that reads the terminal, Ctrl-D. */
import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import t from "tap";
import { connect } from "../../client/index.ts";
import { startServer } from "../../server/index.ts";

t.setTimeout(900_000);

const zabra = fileURLToPath(new URL("../../server/zabra.js", import.meta.url));
const missing =
  spawnSync("tmux", ["-V"]).error === undefined ? false : "tmux is not installed: THE SHELL WAS NOT TRIED IN A TERMINAL";
const deadlineMs = 20_000;

t.test("the shell", { skip: missing }, async (t) => {
  const directory = mkdtempSync(join(tmpdir(), "zabra-shell-"));
  const server = await startServer({ logLevel: "silent" });
  await server.ready();
  const client = await connect(server.url);
  const tmux = (...words: string[]): string => execFileSync("tmux", ["-S", join(directory, "socket"), ...words]).toString();
  t.teardown(async () => {
    spawnSync("tmux", ["-S", join(directory, "socket"), "kill-server"]);
    await client.close();
    await server.close();
  });
  const screen = (): string => tmux("capture-pane", "-p", "-t", "shell");
  const shows = async (pattern: RegExp): Promise<void> => {
    for (const endMs = Date.now() + deadlineMs; !pattern.test(screen()); await delay(50))
      if (Date.now() > endMs) throw new Error(`no ${pattern} on the screen:\n${screen()}`);
    t.match(screen(), pattern);
  };
  const type = (...keys: string[]): string => tmux("send-keys", "-t", "shell", ...keys);

  const environment = `ZABRA_CONNECT=${server.url} ZABRA_HISTORY=${join(directory, "history")}`;
  tmux(
    "new-session",
    "-d",
    "-s",
    "shell",
    "-x",
    "100",
    "-y",
    "40",
    `${environment} '${process.execPath}' '${zabra}'; echo left $?; sleep 100`,
  );
  await shows(/^zabra> ?$/m);

  type("create -e /services 'one two'", "Enter");
  await shows(/^\/services$/m);
  t.not((await client.get("/services")).stat.ephemeralOwner, 0);
  type("get /serv", "Tab");
  await shows(/^zabra> get \/services/m);
  type("Enter");
  await shows(/^one two$/m);

  type("watch /services", "Enter");
  await shows(/ is +\/services one two/);
  await client.set("/services", "three");
  await shows(/\/services three/);
  type("C-c");
  await shows(/^zabra> ?$/m);

  type(`lock /l -- sh -c 'echo token $ZABRA_TOKEN; read x; echo got $x'`, "Enter");
  await shows(/^token \d+$/m);
  type("words", "Enter");
  await shows(/^got words$/m);

  type("nonsense", "C-c");
  type("bogus", "Enter");
  await shows(/unknown command 'bogus'/);
  type("Up", "Up", "Up", "Up");
  await shows(/zabra> get \/services$/m);
  type("C-c");
  type("C-d");
  await shows(/left 0$/m);
  t.equal(await client.exists("/services"), undefined, "the ephemeral went with the shell's session");
});
