/**
 * One process at a time in a data directory. The file `zabra.lock` holds the owner's process id and start
 * time; a lock whose process is gone, or whose process id now belongs to a process started at another
 * time, is stale and is taken over. Checked once at start by `main` and by the embedding API. It
 * guards against the common mistake (two servers on one directory of one machine), not against two
 * containers that share a volume and not their process ids.
 * A stale lock also tells that the owner before did not end cleanly, and how many did so since what such an end calls for (a check
 * of the store) last came to its end.
 */
import { randomBytes } from "node:crypto";
import { closeSync, openSync, readFileSync, realpathSync, renameSync, rmSync, writeFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import { ConfigError } from "./config.ts";

interface Owner {
  readonly pid: number;
  readonly started: string;
  readonly token: string;
  /** So many owners before it ended other than cleanly, and the store has not been checked since. */
  readonly deaths?: number;
}

export const lockName = "zabra.lock";

/** Directories held by this process: its own process id proves nothing about liveness. */
const held = new Set<string>();

export class DirectoryLock {
  readonly #directory: string;
  readonly #owner: Owner;
  /** Owners before us that ended other than cleanly, one after the other, since the store was last checked. */
  readonly deaths: number;

  /** Throws ConfigError when another server uses the directory. The directory exists. */
  constructor(directory: string) {
    this.#directory = realpathSync(directory);
    if (held.has(this.#directory)) throw inUse(directory, process.pid);
    const path = join(this.#directory, lockName);
    this.#owner = { pid: process.pid, started: startTime(process.pid), token: randomBytes(8).toString("hex") };
    try {
      this.deaths = tryCreate(path, this.#owner) ? 0 : takeOver(path, this.#owner, directory);
    } catch (error) {
      throw error instanceof ConfigError ? error : notWritable(directory, error);
    }
    held.add(this.#directory);
  }

  /** The check that the deaths of earlier owners called for is done. */
  checked(): void {
    const path = join(this.#directory, lockName);
    const aside = `${path}.${this.#owner.token}.tmp`;
    writeFileSync(aside, JSON.stringify(this.#owner));
    renameSync(aside, path);
  }

  release(): void {
    if (!held.delete(this.#directory)) return;
    rmSync(join(this.#directory, lockName), { force: true });
  }
}

function takeOver(path: string, owner: Owner, directory: string): number {
  const other = readOwner(path);
  if (other !== undefined && isAlive(other)) throw inUse(directory, other.pid);
  // Renamed before it is removed: of two servers that find the same stale lock, one gets ENOENT.
  const aside = `${path}.${owner.token}.tmp`;
  try {
    renameSync(path, aside);
    rmSync(aside, { force: true });
  } catch {
    // Somebody was faster; the create below decides.
  }
  const deaths = (other?.deaths ?? 0) + 1;
  if (!tryCreate(path, { ...owner, deaths })) throw inUse(directory, readOwner(path)?.pid ?? 0);
  return deaths;
}

function tryCreate(path: string, owner: Owner): boolean {
  try {
    const fd = openSync(path, "wx");
    writeSync(fd, JSON.stringify(owner));
    closeSync(fd);
    return true;
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "EEXIST") return false;
    throw error;
  }
}

function readOwner(path: string): Owner | undefined {
  try {
    const value: unknown = JSON.parse(readFileSync(path, "utf8"));
    if (typeof value !== "object" || value === null) return undefined;
    const { pid, started, token, deaths = 0 } = value as Partial<Owner>;
    return typeof pid === "number" && typeof started === "string" && typeof token === "string" && Number.isSafeInteger(deaths)
      ? { pid, started, token, deaths }
      : undefined;
  } catch {
    return undefined;
  }
}

function isAlive(owner: Owner): boolean {
  if (owner.pid === process.pid) return false;
  try {
    process.kill(owner.pid, 0);
  } catch (error) {
    return error instanceof Error && "code" in error && error.code === "EPERM";
  }
  return startTime(owner.pid) === owner.started;
}

/** When a process started, in the kernel's own unit; empty where /proc does not tell. */
function startTime(pid: number): string {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, "latin1");
    // The command may hold spaces and parentheses; fields are counted after the last parenthesis.
    return text.slice(text.lastIndexOf(")") + 2).split(" ")[19] ?? "";
  } catch {
    return "";
  }
}

function notWritable(directory: string, error: unknown): ConfigError {
  return new ConfigError("data-dir", `${directory} cannot be written: ${error instanceof Error ? error.message : String(error)}`);
}

function inUse(directory: string, pid: number): ConfigError {
  return new ConfigError("data-dir", `${directory} is in use by process ${pid}`);
}
