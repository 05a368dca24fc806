/**
 * Reads the tree of damaged copies of the store in argv[2], one after the other from number argv[3] up to argv[4], and
 * prints for each its number and what it found; `lmdb-damage.test.ts` starts it again when one of them ends the process.
 */
import { copyFileSync, mkdirSync, openSync, readFileSync, readSync, rmSync, truncateSync, writeSync } from "node:fs";
import { join } from "node:path";
import { LmdbKeyValue } from "../../server/lmdb.ts";
import { productionLimits } from "../../src/model/limits.ts";
import { TokenSource } from "../../src/model/tokens.ts";
import { openStore, type WriteBehindStore } from "../../src/tree/write-behind-store.ts";
import { damageOf, dataOf, nodes, pathOf } from "./lmdb-damage.ts";

const from = process.argv[2] as string;
const source = join(from, "data.mdb");
const bytes = readFileSync(source).length;

function damagedCopy(number: number): string {
  const directory = join(from, `copy-${number}`);
  mkdirSync(directory, { recursive: true });
  const file = join(directory, "data.mdb");
  copyFileSync(source, file);
  const damage = damageOf(number, bytes);
  if (damage.type === "cut") truncateSync(file, damage.at);
  else {
    const fd = openSync(file, "r+");
    const one = new Uint8Array(1);
    readSync(fd, one, 0, 1, damage.at);
    one[0] = (one[0] as number) ^ (1 << damage.bit);
    writeSync(fd, one, 0, 1, damage.at);
  }
  return directory;
}

/** What a server would have served: `other data` is what must never be. */
function readAll(store: WriteBehindStore): string {
  let absent = 0;
  for (let index = 0; index < nodes; index += 1) {
    const data = store.get(pathOf(index))?.data;
    if (data === undefined) absent += 1;
    else if (!Buffer.from(data).equals(dataOf(index))) return "other data";
  }
  const listed = store.children("/a", "", nodes * 2);
  const checked = store.verifyAll(1_000_000);
  if (checked.damage !== undefined) return "shown by a check of every value";
  if (listed.some((name) => !/^n\d{5}$/.test(name) || Number(name.slice(1)) >= nodes)) return "a name never written";
  return absent > 0 || listed.length !== nodes ? "absent" : "right";
}

function look(directory: string): string {
  try {
    const kv = new LmdbKeyValue(directory, () => {});
    try {
      const opening = openStore({ kv, tokens: new TokenSource(), limits: productionLimits });
      if (opening.type !== "ok") return "refused";
      return opening.store.appliedZxid === 5 ? readAll(opening.store) : "older";
    } finally {
      kv.close();
    }
  } catch (error) {
    return `stopped: ${error instanceof Error ? error.message : String(error)}`;
  }
}

for (let number = Number(process.argv[3]); number < Number(process.argv[4]); number += 1) {
  process.stdout.write(`${number} began\n`);
  const directory = damagedCopy(number);
  const found = look(directory);
  process.stdout.write(`${number} ${found}\n`);
  rmSync(directory, { recursive: true });
}
process.exit(0);
