/** One server a data directory; a dead server's lock does not keep the next one out. */
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
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

t.test("it tells how many owners died since the store was checked", async (t) => {
  const path = directory(t);
  const dead = { pid: spawnSync(process.execPath, ["-e", "0"]).pid, started: "1", token: "x" };
  /** As the owner dies, with what its lock held. */
  const die = (): void => {
    const left: unknown = JSON.parse(readFileSync(join(path, lockName), "utf8"));
    lock.release();
    writeFileSync(join(path, lockName), JSON.stringify({ ...(left as object), ...dead }));
  };
  let lock = new DirectoryLock(path);
  t.equal(lock.deaths, 0, "a first owner");
  for (const deaths of [1, 2, 3]) {
    die();
    lock = new DirectoryLock(path);
    t.equal(lock.deaths, deaths);
  }
  lock.checked();
  die();
  lock = new DirectoryLock(path);
  t.equal(lock.deaths, 1, "the check was done");
  lock.release();
  lock = new DirectoryLock(path);
  t.equal(lock.deaths, 0, "a clean end");
  lock.release();
});

function startTimeOf(pid: number): string {
  const text = spawnSync("cat", [`/proc/${pid}/stat`]).stdout.toString("latin1");
  return text.slice(text.lastIndexOf(")") + 2).split(" ")[19] ?? "";
}
