/** A process that has the store in argv[2] open, read-only, says so, and stays until it is killed. */
import { openForReading } from "../../server/lmdb-read.ts";

const environment = openForReading(process.argv[2] as string, true);
setInterval(() => environment.resetReadTxn(), 1_000);
process.stdout.write("open\n");
