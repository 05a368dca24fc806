/**
 * Flipped bits and cuts in real LMDB files, read through the real library in a process of their own: never other data
 * than a node was given, since its checksum covers path and value. LMDB has no checksums of pages: damage to those shows itself as an
 * error, ends the process (SIGBUS, SIGSEGV, an assertion), or, rarely, as a node or name in a list that is not there or was
 * never there. The counts tell how often. ZABRA_LMDB_DAMAGES=600 for the long run.
 */
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import t from "tap";
import { LmdbKeyValue } from "../../server/lmdb.ts";
import { productionLimits } from "../../src/model/limits.ts";
import { TokenSource } from "../../src/model/tokens.ts";
import type { Zxid } from "../../src/model/zxid.ts";
import { openStore } from "../../src/tree/write-behind-store.ts";
import { childNodeArguments } from "../support/child.ts";
import { plainNode } from "../tree/store-model.ts";
import { dataOf, nodes, pathOf } from "./lmdb-damage.ts";

t.setTimeout(900_000);

const damages = Number(process.env["ZABRA_LMDB_DAMAGES"] ?? 24);
const extension = import.meta.url.endsWith(".ts") ? "ts" : "js";
const childPath = fileURLToPath(new URL(`./lmdb-damage-child.${extension}`, import.meta.url));

async function makeStore(directory: string): Promise<void> {
  let synced = (): void => {};
  const done = new Promise<void>((resolve) => {
    synced = resolve;
  });
  const kv = new LmdbKeyValue(directory, (event) => {
    if (event.type === "storeSynced") synced();
  });
  const opening = openStore({ kv, tokens: new TokenSource(), limits: productionLimits });
  if (opening.type !== "ok") throw new Error(opening.reason);
  for (let index = 0; index < nodes; index += 1) opening.store.put(pathOf(index), plainNode(index, dataOf(index)));
  opening.store.setApplied(5 as Zxid);
  opening.store.flush(0);
  await done;
  kv.close();
  await kv.closed;
}

/** Runs the child from damage `from` on; the lines that it printed and, when it died, of what. */
function runChild(directory: string, from: number): Promise<{ readonly lines: string[]; readonly death: string }> {
  const child = spawn(process.execPath, [...childNodeArguments, childPath, directory, String(from), String(damages)], {
    stdio: ["ignore", "pipe", "ignore"],
  });
  let printed = "";
  child.stdout.on("data", (chunk: Buffer) => {
    printed += chunk.toString();
  });
  return new Promise((resolve) =>
    child.once("close", (code, signal) =>
      resolve({ lines: printed.trim().split("\n"), death: signal ?? (code === 0 ? "" : `exit ${code}`) }),
    ),
  );
}

t.test("damaged LMDB files never serve other data for a node", async (t) => {
  const directory = join(mkdtempSync(join(tmpdir(), "zabra-damage-")), "store-1");
  t.teardown(() => rmSync(join(directory, ".."), { recursive: true, force: true }));
  await makeStore(directory);
  const counts = new Map<string, number>();
  const count = (kind: string): void => void counts.set(kind, (counts.get(kind) ?? 0) + 1);
  for (let next = 0; next < damages; ) {
    const { lines, death } = await runChild(directory, next);
    for (const line of lines) {
      const [, number = "", found = ""] = /^(\d+) (.*)$/.exec(line) ?? [];
      next = Number(number) + 1;
      if (found !== "began") count(found.startsWith("stopped") ? found.replace(/[\d/]+.*$/, "") : found);
    }
    // A child that dies after it has judged one (in LMDB's cleanup) just goes on with the next.
    if (death !== "" && lines.at(-1)?.endsWith("began") === true) count(`died of ${death}`);
  }
  const story = JSON.stringify(Object.fromEntries(counts));
  t.comment(story);
  t.notOk(counts.has("other data"), story);
  t.ok([...counts.values()].reduce((sum, each) => sum + each, 0) === damages, `every damage was judged: ${story}`);
  t.ok((counts.get("right") ?? 0) < damages, "some damage mattered");
});
