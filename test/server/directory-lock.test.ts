/** One server a data directory; a dead server's lock does not keep the next one out. */
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import t from "tap";
import { DirectoryLock, lockName } from "../../server/directory-lock.ts";
import type { WithTeardown } from "./with-teardown.ts";

function directory(test: WithTeardown): string {
  const path = mkdtempSync(join(tmpdir(), "zabra-lock-"));
  test.teardown(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

t.test("the second is refused until the first lets go", async (t) => {
  const path = directory(t);
  const first = new DirectoryLock(path);
  t.throws(() => new DirectoryLock(path), { name: "ConfigError", exitCode: 78, message: /in use by process/ });
  first.release();
  t.notOk(existsSync(join(path, lockName)));
  new DirectoryLock(path).release();
});

t.test("a lock of a living process holds", async (t) => {
  const path = directory(t);
  const started = startTimeOf(process.ppid);
  writeFileSync(join(path, lockName), JSON.stringify({ pid: process.ppid, started, token: "x" }));
  t.throws(() => new DirectoryLock(path), new RegExp(`in use by process ${process.ppid}`));
});

t.test("a lock of a dead process, or of a process id that was given anew, is taken over", async (t) => {
  const path = directory(t);
  const dead = spawnSync(process.execPath, ["-e", "0"]).pid;
  for (const owner of [
    { pid: dead, started: "1", token: "x" },
    { pid: process.ppid, started: "another time", token: "x" },
    { pid: process.pid, started: "", token: "x" },
  ]) {
    writeFileSync(join(path, lockName), JSON.stringify(owner));
    new DirectoryLock(path).release();
  }
  writeFileSync(join(path, lockName), "torn");
  t.doesNotThrow(() => new DirectoryLock(path).release(), "a torn lock is stale");
});

function startTimeOf(pid: number): string {
  const text = spawnSync("cat", [`/proc/${pid}/stat`]).stdout.toString("latin1");
  return text.slice(text.lastIndexOf(")") + 2).split(" ")[19] ?? "";
}
