/**
 * A process that commits batch after batch to the store in argv[2], starting after batch argv[3], and
 * prints each number once it is reported synced, until it is killed, or exits with 70 after argv[4] ms.
 * `lmdb.test.ts` knows what each batch writes.
 */
import { LmdbKeyValue } from "../../server/lmdb.ts";
import { batchWrites } from "./lmdb-batches.ts";

const directory = process.argv[2] as string;
let next = Number(process.argv[3]) + 1;
const inFlightMax = 3;

const store = new LmdbKeyValue(directory, (event) => {
  if (event.type === "storeFailed") throw new Error(event.reason);
  if (event.type !== "storeSynced") return;
  process.stdout.write(`${event.token}\n`);
  submit();
});

function submit(): void {
  store.commit(batchWrites(next), next);
  next += 1;
}

for (let i = 0; i < inFlightMax; i += 1) submit();

if (process.argv[4] !== undefined) setTimeout(() => process.exit(70), Number(process.argv[4]));
